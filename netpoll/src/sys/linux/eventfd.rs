//! [`Waker`] over eventfd.
#![allow(unsafe_code)]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
};

use super::epoll::Selector;
use crate::{
    counters::Counter,
    sys::call::{check, retry, size},
};

/// Ends a selector's wait from another thread.
///
/// It is edge-triggered and never read: one write wakes one wait, and nothing is left to tidy up.
#[derive(Debug)]
pub(crate) struct Waker {
    event: OwnedFd,
}

impl Waker {
    /// A waker for `selector`, whose wakes come as events with `token`.
    pub(crate) fn new(selector: &Selector, token: u64) -> io::Result<Self> {
        // SAFETY: it takes two numbers and touches no memory of the process.
        let fd = check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })?;
        // SAFETY: the system just made `fd`, and nothing else has it.
        let event = unsafe { OwnedFd::from_raw_fd(fd) };
        selector.add_waker(event.as_fd(), token)?;
        Ok(Self { event })
    }

    /// Ends the present wait, or the next one if nobody waits.
    pub(crate) fn wake(&self) -> io::Result<()> {
        let one = 1u64.to_ne_bytes();
        let fd = self.event.as_raw_fd();
        retry(Counter::SysWake, || {
            // SAFETY: `one` is valid for reads of its eight bytes.
            size(unsafe { libc::write(fd, one.as_ptr().cast(), one.len()) })
        })
        .map(drop)
    }
}
