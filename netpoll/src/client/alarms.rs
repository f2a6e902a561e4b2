//! What rings calls that are late: the timer wheel's entry for all [deadlines](super::deadlines) of a
//! client.

use std::sync::{Arc, OnceLock, Weak};

use super::hub::{Hub, Lane};
use crate::{
    poller::{Event, Token},
    sched::{
        home::Home,
        shared::Shared,
        turn::{Ready, Source},
    },
    timer::Clock,
};

/// See the module's documentation.
pub(super) struct Alarms<L: Lane>(Arc<Bell<L>>);

/// What the poller knows.
struct Bell<L: Lane> {
    hub: Weak<Hub<L>>,
    runtime: Arc<Shared>,
    home: Arc<Home>,
    token: OnceLock<Token>,
}

impl<L: Lane> Alarms<L> {
    pub(super) fn new(hub: Weak<Hub<L>>, runtime: &Arc<Shared>) -> Self {
        let (runtime, home) = (runtime.clone(), runtime.place().clone());
        Self(Arc::new(Bell { hub, runtime, home, token: OnceLock::new() }))
    }

    /// What the deadlines go by.
    pub(super) fn clock(&self) -> Clock {
        self.0.home.clock
    }

    /// Has late calls rung at the tick `at`.
    pub(super) fn set(&self, at: u64) {
        let bell = &self.0;
        let token = *bell.token.get_or_init(|| bell.home.poller.insert(bell.clone()));
        bell.home.arm(at, token);
    }
}

impl<L: Lane> Drop for Alarms<L> {
    fn drop(&mut self) {
        self.0.forget();
    }
}

impl<L: Lane> Bell<L> {
    fn forget(&self) {
        if let Some(token) = self.token.get() {
            self.runtime.remove(&self.home, *token, None);
        }
    }
}

impl<L: Lane> Source for Bell<L> {
    fn on_event(self: Arc<Self>, _: Event, _: &mut Ready) {}

    fn on_timer(self: Arc<Self>, now: u64, _: &mut Ready) {
        let Some(hub) = self.hub.upgrade() else { return };
        let (late, next) = hub.slots.late(now);
        if let Some(at) = next {
            hub.alarms.set(at);
        }
        late.iter().for_each(|call| call.ring());
    }

    /// Calls end with their connections, which are closed too.
    fn on_shutdown(self: Arc<Self>) {
        self.forget();
    }
}
