//! A counted, read-only range of bytes.
#![allow(unsafe_code)]

use std::{
    fmt,
    ops::{Bound, Deref, RangeBounds},
    ptr::NonNull,
    slice,
};

use bytes::Bytes;

use super::raw::Block;

/// A read-only range of a block, or of a foreign [`Bytes`], that keeps it alive.
///
/// Cloning counts and does not copy; a slice may go to another thread and outlive whatever it came
/// from. It borrows nothing, so it is `'static`.
///
/// ```
/// use netpoll::mem::Slice;
/// let mut s = Slice::from_bytes(bytes::Bytes::from_static(b"key=value"))?;
/// let key = s.split_to(3);
/// s.advance(1);
/// assert_eq!((&*key, &*s), (&b"key"[..], &b"value"[..]));
/// # Ok::<(), netpoll::Error>(())
/// ```
// Invariant: `at..at + len` are initialised bytes that `block` keeps alive and that nobody writes:
// a part of the block that no `BlockMut` has (see `block`), or of the `Bytes` that it holds.
#[derive(Clone)]
pub struct Slice {
    block: Block,
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: it reads bytes that nobody writes, and its count is atomic.
unsafe impl Send for Slice {}
// SAFETY: as above.
unsafe impl Sync for Slice {}

impl Slice {
    /// Returns `block[from..from + len]`, which the caller had to itself and gives up.
    #[inline]
    pub(super) fn of_range(block: Block, from: usize, len: usize) -> Self {
        debug_assert!(from + len <= block.capacity());
        // SAFETY: within the block.
        let at = unsafe { block.data().add(from) };
        Self { block, at, len }
    }

    /// Returns the bytes of `bytes`, not copied.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit): the reference itself takes a block of 64 bytes, and the
    /// memory limit is reached. What `bytes` refers to does not count.
    pub fn from_bytes(bytes: Bytes) -> crate::Result<Self> {
        let (at, len) = (bytes.as_ptr().cast_mut(), bytes.len());
        let block = super::cache::holder()?.hold(bytes);
        let at = NonNull::new(at).unwrap_or(NonNull::dangling());
        Ok(Self { block, at, len })
    }

    /// Returns whether it lies in `block`.
    pub(super) fn is_in(&self, block: &Block) -> bool {
        self.block.is_same(block)
    }

    /// Returns the handle that keeps it alive.
    #[inline]
    pub(super) fn into_block(self) -> Block {
        self.block
    }

    #[inline]
    fn end(&self) -> *mut u8 {
        self.at.as_ptr().wrapping_add(self.len)
    }

    /// Makes this `n` bytes longer if it ends at `block[from]`; the caller has `block[from..from +
    /// n]` to itself and gives it up if this returns true.
    #[inline]
    pub(super) fn grow_within(&mut self, block: &Block, from: usize, n: usize) -> bool {
        debug_assert!(from + n <= block.capacity());
        let here = block.data().as_ptr().wrapping_add(from);
        let joins = self.block.is_same(block) && self.end() == here;
        if joins {
            self.len += n;
        }
        joins
    }

    #[inline]
    fn is_foreign(&self) -> bool {
        self.block.foreign().is_some()
    }

    /// Appends `next` if it is the continuation of this in the same block; gives it back if not.
    ///
    /// # Errors
    /// `next` itself, when it lies elsewhere.
    #[inline]
    pub fn try_join(&mut self, next: Slice) -> Result<(), Slice> {
        if self.block.is_same(&next.block) && self.end() == next.at.as_ptr() {
            self.len += next.len;
            return Ok(());
        }
        Err(next)
    }

    /// Gives up the first `n` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        self.eat(n);
    }

    /// Gives up the first `n` bytes and lends them once more.
    ///
    /// # Panics
    /// If there are fewer.
    #[inline]
    pub fn eat(&mut self, n: usize) -> &[u8] {
        assert!(n <= self.len, "advance by {n} bytes, there are {}", self.len);
        let from = self.at;
        // SAFETY: within the range.
        self.at = unsafe { self.at.add(n) };
        self.len -= n;
        // SAFETY: what this range began with; the block stays while `self` is borrowed.
        unsafe { slice::from_raw_parts(from.as_ptr(), n) }
    }

    /// Keeps the first `n` bytes; more than there are changes nothing.
    #[inline]
    pub fn truncate(&mut self, n: usize) {
        self.len = self.len.min(n);
    }

    /// Splits off the first `n` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    #[inline]
    pub fn split_to(&mut self, n: usize) -> Slice {
        let at = self.at;
        self.advance(n);
        Slice { block: self.block.share(), at, len: n }
    }

    /// Returns a part of it, counted.
    ///
    /// # Panics
    /// If the range is not within it.
    #[inline]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Slice {
        let (from, to) = bounds(&range, self.len);
        let mut part = self.clone();
        part.truncate(to);
        part.advance(from);
        part
    }

    /// Returns the bytes that it keeps from being used otherwise: its block's, header included. For
    /// foreign bytes, those that it shows.
    #[inline]
    pub fn pinned(&self) -> usize {
        if self.is_foreign() { self.len } else { self.block.total() }
    }

    /// Returns whether it keeps a block alive that is more than four times as large: then a copy of
    /// the bytes is cheaper to keep.
    #[inline]
    pub(crate) fn is_sparse(&self) -> bool {
        /// Smaller by this factor is worth the copy.
        const FACTOR: usize = 4;
        self.pinned() / FACTOR > self.len.max(64)
    }

    /// Returns whether both keep the same block alive.
    #[inline]
    pub fn same_block(&self, other: &Slice) -> bool {
        self.block.is_same(&other.block)
    }
}

/// Returns the ends of `range` within `0..len`.
///
/// # Panics
/// If it is not within.
#[inline]
pub(crate) fn bounds(range: &impl RangeBounds<usize>, len: usize) -> (usize, usize) {
    let from = match range.start_bound() {
        Bound::Included(&n) => n,
        Bound::Excluded(&n) => n.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(&n) => n.saturating_add(1),
        Bound::Excluded(&n) => n,
        Bound::Unbounded => len,
    };
    assert!(from <= to && to <= len, "range {from}..{to} of {len} bytes");
    (from, to)
}

impl Deref for Slice {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the invariant of `Slice`.
        unsafe { slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for Slice {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// No copy: the bytes stay where they are, and so does their count.
impl From<Slice> for Bytes {
    fn from(slice: Slice) -> Bytes {
        if slice.is_empty() {
            return Bytes::new();
        }
        match slice.block.foreign() {
            Some(bytes) => bytes.slice_ref(&slice),
            None => Bytes::from_owner(slice),
        }
    }
}

impl PartialEq<[u8]> for Slice {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}
