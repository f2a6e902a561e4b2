//! [`Socket`]: a connected or connecting stream socket.
//!
//! The descriptor is one atomic number, -1 once closed:
//!
//! ```text
//!   open(fd) ── close(), by the swap that gets fd ──▶ closed(-1): every call gives NotConnected
//! ```
//!
//! A connection is shared, so its socket must be closed while others still hold it. The swap makes
//! that happen once. A call that loaded the number just before the swap would still use it, so that
//! whoever closes must know that no call is running and none begins: the connection's state word
//! says so. After the close no call can reach a descriptor that the system gave to someone else.
#![allow(unsafe_code)]

use std::{
    io::{self, IoSlice},
    os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd},
};

use socket2::{SockRef, Type};

use super::{
    call::{retry, size},
    options::StreamOptions,
    os,
    sockaddr::{domain, from_system, to_system},
};
use crate::{
    addr::PeerAddress,
    counters::{self, Counter},
    primitive::atomic::{AtomicI32, Ordering::AcqRel, Ordering::Acquire},
};

/// The system takes no more parts than this in one call.
const MAX_PARTS: usize = 1024;

/// How far a connect is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connecting {
    /// The connection stands.
    Done,
    /// Call [`Socket::connect_finish`] when the socket is writable or hung up.
    InProgress,
}

/// The identity of the process at the other end of a Unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The process that connected or listened, where the system tells.
    pub pid: Option<u32>,
    /// Its effective user.
    pub uid: u32,
    /// Its effective group.
    pub gid: u32,
}

/// A non-blocking stream socket, closed once: by [`close`](Self::close) or by its drop.
///
/// Calls that would block give [`io::ErrorKind::WouldBlock`]; calls that a signal interrupted are
/// made again; once closed, every call gives [`io::ErrorKind::NotConnected`].
#[derive(Debug)]
pub(crate) struct Socket {
    fd: AtomicI32,
}

const CLOSED: RawFd = -1;

impl From<OwnedFd> for Socket {
    /// `fd` must be a non-blocking stream socket.
    fn from(fd: OwnedFd) -> Self {
        Self { fd: AtomicI32::new(fd.into_raw_fd()) }
    }
}

impl Socket {
    /// Takes over a connected stream socket.
    ///
    /// # Errors
    /// `InvalidInput` if `fd` is not a stream socket or listens, `NotConnected` if it is not connected.
    pub(crate) fn adopt(fd: OwnedFd, options: &StreamOptions) -> io::Result<(Self, PeerAddress)> {
        let socket = SockRef::from(&fd);
        if socket.r#type()? != Type::STREAM {
            let why = "it is not a stream socket";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let peer = from_system(&socket.peer_addr()?);
        socket.set_nonblocking(true)?;
        options.apply(&socket, socket.local_addr()?.is_unix())?;
        Ok((fd.into(), peer))
    }

