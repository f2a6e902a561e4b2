//! macOS: kqueue, and signals of broken pipes turned off for each socket.
#![allow(unsafe_code)]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::call::check;

pub(crate) use super::kqueue::{RawEvents, Selector, Waker};

/// Flags of every send: none, since `SO_NOSIGPIPE` is set on the socket.
pub(super) const SEND_FLAGS: libc::c_int = 0;

/// Whether an accepted socket has the options that its listener has.
pub(super) const ACCEPT_INHERITS: bool = false;

/// A new stream socket, non-blocking and close-on-exec.
pub(super) fn stream_socket(domain: Domain) -> io::Result<Socket> {
    // It sets close-on-exec and SO_NOSIGPIPE itself.
    let socket = Socket::new(domain, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Accepts one connection, non-blocking and close-on-exec.
pub(super) fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, SockAddr)> {
    // It sets close-on-exec and SO_NOSIGPIPE itself.
    let (socket, peer) = SockRef::from(&listener).accept()?;
    socket.set_nonblocking(true)?;
    Ok((socket.into(), peer))
}

/// Whether `socket` may listen: the system does not tell whether it does, but a connected one would
/// have a peer.
pub(super) fn is_listening(socket: &SockRef<'_>) -> io::Result<bool> {
    match socket.peer_addr() {
        Err(e) if e.kind() == io::ErrorKind::NotConnected => Ok(true),
        result => result.map(|_| false),
    }
}

/// There are no abstract names here.
pub(super) fn abstract_address(_: &[u8]) -> io::Result<SockAddr> {
    let why = "abstract Unix socket names exist on Linux alone: write unix:/path";
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

/// There are no abstract names here.
pub(super) fn abstract_name(_: &SockAddr) -> Option<&[u8]> {
    None
}

/// This system has no such timeout.
pub(super) fn set_user_timeout(_: &SockRef<'_>, _: Duration) -> io::Result<()> {
    let why = "a timeout for unacknowledged data (TCP_USER_TIMEOUT) exists on Linux alone";
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

/// The user and group at the other end of a Unix socket.
pub(super) fn credentials(socket: BorrowedFd<'_>) -> io::Result<super::Credentials> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: `uid` and `gid` are valid for writes.
    check(unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) })?;
    Ok(super::Credentials { pid: None, uid, gid })
}

/// What an accept error means that only this system has.
pub(super) fn classify_accept(_: libc::c_int) -> super::AcceptFault {
    super::AcceptFault::Fatal
}

/// The highest descriptor limit that can be set under the administrator's: `setrlimit` refuses more
/// than `OPEN_MAX`, whatever the hard limit says.
pub(super) fn fd_limit(hard: libc::rlim_t) -> libc::rlim_t {
    hard.min(10_240)
}

/// This system has no such setting for a thread.
pub(crate) fn set_timer_slack(_nanos: u64) -> io::Result<()> {
    Ok(())
}
