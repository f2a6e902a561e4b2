//! Writing: what the holder of the right to write does with the output that waits.

use std::{
    io::{self, IoSlice},
    mem,
    os::fd::BorrowedFd,
    sync::{
        Arc,
        atomic::Ordering::{AcqRel, Relaxed},
    },
};

use super::{
    core::Conn,
    deadlines::Kind,
    state::{event, mark},
    wait::News,
    write_lock::{self, Outlet, Written},
};
use crate::{
    buf::LinkBuffer,
    counters::{self, Counter},
    sched::{Sender, state_word::StateWord},
};

/// Parts of one `writev`.
const PARTS: usize = 64;

impl Conn {
    /// Puts `bytes` behind what waits for the writer.
    pub(super) fn put_in_line(&self, bytes: &mut LinkBuffer) {
        // Counted first: whoever finds them has not to find less pending.
        self.pending.fetch_add(bytes.len(), AcqRel);
        self.send.lock().join(bytes);
    }

    /// Writes what nothing waits before, and counts what the socket does not take.
    #[inline]
    fn write_fresh(self: &Arc<Self>, out: &mut LinkBuffer) -> Written {
        if let Err(e) = self.write_all(out, |_| {}) {
            out.spend();
            self.broken(&e);
            return Written::All;
        }
        if out.is_empty() {
            return Written::All;
        }
        self.pending.fetch_add(out.len(), AcqRel);
        self.send.lock().prepend(mem::take(out));
        self.await_room();
        Written::Full
    }

    /// Writes what waits, and `first` behind it.
    fn write_line(self: &Arc<Self>, first: &mut LinkBuffer) -> Written {
        if !first.is_empty() {
            self.put_in_line(first);
        }
        let mut out = mem::take(&mut *self.send.lock());
        if let Err(e) = self.write_all(&mut out, |n| self.progress(n)) {
            self.less_pending(out.len());
            self.broken(&e);
            return Written::All;
        }
        if out.is_empty() {
            return Written::All;
        }
        self.send.lock().prepend(out);
        self.await_room();
        Written::Full
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

    /// Tells the peer that nothing more comes, if nothing waits; only by a turn.
    pub(super) fn shut_if_drained(self: &Arc<Self>) {
        let word = self.state_word.load() & (mark::SHUT | mark::SHUT_DONE | mark::HUNG_UP);
        let shut = word == mark::SHUT;
        if shut && self.has_sent_all() {
            let word = self.state_word.set(mark::SHUT_DONE);
            // The peer may be gone, which the reading side tells.
            let _ = self.endpoint.shutdown_write();
            // Where the peer has sent its end before, both directions are done.
            self.wake_waiters(word, News::End.bit() | News::Room.bit());
        }
    }
}

/// The output of a turn that was gathered: the right to write is held until it has been sent. Lines hold nothing.
impl Sender for Conn {
    fn socket(&self) -> BorrowedFd<'_> {
        self.endpoint.socket().expect("the socket is open while the right to write is held")
    }

    fn sent(self: Arc<Self>, mut bytes: LinkBuffer, result: Option<io::Result<usize>>) {
        match result {
            Some(Ok(n)) => {
                counters::add(Counter::BytesOut, n as u64);
                self.written.store(self.written() + n as u64, Relaxed);
                bytes.skip(n).expect("no more was written than there was");
                self.progress(n);
            }
            Some(Err(e)) if e.kind() != io::ErrorKind::WouldBlock => {
                self.less_pending(bytes.len());
                bytes.spend();
                self.broken(&e);
            }
            // What is left is written below, or waits for room.
            _ => {}
        }
        if !bytes.is_empty() {
            self.send.lock().prepend(bytes);
        }
        write_lock::resume(&self);
    }

    fn send_line(self: Arc<Self>) {
        // Another thread's send may have taken it along.
        if self.pending() > 0 {
            self.flush();
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

    #[inline]
    fn write(&self, last: &mut LinkBuffer) -> Written {
        if self.pending() == 0 { self.write_fresh(last) } else { self.write_line(last) }
    }

    #[inline]
    fn stopped(&self, word: u32) {
        let ends = mark::FINISHED | mark::ABORTING | mark::CLOSING | mark::SHUT;
        if word & (ends | mark::FULL | mark::WAITING) != 0 {
            self.tell_of_writing(word);
        }
    }

    fn ended(&self) {
        self.send.lock().clear();
        self.pending.store(0, Relaxed);
    }
}

impl Conn {
    /// Tells who may wait for the end of writing, or for room; `word` is that of the writer's end.
    fn tell_of_writing(self: &Arc<Self>, word: u32) {
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
}
