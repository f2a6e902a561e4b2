//! Streams by `std::io`: each call waits for a poll, and gives a worker's poller away before it waits.

use std::{
    future::poll_fn,
    io::{self, BufRead, IoSlice, Read, Write},
};

use super::{ByteStream, ReadHalf, WriteHalf};
use crate::sched::block_on;

impl Read for ReadHalf {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        block_on(poll_fn(|cx| self.poll_copy(cx, to)))
    }
}

impl BufRead for ReadHalf {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        block_on(poll_fn(|cx| self.poll_fill(cx)))?;
        Ok(self.chunk())
    }

    fn consume(&mut self, n: usize) {
        Self::consume(self, n);
    }
}

impl Write for WriteHalf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        block_on(poll_fn(|cx| self.poll_write(cx, parts)))
    }

    fn flush(&mut self) -> io::Result<()> {
        block_on(poll_fn(|cx| self.poll_flush(cx)))
    }
}

impl Read for ByteStream {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.read.read(to)
    }
}

impl BufRead for ByteStream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.read.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.read.consume(n);
    }
}

impl Write for ByteStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write.write(bytes)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write.flush()
    }
}
