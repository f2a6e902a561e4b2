//! What handles the datagrams of a server, and how.

use std::net::SocketAddr;

use super::{
    datagram::{Datagram, Held},
    outbox::{Outbox, Outlet},
};
use crate::{
    error::{Error, Result},
    sched::BoxFuture,
};

/// How datagrams are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// In the turn, one by one.
    Turn,
    /// As `Turn`, for pure computation: the poller is never taken over.
    Inline,
    /// As futures, `max` at once; each is first tried in the turn, or a task from the start.
    Tasks { max: usize, at_once: bool },
}

/// The outcome of a datagram.
pub(crate) type Handled = Result<(), Fault>;

/// An error of a datagram.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It is not of the handler's format.
    Malformed(Error),
    /// The handler failed or panicked.
    Failed(Error),
}

/// What handles the datagrams of a server. It guards against its user's panics.
pub(crate) trait Handler: Send + Sync {
    fn mode(&self) -> Mode;

    /// Handles `datagram` in the turn.
    fn handle(&self, datagram: Datagram<'_>, out: Outlet<'_>) -> Handled;

    /// Handles `datagram` as a future, which puts replies of up to `max` bytes into an outbox.
    fn start(&self, datagram: Held, max: usize) -> BoxFuture<(Outbox, Handled)>;

    /// Errors are told to [`failed`](Self::failed) once a second at most, and else each.
    fn throttled(&self) -> bool {
        true
    }

    /// The socket is closed.
    fn closed(&self) {}

    /// A datagram from `peer` could not be handled, or sent to it, for `error`.
    fn failed(&self, peer: Option<SocketAddr>, local: SocketAddr, error: &Error);
}
