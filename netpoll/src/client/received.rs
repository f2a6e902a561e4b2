//! A received reply.

use std::{fmt, marker::PhantomData};

use crate::{
    buf::LinkSlice,
    error::Result,
    frame::{self, Arena, Frame},
};

/// A reply of the format `R`, in the bytes as they were received, without a copy.
///
/// ```
/// # use netpoll::{Frame, client::Received};
/// #[derive(Frame)]
/// struct Name<'a>(#[frame(prefix = u8)] &'a str);
///
/// fn print(reply: Received<Name<'static>>) -> netpoll::Result<()> {
///     println!("{}", reply.get()?.0);
///     Ok(())
/// }
/// ```
pub struct Received<R> {
    bytes: LinkSlice,
    /// Holds what lies across two blocks and must be contiguous.
    arena: Arena,
    frame: PhantomData<fn() -> R>,
}

impl<R: Frame> Received<R> {
    pub(super) fn new(bytes: LinkSlice) -> Self {
        Self { bytes, arena: Arena::new(), frame: PhantomData }
    }

    /// Decodes the reply, which borrows from the bytes. Each call decodes it anew.
    ///
    /// # Errors
    /// `Malformed` if the bytes are not of the format.
    pub fn get(&self) -> Result<R::At<'_>> {
        Ok(frame::decode::<R>(&self.bytes, self.bytes.len(), &self.arena)?)
    }

    /// Decodes a reply that borrows nothing.
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    pub fn into_owned(self) -> Result<R>
    where
        R: for<'a> Frame<At<'a> = R>,
    {
        self.get()
    }
}

impl<R> Received<R> {
    /// Returns the frame's bytes.
    pub fn bytes(&self) -> &LinkSlice {
        &self.bytes
    }

    /// Returns the frame's bytes, which may be kept and passed on without a copy.
    pub fn into_bytes(self) -> LinkSlice {
        self.bytes
    }
}

impl<R> fmt::Debug for Received<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}
