//! Bytes of a frame where they lie, in as many pieces as there are nodes.

use std::{borrow::Cow, fmt};

use super::input::Input;
use crate::buf::LinkSlice;

/// A field's bytes where they lie: an iterator over the contiguous pieces. Nothing is copied.
///
/// Two are equal if their bytes are, however they are cut.
///
/// ```
/// use netpoll::frame::Chunks;
/// let text = Chunks::from(&b"in one piece"[..]);
/// assert_eq!(text.len(), 12);
/// assert_eq!(text.clone().next(), Some(&b"in one piece"[..]));
/// assert_eq!(text.to_vec(), b"in one piece");
/// ```
#[derive(Clone)]
pub struct Chunks<'a> {
    first: &'a [u8],
    /// Bytes left, `first` included.
    left: usize,
    next: usize,
    src: Input<'a>,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(src: Input<'a>, first: &'a [u8], left: usize, next: usize) -> Self {
        Self { first, left, next, src }
    }

    /// Returns the number of bytes left.
    pub fn len(&self) -> usize {
        self.left
    }

    /// Returns whether no byte is left.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Returns all of them, if they lie in one node.
    pub fn as_contiguous(&self) -> Option<&'a [u8]> {
        (self.first.len() == self.left).then_some(self.first)
    }

    /// Returns them as one slice: borrowed if they lie in one node, else copied.
    pub fn to_contiguous(&self) -> Cow<'a, [u8]> {
        self.as_contiguous().map_or_else(|| Cow::Owned(self.to_vec()), Cow::Borrowed)
    }

    /// Returns a copy of them.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.left);
        self.clone().for_each(|piece| bytes.extend_from_slice(piece));
        bytes
    }
}

impl<'a> From<&'a [u8]> for Chunks<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::new(Input::from(bytes), bytes, bytes.len(), 1)
    }
}

impl<'a> From<&'a LinkSlice> for Chunks<'a> {
    fn from(slice: &'a LinkSlice) -> Self {
        Self::new(Input::from(slice), slice.node(0), slice.len(), 1)
    }
}

impl Default for Chunks<'_> {
    fn default() -> Self {
        Self::from(&[][..])
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while self.left > 0 {
            let piece = self.first;
            self.left -= piece.len();
            let chunk = if self.left > 0 { self.src.chunk(self.next) } else { &[] };
            self.next += 1;
            self.first = &chunk[..chunk.len().min(self.left)];
            if !piece.is_empty() {
                return Some(piece);
            }
        }
        None
    }
}

impl PartialEq for Chunks<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.left == other.left && self.clone().flatten().eq(other.clone().flatten())
    }
}

impl Eq for Chunks<'_> {}

impl fmt::Debug for Chunks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone().map(|piece| piece.escape_ascii().to_string())).finish()
    }
}
