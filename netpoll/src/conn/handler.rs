//! What a turn calls: the glue between a connection and the service that it belongs to.

use std::any::Any;

use super::{connection::Connection, reason::CloseReason, step::Step};
use crate::error::Error;

/// Serves one connection. All methods but `disconnected` are called by the turn: one at a time.
///
/// Users' code runs behind these methods, which catch its panics.
pub(crate) trait Handler: Any + Send + Sync {
    /// Judges a new connection, before its transport's handshake begins; later calls do nothing. `Some`: it
    /// ends so.
    fn prepare(&self, conn: &Connection) -> Option<After> {
        let _ = conn;
        None
    }

    /// Whether connections are to end as soon as they have nothing to do.
    fn drains(&self) -> bool {
        false
    }

    /// Handles what there is: opens the connection if that was not done, takes frames from the input
    /// and answers them, goes on with a future that was woken.
    fn step(&self, step: &mut Step<'_, '_>) -> After;

    /// The peer went. May run while another thread is in `step`.
    fn disconnected(&self, conn: &Connection, reason: CloseReason);

    /// The peer has sent its end, and all requests before it are answered; the connection goes on half-open.
    fn half_closed(&self, conn: &Connection) {
        let _ = conn;
    }

    /// Something failed that ends the connection, by another cause than an error that `step` gave.
    fn failed(&self, conn: &Connection, error: &Error);

    /// Nothing was received for the idle timeout. True: the connection ends.
    fn idle(&self, conn: &Connection) -> bool;

    /// Drops a future that is under way: the connection ends.
    fn give_up(&self);

    /// The end, once.
    fn closed(&self, conn: &Connection, reason: CloseReason);

    /// Returns the number of requests that were begun and are not answered.
    fn in_flight(&self) -> usize {
        0
    }

    /// Whether steps take no time to speak of: then a peer's silence begins with what was read of it.
    fn brief(&self) -> bool {
        false
    }

    /// Whether turns are pure computation that never loses its poller.
    fn inline(&self) -> bool {
        false
    }
}

/// How a step ended.
#[derive(Debug)]
pub(crate) enum After {
    /// All that is there was handled, and a read gave nothing more.
    Wait,
    /// The budget is spent, and there may be more to do.
    Again,
    /// A future is under way, whose waker schedules the turn. Nothing is read meanwhile.
    Busy,
    /// Requests are in flight, whose completion schedules the turn. Reading goes on meanwhile.
    Pending,
    /// Pending output is past the mark.
    Full,
    /// What was answered goes out, then the connection ends.
    Close(CloseReason),
    /// The connection ends at once: what follows in the stream means nothing.
    Abort(CloseReason),
    /// The connection goes on without its handler.
    Detach,
}
