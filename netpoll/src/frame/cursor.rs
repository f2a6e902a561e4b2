//! A scan's position in what has arrived.

use super::{
    digits,
    error::{FrameErrorKind, ScanError},
    input::{Checkpoint, Walk},
    window::Window,
};

/// The reason why a scan does not go on: an early return for `?`.
#[derive(Debug)]
pub enum Stop {
    /// Bytes are missing: the frame has at least this many, counted from its start.
    Need(usize),
    /// The frame's end cannot be told.
    Error(ScanError),
}

impl From<ScanError> for Stop {
    fn from(e: ScanError) -> Self {
        Self::Error(e)
    }
}

impl Stop {
    #[cold]
    #[inline(never)]
    fn at(kind: FrameErrorKind, pos: usize) -> Self {
        Self::Error(ScanError::new(kind, pos))
    }

    /// Prefixes the field's path with the name of the field around it.
    #[cold]
    #[inline(never)]
    #[must_use]
    pub fn in_field(self, name: &str) -> Self {
        match self {
            Self::Error(e) => Self::Error(e.in_field(name)),
            need => need,
        }
    }
}

/// The position of a search for a delimiter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Find {
    at: Checkpoint,
}

/// The position of a scan: moves forward over what has arrived, and says what is missing.
///
/// Whatever asks for bytes that are not there returns [`Stop::Need`]. The scan then resumes, when
/// they have arrived, at the position that was last [committed](Self::commit), by default where it
/// began: a short header may be looked at again, and needs no state.
#[derive(Debug)]
pub struct Cursor<'w> {
    walk: Walk<'w>,
    saved: Walk<'w>,
    len: usize,
    max: usize,
    owed: usize,
    examined: u64,
}

impl<'w> Cursor<'w> {
    /// Creates a cursor at `mark`, which an earlier one over the same frame gave, or at the start
    /// with the default one. No frame may have more than `max` bytes.
    #[inline]
    pub fn resume(w: &Window<'w>, mark: Checkpoint, max: usize) -> Self {
        let walk = Walk::resume(w.source(), mark);
        Self { walk, saved: walk, len: w.len(), max, owed: 0, examined: 0 }
    }

    /// Makes the position the one to resume at, should bytes be missing from now on. Whoever calls
    /// this keeps in a state of its own what it has passed.
    #[inline]
    pub fn commit(&mut self) {
        self.saved = self.walk;
    }

    /// Returns the position to resume at: that of the last [`commit`](Self::commit), or the first
    /// one.
    #[inline]
    pub fn checkpoint(&self) -> Checkpoint {
        self.saved.checkpoint()
    }

    /// Returns the position, in bytes from the frame's start.
    #[inline]
    pub fn pos(&self) -> usize {
        self.walk.pos
    }

    /// Returns the number of bytes that have arrived and are not yet passed.
    #[inline]
    pub fn left(&self) -> usize {
        self.len - self.walk.pos
    }

    /// Returns the most bytes that the frame may have.
    #[inline]
    pub fn max(&self) -> usize {
        self.max
    }

    /// Lowers the most bytes that the frame may have: `n` from the position on.
    #[inline]
    pub fn limit(&mut self, n: usize) {
        self.max = self.max.min(self.walk.pos.saturating_add(n));
    }

    /// Returns the number of bytes that this cursor has looked at.
    #[inline]
    pub fn examined(&self) -> u64 {
        self.examined
    }

    /// Notes that at least `n` bytes follow what is scanned next: whatever is missing meanwhile,
    /// they are missing too.
    #[inline]
    pub fn owe(&mut self, n: usize) {
        self.owed = self.owed.saturating_add(n);
    }

    /// Takes back what was noted by [`owe`](Self::owe).
    #[inline]
    pub fn settle(&mut self, n: usize) {
        self.owed = self.owed.saturating_sub(n);
    }

    // What is cold takes values: a cursor whose address nobody took stays in registers.

    /// Makes the answer that `n` bytes from the position on are missing, with all that is owed
    /// after.
    #[inline]
    pub fn need(&self, n: usize) -> Stop {
        Stop::Need(self.walk.pos.saturating_add(n).saturating_add(self.owed))
    }

    /// Makes the answer that the format is broken at the position.
    #[inline]
    pub fn fail(&self, kind: FrameErrorKind) -> Stop {
        Stop::at(kind, self.walk.pos)
    }

