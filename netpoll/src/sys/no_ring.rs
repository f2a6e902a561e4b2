//! Sends in batches where they cannot be had: on systems without io_uring, and without the feature.
#![allow(dead_code, reason = "a ring alone asks for sockets and bytes")]

use std::{io, os::fd::BorrowedFd};

/// Sends of one call at most.
pub(crate) const BATCH: usize = 64;

/// Bytes that are to leave by a socket.
pub(crate) trait Outgoing {
    /// Returns the socket. It stays open as long as the value lives.
    fn socket(&self) -> BorrowedFd<'_>;

    /// Returns the bytes.
    fn bytes(&self) -> &[u8];
}

/// A ring, of which there is none.
pub(crate) enum Ring {}

impl Ring {
    /// # Errors
    /// Always.
    pub(crate) fn new() -> io::Result<Self> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this build has no io_uring"))
    }

    /// # Errors
    /// Always.
    pub(crate) fn probe() -> io::Result<()> {
        Self::new().map(drop)
    }

    pub(crate) fn send<T: Outgoing>(
        &mut self,
        _batch: &mut Vec<T>,
        _results: &mut Vec<io::Result<usize>>,
    ) -> io::Result<()> {
        match *self {}
    }
}
