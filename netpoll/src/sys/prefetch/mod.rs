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

/// Begins to fetch the `LEN` bytes from address `at` on into the cache, and does not wait for them.
/// Nothing is read: any address will do.
#[inline(always)] // a handful of instructions, without a branch
pub(crate) fn prefetch<const LEN: usize>(at: usize) {
    for offset in (0..LEN).step_by(LINE) {
        line(at.wrapping_add(offset));
    }
    // Where they begin within a line, they end in one more.
    line(at.wrapping_add(LEN - 1));
}
