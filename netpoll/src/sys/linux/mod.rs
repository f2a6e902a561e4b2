//! Linux: epoll, eventfd, `accept4`.
#![allow(unsafe_code)]

mod epoll;
mod eventfd;
mod region;
mod rights;
#[cfg(feature = "io-uring")]
pub(super) mod ring;
mod threads;
mod transfer;

use std::{
    ffi::OsStr,
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    time::Duration,
};

use socket2::{Domain, SockAddr, SockRef, Type};

use super::call::check;

pub(crate) use epoll::{RawEvents, Selector};
pub(crate) use eventfd::Waker;
pub(crate) use region::Region;
pub(crate) use rights::{receive_descriptors, send_descriptors};
pub(crate) use threads::{inspect_thread, thread_number};
pub(super) use transfer::{receive, send};

/// Flags of every send: a peer that left is an error, not a signal.
pub(super) const SEND_FLAGS: libc::c_int = libc::MSG_NOSIGNAL;

/// The clock of `std::time::Instant`.
pub(super) const STEADY_CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;

/// Whether an accepted socket has the options that its listener has.
pub(super) const ACCEPT_INHERITS: bool = true;

/// A new stream socket, non-blocking and close-on-exec.
pub(super) fn stream_socket(domain: Domain) -> io::Result<socket2::Socket> {
    socket2::Socket::new_raw(domain, Type::STREAM.cloexec().nonblocking(), None)
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

/// The socket address of an abstract name.
pub(super) fn abstract_address(name: &[u8]) -> io::Result<SockAddr> {
    SockAddr::unix(OsStr::from_bytes(&[b"\0", name].concat()))
}

/// The abstract name in `address`, if it is one.
pub(super) fn abstract_name(address: &SockAddr) -> Option<&[u8]> {
    address.as_abstract_namespace()
}

/// The longest time that the system takes: 24.8 days. Zero would be the system's default.
const LONGEST_USER_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

/// How long sent data may stay unacknowledged until the connection fails.
pub(super) fn set_user_timeout(socket: &SockRef<'_>, timeout: Duration) -> io::Result<()> {
    // The system takes an `int` of milliseconds.
    socket.set_tcp_user_timeout(Some(timeout.min(LONGEST_USER_TIMEOUT)))
}

/// The process, user and group at the other end of a Unix socket.
pub(super) fn credentials(socket: BorrowedFd<'_>) -> io::Result<super::Credentials> {
    let mut them = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut size = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: `them` and `size` are valid for writes, and `size` is the size of `them`.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut them).cast(),
            &raw mut size,
        )
    })?;
    Ok(super::Credentials { pid: u32::try_from(them.pid).ok(), uid: them.uid, gid: them.gid })
}

/// Returns the user that this process acts as.
pub(crate) fn effective_user() -> u32 {
    // SAFETY: it takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// What an accept error means that only this system has.
pub(super) fn classify_accept(code: libc::c_int) -> super::AcceptFault {
    match code {
        libc::ENONET | libc::EOPNOTSUPP => super::AcceptFault::Transient,
        _ => super::AcceptFault::Fatal,
    }
}

/// The highest descriptor limit that can be set under the administrator's.
pub(super) fn fd_limit(hard: libc::rlim_t) -> libc::rlim_t {
    hard
}

/// By how much, in nanoseconds, this thread's timed waits may be late so that wake-ups can be
/// merged. The system's default is 50,000.
///
/// # Errors
/// What `prctl` reports.
pub(crate) fn set_timer_slack(nanos: u64) -> io::Result<()> {
    // SAFETY: this operation takes a number and touches no memory of the process.
    check(unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, nanos) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_a_slack_of_its_own() {
        let slack = std::thread::spawn(|| {
            set_timer_slack(1_000).unwrap();
            // SAFETY: as in `set_timer_slack`.
            unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) }
        })
        .join()
        .unwrap();
        assert_eq!(slack, 1_000);
    }
}
