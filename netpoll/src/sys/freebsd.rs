//! FreeBSD: kqueue, `accept4`.

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

/// Flags of every send: a peer that left is an error, not a signal.
pub(super) const SEND_FLAGS: libc::c_int = libc::MSG_NOSIGNAL;

/// The clock of `std::time::Instant`.
pub(super) const STEADY_CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// Whether an accepted socket has the options that its listener has.
pub(super) const ACCEPT_INHERITS: bool = false;

/// A new stream socket, non-blocking and close-on-exec.
pub(super) fn stream_socket(domain: Domain) -> io::Result<Socket> {
    Socket::new_raw(domain, Type::STREAM.cloexec().nonblocking(), None)
}

/// Accepts one connection, non-blocking and close-on-exec.
pub(super) fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, SockAddr)> {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    SockRef::from(&listener).accept4(flags).map(|(socket, peer)| (socket.into(), peer))
}

/// Whether `socket` listens.
pub(super) fn is_listening(socket: &SockRef<'_>) -> io::Result<bool> {
    socket.is_listener()
}

/// The highest descriptor limit that can be set under the administrator's.
pub(super) fn fd_limit(hard: libc::rlim_t) -> libc::rlim_t {
    hard
}
