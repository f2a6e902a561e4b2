//! The blocks beside a buffer's bytes: the one that it writes to, and the one that it was read
//! from. Both serve again as soon as the bytes are gone.

use super::{LinkBuffer, ReadError};
use crate::mem::BlockMut;

/// The largest block that is kept for what is written next.
const KEPT_MOST: usize = 64 * 1024;

/// A block is given up when less than this part of it is left.
const SPARE_PART: usize = 4;

impl LinkBuffer {
    /// Splits off an empty buffer that writes on in the block of this one, which has nothing
    /// unflushed.
    pub(crate) fn split_spare(&mut self) -> LinkBuffer {
        debug_assert_eq!(self.malloc_len(), 0);
        LinkBuffer { tail: self.tail.take(), ..Self::new() }
    }

    /// Drops what is readable. The block that is written to stays, and what is not flushed.
    #[inline]
    pub(crate) fn spend(&mut self) {
        self.len = 0;
        if self.unflushed == 0 {
            self.more = None;
        } else if let Some(more) = &mut self.more {
            more.rest = Default::default();
            more.spent = None;
        }
        let head = self.head.take();
        if let (Some(head), Some(tail)) = (head, &mut self.tail) {
            tail.take_back(head);
        }
    }

    /// For a buffer without bytes: makes the block that it writes to whole again if nothing refers
    /// to what was written there, and gives it up if little is left or it is a large one.
    #[inline]
    pub(crate) fn renew_spare(&mut self) {
        if let Some(tail) = &mut self.tail
            && (tail.block_size() > KEPT_MOST
                || !tail.try_reset() && tail.spare_len() < tail.block_size() / SPARE_PART)
        {
            self.tail = None;
        }
    }

    /// Consumes `n` bytes; the node that is consumed to its end stays until
    /// [`give_back`](Self::give_back), if the buffer has nothing else.
    ///
    /// # Errors
    /// Those of [`skip`](Self::skip).
    #[inline]
    pub(crate) fn pass(&mut self, n: usize) -> Result<(), ReadError> {
        if let Some(head) = &mut self.head
            && n == self.len
            && n == head.len()
            && self.tail.is_none()
            && self.more.is_none()
        {
            head.advance(n);
            self.len = 0;
            return Ok(());
        }
        self.skip(n)
    }

    /// Gives what [`pass`](Self::pass) left to the writer of its block, if it is `block`'s.
    #[inline]
    pub(crate) fn give_back(&mut self, block: &mut BlockMut) {
        if self.len == 0
            && let Some(head) = self.head.take()
        {
            block.take_back(head);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::mem;

    #[test]
    fn what_is_spent_leaves_its_block_whole() {
        let mut out = LinkBuffer::new();
        out.write(b"answer").unwrap();
        out.flush();
        out.spend();
        assert!(out.is_empty());
        assert!(out.tail.as_mut().unwrap().try_reset());
    }

    #[test]
    fn what_is_kept_of_a_spent_buffer_stays_readable() {
        let mut out = LinkBuffer::new();
        out.write(b"answer").unwrap();
        out.flush();
        let kept = out.peek_slice(6).unwrap();
        out.write(b" and more").unwrap();
        out.spend();
        assert!(!out.tail.as_mut().unwrap().try_reset());
        out.flush();
        assert_eq!((kept.to_vec(), out.to_vec()), (b"answer".to_vec(), b" and more".to_vec()));
    }

    #[test]
    fn a_block_that_was_read_into_comes_back_once_its_bytes_have_passed() {
        let mut block = mem::alloc(64).unwrap();
        block.claim(5).copy_from_slice(b"frame");
        let mut input = LinkBuffer::new();
        input.push(block.take_filled());
        input.pass(2).unwrap();
        input.give_back(&mut block);
        assert!(!block.try_reset(), "bytes are left");
        input.pass(3).unwrap();
        assert!(!block.try_reset(), "it was not given back");
        input.give_back(&mut block);
        assert!(block.try_reset());
        assert!(input.pass(1).is_err());
    }

    #[test]
    fn what_came_in_another_block_is_dropped() {
        let (mut one, mut other) = (mem::alloc(64).unwrap(), mem::alloc(64).unwrap());
        one.claim(1);
        let mut input = LinkBuffer::new();
        input.push(one.take_filled());
        input.pass(1).unwrap();
        input.give_back(&mut other);
        assert!(one.try_reset() && other.try_reset());
    }
}
