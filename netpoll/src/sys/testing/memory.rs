//! A connection that stays in memory: one end is a socket, the other a test's, or a socket too.
//!
//! ```text
//!   an end ──pieces──▶ inbox of the other ──▶ read          bounded, as the system's buffers are
//! ```
//! The library's end is an [`Endpoint`] without a descriptor. What the system would say of a TCP connection
//! in the same state, this says: through the same calls, and through the notifier instead of the
//! selector.

use std::{
    fmt,
    io::{self, ErrorKind, IoSlice},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::AcqRel, Ordering::Acquire},
    },
    time::Instant,
};

use parking_lot::{Condvar, Mutex};

use super::wire::State;
use crate::{
    counters::{self, Counter},
    sys::{
        Connecting,
        endpoint::{Endpoint, Notifier, Stream},
    },
};

/// Both directions of a connection in memory, and what is known of its ends.
struct Wire {
    state: Mutex<State>,
    /// Told of every change.
    changed: Condvar,
    /// Of the ends that are the library's, once they are watched; a test's hears nothing.
    notifiers: [OnceLock<Notifier>; 2],
}

/// One end of a connection in memory.
pub(crate) struct End {
    wire: Arc<Wire>,
    side: usize,
}

/// The library's end of a connection in memory.
pub(super) struct MemoryStream {
    end: End,
    /// Nobody answers its dial.
    ignored: bool,
    closed: AtomicBool,
}

/// An endpoint, and the test's end of its connection, with so many bytes of room each way.
pub(crate) fn endpoint_in_memory(inbound: usize, outbound: usize) -> (Endpoint, End) {
    let wire = Wire::new([(inbound, false), (outbound, true)]);
    (endpoint(&wire, 0, false), End { wire, side: 1 })
}

/// The two endpoints of a connection, with so many bytes of room on the way to the first, and to the second.
pub(crate) fn endpoints_in_memory(first: usize, second: usize) -> (Endpoint, Endpoint) {
    let wire = Wire::new([(first, false), (second, false)]);
    (endpoint(&wire, 0, false), endpoint(&wire, 1, false))
}

/// An endpoint whose dial nobody answers.
pub(super) fn ignored_endpoint() -> Endpoint {
    endpoint(&Wire::new([(1, false), (1, false)]), 0, true)
}

fn endpoint(wire: &Arc<Wire>, side: usize, ignored: bool) -> Endpoint {
    let end = End { wire: wire.clone(), side };
    Endpoint::Other(Box::new(MemoryStream { end, ignored, closed: AtomicBool::new(false) }))
}

impl Wire {
    /// With so many bytes of room on the way to each end, which may be a test's.
    fn new(ends: [(usize, bool); 2]) -> Arc<Self> {
        let state = Mutex::new(State::new(ends));
        Arc::new(Self { state, changed: Condvar::new(), notifiers: Default::default() })
    }

    /// Tells the end `side` what a selector would say now.
    fn notify(&self, side: usize) {
        if let Some(notifier) = self.notifiers[side].get() {
            let readiness = self.state.lock().readiness(side);
            notifier(readiness);
        }
    }
}

/// The calls of the library's end; nothing waits.
impl End {
    fn other(&self) -> usize {
        1 - self.side
    }

    /// Something has changed that the other end has to know.
    fn tell(&self) {
        self.wire.changed.notify_all();
        self.wire.notify(self.other());
    }

    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let (n, had_no_room, more) = {
            let mut state = self.wire.state.lock();
            let had_no_room = state.ends[self.side].left() == 0;
            let n = state.take(self.side, into)?;
            (n, had_no_room, !state.ends[self.side].inbox.is_empty())
        };
        self.wire.changed.notify_all();
        if had_no_room {
            self.wire.notify(self.other());
        }
        if more {
            // A read that gives less than it could take says that nothing more has come.
            self.wire.notify(self.side);
        }
        Ok(n)
    }

    fn peek(&self) -> io::Result<usize> {
        let mut state = self.wire.state.lock();
        if state.ends[self.side].inbox.is_empty() { state.at_end(self.side) } else { Ok(1) }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let (n, reset) = {
            let mut state = self.wire.state.lock();
            (state.put(self.side, bytes)?, state.reset)
        };
        self.tell();
        if reset {
            // The system takes it, and hears a reset for it.
            self.wire.notify(self.side);
        }
        Ok(n)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        let hung_up = {
            let mut state = self.wire.state.lock();
            if state.reset {
                return Err(io::Error::from_raw_os_error(libc::ENOTCONN));
            }
            state.ends[self.side].shut = true;
            state.ends[self.other()].shut
        };
        self.tell();
        if hung_up {
            self.wire.notify(self.side);
        }
        Ok(())
    }
}

impl MemoryStream {
    /// The connection breaks.
    pub(super) fn reset(&self) {
        self.end.reset();
    }

    /// Makes a call, unless it is closed.
    fn call<T>(&self, counter: Counter, call: impl FnOnce(&End) -> io::Result<T>) -> io::Result<T> {
        if self.closed.load(Acquire) {
            return Err(ErrorKind::NotConnected.into());
        }
        counters::add(counter, 1);
        call(&self.end)
    }
}

