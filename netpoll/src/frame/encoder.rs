//! Writing one frame to the end of a buffer.

use std::{fmt, iter, mem::ManuallyDrop};

use bytes::Bytes;

use super::error::{EncodeError, FrameErrorKind};
use crate::{
    buf::{COPY_BELOW, LinkBuffer, LinkSlice, move_head},
    mem::BlockMut,
};

/// Writes one frame behind what a buffer holds; nothing of it can be read before all of it is
/// there.
///
/// ```text
///   the buffer's tail:  | what it has | this frame's bytes | spare |
///   spill, where the tail does not do:  | their rest | what is shared | .. |
/// ```
///
/// [`frame::write`](super::write) makes one.
///
/// ```
/// use netpoll::{buf::LinkBuffer, frame};
/// let mut out = LinkBuffer::new();
/// frame::write(&mut out, |w| {
///     let length = w.reserve(2)?;
///     w.write(b"body")?;
///     w.fill(length, &4u16.to_be_bytes());
///     Ok(())
/// })?;
/// out.flush();
/// assert_eq!(out.to_vec(), b"\0\x04body");
/// # Ok::<(), netpoll::Error>(())
/// ```
pub struct Encoder<'w> {
    tail: &'w mut BlockMut,
    /// Bytes that the tail has filled before the frame.
    start: usize,
    /// The frame's bytes that are not in the tail, which has no spare ones then.
    spill: Option<Box<LinkBuffer>>,
}

/// Bytes of a frame that are written later: [`Encoder::fill`] takes it.
///
/// It is an offset, which growth of the buffer does not move.
#[derive(Debug)]
#[must_use = "these bytes hold anything until `Encoder::fill`"]
pub struct Patch {
    at: usize,
    len: usize,
}

impl<'w> Encoder<'w> {
    /// Creates a writer to `tail`. What it has written is taken back when it is dropped, unless it
    /// is [finished](Self::finish).
    #[inline]
    pub(super) fn new(tail: &'w mut BlockMut) -> Self {
        let start = tail.filled_len();
        Self { tail, start, spill: None }
    }

    /// Ends the frame; returns what follows the tail's bytes.
    #[inline]
    pub(super) fn finish(self) -> Option<Box<LinkBuffer>> {
        ManuallyDrop::new(self).spill.take()
    }

    /// Returns the number of bytes of the frame so far.
    #[inline]
    pub fn pos(&self) -> usize {
        let spilled = self.spill.as_ref().map_or(0, |spill| spill.malloc_len());
        self.tail.filled_len() - self.start + spilled
    }

    /// Makes an error at the position.
    // Only what it takes apart goes to functions that are called: a writer stays in registers.
    #[inline]
    pub fn fail(&self, kind: FrameErrorKind) -> EncodeError {
        EncodeError::new(kind, self.pos())
    }

    /// Writes by `put` to what follows the tail's bytes, with a block for `n` bytes if it is new.
    #[inline]
    fn spill(
        &mut self,
        n: usize,
        put: impl FnOnce(&mut LinkBuffer) -> crate::Result<()>,
    ) -> Result<(), EncodeError> {
        let spill = match self.spill.take() {
            Some(spill) => Ok(spill),
            None => LinkBuffer::following(self.tail, n).map(Box::new),
        };
        match spill.and_then(|mut spill| put(&mut spill).map(|()| spill)) {
            Ok(spill) => {
                self.spill = Some(spill);
                Ok(())
            }
            Err(_) => Err(self.fail(FrameErrorKind::Memory)),
        }
    }

