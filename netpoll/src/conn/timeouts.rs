//! Timeouts: how a turn judges deadlines that have passed.

use std::{sync::Arc, time::Duration};

use super::{
    connection::Connection, core::Conn, deadlines::Kind, handler::Handler, reason::CloseReason,
    recv::Recv, state::mark, wait::News,
};
use crate::error::{Error, ErrorKind};

/// What passed deadlines mean for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// It goes on, or what is left to be sent ends it later.
    GoesOn,
    /// It ends now.
    Ends,
}

impl Conn {
    /// A frame that has begun must be whole in time; what is left of one is kept in little memory.
    #[inline]
    pub(super) fn watch_frame(&self, recv: &mut Recv) {
        if recv.has_partial() {
            return self.watch_partial(recv);
        }
        recv.input.tidy();
        if recv.frame_at.take().is_some() {
            self.deadlines.clear(Kind::Frame);
        }
    }

    fn watch_partial(&self, recv: &mut Recv) {
        recv.compact();
        let at = recv.consumed();
        if self.deadlines.get(Kind::Frame).is_none() || recv.frame_at != Some(at) {
            recv.frame_at = Some(at);
            self.set_deadline(Kind::Frame, self.options.frame_timeout);
        }
    }

    pub(super) fn judge_writing(self: &Arc<Self>) {
        let late =
            || self.deadlines.passed(Kind::Write, self.shard.clock.now_ms()) && self.pending() > 0;
        if late() && self.endpoint.is_writable() {
            // The peer made room while nothing ran here, and the event is still on its way.
            self.state_word.set(mark::WRITABLE);
            self.flush();
        }
        if late() {
            self.deadlines.clear(Kind::Write);
            let error = self.timeout_error("writing", self.options.write_timeout);
            if let Some(handler) = self.handler() {
                handler.failed(&Connection::unowned(self.clone()), &error);
            }
            self.set_reason(CloseReason::WriteTimeout);
            self.state_word.set(mark::ABORTING);
            self.wake_waiters(self.state_word.load(), News::ALL);
        }
    }

    /// Judges the peer's silence and a frame that is not whole.
    pub(super) fn judge_receiving(
        self: &Arc<Self>,
        handler: &Arc<dyn Handler>,
        conn: &Connection,
        recv: Option<&Recv>,
    ) -> Judged {
        let now = self.shard.clock.now_ms();
        // Whoever works or has to wait with its output is not idle, nor late with a frame.
        let waits = recv.filter(|recv| !recv.busy && !recv.full);
        if self.deadlines.passed(Kind::Frame, now) {
            self.deadlines.clear(Kind::Frame);
            // No deadline is set while a frame may not be read.
            if recv.is_some_and(Recv::has_partial) {
                let error = self.timeout_error("a frame", self.options.frame_timeout);
                let said = |conn: &Self| (conn.written(), conn.pending());
                let before = said(self);
                handler.failed(conn, &error);
                self.set_reason(CloseReason::FrameTimeout);
                if said(self) == before {
                    self.state_word.set(mark::ABORTING);
                    return Judged::Ends;
                }
                // A last frame that the handler sent reaches the peer before the end does.
                self.state_word.set(mark::CLOSING);
                return self.ends_when_sent();
            }
        }
        // What has come and was not read yet is no silence; the read sets the deadline anew.
        let unread =
            self.state_word.load() & mark::READABLE != 0 || waits.is_some_and(|r| r.readable);
        if self.deadlines.passed(Kind::Idle, now) && !unread {
            self.deadlines.clear(Kind::Idle);
            if waits.is_none() || !handler.idle(conn) {
                self.set_deadline(Kind::Idle, self.options.idle_timeout);
                return Judged::GoesOn;
            }
            self.set_reason(CloseReason::IdleTimeout);
            self.state_word.set(mark::CLOSING);
            return self.ends_when_sent();
        }
        Judged::GoesOn
    }

    /// The connection is to close: at once, if nothing waits to be sent.
    fn ends_when_sent(self: &Arc<Self>) -> Judged {
        if self.has_sent_all() { Judged::Ends } else { Judged::GoesOn }
    }

    pub(super) fn timeout_error(&self, what: &str, limit: Option<Duration>) -> Error {
        let limit = limit.unwrap_or_default();
        Error::new(ErrorKind::TimedOut, format!("{what}: not done within {limit:?} ({self})"))
    }
}
