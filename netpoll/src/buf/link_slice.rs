//! An immutable, counted chain of bytes.

use std::{
    fmt,
    io::IoSlice,
    ops::{Range, RangeBounds},
    sync::Arc,
};

use bytes::{Buf, Bytes};

use super::{LinkBuffer, Nodes, nodes};
use crate::mem::{Slice, bounds};

/// Bytes taken out of a [`LinkBuffer`] without a copy: an immutable chain that
/// is counted, so that cloning and slicing it copy nothing, and that may outlive the buffer and its
/// connection and go to any thread.
///
/// ```text
///   one node:   Slice ──► block
///   several:    nodes ──► [ Slice │ Slice │ Slice │ Slice ]   (counted, shared by clones)
///                            at ──┘  └ skip bytes   └ to, less cut bytes
/// ```
///
/// ```
/// use netpoll::buf::{LinkBuffer, LinkSlice};
/// let mut b = LinkBuffer::try_from(&b"key=value"[..])?;
/// let all: LinkSlice = b.slice(9)?;
/// let value = all.slice(4..);
/// drop((all, b));
/// let seen = std::thread::spawn(move || value.to_vec()).join().unwrap();
/// assert_eq!(seen, b"value");
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct LinkSlice(Repr);

#[derive(Clone, Default)]
enum Repr {
    #[default]
    Empty,
    One(Slice),
    /// `nodes[at..to]`, two at least, without the first's first `skip` and the last's last `cut`
    /// bytes; both have more. `len` bytes in all.
    Many {
        nodes: Arc<[Slice]>,
        at: usize,
        to: usize,
        skip: usize,
        cut: usize,
        len: usize,
    },
}

impl LinkSlice {
    /// Returns the chain of `nodes`, `len` bytes in all, none of them empty.
    pub(super) fn from_nodes(nodes: Vec<Slice>, len: usize) -> Self {
        debug_assert_eq!(nodes.iter().map(|n| n.len()).sum::<usize>(), len);
        match nodes.len() {
            0 => Self::default(),
            1 => nodes.into_iter().next().map(Self::from).unwrap_or_default(),
            to => Self(Repr::Many { nodes: nodes.into(), at: 0, to, skip: 0, cut: 0, len }),
        }
    }

    /// Calls `each` with every node, cut to the bytes that belong to this slice.
    pub(super) fn into_nodes(self, mut each: impl FnMut(Slice)) {
        match self.0 {
            Repr::Empty => {}
            Repr::One(slice) => each(slice),
            Repr::Many { nodes, at, to, skip, cut, .. } => {
                for i in at..to {
                    each(nodes[i].slice(within(&nodes, i, at, to, skip, cut)));
                }
            }
        }
    }

    /// Returns whether it keeps blocks alive that are more than four times as large.
    pub(crate) fn is_sparse(&self) -> bool {
        match &self.0 {
            Repr::Empty => false,
            Repr::One(slice) => slice.is_sparse(),
            // Nodes between the first and the last are used to their ends.
            Repr::Many { nodes, at, to, len, .. } => {
                let pinned: usize = nodes[*at..*to].iter().map(Slice::pinned).sum();
                pinned / 4 > *len
            }
        }
    }

    /// Returns the number of nodes.
    #[inline]
    pub fn node_count(&self) -> usize {
        match &self.0 {
            Repr::Empty => 0,
            Repr::One(_) => 1,
            Repr::Many { at, to, .. } => to - at,
        }
    }

    /// Returns the bytes of the `i`th node, or none beyond the last. Constant time.
    #[inline]
    pub fn node(&self, i: usize) -> &[u8] {
        match &self.0 {
            Repr::One(slice) if i == 0 => slice,
            Repr::Many { nodes, at, to, skip, cut, .. } if i < to - at => {
                &nodes[at + i][within(nodes, at + i, *at, *to, *skip, *cut)]
            }
            _ => &[],
        }
    }

