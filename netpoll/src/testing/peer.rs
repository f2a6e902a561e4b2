//! The test's end of a connection in memory.

use std::{
    fmt,
    io::{self, Read, Write},
    time::Instant,
};

use super::PATIENCE;
use crate::sys::testing::End;

/// The test's end of a connection in memory.
///
/// Each `write` is a piece that the library's side reads by itself, never together with the next one.
/// What is not read stays where it is, and once it fills the
/// [`Link`](super::Link)'s room the library's side cannot write:
/// not to read is all that a slow peer does. Waits end with `TimedOut` after 20 s, so that a test fails
/// and does not hang.
///
/// Dropped, it closes: the library's side sees the end, or a reset if bytes are left unread here.
pub struct MemoryPeer {
    end: End,
}

impl MemoryPeer {
    pub(super) fn new(end: End) -> Self {
        Self { end }
    }

    /// Writes `bytes` in pieces that end at `cuts`, which ascend: in one step if there is room.
    ///
    /// # Errors
    /// As `write_all`.
    ///
    /// # Panics
    /// If a cut is before the one before it or behind the end.
    pub fn write_cut(&mut self, bytes: &[u8], cuts: &[usize]) -> io::Result<()> {
        let mut start = 0;
        let pieces = cuts.iter().copied().chain([bytes.len()]).map(|end| {
            let piece = &bytes[start..end];
            start = end;
            piece
        });
        self.end.put(&pieces.collect::<Vec<_>>(), until())
    }

    /// Waits until the library's side has read all that was written, or has closed.
    ///
    /// # Errors
    /// `TimedOut`.
    pub fn wait_read(&self) -> io::Result<()> {
        self.end.drained(until())
    }

    /// Waits until the library's side has closed its socket.
    ///
    /// # Errors
    /// `TimedOut`.
    pub fn wait_closed(&self) -> io::Result<()> {
        self.end.ended(until())
    }

    /// Bytes that wait to be read here.
    pub fn readable(&self) -> usize {
        self.end.waiting()
    }

    /// Sends no more: the library's side reads what came before, and then the end.
    pub fn shutdown_write(&self) {
        self.end.shut();
    }

    /// Breaks the connection: ECONNRESET for the library's side, after what came before. What is on its
    /// way here is lost.
    pub fn reset(&self) {
        self.end.reset();
    }
}

fn until() -> Instant {
    Instant::now() + PATIENCE
}

impl Read for MemoryPeer {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.end.take(into, until())
    }
}

impl Write for MemoryPeer {
    /// Writes all of `bytes` and waits for room meanwhile.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.end.put(&[bytes], until())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for MemoryPeer {
    fn drop(&mut self) {
        self.end.close();
    }
}

impl fmt::Debug for MemoryPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryPeer").field("readable", &self.readable()).finish_non_exhaustive()
    }
}
