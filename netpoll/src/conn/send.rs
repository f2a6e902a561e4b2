//! Sending: many threads append, one writes.
//!
//! Whoever has output and finds nobody writing takes all that waits and writes it in as few calls as
//! the socket allows. Who comes meanwhile appends and leaves: the writer goes on until nobody came
//! ([`write_lock`]). So the output of many threads leaves in few writes, and nobody waits for another's
//! system call.

use std::{
    io::{self, IoSlice},
    mem,
    sync::{
        Arc,
        atomic::Ordering::{AcqRel, Relaxed},
    },
};

use super::{
    core::Conn,
    deadlines::Kind,
    reason::CloseReason,
    state::{OVER, event, mark},
    wait::News,
    write_lock::{self, Outlet},
};
use crate::{
    buf::LinkBuffer,
    error::{Error, ErrorKind, Result},
    sched::state_word::StateWord,
};

/// Parts of one `writev`.
const PARTS: usize = 64;

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

    /// Puts `bytes` behind what waits for the writer.
    pub(super) fn put_in_line(&self, bytes: &mut LinkBuffer) {
        // Counted first: whoever finds them has not to find less pending.
        self.pending.fetch_add(bytes.len(), AcqRel);
        self.send.lock().join(bytes);
    }

    /// Writes what waits, unless another thread does.
    pub(crate) fn flush(self: &Arc<Self>) {
        write_lock::flush(self);
    }

    /// Writes what nothing waits before, and counts what the socket does not take. True: it is full.
    fn write_fresh(self: &Arc<Self>, out: &mut LinkBuffer) -> bool {
        if let Err(e) = self.write_all(out, |_| {}) {
            out.spend();
            self.broken(&e);
            return false;
        }
        if out.is_empty() {
            return false;
        }
        self.pending.fetch_add(out.len(), AcqRel);
        self.send.lock().prepend(mem::take(out));
        self.await_room();
        true
    }

    /// Writes what waits, and `first` behind it. True: the socket is full.
    fn write_line(self: &Arc<Self>, first: &mut LinkBuffer) -> bool {
        if !first.is_empty() {
            self.put_in_line(first);
        }
        let mut out = mem::take(&mut *self.send.lock());
        if let Err(e) = self.write_all(&mut out, |n| self.progress(n)) {
            self.less_pending(out.len());
            self.broken(&e);
            return false;
        }
        if out.is_empty() {
            return false;
        }
        self.send.lock().prepend(out);
        self.await_room();
        true
    }

    /// Writes until `out` is empty or the socket is full; `wrote` is told of each call's bytes.
    fn write_all(&self, out: &mut LinkBuffer, wrote: impl Fn(usize)) -> io::Result<()> {
        let word = self.state_word.load();
        if word & mark::HUNG_UP != 0 {
            // After a write that failed nothing may follow, even where the socket would take it.
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if word & mark::WRITABLE == 0 {
            return Ok(());
        }
        let mut asked_again = false;
        while !out.is_empty() {
            let result = match out.node_count() {
                1 => self.endpoint.write(out.node(0)),
                _ => self.write_nodes(out),
            };
            if let Ok(n) = result {
                self.written.store(self.written() + n as u64, Relaxed);
            }
            match result {
                Ok(n) if n == out.len() => {
                    out.spend();
                    wrote(n);
                    if asked_again {
                        self.state_word.set(mark::WRITABLE);
                    }
                    return Ok(());
                }
                Ok(n) => {
                    out.skip(n).expect("no more was written than there was");
                    wrote(n);
                    if mem::take(&mut asked_again) {
                        self.state_word.set(mark::WRITABLE);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    if asked_again {
                        return Ok(());
                    }
                    // An event between the call and this line would be lost: clear, then try again.
                    self.state_word.clear(mark::WRITABLE);
                    asked_again = true;
                }
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    #[inline(never)]
    fn write_nodes(&self, out: &LinkBuffer) -> io::Result<usize> {
        let mut parts = [IoSlice::new(&[]); PARTS];
        let n = out.io_slices(&mut parts);
        self.endpoint.write_vectored(&parts[..n])
    }

    fn progress(self: &Arc<Self>, n: usize) {
        let left = self.less_pending(n);
        if left == 0 {
            self.deadlines.clear(Kind::Write);
        } else if self.deadlines.get(Kind::Write).is_some() {
            self.set_deadline(Kind::Write, self.options.write_timeout);
        }
    }

    /// The socket is full: the peer has `write_timeout` to take something.
    fn await_room(&self) {
        if self.deadlines.get(Kind::Write).is_none() {
            self.set_deadline(Kind::Write, self.options.write_timeout);
            self.arm();
        }
    }

    /// A write failed: nothing more can be sent; what the peer sent before can still be read.
    fn broken(self: &Arc<Self>, error: &io::Error) {
        tracing::debug!(%error, connection = self.id, "a write failed");
        // The peer has not all that was sent: its stream must not end as if it had.
        let _ = self.endpoint.reset_on_close();
        let mut waiting = self.send.lock();
        self.less_pending(waiting.len());
        waiting.clear();
        drop(waiting);
        self.deadlines.clear(Kind::Write);
        self.schedule(event::IO | mark::HUNG_UP | mark::READABLE);
        self.wake_waiters(self.state_word.load(), News::ALL);
    }

    /// Whether all output has gone to the system.
    pub(super) fn is_drained(&self) -> bool {
        // In this order: a writer counts what is left before it stops writing.
        self.state_word.load() & mark::WRITING == 0 && self.pending() == 0
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

    /// Tells the peer that nothing more comes, if nothing waits; only by a turn.
    pub(super) fn shut_if_drained(self: &Arc<Self>) {
        let word = self.state_word.load() & (mark::SHUT | mark::SHUT_DONE | mark::HUNG_UP);
        let shut = word == mark::SHUT;
        if shut && self.has_sent_all() {
            self.state_word.set(mark::SHUT_DONE);
            // The peer may be gone, which the reading side tells.
            let _ = self.endpoint.shutdown_write();
        }
    }
}

impl Outlet for Arc<Conn> {
    type Bytes = LinkBuffer;

    fn state_word(&self) -> &StateWord {
        &self.state_word
    }

    fn append(&self, bytes: &mut LinkBuffer) {
        self.put_in_line(bytes);
    }

    fn write(&self, last: &mut LinkBuffer) -> bool {
        if self.pending() == 0 { self.write_fresh(last) } else { self.write_line(last) }
    }

    fn stopped(&self, word: u32) {
        // The turn that ends the connection, or one direction of it, may wait for this.
        let ends = word & (mark::FINISHED | mark::ABORTING) != 0;
        let drained = word & (mark::CLOSING | mark::SHUT) != 0 && self.pending() == 0;
        let waits = word & (mark::FULL | mark::WAITING) != 0;
        if waits && self.pending() <= self.options.write_low {
            self.wake_waiters(word, News::Room.bit());
            if word & mark::FULL != 0 && self.state_word.clear(mark::FULL) & mark::FULL != 0 {
                self.schedule(event::FLUSH);
            }
        }
        if ends || drained {
            self.schedule(event::FLUSH);
        }
    }

    fn ended(&self) {
        self.send.lock().clear();
        self.pending.store(0, Relaxed);
    }
}
