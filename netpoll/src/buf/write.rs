//! The writing side.

use std::mem;

use bytes::Bytes;

use super::{LinkBuffer, LinkSlice, node::Piece};
use crate::{
    Result,
    mem::{BlockMut, Slice, alloc},
};

/// The least room of a new tail: blocks of 4 KiB.
const TAIL_LEAST: usize = 4080;

/// The most room of a new tail that nothing asked for: blocks of 64 KiB.
const TAIL_MOST: usize = 65_520;

/// Bytes before what does not fit that are fewer than this move with it to a new block.
const MOVE_BELOW: usize = 64;

/// Foreign bytes fewer than this are copied. Measured with 4 bytes before them, in ns, copied and
/// referred to: 1,024 bytes 75 and 180, 4,000 bytes 100 and 125, 8,192 bytes 215 and 175.
pub(crate) const COPY_BELOW: usize = 4096;

/// Returns a block for at least `n` bytes that follow `behind` others.
fn tail(n: usize, behind: usize) -> Result<BlockMut> {
    alloc(n.max(behind.clamp(TAIL_LEAST, TAIL_MOST)))
}

/// Moves what `tail` has filled to a new block with room for `n` bytes more, if that is little, and
/// the rest of `tail` would take few of them: a frame's head and its body are one node. Says
/// whether it did.
pub(crate) fn move_head(tail: &mut BlockMut, n: usize) -> Result<bool> {
    let filled = tail.filled_len();
    let moves = filled < MOVE_BELOW && tail.spare_len() < n / 2;
    if moves {
        let mut new = self::tail(filled + n, 0)?;
        new.claim_uncleared(filled).copy_from_slice(tail.filled());
        *tail = new;
    }
    Ok(moves)
}

impl LinkBuffer {
    #[inline]
    pub(super) fn spare_len(&self) -> usize {
        self.tail.as_ref().map_or(0, BlockMut::spare_len)
    }

    /// Returns a new block for at least `n` bytes at the end; what the old one has filled stays
    /// before it. Blocks grow with what is in the buffer, so that much output is few nodes.
    #[cold]
    pub(super) fn grow(&mut self, n: usize) -> Result<&mut BlockMut> {
        let old = self.tail.replace(tail(n, self.len + self.unflushed)?);
        if let Some(old) = old.filter(|o| o.filled_len() > 0) {
            self.more_mut().pieces.push_back(Piece::Own(old));
        }
        Ok(self.tail.as_mut().expect("it was set above"))
    }

    /// Returns an empty buffer that is to follow what `tail` has filled: it gets the spare bytes,
    /// or else a block for `n` if that is not 0.
    pub(crate) fn following(tail: &mut BlockMut, n: usize) -> Result<Self> {
        let tail = match tail.spare_len() {
            0 if n == 0 => None,
            0 => Some(self::tail(n, tail.block_size())?),
            _ => {
                let filled = tail.split_to(tail.filled_len());
                Some(mem::replace(tail, filled))
            }
        };
        Ok(Self { tail, ..Self::new() })
    }

    /// Fills the tail by `put`, and appends what it gives besides. Returns the number of bytes.
    ///
    /// # Errors
    /// That of `put`, which leaves the tail as it was then; or `none` if there is no tail to be
    /// had.
    #[inline]
    pub(crate) fn compose<E>(
        &mut self,
        put: impl FnOnce(&mut BlockMut) -> std::result::Result<Option<Box<Self>>, E>,
        none: impl FnOnce() -> E,
    ) -> std::result::Result<usize, E> {
        let tail = match &mut self.tail {
            Some(tail) => tail,
            None => match self.grow(1) {
                Ok(tail) => tail,
                Err(_) => return Err(none()),
            },
        };
        let before = tail.filled_len();
        let rest = put(tail)?;
        let filled = tail.filled_len() - before;
        self.unflushed += filled;
        let Some(rest) = rest else { return Ok(filled) };
        let n = filled + rest.unflushed;
        self.append(*rest);
        Ok(n)
    }

    /// Appends `n` zeroes and lends them, contiguous, to be written. Take what is not needed back
    /// with [`malloc_ack`](Self::malloc_ack).
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

