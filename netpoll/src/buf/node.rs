//! What a buffer has beyond one readable node and one block that is written.

use std::collections::VecDeque;

use crate::mem::{BlockMut, Slice};

/// Nodes beyond which a drained buffer gives its queue up.
const KEPT_NODES: usize = 8;

/// The nodes and pieces that do not fit into the buffer itself.
#[derive(Default)]
pub(super) struct More {
    /// Readable nodes behind the head; none is empty.
    pub(super) rest: VecDeque<Slice>,
    /// What is written and not flushed, before what the tail has filled; none is empty.
    pub(super) pieces: VecDeque<Piece>,
    /// What `next` lent last when it is no longer a node.
    pub(super) spent: Option<Slice>,
}

impl More {
    pub(super) fn is_large(&self) -> bool {
        self.rest.capacity() > KEPT_NODES
    }
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

    /// The first `n` bytes, split off.
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

    /// The bytes, if they can be changed.
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
