//! The buffer: its fields, its invariants, and what both of its sides use.

use std::fmt;

use super::{
    Nodes,
    node::{More, Piece},
};
use crate::mem::{BlockMut, Slice};

/// A chain of counted slices, read at its front and written at its end.
///
/// ```text
///    readable: len()                     unflushed: malloc_len()
///  ┌─────────┬──────────────────────┐  ┌──────────────────────┬──────────────────┐
///  │  head   │  rest (nodes)        │  │  pieces              │  tail            │
///  │  Slice  │  Slice Slice ..      │  │  writer or Slice ..  │  filled │ spare  │
///  └────┬────┴──┬─────┬─────────────┘  └──┬──────────┬────────┴──┬───────────────┘
///       ▼       ▼     ▼                   ▼          ▼           ▼
///     block ◄─ block  foreign Bytes     block   foreign Bytes  block   (counted; given back
///                                                                       with the last reference)
/// ```
///
/// **Reading** ([`next`](Self::next), [`peek`](Self::peek), [`skip`](Self::skip),
/// [`until`](Self::until), [`slice`](Self::slice), ..) consumes from the front. What it lends
/// borrows the buffer, and what it gives away ([`slice`](Self::slice),
/// [`read_bytes`](Self::read_bytes)) is counted: there is nothing to release, and nothing that can
/// dangle. `next` and `peek` are contiguous: they lend the bytes where they lie if that is one
/// node, and copy just those bytes if they lie in several.
///
/// **Writing** ([`malloc`](Self::malloc), [`write`](Self::write),
/// [`write_bytes`](Self::write_bytes), [`append`](Self::append), ..) adds at the end, where nobody
/// can read until [`flush`](Self::flush). Until then it can be taken back
/// ([`malloc_ack`](Self::malloc_ack)) and changed ([`patch`](Self::patch)).
///
/// An empty buffer owns no memory. One that has been drained by `skip`, `slice` or `read_*` owns
/// none either; after `next` or `until` have drained it, the block that they lent stays until the
/// next call, or [`tidy`](Self::tidy).
///
/// ```
/// use netpoll::buf::LinkBuffer;
/// let mut b = LinkBuffer::new();
/// b.malloc(4)?.copy_from_slice(&5u32.to_be_bytes());
/// b.write_str("hello")?;
/// assert_eq!((b.len(), b.malloc_len()), (0, 9));
/// b.flush();
/// let n = u32::from_be_bytes(b.next(4)?.try_into().unwrap());
/// assert_eq!(b.next(n as usize)?, b"hello");
/// assert!(b.is_empty());
/// # Ok::<(), netpoll::Error>(())
/// ```
// Invariants:
// 1. `len` is the sum of the lengths of `head` and the nodes of `more.rest`.
// 2. No node is empty, except a `head` that `next` drained while it was the only one: `len` is 0.
// 3. Where `rest` has nodes, there is a `head` and it is not empty.
// 4. `unflushed` is the sum of the lengths of `more.pieces` and of what `tail` has filled.
#[derive(Default)]
pub struct LinkBuffer {
    pub(super) len: usize,
    pub(super) unflushed: usize,
    pub(super) head: Option<Slice>,
    pub(super) tail: Option<BlockMut>,
    pub(super) more: Option<Box<More>>,
}

impl LinkBuffer {
    /// Creates an empty buffer, which owns no memory.
    #[inline]
    pub const fn new() -> Self {
        Self { len: 0, unflushed: 0, head: None, tail: None, more: None }
    }

    /// Returns the number of readable bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether nothing is readable.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the number of bytes written and not flushed.
    #[inline]
    pub fn malloc_len(&self) -> usize {
        self.unflushed
    }

    /// Returns the number of bytes of the first node.
    #[inline]
    pub(super) fn head_len(&self) -> usize {
        self.head.as_ref().map_or(0, |h| h.len())
    }

    #[inline]
    pub(super) fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Makes `slice` readable behind what is readable, before anything unflushed. This is how the
    /// read path hands over what it received. No copy; and no new node if it continues the last.
    ///
    /// ```
    /// use netpoll::{buf::LinkBuffer, mem};
    /// let mut block = mem::alloc(64)?;
    /// block.claim(2).copy_from_slice(b"ab");
    /// let mut b = LinkBuffer::new();
    /// b.push(block.take_filled());
    /// assert_eq!(b.peek(2)?, b"ab");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    #[inline]
    pub fn push(&mut self, slice: Slice) {
        let n = slice.len();
        if n == 0 {
            return;
        }
        if self.len == 0 {
            self.head = Some(slice);
        } else {
            self.push_behind(slice);
        }
        self.len += n;
    }

    fn push_behind(&mut self, slice: Slice) {
        let slice = match self.last_mut().map(|last| last.try_join(slice)) {
            Some(Err(slice)) => slice,
            _ => return,
        };
        self.more_mut().rest.push_back(slice);
    }

    /// Returns the last readable node.
    #[inline]
    pub(super) fn last_mut(&mut self) -> Option<&mut Slice> {
        match self.more.as_mut().and_then(|m| m.rest.back_mut()) {
            Some(last) => Some(last),
            None if self.len == 0 => None,
            None => self.head.as_mut(),
        }
    }

