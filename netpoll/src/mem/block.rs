//! The writer of a block.
//!
//! A block's bytes are divided between its handles: each [`BlockMut`] has a range to itself, and
//! each [`Slice`] reads a range that no `BlockMut` has. A byte goes from a writer's range to a
//! slice's and never back, except by [`BlockMut::try_reset`], which first makes sure that no other
//! handle is left. This is what every `unsafe` below means by *own range*.
#![allow(unsafe_code)]

use std::{fmt, slice};

use super::{raw::Block, slice::Slice};

/// A range of a block that is this writer's alone: first the bytes it has filled, then spare ones.
///
/// ```text
///   block:  │ shared before │ filled │ spare │ another writer's │
///                           ▲ start  ▲ mark  ▲ end
/// ```
///
/// What is filled is handed on with [`take_filled`](Self::take_filled), after which writing goes on
/// behind it; and when all that was handed on is gone, [`try_reset`](Self::try_reset) makes the
/// block whole again.
///
/// Spare bytes hold what an earlier user of the block wrote there, perhaps for another connection.
/// Safe code never sees that: what it is lent, or commits without having been lent it, is zeroed.
///
/// ```
/// let mut block = netpoll::mem::alloc(64)?;
/// block.spare_mut()[..2].copy_from_slice(b"ab");
/// block.commit(2);
/// let ab = block.take_filled();
/// assert!(!block.try_reset()); // `ab` still reads there
/// assert_eq!(&*ab, b"ab");
/// drop(ab);
/// assert!(block.try_reset());
/// # Ok::<(), netpoll::Error>(())
/// ```
pub struct BlockMut {
    block: Block,
    start: u32,
    mark: u32,
    end: u32,
    /// Spare bytes before this offset were zeroed since this writer has them.
    clear: u32,
}

impl BlockMut {
    /// Returns the writer of all of `block`, which has no other handle.
    #[inline]
    pub(super) fn new(block: Block) -> Self {
        debug_assert!(block.is_unique());
        let end = block.capacity() as u32;
        Self { block, start: 0, mark: 0, end, clear: 0 }
    }

    #[inline]
    fn bytes(&self, from: u32, to: u32) -> &[u8] {
        debug_assert!(self.start <= from && from <= to && to <= self.end);
        let at = self.block.data().as_ptr().wrapping_add(from as usize);
        // SAFETY: initialised bytes of this writer's own range, borrowed with it.
        unsafe { slice::from_raw_parts(at, (to - from) as usize) }
    }

    #[inline]
    fn bytes_mut(&mut self, from: u32, to: u32) -> &mut [u8] {
        debug_assert!(self.start <= from && from <= to && to <= self.end);
        let at = self.block.data().as_ptr().wrapping_add(from as usize);
        // SAFETY: initialised bytes of this writer's own range, borrowed with it.
        unsafe { slice::from_raw_parts_mut(at, (to - from) as usize) }
    }

    /// Returns the bytes of this writer's range, filled and spare.
    #[inline]
    pub fn capacity(&self) -> usize {
        (self.end - self.start) as usize
    }