impl Stream for MemoryStream {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.call(Counter::SysRead, |end| end.read(into))?;
        counters::add(Counter::BytesIn, n as u64);
        Ok(n)
    }

    fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let bytes = parts.iter().map(|part| &part[..]).collect::<Vec<_>>().concat();
        let n = self.call(Counter::SysWrite, |end| end.write(&bytes))?;
        counters::add(Counter::BytesOut, n as u64);
        Ok(n)
    }

    fn peek(&self) -> io::Result<usize> {
        self.call(Counter::SysRead, End::peek)
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.call(Counter::SysClose, End::shutdown_write)
    }

    fn reset_on_close(&self) -> io::Result<()> {
        self.end.wire.state.lock().ends[self.end.side].abort = true;
        Ok(())
    }

    fn close(&self) -> bool {
        let closes = !self.closed.swap(true, AcqRel);
        if closes {
            counters::add(Counter::SysClose, 1);
            self.end.close();
        }
        closes
    }

    fn watch(&self, notifier: Notifier) {
        let End { wire, side } = &self.end;
        if wire.notifiers[*side].set(notifier).is_err() {
            unreachable!("an endpoint is watched once");
        }
        // As a selector tells at once what is true already.
        wire.notify(*side);
    }

    fn connect_finish(&self) -> io::Result<Connecting> {
        Ok(if self.ignored { Connecting::InProgress } else { Connecting::Done })
    }
}

impl Drop for MemoryStream {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for MemoryStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStream").field("side", &self.end.side).finish_non_exhaustive()
    }
}

/// What ends a connection, whoever calls.
impl End {
    /// This end is gone: with a reset if it leaves bytes unread, as the system's sockets do, which takes
    /// unread answers with it.
    pub(crate) fn close(&self) {
        {
            let mut state = self.wire.state.lock();
            let end = &mut state.ends[self.side];
            (end.closed, end.shut) = (true, true);
            let unread = !end.inbox.is_empty();
            end.inbox.clear();
            if end.abort || unread {
                state.break_off();
            }
        }
        self.tell();
    }

    /// The connection breaks: what is on its way to a test is lost.
    pub(crate) fn reset(&self) {
        self.wire.state.lock().break_off();
        self.tell();
    }
}

/// What a test calls. Waits end at `until`.
impl End {
    /// Writes pieces, each of which one read of the socket's may give; in parts where there is too
    /// little room, else all of them in one step.
    pub(crate) fn put(&self, pieces: &[&[u8]], until: Instant) -> io::Result<()> {
        let mut state = self.wire.state.lock();
        for mut bytes in pieces.iter().copied() {
            while !bytes.is_empty() {
                match state.put(self.side, bytes) {
                    Ok(n) => bytes = &bytes[n..],
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        parking_lot::MutexGuard::unlocked(&mut state, || self.tell());
                        let what = "room to write to the connection";
                        self.changed(&mut state, until, what, |state| {
                            state.reset || state.ends[self.other()].left() > 0
                        })?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        drop(state);
        self.tell();
        Ok(())
    }

    /// Reads what there is, at least a byte; 0 at the end of the stream.
    pub(crate) fn take(&self, into: &mut [u8], until: Instant) -> io::Result<usize> {
        self.wait(until, "bytes of the connection", |state| {
            let end = &state.ends[self.side];
            into.is_empty() || !end.inbox.is_empty() || state.has_ended(self.side)
        })?;
        if into.is_empty() { Ok(0) } else { self.read(into) }
    }

    /// Waits until the socket's side has read all that was written, or has ended.
    pub(crate) fn drained(&self, until: Instant) -> io::Result<()> {
        self.wait(until, "the connection to read", |state| {
            let socket = &state.ends[self.other()];
            socket.inbox.is_empty() || socket.closed || state.reset
        })
    }

    /// Waits until the socket is closed.
    pub(crate) fn ended(&self, until: Instant) -> io::Result<()> {
        self.wait(until, "the connection's end", |state| state.ends[self.other()].closed)
    }

    /// Bytes that the socket's side has written and the test has not read.
    pub(crate) fn waiting(&self) -> usize {
        self.wire.state.lock().ends[self.side].bytes()
    }

    /// The test's end sends no more.
    pub(crate) fn shut(&self) {
        // After a reset nobody would hear it.
        let _ = self.shutdown_write();
    }

    fn wait(
        &self,
        until: Instant,
        what: &str,
        condition: impl FnMut(&mut State) -> bool,
    ) -> io::Result<()> {
        self.changed(&mut self.wire.state.lock(), until, what, condition)
    }

    fn changed(
        &self,
        state: &mut parking_lot::MutexGuard<'_, State>,
        until: Instant,
        what: &str,
        condition: impl FnMut(&mut State) -> bool,
    ) -> io::Result<()> {
        let mut condition = condition;
        let waited = self.wire.changed.wait_while_until(state, |state| !condition(state), until);
        if waited.timed_out() {
            return Err(io::Error::new(ErrorKind::TimedOut, format!("waited in vain for {what}")));
        }
        Ok(())
    }
}
