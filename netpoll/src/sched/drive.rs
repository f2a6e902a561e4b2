//! Who drives a poller: one atomic word, so that a turn that runs long can lose its poller.
//!
//! ```text
//!   VACANT ──claim()──▶ DRIVEN ──lend()──▶ LENT(n) ──take(n)──▶ VACANT
//!      ▲                  │  ▲                │  by the monitor, or by the worker before it waits
//!      └────leave()───────┘  └──reclaim(n)────┘  by the worker, when its turn ends in time
//! ```
//! - *Driven*: the worker waits for events and hands them out. Nobody else may take the poller.
//! - *Lent*: the worker runs a turn, which touches nothing of the poller that is not shared. Each
//!   turn has a number; the word holds it, so that a look at the word now and one later tell whether
//!   it is the same turn, and a late worker cannot reclaim what has been lent again.
//! - A failed `reclaim` tells the worker that it is late: it has no poller any more.
//!
//! A turn pays one store and one compare-and-swap on a line that is its own.

use crate::primitive::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

const VACANT: u64 = 0;
const DRIVEN: u64 = 1;
const LENT: u64 = 2;
const TAG: u64 = 3;
const ONE_TURN: u64 = 4;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Drive(AtomicU64);

/// The number of a turn during which the poller is lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

impl Drive {
    /// A poller that nobody drives yet.
    pub(crate) fn vacant() -> Self {
        Self(AtomicU64::new(VACANT))
    }

    /// Makes this thread the driver, if nobody is.
    #[must_use]
    pub(crate) fn claim(&self) -> bool {
        let word = self.0.load(Relaxed);
        word & TAG == VACANT
            && self.0.compare_exchange(word, word | DRIVEN, AcqRel, Relaxed).is_ok()
    }

    /// The driver starts a turn.
    pub(crate) fn lend(&self) -> Ticket {
        let word = self.0.load(Relaxed);
        debug_assert_eq!(word & TAG, DRIVEN);
        let lent = (word & !TAG).wrapping_add(ONE_TURN) | LENT;
        self.0.store(lent, Release);
        Ticket(lent)
    }

    /// The turn is over. False: the poller was taken meanwhile.
    #[must_use]
    pub(crate) fn reclaim(&self, ticket: Ticket) -> bool {
        let driven = ticket.0 & !TAG | DRIVEN;
        self.0.compare_exchange(ticket.0, driven, AcqRel, Relaxed).is_ok()
    }

    /// Takes the poller from the worker whose turn is `ticket`. The caller finds it a new driver.
    #[must_use]
    pub(crate) fn take(&self, ticket: Ticket) -> bool {
        self.0.compare_exchange(ticket.0, ticket.0 & !TAG | VACANT, AcqRel, Relaxed).is_ok()
    }

    /// The driver gives the poller up.
    pub(crate) fn leave(&self) {
        let word = self.0.load(Relaxed);
        debug_assert_eq!(word & TAG, DRIVEN);
        self.0.store(word & !TAG | VACANT, Release);
    }

    /// A number that changes with each turn.
    pub(crate) fn turns(&self) -> u64 {
        self.0.load(Relaxed) / ONE_TURN
    }

    /// The turn that runs now, if the poller is lent.
    pub(crate) fn running(&self) -> Option<Ticket> {
        let word = self.0.load(Acquire);
        (word & TAG == LENT).then_some(Ticket(word))
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::primitive::{atomic::AtomicUsize, thread};
    use std::sync::Arc;

    /// A monitor takes the poller from a late worker and a standby drives it on: at no time two
    /// drivers, and exactly one of worker and standby has it in the end.
    #[test]
    fn loom_a_poller_has_one_driver() {
        loom::model(|| {
            let drive = Arc::new(Drive::vacant());
            let drivers = Arc::new(AtomicUsize::new(0));
            let enter = |drivers: &AtomicUsize| {
                assert_eq!(drivers.fetch_add(1, AcqRel), 0, "two drivers");
            };
            let worker = {
                let (drive, drivers) = (drive.clone(), drivers.clone());
                assert!(drive.claim());
                thread::spawn(move || {
                    for _ in 0..2 {
                        let ticket = drive.lend();
                        if !drive.reclaim(ticket) {
                            return false;
                        }
                        enter(&drivers);
                        drivers.fetch_sub(1, AcqRel);
                    }
                    true
                })
            };
            let monitor = {
                let (drive, drivers) = (drive.clone(), drivers.clone());
                thread::spawn(move || {
                    let Some(ticket) = drive.running() else { return false };
                    if !drive.take(ticket) {
                        return false;
                    }
                    assert!(drive.claim(), "only one takes");
                    enter(&drivers);
                    drivers.fetch_sub(1, AcqRel);
                    true
                })
            };
            let kept = worker.join().unwrap();
            let taken = monitor.join().unwrap();
            assert!(kept != taken);
        });
    }
}
