//! What a poller reports.

use std::{fmt, os::fd::OwnedFd, vec::Drain};

use super::Readiness;
use crate::{mem::Slice, sys::RawEvents};

/// What happened to a source, whatever drives the poller.
///
/// A readiness driver (epoll, kqueue) says what could be done, and the turn does it. A completion
/// driver (io_uring) says what was done. A turn takes both, so that it need not know its driver.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// Calls on the source would get on; and what can be seen of the peer without a call. A
    /// completion driver says [`HUNG_UP`](Readiness::HUNG_UP) of an operation that failed.
    Ready(Readiness),
    /// These bytes came, in the order of the stream, in a block of the poller's own; none at all
    /// mean that the peer will send no more.
    Received(Slice),
    /// So many bytes of what was given to the driver left.
    Sent(usize),
    /// A listener's new connection.
    Accepted(OwnedFd),
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
