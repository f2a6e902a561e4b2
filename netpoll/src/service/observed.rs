//! Requests as observers and the monitor see them: moments, outcomes, and futures that wait.

use std::{sync::Arc, time::Duration};

use super::{call::Flow, request::Take};
use crate::{
    conn::{core::Conn, recv::Recv},
    error::Result,
    frame::Status,
    observe::{Moments, Outcome, Route, Stamp, thread},
};

/// The moments of the requests of one connection that are handled in its turns. The clock is read once for
/// requests that follow each other without a read between them.
#[derive(Default)]
pub(super) struct Times {
    /// Bytes that had come when the last request was found.
    received: u64,
    /// The moment at which those were there.
    arrived: Option<Stamp>,
    /// The end of the request before, in the same turn.
    last: Option<Stamp>,
}

impl Times {
    /// Forgets the turn before.
    pub(super) fn begin_turn(&mut self) {
        self.last = None;
    }

    /// Begins a request of `n` bytes, which was found in `recv`.
    pub(super) fn begin(&mut self, recv: Option<&Recv>, n: usize) -> Moments {
        let received = recv.map_or(self.received, |recv| recv.received);
        let fresh = received != self.received || self.arrived.is_none();
        self.received = received;
        let begun = self.last.filter(|_| !fresh).unwrap_or_else(Stamp::now);
        let arrived = self.arrived.filter(|_| !fresh).unwrap_or(begun);
        self.arrived = Some(arrived);
        Moments { arrived, begun, received: n }
    }

    /// Ends that request; returns the time that it took.
    pub(super) fn end(&mut self, moments: &Moments) -> Duration {
        let now = Stamp::now();
        self.last = Some(now);
        now.since(moments.begun)
    }
}

/// Returns the outcome of the request that this thread has handled.
pub(super) fn outcome(result: &Result<Flow>) -> Outcome {
    match (result, thread::take_noted()) {
        (Err(error), _) => Outcome::of(error.kind()),
        (Ok(_), noted) => noted.unwrap_or(Outcome::Ok),
    }
}

/// Notes that the request which this thread handles is answered by a fault.
#[cold]
pub(super) fn note_fault(status: Status) {
    thread::note(match status {
        Status::Ok => Outcome::Ok,
        Status::Malformed => Outcome::Malformed,
        Status::Timeout => Outcome::TimedOut,
        Status::Panic => Outcome::Panic,
        Status::Limit => Outcome::Limit,
        Status::Denied => Outcome::Denied,
        Status::Unknown => Outcome::Unknown,
        Status::Unavailable => Outcome::Unavailable,
        Status::Cancelled => Outcome::Cancelled,
        _ => Outcome::Error,
    });
}

/// The place of a handler's future among those that wait, for the monitor; given back when this is dropped.
pub(super) struct Pending {
    conn: Arc<Conn>,
    key: usize,
    route: Route,
}

impl Pending {
    /// Lists the future that this thread has polled and that is not ready, unless its handler reads from its
    /// peer itself, or nobody looks.
    pub(super) fn of<R: Take>(conn: &Arc<Conn>) -> Option<Self> {
        let looked_after = !R::READS && conn.runtime().settings.stall_after.is_some();
        looked_after.then(|| {
            let route = Route::current();
            Self { conn: conn.clone(), key: conn.begin_wait(route), route }
        })
    }

    /// Tells the monitor that this thread polls the future again, in a turn of its own.
    pub(super) fn resume(&self) {
        self.route.resume(self.conn.id());
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.conn.end_wait(self.key);
    }
}