    /// Puts `slice` before what is readable.
    pub(super) fn push_front(&mut self, mut slice: Slice) {
        let n = slice.len();
        if n == 0 {
            return;
        }
        if self.len > 0
            && let Some(head) = self.head.take()
            && let Err(head) = slice.try_join(head)
        {
            self.more_mut().rest.push_front(head);
        }
        self.head = Some(slice);
        self.len += n;
    }

    /// Takes the first node out.
    pub(super) fn pop(&mut self) -> Option<Slice> {
        let node = self.head.take().filter(|h| !h.is_empty())?;
        self.head = self.more.as_mut().and_then(|m| m.rest.pop_front());
        self.len -= node.len();
        Some(node)
    }

    /// Takes all, and leaves an empty buffer.
    #[inline]
    pub fn take_all(&mut self) -> LinkBuffer {
        std::mem::take(self)
    }

    /// Drops all, unflushed bytes too.
    #[inline]
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Drops what nothing needs any more: the block that the last `next` lent out of, and, if
    /// nothing is in the buffer, all that it owns.
    #[inline]
    pub fn tidy(&mut self) {
        if self.len == 0 && self.unflushed == 0 {
            self.clear();
        } else if self.len == 0 {
            self.head = None;
        } else if let Some(more) = &mut self.more {
            more.spent = None;
        }
    }

    /// Called when the last readable byte has been consumed.
    #[inline]
    pub(super) fn drained(&mut self) {
        self.head = None;
        if self.unflushed == 0 {
            self.tail = None;
            self.more = None;
        } else if let Some(more) = &mut self.more {
            more.rest = Default::default();
            more.spent = None;
        }
    }

    /// Returns about how many bytes of blocks it keeps from other uses: a block that it refers to
    /// twice, with another between, counts twice. What `next` lent last counts too.
    pub fn retained(&self) -> usize {
        let pieces: usize = self.more.iter().flat_map(|m| &m.pieces).map(Piece::pinned).sum();
        let last = self.slices().last();
        let own_tail = self.tail.as_ref().filter(|t| !last.is_some_and(|l| t.holds(l)));
        let lent = self.more.as_ref().and_then(|m| m.spent.as_ref());
        let lent = lent.or(self.head.as_ref().filter(|h| h.is_empty())).map_or(0, Slice::pinned);
        self.readable_retained() + pieces + lent + own_tail.map_or(0, BlockMut::block_size)
    }

    /// Returns [`retained`](Self::retained) for the readable bytes alone.
    fn readable_retained(&self) -> usize {
        let mut last: Option<&Slice> = None;
        let mut sum = 0;
        for node in self.slices() {
            if !last.is_some_and(|l| l.same_block(node)) {
                sum += node.pinned();
            }
            last = Some(node);
        }
        sum
    }

    /// If what is readable is small next to the blocks that it keeps alive, moves it to a block of
    /// its size: some bytes of a frame must not hold a whole read block while the rest is awaited.
    /// Room behind them that nothing was written to goes back as well. Changes nothing when no such block is to
    /// be had. It also [tidies](Self::tidy).
    ///
    /// ```
    /// use netpoll::{buf::LinkBuffer, mem};
    /// let mut read = mem::alloc(60_000)?;
    /// read.claim(3).copy_from_slice(b"GET");
    /// let mut b = LinkBuffer::new();
    /// b.push(read.take_filled());
    /// b.compact_small();
    /// assert!(read.try_reset()); // the big block is free again
    /// assert_eq!(b.retained(), 64);
    /// assert_eq!(b.peek(3)?, b"GET");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn compact_small(&mut self) {
        /// Smaller by this factor is worth the copy.
        const FACTOR: usize = 4;
        self.tidy();
        let worth = self.readable_retained() / FACTOR;
        if self.len == 0 || self.len > worth {
            return;
        }
        let Ok(mut block) = crate::mem::alloc(self.len) else { return };
        if block.block_size() > worth {
            return;
        }
        self.copy_front(block.claim_uncleared(self.len));
        self.head = Some(block.into_slice());
        if self.unflushed == 0 {
            self.tail = None;
        }
        if let Some(more) = &mut self.more {
            more.rest = Default::default();
            if more.pieces.is_empty() {
                self.more = None;
            }
        }
    }

    /// Returns the readable bytes, node by node.
    #[inline]
    pub fn chunks(&self) -> Nodes<'_> {
        Nodes::new(self.slices())
    }

    /// Returns a copy of what is readable.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len);
        self.chunks().for_each(|c| bytes.extend_from_slice(c));
        bytes
    }
}

/// A copy of `bytes`, readable.
impl TryFrom<&[u8]> for LinkBuffer {
    type Error = crate::Error;

    fn try_from(bytes: &[u8]) -> crate::Result<Self> {
        let mut buffer = Self::new();
        buffer.write(bytes)?;
        buffer.flush();
        Ok(buffer)
    }
}

impl PartialEq<[u8]> for LinkBuffer {
    fn eq(&self, other: &[u8]) -> bool {
        super::nodes::equal(self.chunks(), self.len, other)
    }
}

impl fmt::Debug for LinkBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkBuffer")
            .field("len", &self.len)
            .field("malloc_len", &self.unflushed)
            .field("nodes", &self.node_count())
            .field("retained", &self.retained())
            .finish()
    }
}