    /// Returns the bytes that are filled and not handed on.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        self.bytes(self.start, self.mark)
    }

    /// Returns the same, to be changed.
    #[inline]
    pub fn filled_mut(&mut self) -> &mut [u8] {
        self.bytes_mut(self.start, self.mark)
    }

    /// Returns the number of bytes that are filled and not handed on.
    #[inline]
    pub fn filled_len(&self) -> usize {
        (self.mark - self.start) as usize
    }

    /// Returns the number of bytes that can still be filled.
    #[inline]
    pub fn spare_len(&self) -> usize {
        (self.end - self.mark) as usize
    }

    /// Zeroes the spare bytes up to `end` that were not zeroed yet.
    fn clear(&mut self, end: u32) {
        let from = self.clear.max(self.mark);
        if from < end {
            self.bytes_mut(from, end).fill(0);
            self.clear = end;
        }
    }

    /// Returns the bytes to be filled next; they are zero, or what was written there since.
    #[inline]
    pub fn spare_mut(&mut self) -> &mut [u8] {
        self.clear(self.end);
        self.bytes_mut(self.mark, self.end)
    }

    /// Makes the first `n` spare bytes filled ones. Those that were not lent by
    /// [`spare_mut`](Self::spare_mut) are zero.
    ///
    /// # Panics
    /// If there are fewer.
    #[inline]
    pub fn commit(&mut self, n: usize) {
        self.claim(n);
    }

    /// Makes the first `n` spare bytes filled ones and lends them; they are zero, or what was
    /// written there since they were lent last.
    ///
    /// # Panics
    /// If there are fewer.
    #[inline]
    pub fn claim(&mut self, n: usize) -> &mut [u8] {
        assert!(n <= self.spare_len(), "{n} bytes wanted, {} are spare", self.spare_len());
        self.clear(self.mark + n as u32);
        self.claim_uncleared(n)
    }

    /// Returns the bytes to be filled next, which hold anything: for a caller that commits only
    /// what it has written, and shows them to nobody.
    #[inline]
    pub(crate) fn spare_uncleared(&mut self) -> &mut [u8] {
        self.bytes_mut(self.mark, self.end)
    }

    /// Makes the first `n` spare bytes filled ones, which the caller has written.
    ///
    /// # Panics
    /// If there are fewer.
    #[inline]
    pub(crate) fn commit_uncleared(&mut self, n: usize) {
        assert!(n <= self.spare_len(), "{n} bytes wanted, {} are spare", self.spare_len());
        self.mark += n as u32;
    }

    /// Makes the first `n` spare bytes filled ones and lends them. They hold anything: the caller
    /// writes them all, before anybody else sees them.
    ///
    /// # Panics
    /// If there are fewer.
    #[inline]
    pub(crate) fn claim_uncleared(&mut self, n: usize) -> &mut [u8] {
        let from = self.mark;
        self.commit_uncleared(n);
        self.bytes_mut(from, self.mark)
    }

    /// Keeps the first `n` filled bytes and makes the others spare; more than there are changes
    /// nothing.
    #[inline]
    pub fn truncate(&mut self, n: usize) {
        if n < self.filled_len() {
            self.mark = self.start + n as u32;
        }
    }

    /// Hands on what is filled; writing goes on behind it.
    #[inline]
    pub fn take_filled(&mut self) -> Slice {
        let (from, n) = (self.start, self.filled_len());
        self.start = self.mark;
        Slice::of_range(self.block.share(), from as usize, n)
    }

    /// Hands on what is filled by making `slice`, which ends where it begins, longer: cheaper than
    /// [`take_filled`](Self::take_filled) and a slice more. Says whether `slice` does end there;
    /// if not, nothing has changed.
    #[inline]
    pub fn take_filled_onto(&mut self, slice: &mut Slice) -> bool {
        let joins = slice.grow_within(&self.block, self.start as usize, self.filled_len());
        if joins {
            self.start = self.mark;
        }
        joins
    }

    /// Hands on what is filled and gives up the rest of the range.
    #[inline]
    pub fn into_slice(self) -> Slice {
        let (from, n) = (self.start, self.filled_len());
        Slice::of_range(self.block, from as usize, n)
    }

    /// Splits off a writer of the first `n` filled bytes, which has no spare ones.
    ///
    /// # Panics
    /// If fewer are filled.
    pub fn split_to(&mut self, n: usize) -> BlockMut {
        assert!(n <= self.filled_len(), "split at {n} bytes, {} are filled", self.filled_len());
        let start = self.start;
        self.start += n as u32;
        let (mark, end) = (self.start, self.start);
        Self { block: self.block.share(), start, mark, end, clear: end }
    }

    /// If nothing else refers to the block: makes its whole range this writer's, and all of it
    /// spare. Says whether it did.
    #[inline]
    pub fn try_reset(&mut self) -> bool {
        let unique = self.block.is_unique();
        if unique {
            (self.start, self.mark, self.end) = (0, 0, self.block.capacity() as u32);
            self.clear = 0;
        }
        unique
    }

    /// Drops `slice`; cheaper where it and this writer are all that refers to one block.
    #[inline]
    pub(crate) fn take_back(&mut self, slice: Slice) {
        self.block.reunite(slice.into_block());
    }

    /// Returns whether `slice` lies in the block that it writes.
    pub(crate) fn holds(&self, slice: &Slice) -> bool {
        slice.is_in(&self.block)
    }

    /// Returns the size of the whole block in bytes, its header included: what it takes of the
    /// limit.
    #[inline]
    pub fn block_size(&self) -> usize {
        self.block.total()
    }
}

impl fmt::Debug for BlockMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockMut")
            .field("filled", &self.filled_len())
            .field("spare", &self.spare_len())
            .finish()
    }
}
