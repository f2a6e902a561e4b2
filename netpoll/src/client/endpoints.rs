//! The endpoints of a client: which there are, which is next, and what came of each.
//!
//! The slots ask and tell under their own lock; the lock here is inside it and held for nanoseconds,
//! never while a resolver is asked or an endpoint is dialled.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
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

/// See the module's documentation.
pub(super) struct Endpoints {
    resolver: Option<Box<dyn Resolve>>,
    /// What all times of the client go by.
    pub(super) clock: Clock,
    state: Mutex<State>,
    /// The resolver is to be asked.
    due: AtomicBool,
}

struct State {
    balance: Balance,
    refresh: Refresh,
    /// Whether an answer has come.
    known: bool,
    /// What the resolver could not tell, while there is no answer.
    error: Option<Error>,
}

impl Endpoints {
    /// # Errors
    /// `Address` if an address cannot be parsed, `Config` if there is none.
    pub(super) fn new(source: Source, clock: Clock) -> Result<Self> {
        Self::with(source, clock, Ejection::default())
    }

    /// As [`new`](Self::new), with other figures for those who fail.
    pub(super) fn with(source: Source, clock: Clock, policy: Ejection) -> Result<Self> {
        let mut balance = Balance::new(policy, Random::default());
        let (resolver, refresh, known) = match source {
            Source::Listed(texts) => {
                let list = texts.iter().map(|text| text.parse()).collect::<Result<Vec<_>>>()?;
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
        let state = Mutex::new(State { balance, refresh, known, error: None });
        Ok(Self { resolver, clock, state, due: AtomicBool::new(false) })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.state.lock().balance.listed().count()
    }

    /// What `take` gives of the endpoint for what is next, of those that are `usable`: see
    /// [`Balance::choose`].
    pub(super) fn choose<T>(
        &self,
        usable: impl Fn(&Endpoint, bool) -> bool,
        take: impl FnOnce(&Arc<Endpoint>) -> T,
    ) -> Option<T> {
        let state = &mut *self.state.lock();
        // As a rule nothing depends on the time.
        let timed = state.refresh.may_begin() || state.balance.has_unsound();
        let now = if timed { self.clock.now_ms() } else { 0 };
        if state.refresh.begin(now, state.known) {
            self.due.store(true, Relaxed);
        }
        state.balance.choose(now, usable).map(take)
    }

    /// Whether the resolver is to be asked now, by who is told so.
    pub(super) fn is_due(&self) -> bool {
        self.due.load(Relaxed) && self.due.swap(false, Relaxed)
    }

    /// Whether there is no answer yet, and one may come.
    pub(super) fn is_asking(&self) -> bool {
        let state = self.state.lock();
        !state.known && state.refresh.is_asking()
    }

    /// What the resolver says. It may block.
    pub(super) fn resolve(&self) -> Result<Vec<Address>> {
        match &self.resolver {
            Some(resolver) => resolver.resolve(),
            None => Ok(Vec::new()),
        }
    }

    /// The resolver has ended. Its answer is what is listed from now on; an error changes nothing.
    /// False: nothing is known.
    pub(super) fn resolved(&self, answer: Result<Vec<Address>>) -> bool {
        let now = self.clock.now_ms();
        let state = &mut *self.state.lock();
        match answer.and_then(at_least_one) {
            Ok(addresses) => {
                state.balance.list(&addresses);
                state.refresh.answered(now);
                (state.known, state.error) = (true, None);
            }
            Err(error) => {
                state.refresh.failed(now);
                if state.known {
                    tracing::warn!(%error, "a client's endpoints stay as they are");
                } else {
                    state.error = Some(error);
                }
            }
        }
        state.known
    }

    /// A dial of `endpoint` begins.
    pub(super) fn dials(&self, endpoint: &Endpoint) {
        self.state.lock().balance.tries(endpoint, self.clock.now_ms());
    }

    /// A dial has succeeded.
    pub(super) fn connected(&self, endpoint: &Endpoint) {
        self.state.lock().balance.connected(endpoint, self.clock.now_ms());
    }

    /// A dial has failed.
    pub(super) fn unreachable(&self, endpoint: &Endpoint, error: &Error) {
        let state = &mut *self.state.lock();
        state.balance.unreachable(endpoint, error, self.clock.now_ms());
        state.refresh.doubt();
    }

    /// A call was given to a connection of `endpoint`.
    pub(super) fn began(&self, endpoint: &Endpoint) {
        if !endpoint.begins_as_expected() {
            self.state.lock().balance.tries(endpoint, self.clock.now_ms());
        }
    }

    /// A call of `endpoint` has ended.
    pub(super) fn ended(&self, endpoint: &Endpoint, outcome: Outcome) {
        if !endpoint.ends_as_expected(outcome) {
            self.state.lock().balance.ended(endpoint, outcome, self.clock.now_ms());
        }
    }

    /// Why nothing can be reached now: what the last dial of each said, or the resolver.
    pub(super) fn why_not(&self) -> Error {
        let state = self.state.lock();
        if let Some(error) = &state.error {
            return error.copy();
        }
        let errors: Vec<_> = state.balance.errors().collect();
        match &*errors {
            [] => {
                let why = format!("{}: no connection can be made", names(&state.balance));
                Error::new(ErrorKind::Limit, why)
            }
            [only] => only.copy(),
            [first, ..] => {
                let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
                first.copy().with_message(format!("no endpoint can be reached: {}", all.join("; ")))
            }
        }
    }

    /// The addresses, for messages.
    pub(super) fn names(&self) -> String {
        names(&self.state.lock().balance)
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
