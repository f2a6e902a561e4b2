//! Which address is next, and what is known of each.
//!
//! A client asks [`Endpoints::choose`] for the endpoint of a new call or connection, and tells what
//! came of it: [`connected`](Endpoints::connected) or [`unreachable`](Endpoints::unreachable) of a
//! dial, [`began`](Endpoint::began) and [`ended`](Endpoint::ended) of a call.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::{
    addr::Address,
    error::{Error, ErrorKind, Result},
};

/// How long an address is left alone after the first dial that failed; twice as long after each
/// further one.
const FIRST_REST: Duration = Duration::from_millis(20);

/// How long it is left alone at most: then the next call tries it again.
const LONGEST_REST: Duration = Duration::from_millis(500);

/// One address, or several: `"host:port"`, `["a:1", "b:1"]`, a `Vec`.
pub trait IntoAddresses {
    /// The addresses, as they are written.
    fn into_addresses(self) -> Vec<String>;
}

impl IntoAddresses for &str {
    fn into_addresses(self) -> Vec<String> {
        vec![self.to_owned()]
    }
}

impl IntoAddresses for String {
    fn into_addresses(self) -> Vec<String> {
        vec![self]
    }
}

impl<T: ToString, const N: usize> IntoAddresses for [T; N] {
    fn into_addresses(self) -> Vec<String> {
        self.iter().map(ToString::to_string).collect()
    }
}

impl<T: ToString> IntoAddresses for &[T] {
    fn into_addresses(self) -> Vec<String> {
        self.iter().map(ToString::to_string).collect()
    }
}

impl<T: ToString> IntoAddresses for Vec<T> {
    fn into_addresses(self) -> Vec<String> {
        self.as_slice().into_addresses()
    }
}

/// The endpoints of one client.
pub(super) struct Endpoints {
    list: Vec<Arc<Endpoint>>,
    turn: AtomicUsize,
}

/// One address.
pub(super) struct Endpoint {
    /// Its place in the list.
    pub(super) index: usize,
    /// As it is dialled, and named in errors.
    pub(super) address: String,
    /// Calls under way.
    load: AtomicUsize,
    failing: Mutex<Option<Failing>>,
}

struct Failing {
    times: u32,
    until: Instant,
    error: Error,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A reply.
    Answered,
    /// The connection ended, or the reply was malformed, or none came in time.
    Failed,
    /// Nothing is known: its caller gave it up.
    Unknown,
}

impl Endpoints {
    /// # Errors
    /// `Address` if one cannot be parsed, `Config` if there is none.
    pub(super) fn new(addresses: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut list = Vec::new();
        for (index, address) in addresses.into_iter().enumerate() {
            let parsed: Address = address.parse()?;
            list.push(Arc::new(Endpoint::new(index, parsed.to_string())));
        }
        if list.is_empty() {
            return Err(Error::new(ErrorKind::Config, "a client needs an address at least"));
        }
        Ok(Self { list, turn: AtomicUsize::new(0) })
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.list.iter()
    }

    /// The endpoint for what is next, of those that are `usable`: the least loaded.
    pub(super) fn choose(&self, usable: impl Fn(&Endpoint) -> bool) -> Option<&Arc<Endpoint>> {
        if let [only] = &*self.list {
            return usable(only).then_some(only);
        }
        let n = self.list.len();
        let first = self.turn.fetch_add(1, Relaxed) % n;
        (first..first + n)
            .map(|i| &self.list[i % n])
            .filter(|endpoint| usable(endpoint))
            .min_by_key(|endpoint| endpoint.load.load(Relaxed))
    }

    /// A dial has succeeded.
    pub(super) fn connected(&self, endpoint: &Endpoint) {
        *endpoint.failing.lock() = None;
    }

    /// A dial has failed.
    pub(super) fn unreachable(&self, endpoint: &Endpoint, error: &Error) {
        let mut failing = endpoint.failing.lock();
        let times = failing.as_ref().map_or(0, |failing| failing.times + 1);
        let rest = FIRST_REST.saturating_mul(1 << times.min(16)).min(LONGEST_REST);
        // The second half by chance, so that not all clients come back together.
        let chance = RandomState::new().hash_one(times) % 1_000;
        let rest = rest / 2 + rest / 2 * chance as u32 / 1_000;
        *failing = Some(Failing { times, until: Instant::now() + rest, error: error.copy() });
    }

    /// Why nothing can be reached now.
    pub(super) fn why_not(&self) -> Error {
        let error = self.list.iter().find_map(|endpoint| {
            endpoint.failing.lock().as_ref().map(|failing| failing.error.copy())
        });
        error.unwrap_or_else(|| {
            let why = format!("{}: no connection can be made", self.names());
            Error::new(ErrorKind::Limit, why)
        })
    }

    /// The addresses, for messages.
    pub(super) fn names(&self) -> String {
        let names: Vec<_> = self.list.iter().map(|endpoint| &*endpoint.address).collect();
        names.join(", ")
    }
}

impl Endpoint {
    pub(super) fn new(index: usize, address: String) -> Self {
        Self { index, address, load: AtomicUsize::new(0), failing: Mutex::new(None) }
    }

    /// Whether it is left alone for now, since a dial has failed.
    pub(super) fn rests(&self) -> bool {
        self.failing.lock().as_ref().is_some_and(|failing| Instant::now() < failing.until)
    }

    /// A call was given to a connection of this endpoint.
    pub(super) fn began(&self) {
        self.load.fetch_add(1, Relaxed);
    }

    /// A call of this endpoint has ended.
    pub(super) fn ended(&self, _outcome: Outcome) {
        self.load.fetch_sub(1, Relaxed);
    }
}
