//! What a buffer has beyond one readable node, and the block at its end as the writers of `bytes`
//! see it.
#![allow(unsafe_code)]

use std::collections::VecDeque;

use bytes::{BufMut, buf::UninitSlice};

use super::LinkBuffer;
use crate::mem::{BlockMut, Slice};

/// The nodes and pieces that do not fit into the buffer itself.
#[derive(Default)]
pub(super) struct More {
    /// Readable nodes behind the head; none is empty.
    pub(super) rest: VecDeque<Slice>,
    /// Pieces written and not flushed, before what the tail has filled; none is empty.
    pub(super) pieces: VecDeque<Piece>,
    /// The slice that `next` lent last, when it is no longer a node.
    pub(super) spent: Option<Slice>,
}

/// A part of what is written and not flushed.
pub(super) enum Piece {
    /// Bytes written here: they can still be changed. What is filled counts.
    Own(BlockMut),
    /// Bytes that are shared, and so fixed.
    Shared(Slice),
}

impl Piece {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Own(block) => block.filled_len(),
            Self::Shared(slice) => slice.len(),
        }
    }

    /// Returns the first `n` bytes, split off.
    pub(super) fn split_to(&mut self, n: usize) -> Self {
        match self {
            Self::Own(block) => Self::Own(block.split_to(n)),
            Self::Shared(slice) => Self::Shared(slice.split_to(n)),
        }
    }

    /// Keeps the first `n` bytes.
    pub(super) fn truncate(&mut self, n: usize) {
        match self {
            Self::Own(block) => block.truncate(n),
            Self::Shared(slice) => slice.truncate(n),
        }
    }

    /// Returns the bytes.
    pub(super) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Own(block) => block.filled(),
            Self::Shared(slice) => slice,
        }
    }

    /// Returns the bytes, if they can be changed.
    pub(super) fn as_mut(&mut self) -> Option<&mut [u8]> {
        match self {
            Self::Own(block) => Some(block.filled_mut()),
            Self::Shared(_) => None,
        }
    }

    pub(super) fn into_slice(self) -> Slice {
        match self {
            Self::Own(block) => block.into_slice(),
            Self::Shared(slice) => slice,
        }
    }

    pub(super) fn pinned(&self) -> usize {
        match self {
            Self::Own(block) => block.block_size(),
            Self::Shared(slice) => slice.pinned(),
        }
    }
}

/// Writes to the end; [`flush`](LinkBuffer::flush) makes it readable. The trait has no errors:
/// where the memory limit refuses a block, this panics; [`LinkBuffer::write`] does not.
// SAFETY: `chunk_mut` lends the spare bytes of the tail, which exist and are initialised, and
// `advance_mut` commits bytes of the same tail, after checking that they exist.
unsafe impl BufMut for LinkBuffer {
    fn remaining_mut(&self) -> usize {
        usize::MAX - self.len - self.unflushed
    }

    unsafe fn advance_mut(&mut self, n: usize) {
        let spare = self.spare_len();
        let tail = self.tail.as_mut().filter(|_| n <= spare);
        match tail {
            Some(tail) => tail.commit_uncleared(n),
            None => assert_eq!(n, 0, "advance_mut past the end of the chunk"),
        }
        self.unflushed += n;
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        if self.spare_len() == 0
            && let Err(e) = self.grow(1)
        {
            panic!("chunk_mut: {e}");
        }
        UninitSlice::new(self.tail.as_mut().map_or(&mut [], |t| t.spare_uncleared()))
    }

    fn put_slice(&mut self, bytes: &[u8]) {
        self.write(bytes).unwrap_or_else(|e| panic!("put_slice: {e}"));
    }
}
