//! What macOS and FreeBSD have in common besides kqueue: mostly what only Linux has.
#![allow(unsafe_code)]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
    time::Duration,
};

use socket2::{SockAddr, SockRef};

use super::{
    AcceptFault, Credentials,
    call::{check, size},
    os::SEND_FLAGS,
};

/// Reads up to `into.len()` bytes from a stream.
#[inline]
pub(super) fn receive(fd: RawFd, into: &mut [u8]) -> io::Result<usize> {
    // SAFETY: `into` is valid for writes of its length.
    size(unsafe { libc::recv(fd, into.as_mut_ptr().cast(), into.len(), 0) })
}

/// Writes some of `bytes` to a stream.
#[inline]
pub(super) fn send(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    // SAFETY: `bytes` is valid for reads of its length.
    size(unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), SEND_FLAGS) })
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
pub(super) fn credentials(socket: BorrowedFd<'_>) -> io::Result<Credentials> {
    let (mut uid, mut gid) = (0, 0);
    // SAFETY: `uid` and `gid` are valid for writes.
    check(unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut uid, &raw mut gid) })?;
    Ok(Credentials { pid: None, uid, gid })
}

/// What an accept error means that only this system has.
pub(super) fn classify_accept(_: libc::c_int) -> AcceptFault {
    AcceptFault::Fatal
}

/// Threads are inspected on Linux alone.
pub(crate) fn thread_number() -> Option<u32> {
    None
}

/// Threads are inspected on Linux alone.
pub(crate) fn inspect_thread(_: u32) -> Option<String> {
    None
}

/// This system has no such setting for a thread.
pub(crate) fn set_timer_slack(_nanos: u64) -> io::Result<()> {
    Ok(())
}
