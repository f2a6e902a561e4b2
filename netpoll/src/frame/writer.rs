//! Writing one frame to the end of a buffer.

use bytes::Bytes;

use super::fault::{EncodeError, Fault};
use crate::buf::{LinkBuffer, LinkSlice};

/// Writes one frame behind what a buffer holds; nothing of it can be read before all of it is
/// there.
///
/// ```
/// use netpoll::{buf::LinkBuffer, frame::Writer};
/// let mut out = LinkBuffer::new();
/// let mut w = Writer::new(&mut out);
/// let length = w.reserve(2)?;
/// w.write(b"body")?;
/// w.fill(length, &4u16.to_be_bytes());
/// out.flush();
/// assert_eq!(out.to_vec(), b"\0\x04body");
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Debug)]
pub struct Writer<'w> {
    out: &'w mut LinkBuffer,
    start: usize,
}

/// Bytes of a frame that are written later: [`Writer::fill`] takes it.
///
/// It is an offset, which growth of the buffer does not move.
#[derive(Debug)]
#[must_use = "these bytes hold anything until `Writer::fill`"]
pub struct Patch {
    at: usize,
    len: usize,
}

impl<'w> Writer<'w> {
    /// A writer whose frame begins behind all that `out` holds.
    #[inline]
    pub fn new(out: &'w mut LinkBuffer) -> Self {
        let start = out.malloc_len();
        Self { out, start }
    }

    /// Bytes of the frame so far.
    #[inline]
    pub fn pos(&self) -> usize {
        self.out.malloc_len() - self.start
    }

    /// What is to be written next cannot be.
    #[cold]
    #[inline(never)]
    pub fn fail(&self, fault: Fault) -> EncodeError {
        EncodeError::new(fault, self.pos())
    }

    /// Writes a copy of `bytes`.
    ///
    /// # Errors
    /// There is no memory.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        match self.out.write(bytes) {
            Ok(()) => Ok(()),
            Err(_) => Err(self.fail(Fault::Memory)),
        }
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
        self.out.write_bytes(bytes).map_err(|_| self.fail(Fault::Memory))
    }

    /// Writes `slice`, by reference where that is cheaper than a copy.
    ///
    /// # Errors
    /// There is no memory.
    pub fn share(&mut self, slice: &LinkSlice) -> Result<(), EncodeError> {
        /// Fewer bytes than this are copied: a node costs more.
        const COPY_BELOW: usize = 512;
        if slice.len() < COPY_BELOW {
            return slice.chunks().try_for_each(|chunk| self.write(chunk));
        }
        self.out.append_slice(slice.clone());
        Ok(())
    }

    /// Leaves `n` bytes to be filled later.
    ///
    /// # Errors
    /// There is no memory.
    #[inline]
    pub fn reserve(&mut self, n: usize) -> Result<Patch, EncodeError> {
        let at = self.out.malloc_len();
        match self.out.malloc(n) {
            Ok(_) => Ok(Patch { at, len: n }),
            Err(_) => Err(self.fail(Fault::Memory)),
        }
    }

    /// Fills what was left.
    ///
    /// # Panics
    /// If `bytes` are not as many as were reserved.
    #[inline]
    pub fn fill(&mut self, patch: Patch, bytes: &[u8]) {
        assert_eq!(bytes.len(), patch.len, "bytes for a patch");
        self.out.patch(patch.at, bytes);
    }

    /// The bytes `from..to` of the frame, piece by piece, as far as they are written.
    pub fn written(&self, from: usize, to: usize) -> impl Iterator<Item = &[u8]> {
        let (mut start, from, to) = (0, self.start + from, self.start + to);
        self.out.unflushed().map(move |piece| {
            let within = |at: usize| at.clamp(start, start + piece.len()) - start;
            let part = &piece[within(from)..within(to)];
            start += piece.len();
            part
        })
    }

    /// Takes back all that was written past the position `pos`.
    ///
    /// # Panics
    /// If the frame has fewer bytes.
    #[cold]
    pub fn rollback(&mut self, pos: usize) {
        self.out.malloc_ack(self.start + pos);
    }
}
