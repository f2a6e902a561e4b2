//! A connection that stays in memory: one end is a socket, the other a test's.
//!
//! ```text
//!   test's end ──pieces──▶ inbound  ──▶ Socket::read          bounded, as the system's buffers are
//!              ◀────────── outbound ◀── Socket::write
//! ```
//! The socket has a descriptor as any other, one end of a Unix pair through which nothing goes, so that
//! registration, options and closing are what they always are. What the system would say of a TCP
//! connection in the same state, this says: through the same calls, and through the bell instead of
//! the selector.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::Arc,
    time::Instant,
};

use parking_lot::{Condvar, Mutex};

use super::tap::{Bell, Tap};
use crate::sys::{interest::Readiness, socket::Socket};

/// Both directions of a connection in memory, and what is known of its ends.
pub(crate) struct Wire {
    state: Mutex<State>,
    /// Told of every change.
    changed: Condvar,
    bell: Arc<Bell>,
    /// The other end of the socket's descriptor: while it is open the system says nothing of this one.
    _pair: UnixStream,
}

struct State {
    /// What the test wrote: a read gives at most one piece.
    inbound: VecDeque<VecDeque<u8>>,
    inbound_room: usize,
    outbound: VecDeque<u8>,
    outbound_room: usize,
    /// The test's end sends no more.
    test_shut: bool,
    /// The test's end is gone.
    test_gone: bool,
    /// The socket sends no more.
    shut: bool,
    /// The socket is closed.
    closed: bool,
    /// The socket's close is a reset.
    abort: bool,
    /// The connection was reset.
    reset: bool,
    /// The socket's side was told of the reset.
    told: bool,
}

/// A socket, and the test's end of its connection, with so many bytes of room each way.
pub(crate) fn socket_in_memory(inbound: usize, outbound: usize) -> io::Result<(Socket, Arc<Wire>)> {
    let (ours, pair) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let bell = Arc::<Bell>::default();
    let state = State {
        inbound: VecDeque::new(),
        inbound_room: inbound,
        outbound: VecDeque::new(),
        outbound_room: outbound,
        test_shut: false,
        test_gone: false,
        shut: false,
        closed: false,
        abort: false,
        reset: false,
        told: false,
    };
    let state = Mutex::new(state);
    let wire = Arc::new(Wire { state, changed: Condvar::new(), bell: bell.clone(), _pair: pair });
    let mut socket = Socket::from(OwnedFd::from(ours));
    socket.tap = Tap::in_memory(wire.clone(), bell);
    Ok((socket, wire))
}

/// What the socket calls.
impl Wire {
    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state.lock();
        let Some(piece) = state.inbound.front_mut() else {
            return state.at_end();
        };
        let n = piece.len().min(into.len());
        for (to, from) in into.iter_mut().zip(piece.drain(..n)) {
            *to = from;
        }
        if piece.is_empty() {
            state.inbound.pop_front();
        }
        let more = !state.inbound.is_empty();
        drop(state);
        self.changed.notify_all();
        if more {
            // A read that gives less than it could take says that nothing more has come.
            self.bell.ring(Readiness::READABLE);
        }
        Ok(n)
    }

    pub(super) fn peek(&self) -> io::Result<usize> {
        let mut state = self.state.lock();
        if state.inbound.is_empty() { state.at_end() } else { Ok(1) }
    }

    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state.lock();
        if state.reset || state.shut {
            return Err(io::Error::from_raw_os_error(libc::EPIPE));
        }
        if state.test_gone {
            // The system takes it, and hears a reset for it.
            state.reset = true;
            drop(state);
            self.changed.notify_all();
            self.bell.ring(self.readiness());
            return Ok(bytes.len());
        }
        let n = bytes.len().min(state.outbound_room - state.outbound.len());
        if n == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        state.outbound.extend(&bytes[..n]);
        drop(state);
        self.changed.notify_all();
        Ok(n)
    }

    pub(super) fn shutdown_write(&self) -> io::Result<usize> {
        let mut state = self.state.lock();
        if state.reset {
            return Err(io::Error::from_raw_os_error(libc::ENOTCONN));
        }
        state.shut = true;
        let hung_up = state.test_shut;
        drop(state);
        self.changed.notify_all();
        if hung_up {
            self.bell.ring(self.readiness());
        }
        Ok(0)
    }

    pub(super) fn reset_on_close(&self) {
        self.state.lock().abort = true;
    }

    pub(super) fn closed(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.shut = true;
        // As the system does: unread bytes make a close a reset, which takes unread answers with it.
        if state.abort || !state.inbound.is_empty() {
            state.break_off();
        }
        state.inbound.clear();
        drop(state);
        self.changed.notify_all();
    }

    /// What a selector would say now.
    pub(super) fn readiness(&self) -> Readiness {
        self.state.lock().readiness()
    }
}