    /// The descriptor. Do not keep it past the moment up to which nobody may close this socket.
    pub(crate) fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        let fd = self.raw()?;
        // SAFETY: it is not -1, and it stays open as long as nobody calls `close`, whose contract
        // is that no other call is running, the uses of this borrow included.
        Ok(unsafe { BorrowedFd::borrow_raw(fd) })
    }

    #[inline]
    fn raw(&self) -> io::Result<RawFd> {
        match self.fd.load(Acquire) {
            CLOSED => Err(io::ErrorKind::NotConnected.into()),
            fd => Ok(fd),
        }
    }

    /// Reads up to `into.len()` bytes; 0 is the end of the stream, if `into` is not empty.
    #[inline(always)] // a check and a system call
    pub(crate) fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let fd = self.raw()?;
        let n = retry(Counter::SysRead, || os::receive(fd, into))?;
        counters::add(Counter::BytesIn, n as u64);
        Ok(n)
    }

    /// Writes some of `bytes`: what the system has room for.
    #[inline(always)] // a check and a system call
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let fd = self.raw()?;
        let n = retry(Counter::SysWrite, || os::send(fd, bytes))?;
        counters::add(Counter::BytesOut, n as u64);
        Ok(n)
    }

    /// As [`write`](Self::write), from several parts in turn, of which the first 1,024 are taken.
    pub(crate) fn writev(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let fd = self.raw()?;
        let n = retry(Counter::SysWrite, || {
            // SAFETY: a `msghdr` of zeros means: no address, no parts, no control data.
            let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
            // `IoSlice` has the layout of `iovec`, and the call does not write through it.
            message.msg_iov = parts.as_ptr().cast_mut().cast();
            message.msg_iovlen = parts.len().min(MAX_PARTS) as _;
            // SAFETY: `message` refers to the first `msg_iovlen` of `parts`, valid for reads.
            size(unsafe { libc::sendmsg(fd, &raw const message, os::SEND_FLAGS) })
        })?;
        counters::add(Counter::BytesOut, n as u64);
        Ok(n)
    }

    /// Looks whether there is a byte to read, and leaves it there: 1 if there is, 0 at the end of
    /// the stream, `WouldBlock` on a connection that is open and quiet.
    pub(crate) fn peek(&self) -> io::Result<usize> {
        let fd = self.raw()?;
        let mut byte = 0u8;
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        retry(Counter::SysRead, || {
            // SAFETY: `byte` is valid for a write of one byte.
            size(unsafe { libc::recv(fd, (&raw mut byte).cast(), 1, flags) })
        })
    }

    /// Returns true if the selector would say that there is room, or that the socket has failed.
    pub(crate) fn is_writable(&self) -> bool {
        let Ok(fd) = self.raw() else { return true };
        let mut asked = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
        // SAFETY: `asked` is one `pollfd`, valid for a write; the call does not wait.
        unsafe { libc::poll(&raw mut asked, 1, 0) != 0 }
    }

    /// Ends the sending direction: the peer reads what was sent and then the end.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        self.shut(libc::SHUT_WR)
    }

    fn shut(&self, how: libc::c_int) -> io::Result<()> {
        let fd = self.raw()?;
        retry(Counter::SysClose, || {
            // SAFETY: it takes two numbers and touches no memory of the process.
            size(unsafe { libc::shutdown(fd, how) } as isize)
        })
        .map(drop)
    }

    /// Ends both directions, for the peer to see it even if another process holds the descriptor too.
    pub(crate) fn shutdown(&self) -> io::Result<()> {
        self.shut(libc::SHUT_RDWR)
    }

    /// Closes the descriptor; gives whether this call did it.
    ///
    /// The caller knows that no other call on this socket is running.
    pub(crate) fn close(&self) -> bool {
        let fd = self.fd.swap(CLOSED, AcqRel);
        if fd == CLOSED {
            return false;
        }
        counters::add(Counter::SysClose, 1);
        // SAFETY: the swap gave `fd` to this call alone, and this socket owned it.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
        true
    }

    /// Makes the next close a reset: what was not sent is thrown away, and the peer sees an error.
    pub(crate) fn reset_on_close(&self) -> io::Result<()> {
        SockRef::from(&self.fd()?).set_linger(Some(std::time::Duration::ZERO))
    }

    /// Sets what `options` asks of a connection of this kind.
    pub(crate) fn set_options(&self, options: &StreamOptions) -> io::Result<()> {
        let fd = self.fd()?;
        let socket = SockRef::from(&fd);
        options.apply(&socket, socket.local_addr()?.is_unix())
    }

    /// This end's address.
    pub(crate) fn local_address(&self) -> io::Result<PeerAddress> {
        SockRef::from(&self.fd()?).local_addr().map(|a| from_system(&a))
    }

    /// The other end's address.
    pub(crate) fn peer_address(&self) -> io::Result<PeerAddress> {
        SockRef::from(&self.fd()?).peer_addr().map(|a| from_system(&a))
    }

    /// The process at the other end of a Unix socket.
    pub(crate) fn credentials(&self) -> io::Result<Credentials> {
        os::credentials(self.fd()?)
    }

    /// Begins to connect to `peer`.
    ///
    /// # Errors
    /// What the system reports at once; `WouldBlock` if a Unix listener's queue is full, which no
    /// event will announce: try again later.
    pub(crate) fn connect_start(
        peer: &PeerAddress,
        options: &StreamOptions,
    ) -> io::Result<(Self, Connecting)> {
        let address = to_system(peer)?;
        let socket = os::stream_socket(domain(peer))?;
        options.apply(&SockRef::from(&socket), address.is_unix())?;
        counters::add(Counter::SysConnect, 1);
        // A signal does not stop a connect that began, so that it is not called again.
        let state = match socket.connect(&address) {
            Ok(()) => Connecting::Done,
            Err(e) if e.raw_os_error() == Some(libc::EINPROGRESS) => Connecting::InProgress,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Connecting::InProgress,
            Err(e) => return Err(e),
        };
        let this = Self::from(OwnedFd::from(socket));
        if state == Connecting::Done {
            this.refuse_itself()?;
        }
        Ok((this, state))
    }

    /// Sees how a connect went, after an event of this socket.
    ///
    /// # Errors
    /// Why it failed: `ConnectionRefused`, `TimedOut`, and so on.
    pub(crate) fn connect_finish(&self) -> io::Result<Connecting> {
        let fd = self.fd()?;
        let socket = SockRef::from(&fd);
        if let Some(e) = socket.take_error()? {
            return Err(e);
        }
        match socket.peer_addr() {
            Ok(_) => self.refuse_itself().map(|()| Connecting::Done),
            Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(Connecting::InProgress),
            Err(e) => Err(e),
        }
    }

    /// TCP lets a socket connect to itself when it dials a local port that nobody listens on and
    /// the system chose that same port for it. Nobody answers there, so that it is refused.
    fn refuse_itself(&self) -> io::Result<()> {
        match self.local_address()? {
            local @ PeerAddress::Inet(_) if local == self.peer_address()? => {
                Err(io::ErrorKind::ConnectionRefused.into())
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.close();
    }
}
