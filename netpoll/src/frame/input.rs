//! Where a frame's bytes stand: a chain of nodes, walked from one to the next.

use crate::buf::{LinkBuffer, LinkSlice};

/// The bytes that a frame is scanned in or decoded from, from its first one on.
///
/// Made from a reference to a [`LinkBuffer`], a [`LinkSlice`] or plain bytes.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(Kind<'a>);

#[derive(Clone, Copy, Debug)]
enum Kind<'a> {
    Buffer(&'a LinkBuffer),
    Slice(&'a LinkSlice),
    Bytes(&'a [u8]),
}

impl<'a> From<&'a LinkBuffer> for Input<'a> {
    #[inline]
    fn from(buffer: &'a LinkBuffer) -> Self {
        Self(Kind::Buffer(buffer))
    }
}

impl<'a> From<&'a LinkSlice> for Input<'a> {
    #[inline]
    fn from(slice: &'a LinkSlice) -> Self {
        Self(Kind::Slice(slice))
    }
}

impl<'a> From<&'a [u8]> for Input<'a> {
    #[inline]
    fn from(bytes: &'a [u8]) -> Self {
        Self(Kind::Bytes(bytes))
    }
}

impl<'a> Input<'a> {
    /// Returns the number of bytes in it.
    #[inline]
    pub fn len(&self) -> usize {
        match self.0 {
            Kind::Buffer(b) => b.len(),
            Kind::Slice(s) => s.len(),
            Kind::Bytes(b) => b.len(),
        }
    }

    /// Returns whether it holds no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the bytes of the node `index`; none past the last node.
    #[inline]
    pub fn chunk(&self, index: usize) -> &'a [u8] {
        match self.0 {
            Kind::Buffer(b) => b.node(index),
            Kind::Slice(s) => s.node(index),
            Kind::Bytes(b) if index == 0 => b,
            Kind::Bytes(_) => &[],
        }
    }

    /// Returns `n` bytes from the offset `at` on, by reference; plain bytes are copied.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit): no memory for the reference, or for the copy.
    pub(super) fn share(&self, at: usize, n: usize) -> crate::Result<LinkSlice> {
        match self.0 {
            Kind::Buffer(b) => Ok(b.peek_slice(at + n)?.slice(at..)),
            Kind::Slice(s) => Ok(s.slice(at..at + n)),
            Kind::Bytes(b) => Ok(LinkBuffer::try_from(&b[at..at + n])?.slice(n)?),
        }
    }
}

/// A place within a source, for resuming there: a node and where it starts.
///
/// It stays right while the source grows at its end, and when nodes are put together, as
/// [`LinkBuffer::peek`] does, and [`LinkBuffer::compact_small`] between two turns: the first node
/// is longer then, and the place is looked for from there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Checkpoint {
    pub(super) node: usize,
    pub(super) start: usize,
    pub(super) pos: usize,
    /// Bytes of the first node.
    first: usize,
}

/// A position that moves forward through a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk<'a> {
    /// The current node's bytes from the position on.
    pub(super) cur: &'a [u8],
    pub(super) pos: usize,
    pub(super) node: usize,
    pub(super) src: Input<'a>,
}

/// The place of a walk. What is cold gives it by value: a walk whose address nobody takes stays in
/// registers, and its source is never copied.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    cur: &'a [u8],
    pos: usize,
    node: usize,
}

/// The result of comparing a delimiter with the bytes at a place.
enum Match {
    Yes,
    No,
    /// All that there is agrees, and this many bytes are missing.
    Short(usize),
}

impl<'a> Walk<'a> {
    #[inline]
    pub(super) fn resume(src: Input<'a>, mark: Checkpoint) -> Self {
        let chunk = src.chunk(0);
        let mut walk = Self { cur: chunk, pos: 0, node: 0, src };
        if mark.pos > 0 {
            walk.go(walk.behind(mark));
        }
        walk
    }

