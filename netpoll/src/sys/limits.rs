//! The process's limits.
#![allow(unsafe_code)]

use std::io;

use super::call::check;

/// Raises the number of descriptors that this process may open to what its administrator allows,
/// and gives that number. A server of many connections calls it first: the usual limit is 1,024.
///
/// ```
/// assert!(netpoll::raise_fd_limit()? >= 256);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// What the system reports.
pub fn raise_fd_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for writes.
    check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) })?;
    let wanted = super::os::fd_limit(limit.rlim_max);
    if limit.rlim_cur < wanted {
        limit.rlim_cur = wanted;
        // SAFETY: `limit` is valid for reads.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) })?;
    }
    #[allow(clippy::unnecessary_cast)] // It is signed on FreeBSD.
    Ok(limit.rlim_cur as u64)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_limit_does_not_shrink() {
        let first = super::raise_fd_limit().unwrap();
        assert_eq!(super::raise_fd_limit().unwrap(), first);
        assert!(first > 0);
    }
}
