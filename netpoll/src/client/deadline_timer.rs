//! The timer of late calls: one entry of the timer wheel for all [deadlines](super::deadlines) of a
//! client.

use std::sync::{Arc, OnceLock, Weak};

use super::{call_connection::Matching, hub::Hub};
use crate::{
    poller::{Event, Token},
    sched::{
        shard::Shard,
        shared::Shared,
        turn::{Ready, Source},
    },
    timer::Clock,
};

/// Wakes the callers of late calls.
pub(super) struct DeadlineTimer<M: Matching>(Arc<Entry<M>>);

/// The source registered with the poller.
struct Entry<M: Matching> {
    hub: Weak<Hub<M>>,
    runtime: Arc<Shared>,
    shard: Arc<Shard>,
    token: OnceLock<Token>,
}

impl<M: Matching> DeadlineTimer<M> {
    pub(super) fn new(hub: Weak<Hub<M>>, runtime: &Arc<Shared>) -> Self {
        let (runtime, shard) = (runtime.clone(), runtime.place().clone());
        Self(Arc::new(Entry { hub, runtime, shard, token: OnceLock::new() }))
    }

    /// Returns the clock of the deadlines.
    pub(super) fn clock(&self) -> Clock {
        self.0.shard.clock
    }

    /// Sets the timer to the tick `at`.
    pub(super) fn set(&self, at: u64) {
        let entry = &self.0;
        let token = *entry.token.get_or_init(|| entry.shard.poller.insert(entry.clone()));
        entry.shard.arm(at, token);
    }
}

impl<M: Matching> Drop for DeadlineTimer<M> {
    fn drop(&mut self) {
        self.0.forget();
    }
}

impl<M: Matching> Entry<M> {
    fn forget(&self) {
        if let Some(token) = self.token.get() {
            self.runtime.remove(&self.shard, *token, None);
        }
    }
}

impl<M: Matching> Source for Entry<M> {
    fn on_event(self: Arc<Self>, _: Event, _: &mut Ready) {}

    fn on_timer(self: Arc<Self>, now: u64, _: &mut Ready) {
        let Some(hub) = self.hub.upgrade() else { return };
        let (late, next) = hub.connections.late(now);
        if let Some(at) = next {
            hub.deadline_timer.set(at);
        }
        late.iter().for_each(|call| call.notify_late());
    }

    /// Does nothing else: a shutdown closes the connections, which ends their calls.
    fn on_shutdown(self: Arc<Self>) {
        self.forget();
    }
}
