//! Ownership of a shard: one atomic word, so that a turn that runs long can lose its shard.
//!
//! ```text
//!   VACANT ──claim()────▶ OWNED ──lend()────▶ LENT(n) ──revoke(n)──▶ VACANT
//!      ▲                   │  ▲                 │  by the monitor, or by the worker before it waits
//!      └────release()──────┘  └──reclaim(n)─────┘  by the worker, when its turn ends in time
//! ```
//! - *Owned*: the worker waits for events and hands them out. Nobody else may take the shard.
//! - *Lent*: the worker runs a turn, which touches nothing of the shard that is not shared. Each
//!   turn has a number. The word holds it, so that two looks at the word tell whether the same turn
//!   still runs, and a late worker cannot reclaim what has been lent again.
//! - A failed `reclaim` tells the worker that it is late: it has no shard any more.
//!
//! A turn pays one store and one compare-and-swap on a cache line of its own.

use crate::primitive::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

const VACANT: u64 = 0;
const OWNED: u64 = 1;
const LENT: u64 = 2;
const TAG: u64 = 3;
const ONE_TURN: u64 = 4;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Ownership(AtomicU64);

/// The number of a turn to which the shard is lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

impl Ownership {
    /// The ownership of a shard that no worker has yet.
    pub(crate) fn vacant() -> Self {
        Self(AtomicU64::new(VACANT))
    }

    /// Makes this thread the owner, if there is none.
    #[must_use]
    pub(crate) fn claim(&self) -> bool {
        let word = self.0.load(Relaxed);
        word & TAG == VACANT && self.0.compare_exchange(word, word | OWNED, AcqRel, Relaxed).is_ok()
    }

    /// Lends the shard to a turn that the owner starts.
    pub(crate) fn lend(&self) -> Ticket {
        let word = self.0.load(Relaxed);
        debug_assert_eq!(word & TAG, OWNED);
        let lent = (word & !TAG).wrapping_add(ONE_TURN) | LENT;
        self.0.store(lent, Release);
        Ticket(lent)
    }

    /// Ends the turn's loan. Returns `false` if the shard was revoked meanwhile.
    #[must_use]
    pub(crate) fn reclaim(&self, ticket: Ticket) -> bool {
        let owned = ticket.0 & !TAG | OWNED;
        self.0.compare_exchange(ticket.0, owned, AcqRel, Relaxed).is_ok()
    }

    /// Revokes the shard from the worker whose turn is `ticket`. The caller finds a new owner for it.
    #[must_use]
    pub(crate) fn revoke(&self, ticket: Ticket) -> bool {
        self.0.compare_exchange(ticket.0, ticket.0 & !TAG | VACANT, AcqRel, Relaxed).is_ok()
    }

    /// Gives the shard up.
    pub(crate) fn release(&self) {
        let word = self.0.load(Relaxed);
        debug_assert_eq!(word & TAG, OWNED);
        self.0.store(word & !TAG | VACANT, Release);
    }

    /// Returns a number that changes with each turn.
    pub(crate) fn turns(&self) -> u64 {
        self.0.load(Relaxed) / ONE_TURN
    }

    /// Returns the turn that runs now, if the shard is lent.
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

    /// A monitor revokes the shard from a late worker and a standby takes it over: it never has two
    /// owners, and exactly one of worker and standby has it in the end.
    #[test]
    fn loom_a_shard_has_one_owner() {
        loom::model(|| {
            let ownership = Arc::new(Ownership::vacant());
            let owners = Arc::new(AtomicUsize::new(0));
            let enter = |owners: &AtomicUsize| {
                assert_eq!(owners.fetch_add(1, AcqRel), 0, "two owners");
            };
            let worker = {
                let (ownership, owners) = (ownership.clone(), owners.clone());
                assert!(ownership.claim());
                thread::spawn(move || {
                    for _ in 0..2 {
                        let ticket = ownership.lend();
                        if !ownership.reclaim(ticket) {
                            return false;
                        }
                        enter(&owners);
                        owners.fetch_sub(1, AcqRel);
                    }
                    true
                })
            };
            let monitor = {
                let (ownership, owners) = (ownership.clone(), owners.clone());
                thread::spawn(move || {
                    let Some(ticket) = ownership.running() else { return false };
                    if !ownership.revoke(ticket) {
                        return false;
                    }
                    assert!(ownership.claim(), "only one takes");
                    enter(&owners);
                    owners.fetch_sub(1, AcqRel);
                    true
                })
            };
            let kept = worker.join().unwrap();
            let taken = monitor.join().unwrap();
            assert!(kept != taken);
        });
    }
}
