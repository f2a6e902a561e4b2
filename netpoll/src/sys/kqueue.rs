//! [`Selector`] and [`Waker`] over kqueue: macOS and FreeBSD.
//!
//! A source is registered for two filters, reading and writing, so that one source may have two
//! events in a batch. The reading filter tells by `EV_EOF` that the peer sends no more. The writing
//! filter has `EV_EOF` also after this side's own `shutdown(SHUT_WR)`, so that only an error in `fflags`
//! means that the connection is gone.
#![allow(unsafe_code)]

use std::{
    fmt, io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr,
    time::Duration,
};

use super::{
    call::{check, is_readable, millis},
    interest::{Interest, RawEvent, Readiness},
};
use crate::counters::{self, Counter};

/// Waits for events of many descriptors. Every method may be called from any thread.
#[derive(Debug)]
pub(crate) struct Selector {
    queue: OwnedFd,
}

/// Room for the events of one wait.
pub(crate) struct RawEvents {
    buffer: Box<[libc::kevent]>,
    len: usize,
}

/// The identifier of the user event by which a waker wakes.
const WAKER: usize = 0;

/// Tokens travel in a pointer.
const _: () = assert!(size_of::<*mut libc::c_void>() == size_of::<u64>());

impl Selector {
    /// A selector that watches nothing; close-on-exec.
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: it takes nothing and touches no memory of the process.
        let fd = check(unsafe { libc::kqueue() })?;
        // SAFETY: the system just made `fd`, and nothing else has it.
        let queue = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: it takes three numbers and touches no memory of the process.
        check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
        Ok(Self { queue })
    }

    /// Watches `fd`; its events carry `token`.
    pub(crate) fn add(&self, fd: BorrowedFd<'_>, token: u64, what: Interest) -> io::Result<()> {
        let fd = fd.as_raw_fd() as usize;
        match what {
            Interest::Stream => {
                let flags = libc::EV_ADD | libc::EV_CLEAR;
                self.change(&mut [change(fd, libc::EVFILT_READ, flags, 0, token)])?;
                let writes = self.change(&mut [change(fd, libc::EVFILT_WRITE, flags, 0, token)]);
                writes.inspect_err(|_| {
                    // The caller takes the source for not registered.
                    let _ =
                        self.change(&mut [change(fd, libc::EVFILT_READ, libc::EV_DELETE, 0, 0)]);
                })
            }
            Interest::Datagrams => {
                let flags = libc::EV_ADD | libc::EV_CLEAR;
                self.change(&mut [change(fd, libc::EVFILT_READ, flags, 0, token)])
            }
            Interest::Listener => {
                self.change(&mut [change(fd, libc::EVFILT_READ, libc::EV_ADD, 0, token)])
            }
        }
    }

    /// Stops watching `fd`. What was seen before may still be in a batch that a thread holds.
    pub(crate) fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let fd = fd.as_raw_fd() as usize;
        for filter in [libc::EVFILT_READ, libc::EVFILT_WRITE] {
            match self.change(&mut [change(fd, filter, libc::EV_DELETE, 0, 0)]) {
                // A listener and a datagram socket have one filter alone.
                Err(e) if e.raw_os_error() == Some(libc::ENOENT) => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// Makes all changes. Without room for answers, the first that fails is the call's error.
    fn change(&self, changes: &mut [libc::kevent]) -> io::Result<()> {
        counters::add(Counter::SysControl, 1);
        let (queue, count) = (self.queue.as_raw_fd(), changes.len() as libc::c_int);
        let first = changes.as_ptr();
        // SAFETY: `first` is valid for reads of `count` changes, and no answer is asked for.
        let result =
            check(unsafe { libc::kevent(queue, first, count, ptr::null_mut(), 0, ptr::null()) });
        match result {
            // The changes of an interrupted call were made.
            Err(e) if e.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result.map(drop),
        }
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
        let limit = timeout.map(|_| {
            let ms = millis(timeout);
            // SAFETY: a `timespec` of zeros is valid.
            let mut limit: libc::timespec = unsafe { std::mem::zeroed() };
            limit.tv_sec = libc::time_t::from(ms / 1_000);
            limit.tv_nsec = libc::c_long::from(ms % 1_000) * 1_000_000;
            limit
        });
        let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
        let room = libc::c_int::try_from(events.buffer.len()).unwrap_or(libc::c_int::MAX);
        let (queue, first) = (self.queue.as_raw_fd(), events.buffer.as_mut_ptr());
        // SAFETY: no changes; `first` is valid for writes of `room` events while `events` is
        // borrowed; `limit` is null or refers to a local that outlives the call.
        match check(unsafe { libc::kevent(queue, ptr::null(), 0, first, room, limit) }) {
            Ok(n) => events.len = n.unsigned_abs() as usize,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
        Ok(events.len)
    }

    /// Whether a wait would return at once, by the state at this moment.
    pub(crate) fn is_ready(&self) -> bool {
        is_readable(self.queue.as_fd())
    }
}

fn change(ident: usize, filter: i16, flags: u16, filter_flags: u32, token: u64) -> libc::kevent {
    // SAFETY: a `kevent` of zeros is valid: numbers and a null pointer that nobody follows.
    let mut change: libc::kevent = unsafe { std::mem::zeroed() };
    change.ident = ident;
    change.filter = filter;
    change.flags = flags;
    change.fflags = filter_flags;
    change.udata = ptr::without_provenance_mut(token as usize);
    change
}

impl RawEvents {
    /// Room for `capacity` events a wait.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let none = change(0, 0, 0, 0, 0);
        Self { buffer: vec![none; capacity.max(1)].into_boxed_slice(), len: 0 }
    }

    /// The events of the last wait.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RawEvent> {
        self.buffer[..self.len].iter().map(|event| {
            let (reads, writes) =
                (event.filter == libc::EVFILT_READ, event.filter == libc::EVFILT_WRITE);
            let ended = event.flags & libc::EV_EOF != 0;
            // At the end of a stream, `fflags` is the socket's error.
            let failed = event.flags & libc::EV_ERROR != 0 || ended && event.fflags != 0;
            RawEvent {
                token: event.udata.addr() as u64,
                readiness: Readiness::READABLE.when(reads)
                    | Readiness::WRITABLE.when(writes)
                    | Readiness::READ_CLOSED.when(reads && ended)
                    | Readiness::HUNG_UP.when(failed),
            }
        })
    }
}

impl fmt::Debug for RawEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Ends a selector's wait from another thread.
///
/// It is a user event of the queue: one trigger wakes one wait, and nothing is left to tidy up.
#[derive(Debug)]
pub(crate) struct Waker {
    selector: Selector,
    token: u64,
}

impl Waker {
    /// A waker for `selector`, whose wakes come as events with `token`.
    pub(crate) fn new(selector: &Selector, token: u64) -> io::Result<Self> {
        let selector = Selector { queue: selector.queue.try_clone()? };
        let flags = libc::EV_ADD | libc::EV_CLEAR;
        selector.change(&mut [change(WAKER, libc::EVFILT_USER, flags, 0, token)])?;
        Ok(Self { selector, token })
    }

    /// Ends the present wait, or the next one if nobody waits.
    pub(crate) fn wake(&self) -> io::Result<()> {
        counters::add(Counter::SysWake, 1);
        let flags = libc::EV_ADD | libc::EV_CLEAR;
        let trigger = libc::NOTE_TRIGGER;
        self.selector.change(&mut [change(WAKER, libc::EVFILT_USER, flags, trigger, self.token)])
    }
}
