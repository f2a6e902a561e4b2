//! The deadlines of asynchronous calls.
//!
//! The timer wheel keeps an entry until its time: with one for each call of 10 s it would hold millions of
//! dead entries. So the calls are listed here, and one entry of the wheel stands at the earliest deadline.
//! When it fires, late callers are woken, and it is set again. Calls with equal timeouts expire in the
//! order in which they begin: then it fires about once in a timeout.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use slab::Slab;

use super::call::{Call, UNLISTED};

/// The list of deadlines. The lock of `Connections` guards it.
pub(super) struct Deadlines<L> {
    calls: Slab<(u64, Arc<Call<L>>)>,
    /// The tick of the wheel's entry; `u64::MAX` for none.
    armed: u64,
}

impl<L> Deadlines<L> {
    pub(super) fn new() -> Self {
        Self { calls: Slab::new(), armed: u64::MAX }
    }

    /// Lists `call`, which is late at the tick `at`. Returns whether the wheel's entry must be set there.
    pub(super) fn insert(&mut self, at: u64, call: &Arc<Call<L>>) -> bool {
        call.listed.store(self.calls.insert((at, call.clone())), Relaxed);
        let sooner = at < self.armed;
        self.armed = self.armed.min(at);
        sooner
    }

    /// Removes `call`, if it is listed.
    pub(super) fn remove(&mut self, call: &Call<L>) {
        let key = call.listed.load(Relaxed);
        if key != UNLISTED {
            call.listed.store(UNLISTED, Relaxed);
            self.calls.remove(key);
        }
    }

    /// Returns the calls whose deadline is `now` or before, and the next tick of the wheel's entry.
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
