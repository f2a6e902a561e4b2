//! The futures of handlers that were not ready at once, as the monitor sees them.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use slab::Slab;

use crate::{
    facts::ConnectionId,
    observe::{Route, Stall, StallPlace},
};

/// The futures of one shard's handlers that were not ready at once.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<Slab<Entry>>);

struct Entry {
    connection: u64,
    route: Route,
    since: Instant,
    told: bool,
}

impl Waiting {
    /// Adds the handler's future of a connection; returns its key.
    pub(crate) fn add(&self, connection: u64, route: Route) -> usize {
        let since = Instant::now();
        self.0.lock().insert(Entry { connection, route, since, told: false })
    }

    /// Removes it.
    pub(crate) fn remove(&self, key: usize) {
        self.0.lock().remove(key);
    }

    /// Adds those to `found` that have waited for `after` and were not told of. Returns true if there are others.
    pub(super) fn look(&self, now: Instant, after: Duration, found: &mut Vec<Stall>) -> bool {
        let mut others = false;
        for (_, entry) in &mut *self.0.lock() {
            if !entry.told && now.duration_since(entry.since) >= after {
                entry.told = true;
                found.push(entry.stall(now));
            }
            others |= !entry.told;
        }
        others
    }

    /// Adds those to `found` that were told of.
    pub(super) fn list(&self, now: Instant, found: &mut Vec<Stall>) {
        let waiting = self.0.lock();
        let told = waiting.iter().filter(|(_, entry)| entry.told);
        found.extend(told.map(|(_, entry)| entry.stall(now)));
    }
}

impl Entry {
    fn stall(&self, now: Instant) -> Stall {
        Stall {
            server: None,
            route: self.route,
            connection: Some(ConnectionId::new(self.connection)),
            peer: None,
            age: now.duration_since(self.since),
            place: StallPlace::Future,
            deadlock: false,
            thread: None,
        }
    }
}
