//! Sending: many threads give output, one writes.
//!
//! ```text
//!   send ──▶ layer::seal ──▶ write_lock ──▶ write ──▶ endpoint
//!            a transport     who writes     what waits, and what is left of it
//! ```
//! Whoever has output and finds nobody writing takes all that waits and writes it in as few calls as
//! the socket allows. Who comes meanwhile appends and leaves: the writer goes on until nobody came
//! ([`write_lock`]). So the output of many threads leaves in few writes, and nobody waits for another's
//! system call.

use std::{
    mem,
    sync::{Arc, atomic::Ordering::AcqRel},
};

use super::{
    core::Conn,
    reason::CloseReason,
    state::{OVER, event, mark},
    write_lock,
};
use crate::{
    buf::LinkBuffer,
    error::{Error, ErrorKind, Result},
    sched::{gather, gather_line, may_gather_lines},
};

/// Bytes that wait for the end of a turn at most.
const GATHERED: usize = 64 << 10;

/// How much output is pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Below the high mark.
    Room,
    /// At the high mark or past it.
    Full,
}

impl Conn {
    /// Sends what is readable in `bytes` after all that was given before, and leaves none of it there.
    /// What the socket does not take waits.
    #[inline]
    pub(crate) fn send(self: &Arc<Self>, bytes: &mut LinkBuffer) {
        let Some(layer) = self.layer() else { return write_lock::send(self, bytes) };
        self.seal(layer, bytes);
        self.flush();
    }

    /// As [`send`](Self::send), for one of many that send at the same time: while the poller is at work it
    /// leaves the writing to the connection's turn, which writes for all of them at once.
    pub(crate) fn send_with_others(self: &Arc<Self>, bytes: &mut LinkBuffer) {
        if self.layer().is_some() || self.shard.poller.is_parked() {
            return self.send(bytes);
        }
        self.put_in_line(bytes);
        self.schedule(event::FLUSH);
    }

    /// Sends as [`send`](Self::send) does, at the end of a turn: where the runtime `gathers`, together with the
    /// output of other turns.
    #[inline]
    pub(super) fn send_by_turn(self: &Arc<Self>, bytes: &mut LinkBuffer, gathers: bool) {
        if !gathers || !self.gathers() || bytes.node_count() != 1 {
            return self.send(bytes);
        }
        write_lock::offer(self, bytes, |bytes| {
            let word = self.state_word.load();
            let over = word & (mark::FINISHED | mark::HUNG_UP) != 0;
            if over || word & mark::WRITABLE == 0 || self.pending() > 0 {
                return false;
            }
            gather(|| {
                self.pending.fetch_add(bytes.len(), AcqRel);
                (self.clone(), mem::take(bytes))
            })
        });
    }

    /// Whether what its turns send may leave with other connections' output: as it is, by a socket.
    fn gathers(&self) -> bool {
        self.layer().is_none() && self.endpoint.socket().is_some()
    }

    /// Sends as [`send`](Self::send) does, for handlers and tasks, which may have more to send: within a turn the
    /// bytes wait in line and leave at its end, together.
    pub(super) fn send_soon(self: &Arc<Self>, bytes: &mut LinkBuffer) {
        let most = GATHERED.min(self.options.write_high);
        let gathers = may_gather_lines() && self.pending() + bytes.len() < most;
        if !gathers || bytes.is_empty() {
            return self.send(bytes);
        }
        match self.layer() {
            None => self.put_in_line(bytes),
            Some(layer) => self.seal(layer, bytes),
        }
        if !gather_line(self) {
            self.flush();
        }
    }

    /// Writes what waits, unless another thread does.
    pub(crate) fn flush(self: &Arc<Self>) {
        write_lock::flush(self);
    }

    /// How much output is pending.
    pub(crate) fn sent(&self) -> Sent {
        if self.pending() >= self.options.write_high { Sent::Full } else { Sent::Room }
    }

    /// An error if nothing can be sent any more.
    pub(crate) fn check_sending(&self) -> Result<()> {
        let word = self.state_word.load();
        if word & (mark::CLOSING | OVER) != 0 {
            return Err(self.closed_error());
        }
        if word & mark::HUNG_UP != 0 {
            let why = CloseReason::Reset;
            return Err(Error::new(ErrorKind::Closed, format!("cannot send: {why} ({self})")));
        }
        if word & mark::SHUT != 0 {
            let why = "this side has shut down sending";
            return Err(Error::new(ErrorKind::Closed, format!("cannot send: {why} ({self})")));
        }
        Ok(())
    }

    /// Whether there is room, for who waits for it: the low mark, so that a writer that had to wait
    /// does not come back for every byte.
    ///
    /// It writes itself what can be written: who waits may be in the turn that would do it.
    pub(crate) fn has_room(self: &Arc<Self>) -> Option<Result<()>> {
        if self.pending() > 0 && self.state_word.load() & mark::WRITABLE != 0 {
            self.flush();
        }
        if let Err(error) = self.check_sending() {
            // Where nothing was taken since the wait began, the connection's time is over with the waiter's.
            let late = self.reason() == Some(CloseReason::WriteTimeout);
            let late = late.then(|| Error::new(ErrorKind::TimedOut, error.to_string()));
            return Some(Err(late.unwrap_or(error)));
        }
        (self.pending() <= self.options.write_low).then_some(Ok(()))
    }
}
