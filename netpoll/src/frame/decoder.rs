//! Reading one complete frame: fields borrow from it where their bytes are contiguous.

use super::{
    arena::Arena,
    chunks::Chunks,
    digits,
    error::{DecodeError, FrameErrorKind},
    input::{Checkpoint, Input, Walk},
};
use crate::buf::LinkSlice;

/// A position in a complete frame, and the end of the region that is being read.
///
/// ```text
///    0             pos                                    end            frame's end
///    |   read      |  head: this node's part  |  more     |              |
/// ```
///
/// A region is the whole frame at first, and a part of it [`within`](Self::within) a field whose
/// length is known. Whatever reads past its end fails, with the offset.
pub struct Decoder<'a> {
    head: &'a [u8],
    more: usize,
    end: usize,
    /// Bytes of the current node past the region's end.
    cut: usize,
    node: usize,
    depth: usize,
    src: Input<'a>,
    arena: &'a Arena,
}

/// The surroundings of a region that is being read: [`Decoder::enter`].
#[derive(Debug)]
#[must_use = "the region ends with `Decoder::leave`"]
pub struct Region<'a> {
    end: usize,
    /// The rest of the node, where the region lies in one.
    rest: Option<&'a [u8]>,
    more: usize,
}

impl<'a> Decoder<'a> {
    /// Creates a reader of the first `n` bytes of `source`. What has to be copied to be contiguous
    /// goes to `arena`.
    ///
    /// # Panics
    /// If `source` has fewer.
    #[inline]
    pub fn new(source: impl Into<Input<'a>>, n: usize, arena: &'a Arena) -> Self {
        let src = source.into();
        let chunk = src.chunk(0);
        let (head, rest) = chunk.split_at(chunk.len().min(n));
        let more = n - head.len();
        assert!(more == 0 || src.len() >= n, "a frame of {n} bytes in {}", src.len());
        Self { head, more, end: n, cut: rest.len(), node: 0, depth: 0, src, arena }
    }

    /// Returns the position, in bytes from the frame's start.
    #[inline]
    pub fn pos(&self) -> usize {
        self.end - self.left()
    }

    /// Returns the number of bytes left in the region.
    #[inline]
    pub fn left(&self) -> usize {
        self.head.len() + self.more
    }

    /// Makes an error at the position.
    #[cold]
    #[inline(never)]
    pub fn fail(&self, kind: FrameErrorKind) -> DecodeError {
        DecodeError::new(kind, self.pos())
    }

    #[cold]
    #[inline(never)]
    fn truncated(&self, n: usize) -> DecodeError {
        DecodeError::new(FrameErrorKind::Truncated(n.saturating_sub(self.left())), self.end)
    }

