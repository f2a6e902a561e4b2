//! macOS: kqueue, and signals of broken pipes turned off for each socket.

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

use socket2::{Domain, SockAddr, SockRef, Socket, Type};

pub(super) use super::bsd::{
    abstract_address, abstract_name, classify_accept, credentials, receive, send, set_user_timeout,
};
pub(crate) use super::{
    bsd::{inspect_thread, set_timer_slack, thread_number},
    kqueue::{RawEvents, Selector, Waker},
};

/// Flags of every send: none, since `SO_NOSIGPIPE` is set on the socket.
pub(super) const SEND_FLAGS: libc::c_int = 0;

/// The clock of `std::time::Instant`.
pub(super) const STEADY_CLOCK: libc::clockid_t = libc::CLOCK_UPTIME_RAW;

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

/// The highest descriptor limit that can be set under the administrator's: `setrlimit` refuses more
/// than `OPEN_MAX`, whatever the hard limit says.
pub(super) fn fd_limit(hard: libc::rlim_t) -> libc::rlim_t {
    hard.min(10_240)
}
