//! A connection that stays in memory: one end is a socket, the other a test's, or a socket too.
//!
//! ```text
//!   an end ──pieces──▶ inbox of the other ──▶ read          bounded, as the system's buffers are
//! ```
//! A socket has a descriptor as any other, one end of a Unix pair through which nothing goes, so that
//! registration, options and closing are what they always are. What the system would say of a TCP
//! connection in the same state, this says: through the same calls, and through the bell instead of
//! the selector.

use std::{
    io::{self, ErrorKind},
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::Arc,
    time::Instant,
};

use parking_lot::{Condvar, Mutex};

use super::{
    tap::{Bell, Tap},
    wire::State,
};
use crate::sys::{interest::Readiness, socket::Socket};

/// Both directions of a connection in memory, and what is known of its ends.
struct Wire {
    state: Mutex<State>,
    /// Told of every change.
    changed: Condvar,
    /// Of the ends that are sockets; a test's hears nothing.
    bells: [Option<Arc<Bell>>; 2],
}

/// One end of a connection in memory.
pub(crate) struct End {
    wire: Arc<Wire>,
    side: usize,
    /// The other end of a socket's descriptor: while it is open the system says nothing of this one.
    _pair: Option<UnixStream>,
}

/// A socket, and the test's end of its connection, with so many bytes of room each way.
pub(crate) fn socket_in_memory(inbound: usize, outbound: usize) -> io::Result<(Socket, End)> {
    let bell = Arc::<Bell>::default();
    let wire = Wire::new([(inbound, Some(&bell)), (outbound, None)]);
    Ok((socket(&wire, 0, bell)?, End { wire, side: 1, _pair: None }))
}

/// The two sockets of a connection, with so many bytes of room on the way to the first, and to the second.
pub(crate) fn sockets_in_memory(first: usize, second: usize) -> io::Result<(Socket, Socket)> {
    let [one, other] = [(); 2].map(|()| Arc::<Bell>::default());
    let wire = Wire::new([(first, Some(&one)), (second, Some(&other))]);
    Ok((socket(&wire, 0, one)?, socket(&wire, 1, other)?))
}

/// A socket whose dial nobody answers.
pub(super) fn ignored_socket() -> io::Result<Socket> {
    let (mut socket, _) = socket_in_memory(1, 1)?;
    socket.tap.ignore();
    Ok(socket)
}

fn socket(wire: &Arc<Wire>, side: usize, bell: Arc<Bell>) -> io::Result<Socket> {
    let (ours, pair) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let mut socket = Socket::from(OwnedFd::from(ours));
    socket.tap = Tap::in_memory(End { wire: wire.clone(), side, _pair: Some(pair) }, bell);
    Ok(socket)
}

impl Wire {
    fn new(ends: [(usize, Option<&Arc<Bell>>); 2]) -> Arc<Self> {
        let state = State::new(ends.map(|(room, bell)| (room, bell.is_none())));
        let bells = ends.map(|(_, bell)| bell.cloned());
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new(), bells })
    }

    /// Tells the end `side` what a selector would say now.
    fn ring(&self, side: usize) {
        if let Some(bell) = &self.bells[side] {
            let readiness = self.state.lock().readiness(side);
            bell.ring(readiness);
        }
    }
}

/// What a socket calls; nothing waits.
impl End {
    fn other(&self) -> usize {
        1 - self.side
    }

    /// Something has changed that the other end has to know.
    fn tell(&self) {
        self.wire.changed.notify_all();
        self.wire.ring(self.other());
    }

    pub(super) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let (n, had_no_room, more) = {
            let mut state = self.wire.state.lock();
            let had_no_room = state.ends[self.side].left() == 0;
            let n = state.take(self.side, into)?;
            (n, had_no_room, !state.ends[self.side].inbox.is_empty())
        };
        self.wire.changed.notify_all();
        if had_no_room {
            self.wire.ring(self.other());
        }
        if more {
            // A read that gives less than it could take says that nothing more has come.
            self.wire.ring(self.side);
        }
        Ok(n)
    }

    pub(super) fn peek(&self) -> io::Result<usize> {
        let mut state = self.wire.state.lock();
        if state.ends[self.side].inbox.is_empty() { state.at_end(self.side) } else { Ok(1) }
    }

    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let (n, reset) = {
            let mut state = self.wire.state.lock();
            (state.put(self.side, bytes)?, state.reset)
        };
        self.tell();
        if reset {
            // The system takes it, and hears a reset for it.
            self.wire.ring(self.side);
        }
        Ok(n)
    }

    pub(super) fn shutdown_write(&self) -> io::Result<usize> {
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
            self.wire.ring(self.side);
        }
        Ok(0)
    }

    pub(super) fn reset_on_close(&self) {
        self.wire.state.lock().ends[self.side].abort = true;
    }

    /// What a selector would say now.
    pub(super) fn readiness(&self) -> Readiness {
        self.wire.state.lock().readiness(self.side)
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
