//! What connections do with output that waits: put it together, take some back.

use super::{LinkBuffer, write::COPY_BELOW};
use crate::mem::Slice;

impl LinkBuffer {
    /// Makes what is readable in `other` readable behind what is readable here, where nothing is
    /// unflushed. A small one is copied, if it is not the continuation of what is here, so that
    /// many are one node. What `other` has not flushed stays there.
    pub(crate) fn join(&mut self, other: &mut LinkBuffer) {
        debug_assert_eq!(self.unflushed, 0);
        let small = other.len < COPY_BELOW && other.node_count() == 1;
        if small && let Some(node) = other.pop() {
            return self.join_small(node);
        }
        while let Some(node) = other.pop() {
            self.push(node);
        }
    }

    /// Joins a node that is worth a copy, unless it continues the last one in its block.
    fn join_small(&mut self, node: Slice) {
        let n = node.len();
        let joined = match self.last_mut() {
            Some(last) => last.try_join(node),
            None => Err(node),
        };
        let Err(node) = joined else {
            self.len += n;
            return;
        };
        match self.write(&node) {
            Ok(_) => self.flush(),
            Err(_) => self.push(node),
        }
    }

    /// Puts the bytes of `front` before what is readable: what a socket did not take goes back.
    /// What `front` has not flushed counts as flushed.
    ///
    /// ```
    /// use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::try_from(&b"world"[..])?;
    /// b.prepend(LinkBuffer::try_from(&b"hello "[..])?);
    /// assert_eq!(b.to_vec(), b"hello world");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn prepend(&mut self, mut front: LinkBuffer) {
        front.flush();
        while let Some(last) = front.more.as_mut().and_then(|m| m.rest.pop_back()) {
            self.push_front(last);
        }
        if let Some(head) = front.head.take() {
            self.push_front(head);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn small_buffers_that_are_joined_are_few_nodes() {
        let (mut all, mut bytes) = (LinkBuffer::new(), Vec::new());
        for n in (0..100_u8).chain([0]) {
            let small = vec![n; 40 + usize::from(n)];
            let large = vec![n; COPY_BELOW];
            let next = if n == 50 { &large } else { &small };
            let mut at = LinkBuffer::try_from(&**next).unwrap();
            let lies = at.node(0).as_ptr();
            all.join(&mut at);
            assert!(at.is_empty());
            bytes.extend_from_slice(next);
            let last = all.node(all.node_count() - 1);
            assert_eq!(n == 50, last.as_ptr() == lies, "copied or not: {n}");
        }
        assert_eq!(all.to_vec(), bytes);
        assert!(all.node_count() < 10, "{all:?}");
    }

    #[test]
    fn what_continues_in_the_same_block_is_not_copied() {
        let mut first = LinkBuffer::new();
        first.write(b"one").unwrap();
        first.flush();
        let mut second = first.split_spare();
        second.write(b" and two").unwrap();
        second.flush();
        let lies = first.node(0).as_ptr();
        first.join(&mut second);
        assert_eq!((first.node_count(), first.node(0).as_ptr()), (1, lies));
        assert_eq!(first.to_vec(), b"one and two");
    }
}
