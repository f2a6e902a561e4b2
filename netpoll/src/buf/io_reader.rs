//! The reading vocabulary over any `std::io::Read`.

use std::io::{self, Read};

use bytes::Bytes;

use super::{Delimiter, LinkBuffer, LinkSlice};
use crate::{Error, ErrorKind, Result};

/// Bytes that are read at once at least, as far as they come.
const READ_LEAST: usize = 4080;
/// Bytes that are read at once at most, beyond those already received: what is merely asked for is
/// not reserved before it begins to arrive.
const READ_MOST: usize = 64 << 10;

/// Reads from `R` on demand, with [`LinkBuffer`]'s vocabulary: each call reads until there are
/// enough bytes.
///
/// ```
/// use netpoll::buf::IoReader;
/// let mut r = IoReader::new(&b"GET key\r\nrest"[..]);
/// assert_eq!(r.until(b"\r\n")?, b"GET key\r\n");
/// assert_eq!(r.peek(2)?, b"re");
/// assert_eq!(r.read_string(4)?, "rest");
/// assert_eq!(r.next(1).unwrap_err().kind(), netpoll::ErrorKind::Eof);
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Debug)]
pub struct IoReader<R> {
    inner: R,
    buffer: LinkBuffer,
}

impl<R: Read> IoReader<R> {
    /// Creates a reader over `inner`.
    pub const fn new(inner: R) -> Self {
        Self { inner, buffer: LinkBuffer::new() }
    }

    /// Returns the bytes read and not consumed.
    pub fn buffer(&self) -> &LinkBuffer {
        &self.buffer
    }

    /// Returns the inner reader.
    pub fn get_ref(&self) -> &R {
        &self.inner
    }

    /// Returns the inner reader, and the bytes read and not consumed.
    pub fn into_parts(self) -> (R, LinkBuffer) {
        (self.inner, self.buffer)
    }

    /// Reads until `n` bytes are there.
    ///
    /// # Errors
    /// [`Eof`](ErrorKind::Eof) if the stream ends before; [`Limit`](ErrorKind::Limit); what the
    /// stream reports. Bytes that came stay.
    pub fn fill(&mut self, n: usize) -> Result<()> {
        while self.buffer.len() < n {
            if self.read_some(n - self.buffer.len())? == 0 {
                let message = format!("{n} bytes wanted, {} before the end", self.buffer.len());
                return Err(Error::new(ErrorKind::Eof, message));
            }
        }
        Ok(())
    }

    /// One read, for `wanted` bytes.
    fn read_some(&mut self, wanted: usize) -> Result<usize> {
        let most = READ_MOST.max(self.buffer.len());
        let room = match self.buffer.spare_len() {
            0 => wanted.clamp(READ_LEAST, most),
            spare => spare,
        };
        // Zeroes: the reader is safe code, and need not write what it says that it has.
        let room = self.buffer.malloc(room)?;
        let len = room.len();
        let got = loop {
            match self.inner.read(room) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Ok(n) if n > len => {
                    let why = format!("the reader says that it read {n} bytes into {len}");
                    break Err(io::Error::other(why));
                }
                other => break other,
            }
        };
        self.buffer.malloc_ack(*got.as_ref().unwrap_or(&0));
        self.buffer.flush();
        got.map_err(|e| Error::io("read", e))
    }

    /// Consumes `n` bytes and lends them, contiguous; see [`LinkBuffer::next`].
    ///
    /// # Errors
    /// Those of [`fill`](Self::fill).
    pub fn next(&mut self, n: usize) -> Result<&[u8]> {
        self.fill(n)?;
        Ok(self.buffer.next(n)?)
    }

    /// Lends the first `n` bytes, contiguous, without consuming them; see [`LinkBuffer::peek`].
    ///
    /// # Errors
    /// Those of [`fill`](Self::fill).
    pub fn peek(&mut self, n: usize) -> Result<&[u8]> {
        self.fill(n)?;
        Ok(self.buffer.peek(n)?)
    }

    /// Consumes `n` bytes, without keeping what is skipped.
    ///
    /// # Errors
    /// Those of [`fill`](Self::fill).
    pub fn skip(&mut self, n: usize) -> Result<()> {
        let mut left = n;
        loop {
            let here = left.min(self.buffer.len());
            self.buffer.skip(here)?;
            left -= here;
            if left == 0 {
                return Ok(());
            }
            self.fill(1).map_err(|e| e.context(format!("{left} bytes to be skipped")))?;
        }
    }

    /// Consumes the bytes up to a delimiter and lends them; gives up when `max` bytes hold none.
    ///
    /// # Errors
    /// [`FrameTooLarge`](ErrorKind::FrameTooLarge) past `max`; else as [`fill`](Self::fill).
    ///
    /// # Panics
    /// If the delimiter is empty.
    pub fn until_within(&mut self, delimiter: impl Delimiter, max: usize) -> Result<&[u8]> {
        let width = delimiter.bytes().len();
        let mut from = 0;
        loop {
            if let Some(at) = self.buffer.find(&delimiter, from).filter(|at| at + width <= max) {
                return Ok(self.buffer.next(at + width)?);
            }
            let len = self.buffer.len();
            if len >= max {
                let message = format!("no delimiter within {max} bytes");
                return Err(Error::new(ErrorKind::FrameTooLarge, message));
            }
            from = (len + 1).saturating_sub(width);
            self.fill(len + 1)?;
        }
    }

    /// Consumes the bytes up to a delimiter and lends them; see [`LinkBuffer::until`].
    ///
    /// # Errors
    /// Those of [`fill`](Self::fill).
    ///
    /// # Panics
    /// If the delimiter is empty.
    pub fn until(&mut self, delimiter: impl Delimiter) -> Result<&[u8]> {
        self.until_within(delimiter, usize::MAX)
    }

    /// Consumes one byte.
    ///
    /// # Errors
    /// Those of [`fill`](Self::fill).
    pub fn read_byte(&mut self) -> Result<u8> {
        self.fill(1)?;
        Ok(self.buffer.read_byte()?)
    }

    /// Consumes `n` bytes as a string.
    ///
    /// # Errors
    /// As [`fill`](Self::fill); [`Malformed`](ErrorKind::Malformed) if it is not UTF-8.
    pub fn read_string(&mut self, n: usize) -> Result<String> {
        self.fill(n)?;
        Ok(self.buffer.read_string(n)?)
    }

    /// Consumes `n` bytes as [`Bytes`]; see [`LinkBuffer::read_bytes`].
    ///
    /// # Errors
    /// Those of [`fill`](Self::fill).
    pub fn read_bytes(&mut self, n: usize) -> Result<Bytes> {
        self.fill(n)?;
        Ok(self.buffer.read_bytes(n)?)
    }

    /// Consumes `n` bytes as a slice that outlives this reader; see [`LinkBuffer::slice`].
    ///
    /// # Errors
    /// Those of [`fill`](Self::fill).
    pub fn slice(&mut self, n: usize) -> Result<LinkSlice> {
        self.fill(n)?;
        Ok(self.buffer.slice(n)?)
    }
}
