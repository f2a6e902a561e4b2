//! What the slots have decided, for the hub to carry out without their lock.

use std::{sync::Arc, task::Waker};

use super::{balance::Endpoint, call::Call};
use crate::{error::Error, timer::Moment};

/// What is to be done after a change.
pub(super) struct Steps<L> {
    /// Calls to start.
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
}

/// A call for a lane; it is counted as in flight there.
pub(super) struct Start<L> {
    pub(super) id: u64,
    pub(super) lane: Arc<L>,
    pub(super) call: Arc<Call<L>>,
    /// Since when the lane had nothing to do, if it had nothing to do.
    pub(super) idle_since: Option<Moment>,
}

impl<L> Default for Steps<L> {
    fn default() -> Self {
        Self {
            starts: Vec::new(),
            dials: Vec::new(),
            closes: Vec::new(),
            resolves: false,
            failed: Vec::new(),
            wakes: Vec::new(),
        }
    }
}

impl<L> Steps<L> {
    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
            && self.dials.is_empty()
            && self.closes.is_empty()
            && !self.resolves
            && self.failed.is_empty()
            && self.wakes.is_empty()
    }

    /// Adds what follows from a step.
    pub(super) fn join(&mut self, more: Self) {
        self.starts.extend(more.starts);
        self.dials.extend(more.dials);
        self.closes.extend(more.closes);
        self.resolves |= more.resolves;
        self.failed.extend(more.failed);
        self.wakes.extend(more.wakes);
    }
}
