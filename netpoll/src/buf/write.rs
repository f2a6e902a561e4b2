//! The writing side.

use bytes::Bytes;

use super::{LinkBuffer, LinkSlice, node::Piece};
use crate::{
    Result,
    mem::{self, BlockMut, Slice},
};

/// The least room of a new tail: blocks of 4 KiB.
const TAIL_LEAST: usize = 4080;

/// The most room of a new tail that nothing asked for: blocks of 64 KiB.
const TAIL_MOST: usize = 65_520;

/// Bytes before what does not fit that are fewer than this move with it to a new block.
const MOVE_BELOW: usize = 64;

/// Foreign bytes fewer than this are copied. Measured with 4 bytes before them, in ns, copied and
/// referred to: 1,024 bytes 75 and 180, 4,000 bytes 100 and 125, 8,192 bytes 215 and 175.
const COPY_BELOW: usize = 4096;

impl LinkBuffer {
    #[inline]
    pub(super) fn spare_len(&self) -> usize {
        self.tail.as_ref().map_or(0, BlockMut::spare_len)
    }

    /// A new block for at least `n` bytes at the end; what the old one has filled stays before it.
    /// Blocks grow with what is in the buffer, so that much output is few nodes.
    #[cold]
    pub(super) fn grow(&mut self, n: usize) -> Result<&mut BlockMut> {
        let usual = (self.len + self.unflushed).clamp(TAIL_LEAST, TAIL_MOST);
        let old = self.tail.replace(mem::alloc(n.max(usual))?);
        if let Some(old) = old.filter(|o| o.filled_len() > 0) {
            self.more_mut().pieces.push_back(Piece::Own(old));
        }
        Ok(self.tail.as_mut().expect("it was set above"))
    }

