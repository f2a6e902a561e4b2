//! Payloads: bytes that fill the region that they are given.

use bytes::Bytes;

use super::{
    chunks::Chunks,
    decoder::Decoder,
    encoder::Encoder,
    error::{DecodeError, EncodeError, FrameErrorKind},
    wire::Wire,
};
use crate::buf::LinkSlice;

/// A type with `len`, by how its `$n` bytes are read and how it is written.
macro_rules! payload {
    ($(#[$doc:meta])* $T:ty, |$r:ident, $n:ident| $get:expr, |$value:ident, $w:ident| $put:expr) => {
        $(#[$doc])*
        #[diagnostic::do_not_recommend]
        impl<'a, S> Wire<'a, S> for $T {
            const MIN: usize = 0;
            const FILLS: bool = true;
            type Skip = ();

            #[inline]
            fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
                <Self as Wire<'a, S>>::get_sized(r, r.left())
            }
            #[inline]
            fn get_sized($r: &mut Decoder<'a>, $n: usize) -> Result<Self, DecodeError> {
                $get
            }
            #[inline]
            fn size(&self) -> usize {
                self.len()
            }
            #[inline]
            fn put(&self, $w: &mut Encoder<'_>) -> Result<(), EncodeError> {
                let $value = self;
                $put
            }
        }
    };
}

payload! {
    /// Borrowed where the bytes lie in one node, else copied once to the frame's arena.
    &'a [u8], |r, n| r.bytes(n), |value, w| w.write(value)
}

payload! {
    /// As `&[u8]`, and UTF-8.
    &'a str,
    |r, n| {
        let at = r.pos();
        std::str::from_utf8(r.bytes(n)?).map_err(|e| not_utf8(at, e))
    },
    |value, w| w.write(value.as_bytes())
}

payload! {
    /// A copy, and UTF-8.
    String,
    |r, n| {
        let at = r.pos();
        String::from_utf8(r.chunks(n)?.to_vec()).map_err(|e| not_utf8(at, e.utf8_error()))
    },
    |value, w| w.write(value.as_bytes())
}

payload! {
    /// Never copied.
    Chunks<'a>, |r, n| r.chunks(n), |value, w| value.clone().try_for_each(|piece| w.write(piece))
}

payload! {
    /// Counted: never copied, and outlives the frame.
    LinkSlice, |r, n| r.share(n), |value, w| w.share(value)
}

payload! {
    /// Counted, and outlives the frame; copied only if the bytes lie in several nodes.
    Bytes, |r, n| r.share(n).map(Bytes::from), |value, w| w.share_bytes(value.clone())
}

/// The text from the byte `at` on is not UTF-8.
#[cold]
fn not_utf8(at: usize, e: std::str::Utf8Error) -> DecodeError {
    DecodeError::new(FrameErrorKind::Utf8, at + e.valid_up_to())
}
