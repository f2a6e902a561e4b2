//! The decisions of [`Connections`](super::connections::Connections), which the hub carries out without
//! their lock.

use std::{sync::Arc, task::Waker, time::Duration};

use super::{balance::Endpoint, call::Call};
use crate::error::Error;

/// The actions that follow from a change. As a rule it is one call to start, or none: neither
/// allocates.
pub(super) struct Actions<L> {
    /// The first call to start.
    pub(super) start: Option<Start<L>>,
    more: Option<Box<More<L>>>,
}

/// The rarer actions.
pub(super) struct More<L> {
    /// Calls to start behind the first.
    pub(super) starts: Vec<Start<L>>,
    /// Endpoints to dial; each takes a slot.
    pub(super) dials: Vec<Arc<Endpoint>>,
    /// Lanes to close, which have nothing to do.
    pub(super) closes: Vec<Arc<L>>,
    /// True if the resolver is to be asked.
    pub(super) resolves: bool,
    /// True if `Connections` is to be nudged after a while.
    pub(super) nudges: bool,
    /// Calls that fail.
    pub(super) failed: Vec<(Arc<Call<L>>, Error)>,
    pub(super) wakes: Vec<Waker>,
    /// The tick for the deadline timer, earlier than the one it is set to.
    pub(super) timer: Option<u64>,
}

/// A call to start on a connection, where it is already counted as in flight.
pub(super) struct Start<L> {
    pub(super) id: u64,
    pub(super) connection: Arc<L>,
    pub(super) call: Arc<Call<L>>,
    /// Calls that were assigned to the connection before.
    pub(super) turn: u64,
    /// Idle time of the connection, if it has no other call.
    pub(super) idle: Option<Duration>,
}

impl<L> Default for Actions<L> {
    fn default() -> Self {
        Self { start: None, more: None }
    }
}

impl<L> Default for More<L> {
    fn default() -> Self {
        Self {
            starts: Vec::new(),
            dials: Vec::new(),
            closes: Vec::new(),
            resolves: false,
            nudges: false,
            failed: Vec::new(),
            wakes: Vec::new(),
            timer: None,
        }
    }
}

impl<L> Actions<L> {
    pub(super) fn is_empty(&self) -> bool {
        self.start.is_none() && self.more.is_none()
    }

    /// Returns the rarer actions, to add to them.
    pub(super) fn more(&mut self) -> &mut More<L> {
        self.more.get_or_insert_default()
    }

    /// Takes the rarer actions.
    pub(super) fn take_more(&mut self) -> Option<Box<More<L>>> {
        self.more.take()
    }

    /// Adds a call to start.
    pub(super) fn start(&mut self, start: Start<L>) {
        match self.start {
            None => self.start = Some(start),
            Some(_) => self.more().starts.push(start),
        }
    }

    /// Appends `actions`.
    pub(super) fn join(&mut self, actions: Self) {
        actions.start.into_iter().for_each(|start| self.start(start));
        let Some(more) = actions.more else { return };
        more.starts.into_iter().for_each(|start| self.start(start));
        let all = self.more();
        all.dials.extend(more.dials);
        all.closes.extend(more.closes);
        all.resolves |= more.resolves;
        all.nudges |= more.nudges;
        all.failed.extend(more.failed);
        all.wakes.extend(more.wakes);
        all.timer = all.timer.into_iter().chain(more.timer).min();
    }
}
