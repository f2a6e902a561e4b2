//! [`Endpoint`]: the one seam beneath all I/O of a connection.
//!
//! ```text
//!   Conn ──▶ Endpoint ─┬─ Socket                      has a descriptor: the selector tells its events
//!                      └─ Other(dyn Stream) ─┬─ a stream in memory          no descriptor: it notifies
//!                                            └─ faults around an Endpoint   as what it is around, and notifies
//! ```
//! A socket is a variant of its own, so that the path that nearly all connections take is a comparison
//! and the system call. All else is behind [`Stream`].
//!
//! **States.** An endpoint is connecting or connected when it is made; each direction ends by itself
//! (`shutdown_write` here, the peer's end there); it is closed once, by [`close`](Endpoint::close) or by its
//! drop, and every later call gives [`NotConnected`](io::ErrorKind::NotConnected).
//!
//! **Owners.** A connection owns its endpoint and says by its state word who may call it: the turn (or the
//! reader that has taken the receive state) reads and peeks, the holder of the write lock writes, shuts
//! down and asks, the turn closes when nobody does any of this. An endpoint may rely on that: one reader
//! and one writer at a time, nobody beside a close.
//!
//! **Invariants.**
//! 1. No call waits: what would block gives [`WouldBlock`](io::ErrorKind::WouldBlock). A call is never
//!    interrupted: it is made again.
//! 2. After `WouldBlock` an event follows as soon as the call would make progress. Events are
//!    edge-triggered and may be spurious.
//! 3. A read of 0 bytes into a buffer that is not empty is the end of the stream, for ever.
//! 4. A read that gives less than was asked for has emptied the stream, unless an event follows or
//!    [`cuts_reads`](Endpoint::cuts_reads) says otherwise.
//! 5. Each call counts what it did: system calls where it made some, bytes always.
//!
//! **A third kind of endpoint**, such as the streams of a session in shared memory, implements [`Stream`] with
//! [`descriptor`](Stream::descriptor) left out. The connection is then a source of its poller without a
//! registration at the selector, and [`watch`](Stream::watch) gives the endpoint its [`Notifier`] once. What the
//! stream's session hears (from the descriptor by which its peer wakes it, which is a source of its own at
//! the same poller) it passes on by calling the notifier, from any thread and under no lock of the stream's:
//! that queues the event for the poller and wakes it. Nothing above this module changes.

pub(super) mod fault_layer;

use std::{
    any::Any,
    fmt, io,
    os::fd::{BorrowedFd, OwnedFd},
    sync::{Arc, OnceLock},
};

pub(crate) use fault_layer::FaultLayer;

use super::{
    interest::Readiness,
    options::StreamOptions,
    socket::{Connecting, Credentials, Socket},
};
use crate::addr::PeerAddress;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) enum Endpoint {
    Socket(Socket),
    Other(Box<dyn Stream>),
}

/// An endpoint that is no socket. The contract is the module's.
pub(crate) trait Stream: Any + fmt::Debug + Send + Sync {
    /// Reads up to `into.len()` bytes.
    fn read(&self, into: &mut [u8]) -> io::Result<usize>;

    /// Writes some of the bytes of `parts`, in their order.
    fn write(&self, parts: &[io::IoSlice<'_>]) -> io::Result<usize>;

    /// Looks for a byte to read and leaves it there: 1 if there is one, 0 at the end of the stream.
    fn peek(&self) -> io::Result<usize>;

    /// Ends the sending direction: the peer reads what was sent and then the end.
    fn shutdown_write(&self) -> io::Result<()>;

    /// Makes the next close a reset.
    fn reset_on_close(&self) -> io::Result<()>;

    /// Closes; false if it was closed before.
    fn close(&self) -> bool;

    /// Returns the bytes that have come and can be read at once, up to a bound, if the endpoint knows: a hint.
    fn available(&self) -> usize {
        0
    }

    /// Returns true if the peer may have made room: a look, for whoever judges that it has not.
    fn is_writable(&self) -> bool {
        true
    }

    /// The descriptor whose events are this stream's, if it has one.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    /// Begins to notify of events that no selector knows, first of what is true already. Called once.
    fn watch(&self, notifier: Notifier);

    /// The progress of a connect, after an event.
    fn connect_finish(&self) -> io::Result<Connecting> {
        Ok(Connecting::Done)
    }

    /// This end's address.
    fn local_address(&self) -> io::Result<PeerAddress> {
        Ok(PeerAddress::Unnamed)
    }

    /// The process at the other end.
    fn credentials(&self) -> io::Result<Credentials> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Whether a short read may leave bytes that no event announces.
    fn cuts_reads(&self, peer: &PeerAddress) -> bool {
        let _ = peer;
        false
    }

    /// Whether faults are injected into it.
    fn is_faulty(&self) -> bool {
        false
    }
}

impl From<Socket> for Endpoint {
    fn from(socket: Socket) -> Self {
        Self::Socket(socket)
    }
}

impl From<OwnedFd> for Endpoint {
    /// `fd` must be a non-blocking stream socket.
    fn from(fd: OwnedFd) -> Self {
        Self::Socket(fd.into())
    }
}

impl From<Box<dyn Stream>> for Endpoint {
    fn from(stream: Box<dyn Stream>) -> Self {
        Self::Other(stream)
    }
}

/// Queues an event of one endpoint at its poller, and wakes the poller: `readiness` is true now. Called from
/// any thread.
pub(crate) type Notifier = Arc<dyn Fn(Readiness) + Send + Sync>;

/// A dial of addresses that are not the system's; `None` for those that are.
pub(crate) type Dial = fn(&PeerAddress) -> Option<io::Result<(Endpoint, Connecting)>>;

/// Set by whoever has such addresses.
pub(super) static OTHER_ADDRESSES: OnceLock<Dial> = OnceLock::new();

impl Endpoint {
    /// Begins to connect to `peer`.
    ///
    /// # Errors
    /// An error that is known at once; `WouldBlock` if a Unix listener's queue is full, which no event will
    /// announce: try again later.
    pub(crate) fn connect_start(
        peer: &PeerAddress,
        options: &StreamOptions,
        faults: &FaultLayer,
    ) -> io::Result<(Self, Connecting)> {
        faults.before_open()?;
        if let Some(dial) = OTHER_ADDRESSES.get()
            && let Some(dialled) = dial(peer)
        {
            return dialled;
        }
        Socket::connect_start(peer, options).map(|(socket, state)| (socket.into(), state))
    }

    /// Sees how a connect went, after an event.
    ///
    /// # Errors
    /// The reason of its failure: `ConnectionRefused`, `TimedOut`, and so on.
    pub(crate) fn connect_finish(&self) -> io::Result<Connecting> {
        match self {
            Self::Socket(socket) => socket.connect_finish(),
            Self::Other(stream) => stream.connect_finish(),
        }
    }

    /// The descriptor to register, if events of this endpoint come from a selector.
    pub(crate) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Socket(socket) => socket.fd().ok(),
            Self::Other(stream) => stream.descriptor(),
        }
    }

