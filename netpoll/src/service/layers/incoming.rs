//! The facts of a request that layers see, before and after it is handled.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use crate::{
    addr::PeerAddress,
    conn::{Connection, Deadline},
    frame::{Route, Status},
    sched,
    service::{Request, call::Call, notes::Notes},
};

/// A request that is about to be handled, as a [`Layer`](super::Layer) sees it.
pub struct Incoming<'r> {
    conn: &'r Connection,
    session: &'r (dyn Any + Send),
    route: Option<Route<'r>>,
    metadata: &'r dyn Fn(&str) -> Option<&'r [u8]>,
    deadline: Deadline,
    notes: &'r Notes,
}

impl<'r> Incoming<'r> {
    /// Calls `look` with the facts of `request`.
    pub(super) fn with<Q: Request, S: Send + 'static, T>(
        call: &Call<'_, S>,
        request: &Q::At<'_>,
        notes: &Notes,
        look: impl FnOnce(&mut Incoming<'_>) -> T,
    ) -> T {
        let metadata = |name: &str| Q::metadata(request, name);
        look(&mut Incoming {
            conn: call.conn,
            session: &*call.session,
            route: Q::route(request),
            metadata: &metadata,
            deadline: call.deadline,
            notes,
        })
    }

    /// Returns the connection that the request came on.
    pub fn conn(&self) -> &'r Connection {
        self.conn
    }

    /// Returns the other end's address.
    pub fn peer(&self) -> &'r PeerAddress {
        self.conn.peer()
    }

    /// Returns the connection's session if it is a `T`.
    pub fn session<T: 'static>(&self) -> Option<&'r T> {
        let session = self.session;
        session
            .downcast_ref::<T>()
            .or_else(|| session.downcast_ref::<Arc<T>>().map(|shared| &**shared))
    }

    /// Returns the method that the request is for, if its format says so: the mark `route`, or the variant
    /// of an enum.
    pub fn route(&self) -> Option<Route<'r>> {
        self.route
    }

    /// Returns the value of the metadata entry `name`, if the request's format has the mark `metadata` and
    /// the request has the entry.
    pub fn metadata(&self, name: &str) -> Option<&'r [u8]> {
        (self.metadata)(name)
    }

    /// Returns the number of bytes of the request; 0 for a handler that reads the bytes itself.
    pub fn size(&self) -> usize {
        self.notes.size
    }

    /// Returns the time until which the request is to be answered.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Returns the time since the request had arrived, in which other requests were handled. Zero unless a
    /// layer of the server is [`TIMED`](super::Layer::TIMED).
    pub fn waited(&self) -> Duration {
        self.notes.arrived.map_or(Duration::ZERO, |arrived| sched::clock().now().since(arrived))
    }

    /// Attaches a value to the request, which its handler takes as [`Ext<T>`](super::Ext), in place of an
    /// earlier one of the same type.
    pub fn attach<T: Clone + Send + Sync + 'static>(&self, value: T) {
        self.notes.attach(value);
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("peer", self.peer())
            .field("route", &self.route)
            .field("size", &self.size())
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// The outcome of a request, as a [`Layer`](super::Layer) sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub(super) status: Status,
    pub(super) bytes: usize,
    pub(super) waited: Duration,
    pub(super) took: Duration,
}

impl Outcome {
    /// Returns the status that the answer reports. A request that was dropped before it was answered, as at
    /// its deadline or at the connection's end, is [`Cancelled`](Status::Cancelled). In a protocol without
    /// the mark `status` a request is `Ok` that was answered, and `Failed` if its handler returned an error.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Returns the number of bytes of the frames that answer the request.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the time from the request's arrival until it was handled. Zero unless a layer of the server
    /// is [`TIMED`](super::Layer::TIMED).
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Returns the time in which the request was handled. Zero unless a layer of the server is
    /// [`TIMED`](super::Layer::TIMED).
    pub fn took(&self) -> Duration {
        self.took
    }

    /// The outcome of a request that a layer has refused.
    pub(super) fn refused(status: Status) -> Self {
        Self { status, bytes: 0, waited: Duration::ZERO, took: Duration::ZERO }
    }
}