    /// Returns the next `N` bytes.
    ///
    /// # Errors
    /// The region has fewer.
    #[inline]
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        if let Some((bytes, rest)) = self.head.split_first_chunk() {
            self.head = rest;
            return Ok(*bytes);
        }
        self.take_across()
    }

    #[cold]
    fn take_across<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        if self.left() < N {
            return Err(self.truncated(N));
        }
        let mut bytes = [0; N];
        let mut done = 0;
        while done < N {
            let piece = self.piece(N - done);
            bytes[done..done + piece.len()].copy_from_slice(piece);
            done += piece.len();
        }
        Ok(bytes)
    }

    /// Returns the next bytes of one node, up to `n` of them, of which the region has as many.
    #[inline]
    fn piece(&mut self, n: usize) -> &'a [u8] {
        while self.head.is_empty() && self.more > 0 {
            self.node += 1;
            self.cut = 0;
            self.refill(self.src.chunk(self.node));
        }
        let (piece, rest) = self.head.split_at(n.min(self.head.len()));
        self.head = rest;
        piece
    }

    /// Continues with `chunk`, the unread part of the current node, up to the region's end.
    fn refill(&mut self, chunk: &'a [u8]) {
        let (head, cut) = chunk.split_at(chunk.len().min(self.more));
        self.head = head;
        self.more -= head.len();
        self.cut = cut.len();
    }

    /// Returns the next `n` bytes: borrowed where they lie in one node, else copied to the arena.
    ///
    /// # Errors
    /// The region has fewer.
    #[inline]
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        if let Some((bytes, rest)) = self.head.split_at_checked(n) {
            self.head = rest;
            return Ok(bytes);
        }
        self.bytes_across(n)
    }

    #[cold]
    fn bytes_across(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        if self.left() < n {
            return Err(self.truncated(n));
        }
        // The field may begin where a node begins, and lie in it as a whole.
        let first = self.piece(n);
        if first.len() == n {
            return Ok(first);
        }
        let mut bytes = Vec::with_capacity(n);
        bytes.extend_from_slice(first);
        while bytes.len() < n {
            let piece = self.piece(n - bytes.len());
            bytes.extend_from_slice(piece);
        }
        Ok(self.arena.keep(bytes))
    }

    /// Returns the next `n` bytes where they lie, never copied.
    ///
    /// # Errors
    /// The region has fewer.
    pub fn chunks(&mut self, n: usize) -> Result<Chunks<'a>, DecodeError> {
        if self.left() < n {
            return Err(self.truncated(n));
        }
        let first = self.piece(n);
        let after = self.node + 1;
        self.skip(n - first.len())?;
        Ok(Chunks::new(self.src, first, n, after))
    }

    /// Returns the next `n` bytes, by counted reference: they outlive the frame.
    ///
    /// # Errors
    /// The region has fewer; or there is no memory for the reference.
    pub fn share(&mut self, n: usize) -> Result<LinkSlice, DecodeError> {
        if self.left() < n {
            return Err(self.truncated(n));
        }
        let slice = self.src.share(self.pos(), n).map_err(|_| self.fail(FrameErrorKind::Memory))?;
        self.skip(n)?;
        Ok(slice)
    }

    /// Passes `n` bytes.
    ///
    /// # Errors
    /// The region has fewer.
    #[inline]
    pub fn skip(&mut self, n: usize) -> Result<(), DecodeError> {
        if let Some(rest) = self.head.get(n..) {
            self.head = rest;
            return Ok(());
        }
        self.skip_across(n)
    }

    #[cold]
    fn skip_across(&mut self, mut n: usize) -> Result<(), DecodeError> {
        if self.left() < n {
            return Err(self.truncated(n));
        }
        while n > 0 {
            n -= self.piece(n).len();
        }
        Ok(())
    }

    /// Returns the bytes before the next `delimiter`, which is passed too.
    ///
    /// # Errors
    /// The region does not have it; or more than `max` bytes before it.
    #[inline]
    pub fn until(&mut self, delimiter: &[u8], max: usize) -> Result<&'a [u8], DecodeError> {
        let n = self.before(delimiter)?;
        if n > max {
            return Err(self.fail(FrameErrorKind::TooLarge { size: n, max }));
        }
        let bytes = self.bytes(n)?;
        self.skip(delimiter.len())?;
        Ok(bytes)
    }

    /// Returns a number that CR LF ends, of the bytes that lie in this node, if it is as short as
    /// most are.
    #[inline]
    pub(super) fn short_number(&mut self) -> Option<i64> {
        let (n, rest) = digits::short(self.head)?;
        self.head = rest;
        Some(n)
    }

    /// Returns the number of bytes before the next `delimiter`.
    ///
    /// # Errors
    /// The region does not have it.
    #[inline]
    pub fn before(&self, delimiter: &[u8]) -> Result<usize, DecodeError> {
        let mut from = 0;
        while let Some(at) = memchr::memchr(delimiter[0], &self.head[from..]) {
            let rest = &self.head[from + at..];
            if rest.starts_with(delimiter) {
                return Ok(from + at);
            }
            if rest.len() < delimiter.len() {
                break;
            }
            from += at + 1;
        }
        self.before_across(delimiter)
    }

    #[cold]
    fn before_across(&self, delimiter: &[u8]) -> Result<usize, DecodeError> {
        let pos = self.pos();
        let mut walk = Walk { cur: self.head, pos, node: self.node, src: self.src };
        if self.more > 0 && walk.find(delimiter, self.end).is_ok() {
            return Ok(walk.pos - pos);
        }
        Err(self.truncated(self.left() + delimiter.len()))
    }

    /// Narrows the region to the next `n` bytes, until [`leave`](Self::leave) is called with what
    /// this gives.
    ///
    /// # Errors
    /// The region has fewer.
    #[inline]
    pub fn enter(&mut self, n: usize) -> Result<Region<'a>, DecodeError> {
        if let Some((head, rest)) = self.head.split_at_checked(n) {
            let end = self.end;
            self.end = self.pos() + n;
            self.head = head;
            return Ok(Region { end, rest: Some(rest), more: std::mem::take(&mut self.more) });
        }
        self.enter_across(n)
    }

    #[cold]
    fn enter_across(&mut self, n: usize) -> Result<Region<'a>, DecodeError> {
        if self.left() < n {
            return Err(self.truncated(n));
        }
        let (end, more) = (self.end, self.left() - n);
        self.end = self.pos() + n;
        self.more = n - self.head.len();
        Ok(Region { end, rest: None, more })
    }

    /// Narrows the region to end at the offset `end`, as [`enter`](Self::enter) does.
    ///
    /// # Errors
    /// The region around it ends before; or `end` is before the position.
    #[inline]
    pub fn enter_to(&mut self, end: usize) -> Result<Region<'a>, DecodeError> {
        match end.checked_sub(self.pos()) {
            Some(n) => self.enter(n),
            None => Err(self.fail(FrameErrorKind::Length(end as i128 - self.pos() as i128))),
        }
    }

    /// Widens the region to what it was before, and passes what is left of the inner one.
    ///
    /// # Errors
    /// None, if regions are left in the order in which they were entered.
    #[inline]
    pub fn leave(&mut self, region: Region<'a>) -> Result<(), DecodeError> {
        match region.rest {
            Some(rest) => {
                self.head = rest;
                self.more = region.more;
            }
            None => self.leave_across(region.more)?,
        }
        self.end = region.end;
        Ok(())
    }

    #[cold]
    fn leave_across(&mut self, more: usize) -> Result<(), DecodeError> {
        self.skip(self.left())?;
        self.more = more;
        let chunk = self.src.chunk(self.node);
        self.refill(&chunk[chunk.len() - self.cut..]);
        Ok(())
    }

    /// Reads with `f` a region of `n` bytes, and passes to its end, even where `f` leaves bytes.
    ///
    /// # Errors
    /// The region around it has fewer; or what `f` finds.
    #[inline]
    pub fn within<T>(
        &mut self,
        n: usize,
        f: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        let region = self.enter(n)?;
        let value = f(self)?;
        self.leave(region)?;
        Ok(value)
    }

    /// Reads with `f` a value that nests in others of its kind, `limit` of them at most.
    ///
    /// # Errors
    /// They nest deeper; or what `f` finds.
    #[inline]
    pub fn nest<T>(
        &mut self,
        limit: usize,
        f: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        if self.depth >= limit {
            return Err(self.fail(FrameErrorKind::Depth(limit)));
        }
        self.depth += 1;
        let value = f(self)?;
        self.depth -= 1;
        Ok(value)
    }

    /// Returns all bytes of the frame from the offset `from` to the position.
    ///
    /// # Panics
    /// If `from` is past the position.
    pub fn since(&self, from: usize) -> Chunks<'a> {
        self.range(from, self.pos())
    }

    /// Returns all bytes of the frame between two offsets, whatever was read.
    ///
    /// # Panics
    /// If they are not in order, or past the frame.
    pub fn range(&self, from: usize, to: usize) -> Chunks<'a> {
        let mut walk = Walk::resume(self.src, Checkpoint::default());
        walk.advance(from);
        let first = &walk.cur[..walk.cur.len().min(to - from)];
        Chunks::new(self.src, first, to - from, walk.node + 1)
    }

    /// Returns `chunks` as one slice: borrowed where they are one, else copied to the arena.
    pub fn join(&self, chunks: Chunks<'a>) -> &'a [u8] {
        match chunks.as_contiguous() {
            Some(bytes) => bytes,
            None => self.arena.gather(chunks),
        }
    }

    /// Checks that nothing is left in the region.
    ///
    /// # Errors
    /// Something is.
    #[inline]
    pub fn finish(&self) -> Result<(), DecodeError> {
        match self.left() {
            0 => Ok(()),
            n => Err(self.fail(FrameErrorKind::Trailing(n))),
        }
    }
}

impl std::fmt::Debug for Decoder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("pos", &self.pos()).field("left", &self.left()).finish()
    }
}
