//! The block itself: one allocation of a header and bytes, and the count of what refers to it.
//!
//! ```text
//!   Unique / Block ──► ┌ refs │ total │ foreign ┐┌ bytes, total - HEADER of them ┐
//!                      └─────── HEADER ─────────┘└───────────────────────────────┘
//! ```
//!
//! Invariants, on which every `unsafe` of this layer rests:
//!
//! 1. A handle's pointer comes from `alloc_zeroed` with [`layout`]`(total)`, covers the whole
//!    allocation, and stays valid while any handle lives.
//! 2. The header and every byte after it are initialised from then on.
//! 3. `refs` is the number of handles. A [`Unique`] is the only one: `refs` is 1.
//! 4. `total` never changes; `foreign` changes only through a `Unique`, or by the last handle.
//! 5. If `foreign`, the bytes begin with a valid `bytes::Bytes`, which nothing overwrites.
//! 6. The last handle to go sees all that was done through the others before: every decrement
//!    releases, and who finds the count at one acquires.
//!
//! Who may read and write the bytes is the matter of [`BlockMut`](super::BlockMut) and
//! [`Slice`](super::Slice), which divide a block between them.
#![allow(unsafe_code)]

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    mem::ManuallyDrop,
    process, ptr,
    ptr::NonNull,
};

use bytes::Bytes;

use crate::guard::{self, Place};
use crate::primitive::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

#[repr(C, align(16))]
struct Header {
    refs: AtomicUsize,
    total: u32,
    foreign: bool,
}

/// Bytes of a block that are not its user's.
pub(super) const HEADER: usize = size_of::<Header>();

/// The largest block, header included: offsets into it fit 32 bits.
pub(super) const MAX_TOTAL: usize = (u32::MAX as usize) & !(HEADER - 1);

/// The bytes of a block that [`Unique::hold`] needs.
pub(super) const FOREIGN: usize = size_of::<Bytes>();

/// References to one block beyond which the process ends, as with `Arc`.
const MAX_REFS: usize = isize::MAX as usize;

fn layout(total: usize) -> Layout {
    Layout::from_size_align(total, align_of::<Header>()).expect("a block is below 4 GiB")
}

/// A block that nothing else refers to; dropping it gives it to the system.
pub(super) struct Unique(NonNull<Header>);

/// One of a block's handles; dropping the last gives the block to the cache.
pub(super) struct Block(NonNull<Header>);

// SAFETY: a `Unique` is the only handle (3), and what it owns is plain memory, or a `Bytes`, which
// is `Send`.
unsafe impl Send for Unique {}
// SAFETY: the count is atomic, and the last handle sees the others' work (6); `Bytes` is `Send`.
unsafe impl Send for Block {}
// SAFETY: what `&Block` reaches is the atomic count, fields that do not change while there are
// other handles (4), and a `Bytes`, which is `Sync`.
unsafe impl Sync for Block {}

impl Unique {
    /// Returns a block of `total` bytes, all zero, or `None` if the system has none.
    pub(super) fn make(total: usize) -> Option<Self> {
        assert!((HEADER + FOREIGN..=MAX_TOTAL).contains(&total), "a block of {total} bytes");
        // SAFETY: the layout's size is not zero.
        let raw = unsafe { alloc_zeroed(layout(total)) };
        let header = NonNull::new(raw)?.cast::<Header>();
        let value = Header { refs: AtomicUsize::new(1), total: total as u32, foreign: false };
        // SAFETY: the allocation is at least a header long and aligned for it.
        unsafe { header.write(value) };
        Some(Self(header))
    }

    /// Returns the block's size in bytes, the header included.
    #[inline]
    pub(super) fn total(&self) -> usize {
        // SAFETY: (1), (2).
        unsafe { self.0.as_ref() }.total as usize
    }

    /// Returns the block's first handle.
    #[inline]
    pub(super) fn into_block(self) -> Block {
        Block(ManuallyDrop::new(self).0)
    }

    /// Returns the block's first handle, which keeps `bytes` alive: they are dropped with the last
    /// one.
    pub(super) fn hold(mut self, bytes: Bytes) -> Block {
        assert!(self.total() >= HEADER + FOREIGN);
        let at = data(self.0).cast::<Bytes>();
        // SAFETY: the bytes after the header are this handle's alone (3), aligned for a header and
        // so for a `Bytes`, and enough of them.
        unsafe { at.write(bytes) };
        // SAFETY: (1), (2), and no other handle exists (3).
        unsafe { self.0.as_mut() }.foreign = true;
        self.into_block()
    }
}

