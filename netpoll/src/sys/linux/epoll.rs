//! [`Selector`] over epoll.
#![allow(unsafe_code)]

use std::{
    fmt, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    time::Duration,
};

use crate::{
    counters::{self, Counter},
    sys::{
        call::{check, is_readable, millis},
        interest::{Interest, RawEvent, Readiness},
    },
};

/// Waits for events of many descriptors. Every method may be called from any thread.
#[derive(Debug)]
pub(crate) struct Selector {
    epoll: OwnedFd,
}

/// Room for the events of one wait.
pub(crate) struct RawEvents {
    buffer: Box<[libc::epoll_event]>,
    len: usize,
}

impl Selector {
    /// A selector that watches nothing; close-on-exec.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: it takes a flag and touches no memory of the process.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the system just made `fd`, and nothing else has it.
        Ok(Self { epoll: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Watches `fd`; its events carry `token`.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: u64, what: Interest) -> io::Result<()> {
        let events = match what {
            Interest::Stream => {
                libc::EPOLLIN | libc::EPOLLPRI | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET
            }
            Interest::Datagrams => libc::EPOLLIN | libc::EPOLLET,
            Interest::Listener => libc::EPOLLIN,
        };
        self.control(libc::EPOLL_CTL_ADD, fd, events, token)
    }

    /// Watches `fd`, which is never read: an event each time that it is written to.
    pub(super) fn add_waker(&self, fd: BorrowedFd<'_>, token: u64) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, libc::EPOLLIN | libc::EPOLLET, token)
    }

    /// Stops watching `fd`. What was seen before may still be in a batch that a thread holds.
    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    fn control(
        &self,
        operation: libc::c_int,
        fd: BorrowedFd<'_>,
        events: libc::c_int,
        token: u64,
    ) -> io::Result<()> {
        counters::add(Counter::SysControl, 1);
        let mut event = libc::epoll_event { events: events as u32, u64: token };
        let (epoll, fd) = (self.epoll.as_raw_fd(), fd.as_raw_fd());
        // SAFETY: `event` is valid for the call, which copies it.
        check(unsafe { libc::epoll_ctl(epoll, operation, fd, &raw mut event) }).map(drop)
    }

    /// Waits until there are events, or `timeout` (rounded up to a millisecond) has passed, or a
    /// signal came; gives the number of events.
    pub(crate) fn wait(
        &self,
        events: &mut RawEvents,
        timeout: Option<Duration>,
    ) -> io::Result<usize> {
        events.len = 0;
        counters::add(Counter::SysWait, 1);
        let room = libc::c_int::try_from(events.buffer.len()).unwrap_or(libc::c_int::MAX);
        let (epoll, first) = (self.epoll.as_raw_fd(), events.buffer.as_mut_ptr());
        // SAFETY: `first` is valid for writes of `room` events while `events` is borrowed.
        match check(unsafe { libc::epoll_wait(epoll, first, room, millis(timeout)) }) {
            Ok(n) => events.len = n.unsigned_abs() as usize,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        Ok(events.len)
    }

    /// Whether a wait would return at once, by the state at this moment.
    pub(crate) fn is_ready(&self) -> bool {
        is_readable(self.epoll.as_fd())
    }
}

impl RawEvents {
    /// Room for `capacity` events a wait.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let none = libc::epoll_event { events: 0, u64: 0 };
        Self { buffer: vec![none; capacity.max(1)].into_boxed_slice(), len: 0 }
    }

    /// The events of the last wait.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RawEvent> {
        self.buffer[..self.len].iter().map(|&event| {
            let has = |bits: libc::c_int| event.events & bits as u32 != 0;
            RawEvent {
                token: event.u64,
                readiness: Readiness::READABLE.when(has(libc::EPOLLIN))
                    | Readiness::WRITABLE.when(has(libc::EPOLLOUT))
                    | Readiness::READ_CLOSED.when(has(libc::EPOLLRDHUP))
                    | Readiness::HUNG_UP.when(has(libc::EPOLLHUP | libc::EPOLLERR))
                    | Readiness::URGENT.when(has(libc::EPOLLPRI)),
            }
        })
    }
}

impl fmt::Debug for RawEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
