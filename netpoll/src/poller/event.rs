//! What a poller reports.

use std::{fmt, vec::Drain};

use super::Readiness;
use crate::sys::RawEvents;

/// An event of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Calls on the source would make progress; and what can be seen of the peer without a call.
    Ready(Readiness),
}

/// Room for the events of one poll, and these events.
pub struct Events<S> {
    pub(super) raw: RawEvents,
    pub(super) ready: Vec<(S, Event)>,
}

impl<S> Events<S> {
    /// Room for `capacity` events a poll, at least one.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { raw: RawEvents::with_capacity(capacity), ready: Vec::with_capacity(capacity) }
    }

    /// Takes the events out, each with its source, in the order in which the system gave them.
    pub fn drain(&mut self) -> Drain<'_, (S, Event)> {
        self.ready.drain(..)
    }
}

impl<S: fmt::Debug> fmt::Debug for Events<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.ready).finish()
    }
}