    /// Appends `n` zeroes and lends them, contiguous, to be written. Take what is not needed back with
    /// [`malloc_ack`](Self::malloc_ack).
    ///
    /// Zeroes, since the block may hold what came over another connection before.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::new();
    /// b.malloc(2)?.copy_from_slice(b"ok");
    /// assert_eq!((b.malloc_len(), b.len()), (2, 0));
    /// b.flush();
    /// assert_eq!((b.malloc_len(), b.len()), (0, 2));
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit).
    #[inline]
    pub fn malloc(&mut self, n: usize) -> Result<&mut [u8]> {
        let lent = self.malloc_uncleared(n)?;
        lent.fill(0);
        Ok(lent)
    }

    /// As [`malloc`](Self::malloc), with whatever the block holds: only for who takes back all that it
    /// does not write.
    #[inline]
    pub(crate) fn malloc_uncleared(&mut self, n: usize) -> Result<&mut [u8]> {
        if n > self.spare_len() {
            self.grow(n)?;
        }
        self.unflushed += n;
        Ok(self.tail.as_mut().map_or(&mut [], |t| t.claim(n)))
    }

    /// Appends a copy of `bytes`.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::new();
    /// b.write(b"+")?;
    /// b.write_str("OK")?;
    /// b.write_byte(b'\n')?;
    /// b.flush();
    /// assert_eq!(b.to_vec(), b"+OK\n");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit); nothing was appended then.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.tail {
            Some(tail) if bytes.len() <= tail.spare_len() => {
                tail.claim(bytes.len()).copy_from_slice(bytes);
                self.unflushed += bytes.len();
                Ok(())
            }
            _ => self.write_across(bytes),
        }
    }

    /// Fills the tail, and a new one with the rest.
    fn write_across(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let filled = self.tail.as_ref().map_or(0, BlockMut::filled_len);
        if filled < MOVE_BELOW && self.spare_len() < bytes.len() / 2 {
            return self.write_behind(filled, bytes);
        }
        let (here, behind) = bytes.split_at(self.spare_len().min(bytes.len()));
        // The block comes first: if there is none, nothing has been written.
        let mut old = self.tail.take();
        if let Err(e) = self.grow(behind.len()) {
            self.tail = old;
            return Err(e);
        }
        if let Some(mut old) = old.take() {
            old.claim(here.len()).copy_from_slice(here);
            if old.filled_len() > 0 {
                self.more_mut().pieces.push_back(Piece::Own(old));
            }
        }
        if let Some(tail) = &mut self.tail {
            tail.claim(behind.len()).copy_from_slice(behind);
        }
        self.unflushed += bytes.len();
        Ok(())
    }

    /// Moves what the tail has filled, which is little, to a new one with room for `bytes` too: a frame's
    /// head and its body are one node.
    fn write_behind(&mut self, filled: usize, bytes: &[u8]) -> Result<()> {
        let mut old = self.tail.take();
        if let Err(e) = self.grow(filled + bytes.len()) {
            self.tail = old;
            return Err(e);
        }
        if let Some(tail) = &mut self.tail {
            if let Some(old) = &mut old {
                tail.claim(filled).copy_from_slice(old.filled());
            }
            tail.claim(bytes.len()).copy_from_slice(bytes);
        }
        self.unflushed += bytes.len();
        Ok(())
    }

    /// Appends a copy of `text`.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    #[inline]
    pub fn write_str(&mut self, text: &str) -> Result<()> {
        self.write(text.as_bytes())
    }

    /// Appends one byte.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    #[inline]
    pub fn write_byte(&mut self, byte: u8) -> Result<()> {
        self.write(&[byte])
    }

    /// Appends `bytes` without a copy; fewer than 4,096 are copied, which is cheaper.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let body = bytes::Bytes::from(vec![7; 4096]);
    /// let mut b = LinkBuffer::new();
    /// b.write_bytes(body.clone())?;
    /// b.flush();
    /// assert_eq!(b.next(4096)?.as_ptr(), body.as_ptr());
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_bytes(&mut self, bytes: Bytes) -> Result<()> {
        if bytes.len() < COPY_BELOW {
            return self.write(&bytes);
        }
        self.write_slice(Slice::from_bytes(bytes)?);
        Ok(())
    }

    /// Appends `slice` without a copy.
    pub fn write_slice(&mut self, slice: Slice) {
        if slice.is_empty() {
            return;
        }
        self.seal_tail();
        self.unflushed += slice.len();
        self.more_mut().pieces.push_back(Piece::Shared(slice));
    }

    /// Makes what the tail has filled a piece, so that another piece can follow it.
    fn seal_tail(&mut self) {
        let Some(tail) = &mut self.tail else { return };
        if tail.filled_len() > 0 {
            let own = tail.split_to(tail.filled_len());
            self.more_mut().pieces.push_back(Piece::Own(own));
        }
    }

    /// Appends all of `other`, flushed there or not, without a copy.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::new();
    /// b.write_str("head ")?;
    /// b.append(LinkBuffer::try_from(&b"body"[..])?);
    /// b.flush();
    /// assert_eq!(b.to_vec(), b"head body");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn append(&mut self, mut other: LinkBuffer) {
        if other.len == 0 && other.unflushed == 0 {
            return;
        }
        self.seal_tail();
        self.unflushed += other.len + other.unflushed;
        while let Some(node) = other.pop() {
            self.more_mut().pieces.push_back(Piece::Shared(node));
        }
        if let Some(more) = &mut other.more {
            self.more_mut().pieces.append(&mut more.pieces);
        }
        match other.tail.filter(|t| t.filled_len() > 0) {
            Some(tail) if self.tail.is_none() => self.tail = Some(tail),
            Some(tail) => self.more_mut().pieces.push_back(Piece::Own(tail)),
            None => {}
        }
    }

    /// Appends `slice` without a copy. Where it has fewer than some 4,096 bytes, a
    /// [`write`](Self::write) of its chunks is cheaper, and keeps no block alive.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut input = LinkBuffer::try_from(&b"echoed"[..])?;
    /// let mut output = LinkBuffer::new();
    /// output.append_slice(input.slice(6)?);
    /// output.flush();
    /// assert_eq!(output.to_vec(), b"echoed");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn append_slice(&mut self, slice: LinkSlice) {
        slice.into_nodes(|node| self.write_slice(node));
    }

    /// Makes all that was written readable. Bytes that go on in the block of the last node become
    /// a part of it: many small writes are one node.
    #[inline]
    pub fn flush(&mut self) {
        if self.unflushed == 0 {
            return;
        }
        if self.more.as_ref().is_some_and(|m| !m.pieces.is_empty()) {
            self.flush_pieces();
        }
        let Some(mut tail) = self.tail.take() else { return };
        let filled = tail.filled_len();
        if filled > 0 {
            self.unflushed -= filled;
            if self.last_mut().is_some_and(|last| tail.take_filled_onto(last)) {
                self.len += filled;
            } else if tail.spare_len() == 0 {
                return self.push(tail.into_slice());
            } else {
                self.push(tail.take_filled());
            }
        }
        self.tail = Some(tail);
    }

    fn flush_pieces(&mut self) {
        while let Some(piece) = self.more.as_mut().and_then(|m| m.pieces.pop_front()) {
            self.unflushed -= piece.len();
            self.push(piece.into_slice());
        }
    }
}
