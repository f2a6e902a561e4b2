//! The system's own clock, for those who name its times to other programs.
#![allow(unsafe_code)]

use std::{mem::MaybeUninit, time::Duration};

/// Returns the time of `CLOCK_MONOTONIC`, which is zero if the system has no such clock.
pub(crate) fn monotonic() -> Duration {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the system writes to `time`, which has room for it.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, time.as_mut_ptr()) };
    // SAFETY: it is a structure of numbers, of which zero is a value.
    let time = unsafe { time.assume_init() };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