    /// Returns the number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Empty => 0,
            Repr::One(slice) => slice.len(),
            Repr::Many { len, .. } => *len,
        }
    }

    /// Returns whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes, node by node.
    #[inline]
    pub fn chunks(&self) -> Nodes<'_> {
        Nodes::of_slice(self)
    }

    /// Returns the bytes as one slice, if they lie in one node.
    pub fn as_contiguous(&self) -> Option<&[u8]> {
        let first = self.chunks().next().unwrap_or_default();
        (first.len() == self.len()).then_some(first)
    }

    /// Returns a part of it, without a copy.
    ///
    /// # Panics
    /// If the range is not within it.
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        let (from, to) = bounds(&range, self.len());
        let mut part = self.clone();
        part.advance(from);
        part.truncate(to - from);
        part
    }

    /// Keeps the first `n` bytes; more than there are changes nothing.
    pub fn truncate(&mut self, n: usize) {
        if n == 0 {
            self.0 = Repr::Empty;
        }
        match &mut self.0 {
            Repr::Empty => {}
            Repr::One(slice) => slice.truncate(n),
            Repr::Many { nodes, to, cut, len, .. } => {
                *cut += len.saturating_sub(n);
                *len = n.min(*len);
                while *cut >= nodes[*to - 1].len() {
                    *cut -= nodes[*to - 1].len();
                    *to -= 1;
                }
            }
        }
        self.narrow();
    }

    /// Refers to one node alone where one is all there is: others are kept alive no longer.
    fn narrow(&mut self) {
        if let Repr::Many { nodes, at, to, skip, len, .. } = &self.0
            && to - at == 1
        {
            self.0 = Repr::One(nodes[*at].slice(*skip..*skip + *len));
        }
    }

    /// Returns a copy of the bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        self.chunks().for_each(|c| bytes.extend_from_slice(c));
        bytes
    }

    /// Copies the bytes.
    ///
    /// # Panics
    /// If `to` has another length.
    pub fn copy_to(&self, to: &mut [u8]) {
        assert_eq!(to.len(), self.len(), "copy of a slice of another length");
        let mut at = 0;
        for chunk in self.chunks() {
            to[at..at + chunk.len()].copy_from_slice(chunk);
            at += chunk.len();
        }
    }

    /// Returns the bytes as [`Bytes`]: where they lie if that is one node, else a copy.
    pub fn to_bytes(&self) -> Bytes {
        self.clone().into_bytes()
    }

    /// Converts the bytes to [`Bytes`]: where they lie if that is one node, else a copy.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Empty => Bytes::new(),
            Repr::One(slice) => slice.into(),
            Repr::Many { .. } => self.to_vec().into(),
        }
    }
}

/// Returns the range of `nodes[i]` that belongs to `nodes[at..to]` without `skip` and `cut` bytes
/// at its ends.
#[inline]
fn within(
    nodes: &[Slice],
    i: usize,
    at: usize,
    to: usize,
    skip: usize,
    cut: usize,
) -> Range<usize> {
    let from = if i == at { skip } else { 0 };
    let cut = if i + 1 == to { cut } else { 0 };
    from..nodes[i].len() - cut
}

impl From<Slice> for LinkSlice {
    #[inline]
    fn from(slice: Slice) -> Self {
        Self(if slice.is_empty() { Repr::Empty } else { Repr::One(slice) })
    }
}

/// All that was written, flushed or not, without a copy.
///
/// ```
/// use netpoll::buf::{LinkBuffer, LinkSlice};
/// let mut b = LinkBuffer::new();
/// b.write_str("kept")?;
/// assert_eq!(LinkSlice::from(b).to_vec(), b"kept");
/// # Ok::<(), netpoll::Error>(())
/// ```
impl From<LinkBuffer> for LinkSlice {
    #[inline]
    fn from(mut buffer: LinkBuffer) -> Self {
        if buffer.len == 0
            && buffer.more.is_none()
            && let Some(tail) = buffer.tail.take()
        {
            return tail.into_slice().into();
        }
        buffer.flush();
        buffer.slice_nodes(buffer.len)
    }
}

/// The bytes of `slice`, readable, without a copy.
///
/// ```
/// use netpoll::buf::{LinkBuffer, LinkSlice};
/// let slice = LinkBuffer::try_from(&b"sent again"[..])?.slice(10)?;
/// assert_eq!(LinkBuffer::from(slice).to_vec(), b"sent again");
/// # Ok::<(), netpoll::Error>(())
/// ```
impl From<LinkSlice> for LinkBuffer {
    #[inline]
    fn from(slice: LinkSlice) -> Self {
        let mut buffer = Self::new();
        slice.into_nodes(|node| buffer.push(node));
        buffer
    }
}

impl From<LinkSlice> for Bytes {
    fn from(slice: LinkSlice) -> Bytes {
        slice.into_bytes()
    }
}

impl PartialEq<[u8]> for LinkSlice {
    fn eq(&self, other: &[u8]) -> bool {
        nodes::equal(self.chunks(), self.len(), other)
    }
}

impl PartialEq for LinkSlice {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.chunks().flatten().eq(other.chunks().flatten())
    }
}

impl Eq for LinkSlice {}

impl fmt::Debug for LinkSlice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("b\"")?;
        self.chunks().try_for_each(|c| write!(f, "{}", c.escape_ascii()))?;
        f.write_str("\"")
    }
}

/// Reading consumes from this value; clones keep what they have.
impl Buf for LinkSlice {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn chunk(&self) -> &[u8] {
        self.chunks().next().unwrap_or_default()
    }

    fn chunks_vectored<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let filled = out.iter_mut().zip(self.chunks()).map(|(o, c)| *o = IoSlice::new(c));
        filled.count()
    }

    fn advance(&mut self, n: usize) {
        assert!(n <= self.len(), "advance by {n} bytes, there are {}", self.len());
        if n == self.len() {
            self.0 = Repr::Empty;
        }
        match &mut self.0 {
            Repr::Empty => {}
            Repr::One(slice) => slice.advance(n),
            Repr::Many { nodes, at, skip, len, .. } => {
                *skip += n;
                *len -= n;
                while *skip >= nodes[*at].len() {
                    *skip -= nodes[*at].len();
                    *at += 1;
                }
            }
        }
        self.narrow();
    }

    fn copy_to_bytes(&mut self, n: usize) -> Bytes {
        let front = self.slice(..n);
        self.advance(n);
        front.into_bytes()
    }
}