    /// Writes a copy of `bytes`.
    ///
    /// # Errors
    /// There is no memory.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        if bytes.len() <= self.tail.spare_len() {
            self.tail.claim_uncleared(bytes.len()).copy_from_slice(bytes);
            return Ok(());
        }
        let whole;
        (self.spill, whole) = write_across(self.tail, self.spill.take(), bytes);
        if whole { Ok(()) } else { Err(self.fail(FrameErrorKind::Memory)) }
    }

    /// Writes the `N` bytes of an array.
    ///
    /// # Errors
    /// There is no memory.
    #[inline]
    pub fn array<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), EncodeError> {
        if N <= self.tail.spare_len() {
            self.tail.claim_uncleared(N).copy_from_slice(&bytes);
            return Ok(());
        }
        let copy = bytes;
        self.write(&copy)
    }

    /// Writes `n` zeros.
    ///
    /// # Errors
    /// There is no memory.
    pub fn zeros(&mut self, n: usize) -> Result<(), EncodeError> {
        const ZEROS: [u8; 64] = [0; 64];
        let mut left = n;
        while left > 0 {
            let now = left.min(ZEROS.len());
            self.write(&ZEROS[..now])?;
            left -= now;
        }
        Ok(())
    }

    /// Writes `bytes`, by reference where that is cheaper than a copy.
    ///
    /// # Errors
    /// There is no memory.
    pub fn share_bytes(&mut self, bytes: Bytes) -> Result<(), EncodeError> {
        if bytes.len() < COPY_BELOW {
            return self.write(&bytes);
        }
        self.spill(0, |spill| spill.write_bytes(bytes))
    }

    /// Writes `slice`, by reference where that is cheaper than a copy.
    ///
    /// # Errors
    /// There is no memory.
    pub fn share(&mut self, slice: &LinkSlice) -> Result<(), EncodeError> {
        /// Fewer bytes than this are copied: a node costs more.
        const COPY_BELOW: usize = 512;
        if slice.len() < COPY_BELOW || slice.is_sparse() {
            return slice.chunks().try_for_each(|chunk| self.write(chunk));
        }
        self.spill(0, |spill| {
            spill.write_slice(slice.clone());
            Ok(())
        })
    }

    /// Leaves `n` bytes to be filled later.
    ///
    /// # Errors
    /// There is no memory.
    #[inline]
    pub fn reserve(&mut self, n: usize) -> Result<Patch, EncodeError> {
        let patch = Patch { at: self.pos(), len: n };
        if n <= self.tail.spare_len() {
            // The block may hold what came over another connection before.
            self.tail.claim_uncleared(n).fill(0);
        } else {
            self.spill(n, |spill| spill.malloc(n).map(drop))?;
        }
        Ok(patch)
    }

    /// Fills what was left.
    ///
    /// # Panics
    /// If `bytes` are not as many as were reserved.
    #[inline]
    pub fn fill(&mut self, patch: Patch, bytes: &[u8]) {
        assert_eq!(bytes.len(), patch.len, "bytes for a patch");
        let at = self.start + patch.at;
        let filled = self.tail.filled_len();
        match (self.tail.filled_mut().get_mut(at..at + patch.len), &mut self.spill) {
            (Some(slot), _) => slot.copy_from_slice(bytes),
            (None, Some(spill)) => spill.patch(at - filled, bytes),
            (None, None) => panic!("a patch of another frame"),
        }
    }

    /// Returns the bytes `from..to` of the frame, piece by piece, as far as they are written.
    pub fn written(&self, from: usize, to: usize) -> impl Iterator<Item = &[u8]> {
        let spilled = self.spill.iter().flat_map(|spill| spill.unflushed());
        let mut start = 0;
        iter::once(&self.tail.filled()[self.start..]).chain(spilled).map(move |piece| {
            let within = |at: usize| at.clamp(start, start + piece.len()) - start;
            let part = &piece[within(from)..within(to)];
            start += piece.len();
            part
        })
    }
}

/// Fills the tail, and spills the rest: whether there was memory for it.
#[cold]
#[inline(never)]
fn write_across(
    tail: &mut BlockMut,
    spill: Option<Box<LinkBuffer>>,
    bytes: &[u8],
) -> (Option<Box<LinkBuffer>>, bool) {
    if spill.is_none() {
        match move_head(tail, bytes.len()) {
            Ok(false) => {}
            Ok(true) => {
                tail.claim_uncleared(bytes.len()).copy_from_slice(bytes);
                return (None, true);
            }
            Err(_) => return (None, false),
        }
    }
    let (here, behind) = bytes.split_at(tail.spare_len());
    tail.claim_uncleared(here.len()).copy_from_slice(here);
    let spill = match spill {
        Some(spill) => Ok(spill),
        None => LinkBuffer::following(tail, behind.len()).map(Box::new),
    };
    match spill {
        Ok(mut spill) => {
            let whole = spill.write(behind).is_ok();
            (Some(spill), whole)
        }
        Err(_) => (None, false),
    }
}

impl Drop for Encoder<'_> {
    /// Takes back what was written of a frame that did not come to its end.
    fn drop(&mut self) {
        self.tail.truncate(self.start);
    }
}

impl fmt::Debug for Encoder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").field("pos", &self.pos()).finish_non_exhaustive()
    }
}
