//! The bytes that a scan looks at.

use super::input::{Checkpoint, Input, Walk};

/// The bytes received so far, from a frame's first one on.
#[derive(Clone, Copy, Debug)]
pub struct Window<'w> {
    src: Input<'w>,
    len: usize,
}

impl<'w> Window<'w> {
    /// Returns all bytes of `source`.
    #[inline]
    pub fn new(source: impl Into<Input<'w>>) -> Self {
        let src = source.into();
        Self { src, len: src.len() }
    }

    /// Returns the number of bytes received.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether nothing was received yet.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the bytes, where they lie.
    #[inline]
    pub fn source(&self) -> Input<'w> {
        self.src
    }

    /// Returns the `N` bytes at the offset `at`, if they are there.
    ///
    /// It walks the nodes from the first one on: for the beginning of a frame. A scanner that
    /// looks further keeps a [`Checkpoint`] and resumes a [`Cursor`](super::Cursor) there.
    #[inline]
    pub fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let head = self.src.chunk(0);
        if let Some(bytes) = head.get(at..).and_then(<[u8]>::first_chunk) {
            return Some(*bytes);
        }
        (self.len >= at + N).then(|| {
            let mut cursor = Walk::resume(self.src, Checkpoint::default());
            cursor.advance(at);
            let mut bytes = [0; N];
            cursor.copy(&mut bytes);
            bytes
        })
    }
}
