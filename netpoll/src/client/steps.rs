//! What the slots have decided, for the hub to carry out without their lock.

use std::{sync::Arc, task::Waker, time::Duration};

use super::{balance::Endpoint, call::Call};
use crate::error::Error;

/// What is to be done after a change. As a rule it is one call to start, or nothing: neither takes
/// memory.
pub(super) struct Steps<L> {
    /// The first call to start.
    pub(super) start: Option<Start<L>>,
    more: Option<Box<More<L>>>,
}

/// What else there may be.
pub(super) struct More<L> {
    /// Calls to start behind the first.
    pub(super) starts: Vec<Start<L>>,
    /// Endpoints to dial; each is a slot.
    pub(super) dials: Vec<Arc<Endpoint>>,
    /// Lanes to close, which have nothing to do.
    pub(super) closes: Vec<Arc<L>>,
    /// The resolver is to be asked.
    pub(super) resolves: bool,
    /// Calls that end.
    pub(super) failed: Vec<(Arc<Call<L>>, Error)>,
    pub(super) wakes: Vec<Waker>,
    /// The tick at which the alarms are to ring, which is sooner than they would.
    pub(super) alarm: Option<u64>,
}

/// A call for a lane; it is counted as in flight there.
pub(super) struct Start<L> {
    pub(super) id: u64,
    pub(super) lane: Arc<L>,
    pub(super) call: Arc<Call<L>>,
    /// How long the lane was given no call, if it has none.
    pub(super) idle: Option<Duration>,
}

impl<L> Default for Steps<L> {
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
            failed: Vec::new(),
            wakes: Vec::new(),
            alarm: None,
        }
    }
}

impl<L> Steps<L> {
    pub(super) fn is_empty(&self) -> bool {
        self.start.is_none() && self.more.is_none()
    }

    /// What there is besides the first call to start.
    pub(super) fn more(&mut self) -> &mut More<L> {
        self.more.get_or_insert_default()
    }

    /// Takes that out.
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

    /// Adds what follows from a step.
    pub(super) fn join(&mut self, steps: Self) {
        steps.start.into_iter().for_each(|start| self.start(start));
        let Some(more) = steps.more else { return };
        more.starts.into_iter().for_each(|start| self.start(start));
        let all = self.more();
        all.dials.extend(more.dials);
        all.closes.extend(more.closes);
        all.resolves |= more.resolves;
        all.failed.extend(more.failed);
        all.wakes.extend(more.wakes);
        all.alarm = all.alarm.into_iter().chain(more.alarm).min();
    }
}