    fn place(&self) -> Place<'a> {
        Place { cur: self.cur, pos: self.pos, node: self.node }
    }

    #[inline]
    pub(super) fn go(&mut self, to: Place<'a>) {
        (self.cur, self.pos, self.node) = (to.cur, to.pos, to.node);
    }

    /// From the start on, the place that `mark` is of.
    #[cold]
    fn behind(self, mark: Checkpoint) -> Place<'a> {
        if mark.node > 0 && self.cur.len() != mark.first {
            // Where other nodes follow, only those that are put together change the first.
            return self.across(mark.pos);
        }
        let chunk = self.src.chunk(mark.node);
        let cur = chunk.get(mark.pos - mark.start..).unwrap_or_default();
        Place { cur, pos: mark.pos, node: mark.node }
    }

    #[inline]
    pub(super) fn checkpoint(&self) -> Checkpoint {
        let consumed = self.src.chunk(self.node).len() - self.cur.len();
        let first = self.src.chunk(0).len();
        Checkpoint { node: self.node, start: self.pos - consumed, pos: self.pos, first }
    }

    /// Moves on to the next node, if the current one is exhausted and there is one.
    fn settle(&mut self) {
        if self.cur.is_empty() {
            let next = self.src.chunk(self.node + 1);
            if !next.is_empty() {
                self.node += 1;
                self.cur = next;
            }
        }
    }

    /// Moves `n` bytes forward, of which the source has as many.
    #[inline]
    pub(super) fn advance(&mut self, n: usize) {
        match self.cur.get(n..) {
            Some(rest) => (self.cur, self.pos) = (rest, self.pos + n),
            None => self.go(self.across(n)),
        }
    }

    /// Returns the place `n` bytes on, over the end of the current node.
    #[cold]
    fn across(mut self, mut n: usize) -> Place<'a> {
        self.pos += n;
        loop {
            let here = n.min(self.cur.len());
            self.cur = &self.cur[here..];
            n -= here;
            self.settle();
            if n == 0 || self.cur.is_empty() {
                return self.place();
            }
        }
    }

    /// Returns the next `N` bytes, of which the source has as many, and the place past them.
    #[cold]
    pub(super) fn take_across<const N: usize>(mut self) -> (Place<'a>, [u8; N]) {
        let mut bytes = [0; N];
        self.copy(&mut bytes);
        (self.place(), bytes)
    }

    /// Copies the next `to.len()` bytes, of which the source has as many, and moves past them.
    pub(super) fn copy(&mut self, to: &mut [u8]) {
        let mut done = 0;
        while done < to.len() {
            let here = self.cur.len().min(to.len() - done);
            to[done..done + here].copy_from_slice(&self.cur[..here]);
            done += here;
            self.advance(here);
            self.settle();
        }
    }

    /// Moves to where `delimiter` first stands from here on, ending at `end` at the latest.
    ///
    /// # Errors
    /// How many bytes more it takes at least; the position is then the first one where it may yet
    /// stand.
    pub(super) fn find(&mut self, delimiter: &[u8], end: usize) -> Result<(), usize> {
        let first = delimiter[0];
        self.settle();
        while self.pos < end && !self.cur.is_empty() {
            let window = &self.cur[..self.cur.len().min(end - self.pos)];
            match memchr::memchr(first, window) {
                None => self.advance(window.len()),
                Some(at) => {
                    self.advance(at);
                    match self.matches(delimiter, end) {
                        Match::Yes => return Ok(()),
                        Match::No => self.advance(1),
                        Match::Short(missing) => return Err(missing),
                    }
                }
            }
            self.settle();
        }
        Err(delimiter.len())
    }

    fn matches(&self, delimiter: &[u8], end: usize) -> Match {
        if let Some(here) = self.cur.get(..delimiter.len())
            && self.pos + delimiter.len() <= end
        {
            return if here == delimiter { Match::Yes } else { Match::No };
        }
        let mut ahead = *self;
        for (i, &byte) in delimiter.iter().enumerate() {
            match ahead.cur.first() {
                Some(_) if ahead.pos >= end => return Match::Short(delimiter.len() - i),
                None => return Match::Short(delimiter.len() - i),
                Some(&other) if other != byte => return Match::No,
                Some(_) => {
                    ahead.advance(1);
                    ahead.settle();
                }
            }
        }
        Match::Yes
    }
}
