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

    /// Appends `n` bytes and lends them, contiguous, to be written. They hold anything: write all
    /// of them, or take the rest back with [`malloc_ack`](Self::malloc_ack).
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
        if n > self.spare_len() {
            self.grow(n)?;
        }
        self.unflushed += n;
        Ok(self.tail.as_mut().map_or(&mut [], |t| t.claim(n)))
    }

    /// Keeps the first `n` unflushed bytes and takes the others back.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::new();
    /// let room = b.malloc(100)?;
    /// room[..3].copy_from_slice(b"abc");
    /// b.malloc_ack(3);
    /// b.flush();
    /// assert_eq!(b.to_vec(), b"abc");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Panics
    /// If fewer are unflushed.
    pub fn malloc_ack(&mut self, n: usize) {
        assert!(n <= self.unflushed, "malloc_ack of {n} bytes, {} are unflushed", self.unflushed);
        let mut excess = self.unflushed - n;
        self.unflushed = n;
        if let Some(tail) = &mut self.tail {
            let cut = excess.min(tail.filled_len());
            tail.truncate(tail.filled_len() - cut);
            excess -= cut;
        }
        let Some(more) = &mut self.more else { return };
        while excess > 0
            && let Some(last) = more.pieces.back_mut()
        {
            let len = last.len();
            if len > excess {
                last.truncate(len - excess);
                return;
            }
            excess -= len;
            more.pieces.pop_back();
        }
    }

    /// Appends a copy of `bytes`.
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

    /// Inserts `bytes` before the last `remain` unflushed bytes, without a copy: the payload goes
    /// between what was laid out around it.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::new();
    /// b.malloc(6)?.copy_from_slice(b"\"\"\r\n\r\n");
    /// b.write_direct(bytes::Bytes::from_static(b"payload"), 5)?;
    /// b.flush();
    /// assert_eq!(b.to_vec(), b"\"payload\"\r\n\r\n");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Panics
    /// If fewer than `remain` bytes are unflushed.
    pub fn write_direct(&mut self, bytes: Bytes, remain: usize) -> Result<()> {
        assert!(remain <= self.unflushed, "{remain} to remain, {} are unflushed", self.unflushed);
        if bytes.is_empty() {
            return Ok(());
        }
        let inserted = Slice::from_bytes(bytes)?;
        self.unflushed += inserted.len();
        let filled = self.tail.as_ref().map_or(0, BlockMut::filled_len);
        if remain <= filled {
            let before = filled - remain;
            let front = self.tail.as_mut().filter(|_| before > 0).map(|t| t.split_to(before));
            let pieces = &mut self.more_mut().pieces;
            pieces.extend(front.map(Piece::Own));
            pieces.push_back(Piece::Shared(inserted));
            return Ok(());
        }
        let pieces = &mut self.more_mut().pieces;
        let (mut at, mut behind) = (pieces.len(), remain - filled);
        while behind > 0 {
            at -= 1;
            let len = pieces[at].len();
            if len > behind {
                let front = pieces[at].split_to(len - behind);
                pieces.insert(at, front);
                at += 1;
                break;
            }
            behind -= len;
        }
        pieces.insert(at, Piece::Shared(inserted));
        Ok(())
    }

    /// Overwrites the unflushed bytes from the `at`th on: a length that is known only after what it
    /// counts. They must have been written here, by `malloc` or `write`.
    ///
    /// ```
    /// # use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::new();
    /// let slot = b.malloc_len();
    /// b.malloc(4)?;
    /// b.write_str("hello")?;
    /// let n = (b.malloc_len() - slot - 4) as u32;
    /// b.patch(slot, &n.to_be_bytes());
    /// b.flush();
    /// assert_eq!(b.to_vec(), b"\0\0\0\x05hello");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Panics
    /// If fewer bytes are unflushed, or if some of them are shared (`write_bytes`, `append`, ..).
    pub fn patch(&mut self, at: usize, bytes: &[u8]) {
        let end = at.checked_add(bytes.len()).filter(|&end| end <= self.unflushed);
        assert!(end.is_some(), "patch at {at}: {} bytes are unflushed", self.unflushed);
        // From the end: what is patched was mostly written a moment ago.
        let mut start = self.unflushed;
        let mut left = bytes;
        let tail = self.tail.as_mut().filter(|t| t.filled_len() > 0);
        let tail = tail.map(|t| Some(t.filled_mut()));
        let pieces = self.more.iter_mut().flat_map(|m| m.pieces.iter_mut().rev());
        for (len, part) in tail
            .map(|t| (t.as_ref().map_or(0, |t| t.len()), t))
            .into_iter()
            .chain(pieces.map(|p| (p.len(), p.as_mut())))
        {
            start -= len;
            let from = at.max(start);
            let n = (at + left.len()).saturating_sub(from);
            if n == 0 {
                continue;
            }
            let part = part.expect("patch of bytes that are shared");
            let (before, here) = left.split_at(left.len() - n);
            part[from - start..][..n].copy_from_slice(here);
            left = before;
            if left.is_empty() {
                return;
            }
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

    /// Appends `slice` without a copy.
    pub fn append_slice(&mut self, slice: LinkSlice) {
        slice.into_nodes(|node| self.write_slice(node));
    }

    /// Makes all that was written readable.
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
        if let Some(more) = &mut self.more {
            more.pieces = Default::default();
        }
    }
}
