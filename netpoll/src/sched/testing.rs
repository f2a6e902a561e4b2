//! What tests set on a runtime, and ask of it.

use std::sync::atomic::Ordering::Acquire;

use super::{builder::RuntimeBuilder, shard::Shard, shared::Shared};
use crate::{
    counters::Counter,
    sys::testing::Faults,
    timer::{Clock, Hand},
};

impl RuntimeBuilder {
    /// What befalls this runtime's sockets and listeners. Default: nothing but what the system does.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.0.faults = faults.layer();
        self
    }

    /// The clock of this runtime's timeouts.
    pub(crate) fn turned_by(mut self, hand: &'static Hand) -> Self {
        self.0.clock = Clock::by_hand(hand);
        self
    }
}

impl Shared {
    /// If all have done what there was to do: the number of turns up to now.
    ///
    /// A look at several pollers is no moment: only two looks that give the same number are a proof.
    pub(crate) fn at_rest(&self) -> Option<u64> {
        let waiting = usize::try_from(self.gauges.waiting.load(Acquire)).unwrap_or(0);
        let rests = self.shards.iter().all(|shard| shard.is_done()) && self.pool.late() == waiting;
        let sums = self.counters.sums();
        rests.then(|| sums[Counter::Turns] + sums[Counter::Events])
    }
}

impl Shard {
    /// Whether its driver waits, and nothing is there that would wake it.
    fn is_done(&self) -> bool {
        self.poller.is_parked() && !self.has_work()
    }
}