/// What the test calls. Waits end at `until`.
impl Wire {
    /// Writes pieces, each of which one read of the socket's may give; in parts where there is too
    /// little room, else all of them in one step.
    pub(crate) fn put(&self, pieces: &[&[u8]], until: Instant) -> io::Result<()> {
        let mut state = self.state.lock();
        for mut bytes in pieces.iter().copied() {
            while !bytes.is_empty() {
                match state.put(bytes).transpose()? {
                    Some(n) => bytes = &bytes[n..],
                    None => {
                        self.bell.ring(state.readiness());
                        if self.changed.wait_until(&mut state, until).timed_out() {
                            return Err(in_vain("room to write to the connection"));
                        }
                    }
                }
            }
        }
        self.bell.ring(state.readiness());
        Ok(())
    }

    /// Reads what there is, at least a byte; 0 at the end of the stream.
    pub(crate) fn take(&self, into: &mut [u8], until: Instant) -> io::Result<usize> {
        let (n, was_full) =
            self.wait(until, "bytes of the connection", |state| state.take(into))??;
        if was_full {
            self.bell.ring(self.readiness());
        }
        Ok(n)
    }

    /// Waits until the socket's side has read all that was written, or has ended.
    pub(crate) fn drained(&self, until: Instant) -> io::Result<()> {
        self.wait(until, "the connection to read", |state| {
            (state.inbound.is_empty() || state.closed || state.reset).then_some(())
        })
    }

    /// Waits until the socket is closed.
    pub(crate) fn ended(&self, until: Instant) -> io::Result<()> {
        self.wait(until, "the connection's end", |state| state.closed.then_some(()))
    }

    /// Bytes that the socket's side has written and the test has not read.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().outbound.len()
    }

    /// The test's end sends no more.
    pub(crate) fn shut(&self) {
        self.state.lock().test_shut = true;
        self.changed.notify_all();
        self.bell.ring(self.readiness());
    }

    /// The connection breaks: what is on its way to the test is lost.
    pub(crate) fn reset(&self) {
        self.state.lock().break_off();
        self.changed.notify_all();
        self.bell.ring(self.readiness());
    }

    /// The test's end is gone: a reset if it leaves bytes unread, as of the system's sockets.
    pub(crate) fn leave(&self) {
        {
            let mut state = self.state.lock();
            state.test_shut = true;
            state.test_gone = true;
            if !state.outbound.is_empty() {
                state.break_off();
            }
        }
        self.changed.notify_all();
        self.bell.ring(self.readiness());
    }

    fn wait<T>(
        &self,
        until: Instant,
        what: &str,
        mut condition: impl FnMut(&mut State) -> Option<T>,
    ) -> io::Result<T> {
        let mut state = self.state.lock();
        loop {
            if let Some(found) = condition(&mut state) {
                drop(state);
                return Ok(found);
            }
            if self.changed.wait_until(&mut state, until).timed_out() {
                return Err(in_vain(what));
            }
        }
    }
}

fn in_vain(what: &str) -> io::Error {
    io::Error::new(ErrorKind::TimedOut, format!("waited in vain for {what}"))
}

impl State {
    fn readiness(&self) -> Readiness {
        let ended = self.test_shut || self.reset;
        let writable = self.outbound.len() < self.outbound_room || self.reset;
        Readiness::READABLE.when(!self.inbound.is_empty() || ended)
            | Readiness::WRITABLE.when(writable)
            | Readiness::READ_CLOSED.when(ended)
            | Readiness::HUNG_UP.when(self.reset || self.test_shut && self.shut)
    }

    /// What a read gives where there are no bytes.
    fn at_end(&mut self) -> io::Result<usize> {
        if self.reset && !std::mem::replace(&mut self.told, true) {
            return Err(io::Error::from_raw_os_error(libc::ECONNRESET));
        }
        if self.reset || self.test_shut { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    fn break_off(&mut self) {
        self.reset = true;
        self.outbound.clear();
    }

    fn put(&mut self, bytes: &[u8]) -> Option<io::Result<usize>> {
        if self.reset || self.test_shut {
            return Some(Err(ErrorKind::BrokenPipe.into()));
        }
        if self.closed {
            // A socket that is closed answers with a reset.
            self.break_off();
            return Some(Ok(bytes.len()));
        }
        let there: usize = self.inbound.iter().map(VecDeque::len).sum();
        let n = bytes.len().min(self.inbound_room.saturating_sub(there));
        if n == 0 {
            return None;
        }
        self.inbound.push_back(bytes[..n].iter().copied().collect());
        Some(Ok(n))
    }

    /// Bytes for the test, and whether the socket had no room before.
    fn take(&mut self, into: &mut [u8]) -> Option<io::Result<(usize, bool)>> {
        let n = into.len().min(self.outbound.len());
        if n == 0 && !into.is_empty() {
            return match () {
                () if self.reset => Some(Err(ErrorKind::ConnectionReset.into())),
                () if self.shut => Some(Ok((0, false))),
                () => None,
            };
        }
        let was_full = self.outbound.len() == self.outbound_room;
        for (to, from) in into.iter_mut().zip(self.outbound.drain(..n)) {
            *to = from;
        }
        Some(Ok((n, was_full)))
    }
}
