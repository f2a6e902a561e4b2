//! The system's own clock, for those who name its times to other programs, and for those who look at it often.
#![allow(unsafe_code)]

use std::{mem::MaybeUninit, time::Duration};

use super::os;

/// Returns the time of `CLOCK_MONOTONIC`, which is zero if the system has no such clock.
pub(crate) fn monotonic() -> Duration {
    let time = read(libc::CLOCK_MONOTONIC);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Returns the nanoseconds of the clock of [`Instant`](std::time::Instant), as one number that costs little to compare.
#[inline]
pub(crate) fn nanos() -> u64 {
    let time = read(os::STEADY_CLOCK);
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

#[inline]
fn read(clock: libc::clockid_t) -> libc::timespec {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the system writes to `time`, which has room for it.
    unsafe { libc::clock_gettime(clock, time.as_mut_ptr()) };
    // SAFETY: it is a structure of numbers, of which zero is a value.
    unsafe { time.assume_init() }
}
