//! Bytes to and from a stream, by the system's own calls.
//!
//! The C library's `recv` and `send` are points at which a thread may be cancelled: in a process with
//! threads each of them changes the thread's state twice, by locked instructions. Nobody cancels the
//! threads of a Rust program. Every architecture has these calls since Linux 4.3.
#![allow(unsafe_code)]

use std::{io, os::fd::RawFd};

use libc::c_long;

use super::SEND_FLAGS;
use crate::sys::call::size;

/// No flags, no address, no length of one.
const NONE: c_long = 0;

/// Reads up to `into.len()` bytes.
#[inline]
pub(in crate::sys) fn receive(fd: RawFd, into: &mut [u8]) -> io::Result<usize> {
    let (fd, to, room) = (c_long::from(fd), into.as_mut_ptr(), into.len());
    // SAFETY: `to` is valid for writes of `room` bytes, and no address is asked for.
    let n = unsafe { libc::syscall(libc::SYS_recvfrom, fd, to, room, NONE, NONE, NONE) };
    size(n as isize)
}

/// Writes some of `bytes`.
#[inline]
pub(in crate::sys) fn send(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    let (fd, from, len, flags) =
        (c_long::from(fd), bytes.as_ptr(), bytes.len(), c_long::from(SEND_FLAGS));
    // SAFETY: `from` is valid for reads of `len` bytes, and no address is given.
    let n = unsafe { libc::syscall(libc::SYS_sendto, fd, from, len, flags, NONE, NONE) };
    size(n as isize)
}
