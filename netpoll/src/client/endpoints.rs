//! The endpoints of a client: their list, the choice of the next one, and the health of each.
//!
//! `Connections` calls this under its own lock. The lock here nests inside it and is held for nanoseconds,
//! never while a resolver is asked or an endpoint is dialled.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use super::{
    balance::{Balance, Endpoint},
    health::{Ejection, Outcome},
    refresh::Refresh,
    resolve::Resolve,
    source::Source,
};
use crate::{
    addr::Address,
    error::{Error, ErrorKind, Result},
    random::Random,
    timer::Clock,
};

/// The endpoints of a client.
pub(super) struct Endpoints {
    resolver: Option<Arc<dyn Resolve>>,
    /// The client's clock.
    pub(super) clock: Clock,
    state: Mutex<State>,
    /// True if the resolver is to be asked.
    due: AtomicBool,
    /// The number of the only endpoint, or `SEVERAL`.
    sole: AtomicUsize,
}

/// The `sole` of endpoints among which to choose.
const SEVERAL: usize = usize::MAX;

struct State {
    balance: Balance,
    refresh: Refresh,
    /// True once the resolver has answered.
    known: bool,
    /// The resolver's error, while there is no answer.
    error: Option<Error>,
}

impl Endpoints {
    /// # Errors
    /// `Address` if an address cannot be parsed, `Config` if there is none.
    pub(super) fn new(source: Source, clock: Clock) -> Result<Self> {
        Self::with(source, clock, Ejection::default())
    }

    /// Creates endpoints with another policy of ejection.
    pub(super) fn with(source: Source, clock: Clock, policy: Ejection) -> Result<Self> {
        let mut balance = Balance::new(policy, Random::default());
        let (resolver, refresh, known) = match source {
            Source::Listed(addresses) => {
                let list = addresses.into_iter().collect::<Result<Vec<_>>>()?;
                if list.is_empty() {
                    return Err(Error::new(
                        ErrorKind::Config,
                        "a client needs an address at least",
                    ));
                }
                balance.list(&list);
                (None, Refresh::never(), true)
            }
            Source::Resolved(resolver) => {
                let refresh = Refresh::new(resolver.lifetime());
                (Some(resolver), refresh, false)
            }
        };
        let state = State { balance, refresh, known, error: None };
        let sole = AtomicUsize::new(state.sole());
        let due = AtomicBool::new(false);
        Ok(Self { resolver, clock, state: Mutex::new(state), due, sole })
    }

    /// Returns the number of listed endpoints.
    pub(super) fn len(&self) -> usize {
        self.state.lock().balance.listed().count()
    }

    /// Returns whether a listed endpoint is on probation.
    pub(super) fn has_probation(&self) -> bool {
        self.state.lock().balance.listed().any(|endpoint| endpoint.is_on_probation())
    }

    /// Returns the number of the only endpoint, if it is healthy and the list does not change:
    /// [`choose`](Self::choose) could give no other one.
    pub(super) fn sole(&self) -> Option<usize> {
        Some(self.sole.load(Relaxed)).filter(|index| *index != SEVERAL)
    }