impl Drop for Unique {
    fn drop(&mut self) {
        let total = self.total();
        // SAFETY: (1), (2); nothing uses the header after this.
        unsafe { ptr::drop_in_place(self.0.as_ptr()) };
        // SAFETY: (1), and this is the only handle (3).
        unsafe { dealloc(self.0.as_ptr().cast(), layout(total)) };
    }
}

/// Returns where a block's bytes begin.
#[inline]
fn data(header: NonNull<Header>) -> NonNull<u8> {
    // SAFETY: a block is longer than its header (1).
    unsafe { header.cast::<u8>().add(HEADER) }
}

impl Block {
    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: (1), (2); no `&mut` to it exists while there is a `Block` (4).
        unsafe { self.0.as_ref() }
    }

    /// Returns where the block's bytes begin; valid for [`capacity`](Self::capacity) bytes.
    #[inline]
    pub(super) fn data(&self) -> NonNull<u8> {
        data(self.0)
    }

    /// Returns the number of its bytes, without the header.
    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.total() - HEADER
    }

    /// Returns its size in bytes, the header included.
    #[inline]
    pub(super) fn total(&self) -> usize {
        self.header().total as usize
    }

    /// Returns whether this is the only handle. If so, all that was done through others happened
    /// before.
    #[inline]
    pub(super) fn is_unique(&self) -> bool {
        self.header().refs.load(Acquire) == 1
    }

    /// Returns whether both are handles of one block.
    #[inline]
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// Another handle. As `clone`, without a locked instruction where this is the only handle: it
    /// is borrowed exclusively, so that nobody else is there to change the count.
    #[inline]
    pub(super) fn share(&mut self) -> Self {
        if !self.is_unique() {
            return self.clone();
        }
        self.header().refs.store(2, Relaxed);
        Self(self.0)
    }

    /// Gives `other` up. As its drop, without a locked instruction where both are the only handles
    /// of one block: both are the caller's alone, so that nobody else is there to change the count.
    #[inline]
    pub(super) fn reunite(&mut self, other: Self) {
        let refs = &self.header().refs;
        if self.is_same(&other) && refs.load(Acquire) == 2 {
            refs.store(1, Relaxed);
            // Its count was taken away above.
            let _ = ManuallyDrop::new(other);
        }
    }

    /// Returns what [`Unique::hold`] put in.
    pub(super) fn foreign(&self) -> Option<&Bytes> {
        self.header().foreign.then(|| {
            let at = self.data().cast::<Bytes>();
            // SAFETY: (5); it lives as long as this handle.
            unsafe { at.as_ref() }
        })
    }

    /// Gives this handle up, and returns the block if it was the last.
    #[cfg(all(test, loom))]
    pub(super) fn release(self) -> Option<Unique> {
        ManuallyDrop::new(self).unref()
    }

    /// Takes this handle's count away, and returns the block if it was the last. The caller does
    /// not use the handle again.
    #[inline]
    fn unref(&self) -> Option<Unique> {
        let refs = &self.header().refs;
        // The only handle needs no locked instruction: nobody else is there to change the count.
        if refs.load(Acquire) != 1 {
            if refs.fetch_sub(1, Release) != 1 {
                return None;
            }
            refs.load(Acquire);
            refs.store(1, Relaxed);
        }
        let mut header = self.0;
        if self.header().foreign {
            let at = self.data().cast::<Bytes>();
            // SAFETY: (5), and this last handle is not used again: the value is moved out once.
            let bytes = unsafe { at.read() };
            // SAFETY: the bytes are within the block (1), and nothing else refers to them (3).
            unsafe { at.cast::<u8>().write_bytes(0, FOREIGN) };
            // SAFETY: (1), (2); this handle is the last, and no reference of it is held here.
            unsafe { header.as_mut() }.foreign = false;
            // Its owner's destructor is users' code, and runs wherever the last handle goes.
            guard::discard(Place::BytesDrop, bytes);
        }
        Some(Unique(header))
    }
}

impl Clone for Block {
    #[inline]
    fn clone(&self) -> Self {
        // Whoever holds a handle may make another: nothing is ordered by it.
        if self.header().refs.fetch_add(1, Relaxed) > MAX_REFS {
            process::abort();
        }
        Self(self.0)
    }
}

impl Drop for Block {
    #[inline]
    fn drop(&mut self) {
        if let Some(unique) = self.unref() {
            super::cache::give(unique);
        }
    }
}