    /// Returns the next `N` bytes.
    ///
    /// # Errors
    /// They are not all there.
    #[inline]
    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let bytes = match self.walk.cur.split_first_chunk() {
            Some((bytes, rest)) => {
                self.walk.cur = rest;
                self.walk.pos += N;
                *bytes
            }
            None if self.left() < N => return Err(self.need(N)),
            None => {
                let (place, bytes) = self.walk.take_across();
                self.walk.go(place);
                bytes
            }
        };
        self.examined += N as u64;
        Ok(bytes)
    }

    /// Passes `n` bytes without looking at them.
    ///
    /// # Errors
    /// They are not all there.
    #[inline]
    pub fn skip(&mut self, n: usize) -> Result<(), Stop> {
        if n > self.left() {
            return Err(self.need(n));
        }
        self.walk.advance(n);
        Ok(())
    }

    /// Passes all bytes up to the frame's end at `end`, which is known now.
    ///
    /// # Errors
    /// They are not all there; or the end is before the position, or so near that fewer than
    /// `least` bytes follow.
    #[inline]
    pub fn finish(&mut self, end: usize, least: usize) -> Result<(), Stop> {
        let n = end.wrapping_sub(self.walk.pos);
        if n > self.left() || n < least {
            return Err(unfinished(self.walk.pos, end, least, self.max, self.owed));
        }
        self.walk.advance(n);
        Ok(())
    }

    /// Passes the bytes before the next `delimiter`, and the delimiter; gives how many stood
    /// before it. At most `max` may.
    ///
    /// `state` belongs to this one search, and lets it resume.
    ///
    /// # Errors
    /// It is not there yet; or more than `max` bytes stand before it.
    #[inline]
    pub fn until(&mut self, state: &mut Find, delimiter: &[u8], max: usize) -> Result<usize, Stop> {
        let from = self.walk.pos;
        let mut ahead = self.walk;
        if state.at.pos > from {
            ahead = Walk::resume(self.walk.src, state.at);
        }
        let searched = ahead.pos;
        let found = ahead.find(delimiter, self.len);
        let before = ahead.pos - from;
        self.examined += (ahead.pos - searched + delimiter.len()) as u64;
        if before > max {
            return Err(self.fail(FrameErrorKind::TooLarge { size: before, max }));
        }
        match found {
            Ok(()) => {
                ahead.advance(delimiter.len());
                self.walk = ahead;
                *state = Find::default();
                Ok(before)
            }
            Err(missing) => {
                state.at = ahead.checkpoint();
                // What is missing follows the last byte, not the first candidate.
                Err(self.need(self.len - from + missing))
            }
        }
    }

    /// Returns the short text before the next `delimiter`, which is passed too: at most `N` bytes
    /// of it.
    ///
    /// It keeps no state: what it looks at again is at most `N` bytes.
    ///
    /// # Errors
    /// The delimiter is not there yet; or not within `N` bytes.
    #[inline]
    pub fn text<const N: usize>(&mut self, delimiter: &[u8]) -> Result<([u8; N], usize), Stop> {
        let mut ahead = self.walk;
        let limit = self.len.min(self.walk.pos + N + delimiter.len());
        let found = ahead.find(delimiter, limit);
        let before = ahead.pos - self.walk.pos;
        self.examined += (before + delimiter.len()) as u64;
        if before > N || found.is_err() && limit < self.len {
            return Err(self.fail(FrameErrorKind::Digits));
        }
        if let Err(missing) = found {
            return Err(self.need(self.len - self.walk.pos + missing));
        }
        let mut text = [0; N];
        self.walk.copy(&mut text[..before]);
        self.walk.advance(delimiter.len());
        Ok((text, before))
    }

    /// Returns a number that CR LF ends, of the bytes that lie in this node, if it is as short as
    /// most are.
    #[inline]
    pub(super) fn short_number(&mut self) -> Option<i64> {
        let (n, rest) = digits::short(self.walk.cur)?;
        let passed = self.walk.cur.len() - rest.len();
        self.walk.pos += passed;
        self.examined += passed as u64;
        self.walk.cur = rest;
        Some(n)
    }

    /// Returns a copy of all bytes from `from` to the position.
    pub fn since(&self, from: usize) -> Vec<u8> {
        let mut bytes = vec![0; self.walk.pos - from];
        let mut walk = Walk::resume(self.walk.src, Checkpoint::default());
        walk.advance(from);
        walk.copy(&mut bytes);
        bytes
    }
}

/// Makes the reason why the frame that ends at `end` is not there, seen from `pos`.
#[cold]
fn unfinished(pos: usize, end: usize, least: usize, max: usize, owed: usize) -> Stop {
    if end < pos + least {
        return Stop::at(FrameErrorKind::Length(end as i128 - pos as i128), pos);
    }
    if end > max {
        return Stop::at(FrameErrorKind::TooLarge { size: end, max }, pos);
    }
    Stop::Need(end.saturating_add(owed))
}