    /// The descriptor of a socket of the system's, whose sends may be made elsewhere.
    pub(crate) fn socket(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Socket(socket) => socket.fd().ok(),
            Self::Other(_) => None,
        }
    }

    /// Registered with a poller: `notifier` makes what tells it of events that its selector does not know.
    pub(crate) fn watch(&self, notifier: impl FnOnce() -> Notifier) {
        if let Self::Other(stream) = self {
            stream.watch(notifier());
        }
    }

    /// Reads up to `into.len()` bytes; 0 is the end of the stream, if `into` is not empty.
    #[inline(always)] // a comparison and a system call
    pub(crate) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.read(into),
            Self::Other(stream) => stream.read(into),
        }
    }

    /// Returns the bytes that have come and can be read at once, if the endpoint knows without a call; 0 of a
    /// socket.
    #[inline]
    pub(crate) fn available(&self) -> usize {
        match self {
            Self::Socket(_) => 0,
            Self::Other(stream) => stream.available(),
        }
    }

    /// Writes some of `bytes`: as many as there is room for.
    #[inline(always)] // a comparison and a system call
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.write(bytes),
            Self::Other(stream) => stream.write(&[io::IoSlice::new(bytes)]),
        }
    }

    /// Writes some of the bytes of `parts`, in their order.
    pub(crate) fn write_vectored(&self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.writev(parts),
            Self::Other(stream) => stream.write(parts),
        }
    }

    /// Looks for a byte to read and leaves it there: 1 if there is one, 0 at the end of the stream.
    pub(crate) fn peek(&self) -> io::Result<usize> {
        match self {
            Self::Socket(socket) => socket.peek(),
            Self::Other(stream) => stream.peek(),
        }
    }

    /// Ends the sending direction: the peer reads what was sent and then the end.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Socket(socket) => socket.shutdown_write(),
            Self::Other(stream) => stream.shutdown_write(),
        }
    }

    /// Ends both directions before a close, which alone would be silent while a forked child holds the
    /// descriptor too.
    pub(crate) fn shutdown(&self) {
        if let Self::Socket(socket) = self {
            // The peer may have ended both.
            let _ = socket.shutdown();
        }
    }

    /// Makes the next close a reset: what was not sent is discarded, and the peer sees an error.
    pub(crate) fn reset_on_close(&self) -> io::Result<()> {
        match self {
            Self::Socket(socket) => socket.reset_on_close(),
            Self::Other(stream) => stream.reset_on_close(),
        }
    }

    /// Closes it; false if it was closed before. The caller knows that no other call is running.
    pub(crate) fn close(&self) -> bool {
        match self {
            Self::Socket(socket) => socket.close(),
            Self::Other(stream) => stream.close(),
        }
    }

    /// Whether reads of a stream with `peer` may end before its bytes do: at messages with descriptors, which
    /// Unix sockets keep apart.
    pub(crate) fn cuts_reads(&self, peer: &PeerAddress) -> bool {
        match self {
            Self::Socket(_) => peer.inet().is_none(),
            Self::Other(stream) => stream.cuts_reads(peer),
        }
    }

    /// Returns true if the selector would say that there is room. A socket may take bytes although it would
    /// not: its own buffer grows, whatever the peer does.
    pub(crate) fn is_writable(&self) -> bool {
        match self {
            Self::Socket(socket) => socket.is_writable(),
            Self::Other(stream) => stream.is_writable(),
        }
    }

    /// This end's address.
    pub(crate) fn local_address(&self) -> io::Result<PeerAddress> {
        match self {
            Self::Socket(socket) => socket.local_address(),
            Self::Other(stream) => stream.local_address(),
        }
    }

    /// The process at the other end of a Unix socket.
    pub(crate) fn credentials(&self) -> io::Result<Credentials> {
        match self {
            Self::Socket(socket) => socket.credentials(),
            Self::Other(stream) => stream.credentials(),
        }
    }

    /// Whether faults are injected into it.
    fn is_faulty(&self) -> bool {
        match self {
            Self::Socket(_) => false,
            Self::Other(stream) => stream.is_faulty(),
        }
    }
}
