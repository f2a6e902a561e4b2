//! What is written and not flushed: taken back, inserted into, overwritten.

use bytes::Bytes;

use super::{LinkBuffer, node::Piece};
use crate::{
    Result,
    mem::{BlockMut, Slice},
};

impl LinkBuffer {
    /// Returns the unflushed bytes, piece by piece: for a checksum of what was written.
    pub(crate) fn unflushed(&self) -> impl Iterator<Item = &[u8]> {
        let pieces = self.more.iter().flat_map(|m| &m.pieces).map(Piece::as_slice);
        pieces.chain(self.tail.iter().map(|t| t.filled()))
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
    /// Those of [`write`](Self::write).
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
}
