//! A hint to the processor: what is used soon.

#[cfg(not(target_arch = "x86_64"))]
mod none;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(not(target_arch = "x86_64"))]
use none::line;
#[cfg(target_arch = "x86_64")]
use x86_64::line;

/// Bytes that a processor fetches at once.
const LINE: usize = 64;

/// Begins to fetch the `len` bytes from address `at` on into the cache, and does not wait for them.
/// Nothing is read: any address will do.
#[inline]
pub(crate) fn prefetch(at: usize, len: usize) {
    let first = at / LINE * LINE;
    for at in (first..at.saturating_add(len)).step_by(LINE) {
        line(at);
    }
}
