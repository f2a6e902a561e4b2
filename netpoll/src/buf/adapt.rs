//! A buffer as `bytes` and `std::io` see it. What is written that way is unflushed, as ever.

use std::io::{self, BufRead, IoSlice, Read, Write};

use bytes::{Buf, Bytes};

use super::LinkBuffer;

/// The readable bytes.
impl Buf for LinkBuffer {
    #[inline]
    fn remaining(&self) -> usize {
        self.len()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        self.node(0)
    }

    fn chunks_vectored<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        self.io_slices(out)
    }

    #[inline]
    fn advance(&mut self, n: usize) {
        self.skip(n).unwrap_or_else(|e| panic!("advance: {e}"));
    }

    /// Consumes `n` bytes, without a copy if they lie in one node.
    fn copy_to_bytes(&mut self, n: usize) -> Bytes {
        self.read_bytes(n).unwrap_or_else(|e| panic!("copy_to_bytes: {e}"))
    }
}

/// Reads what is readable; 0 when nothing is.
impl Read for LinkBuffer {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = to.len().min(self.len());
        self.copy_front(&mut to[..n]);
        self.skip(n)?;
        Ok(n)
    }
}

/// Lends node by node.
impl BufRead for LinkBuffer {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.node(0))
    }

    fn consume(&mut self, n: usize) {
        Buf::advance(self, n);
    }
}

/// Writes to the end; `flush` makes it readable.
impl Write for LinkBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LinkBuffer::write(self, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        LinkBuffer::flush(self);
        Ok(())
    }
}
