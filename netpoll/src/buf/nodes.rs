//! The readable nodes, one by one: for scanners and for scattered writes.

use std::{collections::vec_deque, io::IoSlice, iter::Chain, option};

use super::{LinkBuffer, LinkSlice};
use crate::mem::Slice;

/// The nodes of a buffer.
pub(super) type Slices<'a> = Chain<option::IntoIter<&'a Slice>, SlicesBehind<'a>>;

/// The nodes behind the first, if there are any.
pub(super) type SlicesBehind<'a> = std::iter::Flatten<option::IntoIter<vec_deque::Iter<'a, Slice>>>;

/// The bytes of a [`LinkBuffer`] or a [`LinkSlice`], node by node; none is empty.
#[derive(Clone, Debug)]
pub struct Nodes<'a>(Repr<'a>);

#[derive(Clone, Debug)]
enum Repr<'a> {
    Buffer(Slices<'a>),
    Slice { of: &'a LinkSlice, at: usize },
}

impl<'a> Nodes<'a> {
    pub(super) fn new(nodes: Slices<'a>) -> Self {
        Self(Repr::Buffer(nodes))
    }

    #[inline]
    pub(super) fn of_slice(of: &'a LinkSlice) -> Self {
        Self(Repr::Slice { of, at: 0 })
    }
}

impl<'a> Iterator for Nodes<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match &mut self.0 {
            Repr::Buffer(nodes) => nodes.next().map(|n| &**n),
            Repr::Slice { of, at } => {
                *at += 1;
                Some(of.node(*at - 1)).filter(|node| !node.is_empty())
            }
        }
    }
}

/// Returns whether `chunks`, `len` bytes in all, are the bytes of `other`.
pub(super) fn equal(chunks: Nodes<'_>, len: usize, other: &[u8]) -> bool {
    let mut at = 0;
    len == other.len()
        && chunks.into_iter().all(|c| {
            at += c.len();
            *c == other[at - c.len()..at]
        })
}

impl LinkBuffer {
    #[inline]
    pub(super) fn slices(&self) -> Slices<'_> {
        let head = self.head.as_ref().filter(|h| !h.is_empty());
        let rest = self.more.as_ref().map(|m| m.rest.iter());
        head.into_iter().chain(rest.into_iter().flatten())
    }

    /// Returns the number of readable nodes.
    #[inline]
    pub fn node_count(&self) -> usize {
        if self.len == 0 { 0 } else { 1 + self.more.as_ref().map_or(0, |m| m.rest.len()) }
    }

    /// Returns the bytes of the `i`th readable node, or none beyond the last. Constant time.
    ///
    /// Slices keep their places while bytes are only added; consuming renumbers them.
    #[inline]
    pub fn node(&self, i: usize) -> &[u8] {
        let node = match i {
            0 => self.head.as_ref(),
            _ => self.more.as_ref().and_then(|m| m.rest.get(i - 1)),
        };
        node.map_or(&[], |n| n)
    }

    /// Fills `out` with the first readable nodes, for a scattered write; returns how many.
    ///
    /// ```
    /// use std::io::{IoSlice, Write};
    /// use netpoll::buf::LinkBuffer;
    /// let mut b = LinkBuffer::try_from(&b"to the socket"[..])?;
    /// let mut wire = Vec::new();
    /// let mut out = [IoSlice::new(&[]); 16];
    /// let n = b.io_slices(&mut out);
    /// let taken = wire.write_vectored(&out[..n])?;
    /// b.skip(taken)?;
    /// assert_eq!(wire, b"to the socket");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    #[inline]
    pub fn io_slices<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let mut n = 0;
        for (slot, node) in out.iter_mut().zip(self.slices()) {
            *slot = IoSlice::new(node);
            n += 1;
        }
        n
    }

    /// Copies the first `to.len()` readable bytes, which are there.
    pub(super) fn copy_front(&self, to: &mut [u8]) {
        debug_assert!(to.len() <= self.len);
        let mut at = 0;
        for node in self.slices() {
            let n = node.len().min(to.len() - at);
            to[at..at + n].copy_from_slice(&node[..n]);
            at += n;
            if at == to.len() {
                return;
            }
        }
    }
}
