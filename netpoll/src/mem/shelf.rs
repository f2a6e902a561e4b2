//! A thread's shelf: free blocks that only it takes from and puts to, without a lock.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::{
    class::{CLASSES, Class},
    raw::Unique,
};

/// The counters of a shelf. Its thread writes, with a load and a store; others read.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) cached: AtomicU64,
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
}

/// Adds `n` (or its two's complement) to a cell that only this thread writes.
#[inline]
pub(super) fn bump(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
}

/// Free blocks by size class, bounded by [`Class::on_shelf`].
pub(super) struct Shelf {
    blocks: [Vec<Unique>; CLASSES],
    pub(super) tally: Arc<Tally>,
}

impl Shelf {
    pub(super) fn new(tally: Arc<Tally>) -> Self {
        Self { blocks: [const { Vec::new() }; CLASSES], tally }
    }

    /// Returns a block, if one lies here.
    #[inline]
    pub(super) fn take(&mut self, class: Class) -> Option<Unique> {
        let block = self.blocks[class.index()].pop()?;
        bump(&self.tally.hits, 1);
        bump(&self.tally.cached, (class.total() as u64).wrapping_neg());
        Some(block)
    }

    /// Puts a block here, unless the shelf is full.
    ///
    /// # Errors
    /// The block, if it found no room.
    #[inline]
    pub(super) fn put(&mut self, class: Class, block: Unique) -> Result<(), Unique> {
        let blocks = &mut self.blocks[class.index()];
        if blocks.len() >= class.on_shelf() {
            return Err(block);
        }
        blocks.push(block);
        bump(&self.tally.cached, class.total() as u64);
        Ok(())
    }

    /// Lets `f` change the blocks of a class, and counts what it did.
    pub(super) fn with<R>(&mut self, class: Class, f: impl FnOnce(&mut Vec<Unique>) -> R) -> R {
        let blocks = &mut self.blocks[class.index()];
        let before = (blocks.len() * class.total()) as u64;
        let result = f(blocks);
        let after = (blocks.len() * class.total()) as u64;
        if blocks.is_empty() {
            *blocks = Vec::new();
        }
        bump(&self.tally.cached, after.wrapping_sub(before));
        result
    }
}
