//! The events that observers are told of.

use std::{io, time::Duration};

use super::{outcome::Outcome, route::Route};
use crate::{
    addr::PeerAddress,
    facts::{CloseReason, ConnectionId},
};

/// A connection was accepted.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectionOpened<'a> {
    /// The server's name.
    pub server: &'a str,
    pub(crate) server_index: usize,
    /// The connection's number.
    pub connection: ConnectionId,
    /// The peer's address.
    pub peer: &'a PeerAddress,
}

impl ConnectionOpened<'_> {
    /// Returns the index of the server's name among all names that the process uses: for tables by server.
    pub fn server_index(&self) -> usize {
        self.server_index
    }
}

/// A connection has ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectionClosed<'a> {
    /// The server's name.
    pub server: &'a str,
    pub(crate) server_index: usize,
    /// The connection's number.
    pub connection: ConnectionId,
    /// The peer's address.
    pub peer: &'a PeerAddress,
    /// The reason of the end.
    pub reason: CloseReason,
    /// The time since it was accepted.
    pub age: Duration,
    /// Bytes that came over the wire.
    pub received: u64,
    /// Bytes that the system took for the peer.
    pub sent: u64,
}

impl ConnectionClosed<'_> {
    /// Returns the index of the server's name among all names that the process uses: for tables by server.
    pub fn server_index(&self) -> usize {
        self.server_index
    }
}

/// The handler of a request is about to run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestBegun<'a> {
    /// The server's name.
    pub server: &'a str,
    /// The number of the connection that it came on; `None` for a datagram.
    pub connection: Option<ConnectionId>,
    /// The peer's address.
    pub peer: &'a PeerAddress,
    /// The time since the request was read.
    pub queued: Duration,
    /// The bytes of the request; of one that the handler reads itself, those that were there.
    pub received: usize,
}

/// The handler of a request has ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestEnded<'a> {
    /// The server's name.
    pub server: &'a str,
    pub(crate) server_index: usize,
    /// The route of the request, where the server has routes.
    pub route: Route,
    /// The number of the connection that it came on; `None` for a datagram.
    pub connection: Option<ConnectionId>,
    /// The peer's address.
    pub peer: &'a PeerAddress,
    /// The outcome.
    pub outcome: Outcome,
    /// The time from when the request was read to when its handler began.
    pub queued: Duration,
    /// The time from when its handler began to its end.
    pub handled: Duration,
    /// The bytes of the request; of one that the handler reads itself, those that were there.
    pub received: usize,
    /// The bytes of the answer that the handler has left to the library to send; what it flushed itself does not
    /// count. 0 for a datagram.
    pub sent: usize,
}

impl RequestEnded<'_> {
    /// Returns the index of the server's name among all names that the process uses: for tables by server.
    pub fn server_index(&self) -> usize {
        self.server_index
    }
}

/// A worker has lost its poller to another one.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HandOver {
    /// The index of the poller.
    pub poller: usize,
    /// The cause.
    pub cause: HandOverCause,
    /// The number of the connection whose handler ran, if the monitor does not take the poller.
    pub connection: Option<ConnectionId>,
}

/// The cause of a hand-over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandOverCause {
    /// The worker is about to wait in the library, and gave its poller away.
    Wait,
    /// A turn ran long, and the monitor took the poller.
    Monitor,
}

/// A listener cannot accept.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct AcceptFailed<'a> {
    /// The server's name.
    pub server: &'a str,
    /// The address of the listener.
    pub address: &'a PeerAddress,
    /// The system's error.
    pub error: &'a io::Error,
    /// Clients that were disconnected since no descriptor was left for them.
    pub shed: usize,
    /// True if the listener is closed; false if it goes on after a pause.
    pub fatal: bool,
}

/// A connection has used up a budget.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct BudgetReached<'a> {
    /// The server's name.
    pub server: &'a str,
    /// The connection's number.
    pub connection: ConnectionId,
    /// The peer's address.
    pub peer: &'a PeerAddress,
    /// The budget.
    pub budget: Budget,
}

/// A budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Budget {
    /// The requests or bytes of one turn: the connection goes to the back of the queue.
    Turn,
    /// The pending output of one connection: it is not read until the peer has taken some.
    Output,
    /// The memory of the process's buffers: the connection is closed.
    Memory,
}

impl Budget {
    /// Returns a short name: the value of a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Turn => "turn",
            Self::Output => "output",
            Self::Memory => "memory",
        }
    }
}