    /// Appends `n` bytes that hold anything and lends them: only for a caller that takes back all
    /// that it does not write.
    #[inline]
    pub(crate) fn malloc_uncleared(&mut self, n: usize) -> Result<&mut [u8]> {
        if n > self.spare_len() {
            self.grow(n)?;
        }
        self.unflushed += n;
        Ok(self.tail.as_mut().map_or(&mut [], |t| t.claim_uncleared(n)))
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
                tail.claim_uncleared(bytes.len()).copy_from_slice(bytes);
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
        if let Some(tail) = &mut self.tail
            && move_head(tail, bytes.len())?
        {
            return self.write(bytes);
        }
        let (here, behind) = bytes.split_at(self.spare_len().min(bytes.len()));
        // The block comes first: if there is none, nothing has been written.
        let mut old = self.tail.take();
        if let Err(e) = self.grow(behind.len()) {
            self.tail = old;
            return Err(e);
        }
        if let Some(mut old) = old.take() {
            old.claim_uncleared(here.len()).copy_from_slice(here);
            if old.filled_len() > 0 {
                self.more_mut().pieces.push_back(Piece::Own(old));
            }
        }
        if let Some(tail) = &mut self.tail {
            tail.claim_uncleared(behind.len()).copy_from_slice(behind);
        }
        self.unflushed += bytes.len();
        Ok(())
    }

    /// Appends a copy of `text`.
    ///
    /// # Errors
    /// Those of [`write`](Self::write).
    #[inline]
    pub fn write_str(&mut self, text: &str) -> Result<()> {
        self.write(text.as_bytes())
    }

    /// Appends one byte.
    ///
    /// # Errors
    /// Those of [`write`](Self::write).
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
    /// Those of [`write`](Self::write).
    pub fn write_bytes(&mut self, bytes: Bytes) -> Result<()> {
        if bytes.len() < COPY_BELOW {
            return self.write(&bytes);
        }
        self.write_node(Slice::from_bytes(bytes)?);
        Ok(())
    }

    /// Appends `slice`, without a copy unless that would keep a block alive that is more than four
    /// times as large: a few bytes of a read block are copied, so that output that waits holds about
    /// the memory of its bytes.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut input = LinkBuffer::try_from(&b"echoed"[..])?;
    /// let mut output = LinkBuffer::new();
    /// output.write_slice(input.slice(6)?);
    /// output.flush();
    /// assert_eq!(output.to_vec(), b"echoed");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn write_slice(&mut self, slice: impl Into<LinkSlice>) {
        slice.into().into_nodes(|node| {
            // Where there is no memory for the copy, the block that is kept alive does.
            if !(node.is_sparse() && self.write(&node).is_ok()) {
                self.write_node(node);
            }
        });
    }

    fn write_node(&mut self, slice: Slice) {
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
        match other.tail {
            Some(tail) if tail.spare_len() >= self.spare_len() => self.tail = Some(tail),
            Some(tail) if tail.filled_len() > 0 => {
                self.more_mut().pieces.push_back(Piece::Own(tail));
            }
            _ => {}
        }
    }

    /// Appends `slice`, as [`write_slice`](Self::write_slice) does.
    pub fn append_slice(&mut self, slice: LinkSlice) {
        self.write_slice(slice);
    }

    /// Makes all that was written readable. Bytes that go on in the block of the last node become
    /// a part of it: many small writes are one node.
    #[inline]
    pub fn flush(&mut self) {
        if self.unflushed > 0 && !self.flush_joining() {
            self.flush_all();
        }
    }

    /// Makes what the tail has filled a part of the last node, if that is all, and goes on there.
    #[inline]
    fn flush_joining(&mut self) -> bool {
        let (last, Some(tail)) = (
            match &mut self.more {
                None => self.head.as_mut(),
                Some(more) if more.pieces.is_empty() => more.rest.back_mut().or(self.head.as_mut()),
                Some(_) => None,
            },
            &mut self.tail,
        ) else {
            return false;
        };
        let joins = last.is_some_and(|last| tail.take_filled_onto(last));
        if joins {
            self.len += self.unflushed;
            self.unflushed = 0;
        }
        joins
    }

    #[inline]
    fn flush_all(&mut self) {
        while let Some(piece) = self.more.as_mut().and_then(|m| m.pieces.pop_front()) {
            self.unflushed -= piece.len();
            self.push(piece.into_slice());
        }
        let Some(mut tail) = self.tail.take() else { return };
        let filled = tail.filled_len();
        if filled > 0 {
            self.unflushed -= filled;
            if tail.spare_len() == 0 {
                return self.push(tail.into_slice());
            }
            self.push(tail.take_filled());
        }
        self.tail = Some(tail);
    }
}
