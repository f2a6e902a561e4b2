//! Where a frame's bytes go that lie across two nodes and must be contiguous.

use std::cell::{Cell, OnceCell};

/// Bytes of a frame that had to be copied to be contiguous; they live as long as the frame.
///
/// An empty arena holds no memory, and a frame that lies in one node leaves it empty. Allocation
/// takes `&self`, so that fields can borrow from the arena while others are still read; [`clear`]
/// takes `&mut self`, so that nothing borrows from it then.
///
/// ```text
///   levels ──► [ 1 slot | 2 slots | 4 slots | .. ]     slot = Box<[u8]>, written once
/// ```
///
/// ```
/// let arena = netpoll::frame::Arena::new();
/// let (a, b) = (arena.gather([&b"he"[..], b"llo"]), arena.gather([&b"!"[..]]));
/// assert_eq!((a, b), (&b"hello"[..], &b"!"[..]));
/// ```
///
/// [`clear`]: Self::clear
#[derive(Default)]
pub struct Arena {
    used: Cell<usize>,
    levels: OnceCell<Box<Levels>>,
}

type Slot = OnceCell<Box<[u8]>>;

#[derive(Default)]
struct Levels([OnceCell<Box<[Slot]>>; 32]);

impl Arena {
    /// Creates an empty arena.
    pub const fn new() -> Self {
        Self { used: Cell::new(0), levels: OnceCell::new() }
    }

    /// Returns a copy of `pieces`, one after the other.
    pub fn gather<'p, P>(&self, pieces: P) -> &[u8]
    where
        P: IntoIterator<Item = &'p [u8], IntoIter: Clone>,
    {
        let pieces = pieces.into_iter();
        // Room for all of it at once: growing would copy a long frame several times.
        let mut bytes = Vec::with_capacity(pieces.clone().map(<[u8]>::len).sum());
        pieces.for_each(|piece| bytes.extend_from_slice(piece));
        self.keep(bytes)
    }

    /// Keeps `bytes`.
    pub fn keep(&self, bytes: Vec<u8>) -> &[u8] {
        let index = self.used.get() + 1;
        self.used.set(index);
        // Level k holds the indices 2^k .. 2^(k+1).
        let level = index.ilog2() as usize;
        let slots = self.levels.get_or_init(Box::default).0[level]
            .get_or_init(|| (0..1usize << level).map(|_| Slot::new()).collect());
        slots[index - (1 << level)].get_or_init(|| bytes.into_boxed_slice())
    }

    /// Returns the number of pieces it holds.
    pub fn len(&self) -> usize {
        self.used.get()
    }

    /// Returns whether nothing had to be copied.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets all that it holds.
    #[inline]
    pub fn clear(&mut self) {
        if self.used.get() != 0 {
            *self = Self::new();
        }
    }
}

impl std::fmt::Debug for Arena {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arena").field("pieces", &self.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stay_where_they_are() {
        let mut arena = Arena::new();
        let kept: Vec<&[u8]> = (0..1000u32).map(|n| arena.keep(n.to_le_bytes().into())).collect();
        for (n, bytes) in (0u32..).zip(kept) {
            assert_eq!(bytes, n.to_le_bytes());
        }
        assert_eq!(arena.len(), 1000);
        arena.clear();
        assert!(arena.is_empty() && arena.levels.get().is_none());
    }
}