    /// Changes the state, and updates `sole`.
    fn change<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        let state = &mut *self.state.lock();
        let result = f(state);
        self.sole.store(state.sole(), Relaxed);
        result
    }

    /// Chooses the next endpoint among those that are `usable`, as [`Balance::choose`] does, and returns
    /// what `take` makes of it.
    pub(super) fn choose<T>(
        &self,
        usable: impl Fn(&Endpoint, bool) -> bool,
        take: impl FnOnce(&Arc<Endpoint>) -> T,
    ) -> Option<T> {
        let state = &mut *self.state.lock();
        let now = if state.is_timed() { self.clock.now_ms() } else { 0 };
        if state.refresh.begin(now, state.known) {
            self.due.store(true, Relaxed);
        }
        state.balance.choose(now, usable).map(take)
    }

    /// Returns whether the caller has to ask the resolver now.
    pub(super) fn is_due(&self) -> bool {
        self.due.load(Relaxed) && self.due.swap(false, Relaxed)
    }

    /// Returns whether the first answer of the resolver is still to come.
    pub(super) fn is_asking(&self) -> bool {
        let state = self.state.lock();
        !state.known && state.refresh.is_asking()
    }

    /// Returns the resolver, if there is one.
    pub(super) fn resolver(&self) -> Option<Arc<dyn Resolve>> {
        self.resolver.clone()
    }

    /// Takes the resolver's answer as the new list; an error keeps the old one. Returns false if there is
    /// no list at all.
    pub(super) fn resolved(&self, answer: Result<Vec<Address>>) -> bool {
        let now = self.clock.now_ms();
        self.change(|state| state.resolved(answer, now))
    }

    /// Notes that a dial of `endpoint` begins.
    pub(super) fn dials(&self, endpoint: &Endpoint) {
        self.change(|state| state.balance.tries(endpoint, self.clock.now_ms()));
    }

    /// Notes that a dial has succeeded.
    pub(super) fn connected(&self, endpoint: &Endpoint) {
        self.change(|state| state.balance.connected(endpoint, self.clock.now_ms()));
    }

    /// Notes that a dial has failed.
    pub(super) fn unreachable(&self, endpoint: &Endpoint, error: &Error) {
        self.change(|state| {
            state.balance.unreachable(endpoint, error, self.clock.now_ms());
            state.refresh.doubt();
        });
    }

    /// Notes that a call was assigned to a connection of `endpoint`.
    pub(super) fn began(&self, endpoint: &Endpoint) {
        if !endpoint.is_well() {
            self.change(|state| state.balance.tries(endpoint, self.clock.now_ms()));
        }
    }

    /// Notes the end of a call of `endpoint`.
    pub(super) fn ended(&self, endpoint: &Endpoint, outcome: Outcome) {
        if !endpoint.expects(outcome) {
            self.change(|state| state.balance.ended(endpoint, outcome, self.clock.now_ms()));
        }
    }

    /// Returns why no endpoint can be reached: the error of each one's last dial, or of the resolver.
    pub(super) fn why_not(&self) -> Error {
        let state = self.state.lock();
        if let Some(error) = &state.error {
            return error.clone();
        }
        let errors: Vec<_> = state.balance.errors().collect();
        match &*errors {
            [] => {
                let why = format!("{}: no connection can be made", names(&state.balance));
                Error::new(ErrorKind::Limit, why)
            }
            [only] => (*only).clone(),
            [first, ..] => {
                let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
                (*first)
                    .clone()
                    .with_message(format!("no endpoint can be reached: {}", all.join("; ")))
            }
        }
    }

    /// Returns the addresses, for messages.
    pub(super) fn names(&self) -> String {
        names(&self.state.lock().balance)
    }
}

impl State {
    /// Returns whether a choice depends on the time. As a rule none does.
    fn is_timed(&self) -> bool {
        self.refresh.is_timed() || self.balance.has_unsound()
    }

    /// Computes [`Endpoints::sole`].
    fn sole(&self) -> usize {
        if self.is_timed() {
            return SEVERAL;
        }
        let mut listed = self.balance.listed();
        match (listed.next(), listed.next()) {
            (Some(only), None) => only.index,
            _ => SEVERAL,
        }
    }

    /// Implements [`Endpoints::resolved`].
    fn resolved(&mut self, answer: Result<Vec<Address>>, now: u64) -> bool {
        match answer.and_then(at_least_one) {
            Ok(addresses) => {
                self.balance.list(&addresses);
                self.refresh.answered(now);
                (self.known, self.error) = (true, None);
            }
            Err(error) => {
                self.refresh.failed(now);
                if self.known {
                    tracing::warn!(%error, "a client's endpoints stay as they are");
                } else {
                    self.error = Some(error);
                }
            }
        }
        self.known
    }
}

fn names(balance: &Balance) -> String {
    let names: Vec<_> = balance.listed().map(|endpoint| &*endpoint.address).collect();
    if names.is_empty() { "endpoints that are not known yet".to_owned() } else { names.join(", ") }
}

fn at_least_one(addresses: Vec<Address>) -> Result<Vec<Address>> {
    if addresses.is_empty() {
        return Err(Error::new(ErrorKind::Address, "the resolver gave no address"));
    }
    Ok(addresses)
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoints").field(&self.names()).finish()
    }
}
