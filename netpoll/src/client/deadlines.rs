//! The deadlines of calls that no thread waits for.
//!
//! The timer wheel keeps an entry until its time; a client that made one for each call of 10 s would
//! have millions that nobody needs. So calls are listed here, and the one entry stands at the earliest
//! deadline of when it was set. When it fires, those that are late are rung, and it is set anew. Calls
//! with equal timeouts end in the order in which they begin: then it fires about once in a timeout.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use slab::Slab;

use super::call::{Call, UNLISTED};

/// See the module's documentation. The slots' lock guards it.
pub(super) struct Deadlines<L> {
    calls: Slab<(u64, Arc<Call<L>>)>,
    /// Where the wheel's entry stands, or is being put; the end of time for none.
    armed: u64,
}

impl<L> Deadlines<L> {
    pub(super) fn new() -> Self {
        Self { calls: Slab::new(), armed: u64::MAX }
    }

    /// Lists `call`, which is late at the tick `at`. True: the wheel's entry has to be set there.
    pub(super) fn insert(&mut self, at: u64, call: &Arc<Call<L>>) -> bool {
        call.listed.store(self.calls.insert((at, call.clone())), Relaxed);
        let sooner = at < self.armed;
        self.armed = self.armed.min(at);
        sooner
    }

    /// Takes `call` off the list, if it is on it.
    pub(super) fn remove(&mut self, call: &Call<L>) {
        let key = call.listed.load(Relaxed);
        if key != UNLISTED {
            call.listed.store(UNLISTED, Relaxed);
            self.calls.remove(key);
        }
    }

    /// Those whose deadline is `now` or before, and where the wheel's entry has to be set.
    pub(super) fn late(&mut self, now: u64) -> (Vec<Arc<Call<L>>>, Option<u64>) {
        let mut late = Vec::new();
        if self.armed > now {
            return (late, None);
        }
        self.armed = u64::MAX;
        for (_, (at, call)) in &self.calls {
            if *at <= now {
                late.push(call.clone());
            } else {
                self.armed = self.armed.min(*at);
            }
        }
        (late, Some(self.armed).filter(|at| *at != u64::MAX))
    }
}
