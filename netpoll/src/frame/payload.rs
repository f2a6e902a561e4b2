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
            const EXACT: bool = true;
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
    /// Bytes that are borrowed where they lie in one node, else copied once to the frame's arena.
    &'a [u8], |r, n| r.bytes(n), |value, w| w.write(value)
}

payload! {
    /// UTF-8 that is borrowed where the bytes lie in one node, else copied once to the frame's
    /// arena.
    &'a str,
    |r, n| {
        let at = r.pos();
        std::str::from_utf8(r.bytes(n)?).map_err(|e| not_utf8(at, e))
    },
    |value, w| w.write(value.as_bytes())
}

payload! {
    /// UTF-8 that is copied.
    String,
    |r, n| {
        let at = r.pos();
        String::from_utf8(r.chunks(n)?.to_vec()).map_err(|e| not_utf8(at, e.utf8_error()))
    },
    |value, w| w.write(value.as_bytes())
}

payload! {
    /// Bytes that are never copied.
    Chunks<'a>, |r, n| r.chunks(n), |value, w| value.clone().try_for_each(|piece| w.write(piece))
}

payload! {
    /// Bytes by counted reference: never copied, and they outlive the frame.
    LinkSlice, |r, n| r.share(n), |value, w| w.share(value)
}

payload! {
    /// Bytes by counted reference, which outlive the frame; copied only if they lie in several
    /// nodes.
    Bytes, |r, n| r.share(n).map(Bytes::from), |value, w| w.share_bytes(value.clone())
}

/// Makes the error of text that begins at the byte `at` and is not UTF-8.
#[cold]
fn not_utf8(at: usize, e: std::str::Utf8Error) -> DecodeError {
    DecodeError::new(FrameErrorKind::Utf8, at + e.valid_up_to())
}
