//! Payloads: bytes that fill the region that they are given.

use bytes::Bytes;

use super::{
    chunks::Chunks,
    fault::{DecodeError, EncodeError, Fault},
    reader::Reader,
    wire::Wire,
    writer::Writer,
};
use crate::buf::LinkSlice;

/// Borrowed where the bytes lie in one node, else copied once to the frame's arena.
#[diagnostic::do_not_recommend]
impl<'a, S> Wire<'a, S> for &'a [u8] {
    const MIN: usize = 0;
    const FILLS: bool = true;
    type Skip = ();

    #[inline]
    fn get(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        r.bytes(r.left())
    }
    #[inline]
    fn get_sized(r: &mut Reader<'a>, n: usize) -> Result<Self, DecodeError> {
        r.bytes(n)
    }
    #[inline]
    fn size(&self) -> usize {
        self.len()
    }
    #[inline]
    fn put(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.write(self)
    }
}

/// As `&[u8]`, and UTF-8.
#[diagnostic::do_not_recommend]
impl<'a, S> Wire<'a, S> for &'a str {
    const MIN: usize = 0;
    const FILLS: bool = true;
    type Skip = ();

    #[inline]
    fn get(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = r.pos();
        let bytes = r.bytes(r.left())?;
        std::str::from_utf8(bytes).map_err(|e| DecodeError::new(Fault::Utf8, at + e.valid_up_to()))
    }
    #[inline]
    fn size(&self) -> usize {
        self.len()
    }
    #[inline]
    fn put(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.write(self.as_bytes())
    }
}

/// A copy, and UTF-8.
#[diagnostic::do_not_recommend]
impl<'a, S> Wire<'a, S> for String {
    const MIN: usize = 0;
    const FILLS: bool = true;
    type Skip = ();

    fn get(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let at = r.pos();
        String::from_utf8(r.chunks(r.left())?.to_vec())
            .map_err(|e| DecodeError::new(Fault::Utf8, at + e.utf8_error().valid_up_to()))
    }
    #[inline]
    fn size(&self) -> usize {
        self.len()
    }
    #[inline]
    fn put(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.write(self.as_bytes())
    }
}

/// Never copied.
#[diagnostic::do_not_recommend]
impl<'a, S> Wire<'a, S> for Chunks<'a> {
    const MIN: usize = 0;
    const FILLS: bool = true;
    type Skip = ();

    #[inline]
    fn get(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        r.chunks(r.left())
    }
    #[inline]
    fn size(&self) -> usize {
        self.len()
    }
    #[inline]
    fn put(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        self.clone().try_for_each(|piece| w.write(piece))
    }
}

/// Counted: never copied, and outlives the frame.
#[diagnostic::do_not_recommend]
impl<'a, S> Wire<'a, S> for LinkSlice {
    const MIN: usize = 0;
    const FILLS: bool = true;
    type Skip = ();

    #[inline]
    fn get(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        r.share(r.left())
    }
    #[inline]
    fn size(&self) -> usize {
        self.len()
    }
    #[inline]
    fn put(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.share(self)
    }
}

/// Counted, and outlives the frame; copied only if the bytes lie in several nodes.
#[diagnostic::do_not_recommend]
impl<'a, S> Wire<'a, S> for Bytes {
    const MIN: usize = 0;
    const FILLS: bool = true;
    type Skip = ();

    #[inline]
    fn get(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        r.share(r.left()).map(Bytes::from)
    }
    #[inline]
    fn size(&self) -> usize {
        self.len()
    }
    #[inline]
    fn put(&self, w: &mut Writer<'_>) -> Result<(), EncodeError> {
        w.share_bytes(self.clone())
    }
}
