//! What every system call shares: the count, the retry after a signal, the error.
#![allow(unsafe_code)]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    time::Duration,
};

use crate::counters::{self, Counter};

/// Makes `call` until no signal interrupts it; each try is counted under `counter`.
///
/// # Errors
/// Those of `call`.
#[inline(always)] // around a system call
pub(super) fn retry(
    counter: Counter,
    mut call: impl FnMut() -> io::Result<usize>,
) -> io::Result<usize> {
    loop {
        counters::add(counter, 1);
        match call() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The result of a call that returns a size, or a negative number on failure.
#[inline]
pub(super) fn size(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

/// The result of a call that returns a negative number on failure.
pub(super) fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Whether `fd` may be read without waiting: for a selector, whether events wait in it.
pub(super) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    let mut ask = libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: `ask` is one valid `pollfd`, borrowed for the call alone.
    let n = unsafe { libc::poll(&raw mut ask, 1, 0) };
    n > 0 && ask.revents & libc::POLLIN != 0
}

/// `timeout` in whole milliseconds, rounded up so that a wait never ends early; -1 without one.
pub(super) fn millis(timeout: Option<Duration>) -> libc::c_int {
    timeout.map_or(-1, |t| t.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(libc::c_int::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_round_up() {
        assert_eq!(millis(None), -1);
        assert_eq!(millis(Some(Duration::ZERO)), 0);
        assert_eq!(millis(Some(Duration::from_nanos(1))), 1);
        assert_eq!(millis(Some(Duration::from_millis(3))), 3);
        assert_eq!(millis(Some(Duration::MAX)), libc::c_int::MAX);
    }
}
