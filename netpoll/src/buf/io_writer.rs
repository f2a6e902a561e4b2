//! The writing vocabulary over any `std::io::Write`.

use std::{
    io::{self, IoSlice, Write},
    ops::{Deref, DerefMut},
};

use super::LinkBuffer;
use crate::{Error, ErrorKind, Result};

/// Nodes that one scattered write takes.
const AT_ONCE: usize = 64;

/// A [`LinkBuffer`] whose `flush` writes to `W`; by `Deref` it has all of the writing vocabulary.
///
/// ```
/// use netpoll::buf::IoWriter;
/// let mut w = IoWriter::new(Vec::new());
/// w.malloc(4)?.copy_from_slice(&5u32.to_be_bytes());
/// w.write_str("hello")?;
/// w.flush()?;
/// assert_eq!(w.get_ref(), b"\0\0\0\x05hello");
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Debug)]
pub struct IoWriter<W> {
    inner: W,
    buffer: LinkBuffer,
}

impl<W: Write> IoWriter<W> {
    /// Creates a writer to `inner`.
    pub const fn new(inner: W) -> Self {
        Self { inner, buffer: LinkBuffer::new() }
    }

    /// Returns the inner writer.
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// Returns the inner writer, and the bytes that are not written.
    pub fn into_parts(self) -> (W, LinkBuffer) {
        (self.inner, self.buffer)
    }

    /// Writes all that is in the buffer, many nodes at once, and flushes the stream.
    ///
    /// # Errors
    /// What the stream reports; what it did not take stays, for the next flush.
    pub fn flush(&mut self) -> Result<()> {
        self.buffer.flush();
        while !self.buffer.is_empty() {
            let mut out = [IoSlice::new(&[]); AT_ONCE];
            let n = self.buffer.io_slices(&mut out);
            match self.inner.write_vectored(&out[..n]) {
                Ok(0) => {
                    let message = format!("{} bytes: the stream takes none", self.buffer.len());
                    return Err(Error::new(ErrorKind::Closed, message));
                }
                Ok(taken) => self.buffer.skip(taken)?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::io("write", e)),
            }
        }
        self.inner.flush().map_err(|e| Error::io("flush", e))
    }
}

impl<W> Deref for IoWriter<W> {
    type Target = LinkBuffer;

    fn deref(&self) -> &LinkBuffer {
        &self.buffer
    }
}

impl<W> DerefMut for IoWriter<W> {
    fn deref_mut(&mut self) -> &mut LinkBuffer {
        &mut self.buffer
    }
}
