//! Numbers that stand before what they count: [`Prefix`], [`AsciiCrlf`].

use super::{
    ascii::{self, Lenient, Spelling},
    cursor::{Cursor, Stop},
    decoder::Decoder,
    encoder::Encoder,
    endian::U24,
    error::{DecodeError, EncodeError, FrameErrorKind},
    ints::{Int, Repr},
};

/// A number before a field that says how many bytes or elements it has: the integers of up to
/// 64 bits, in the order `S`; [`U24`]; [`Varint`](super::Varint); [`AsciiCrlf`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a prefix",
    label = "not an integer of up to 64 bits, `U24`, `Varint` or `AsciiCrlf`"
)]
pub trait Prefix<S> {
    /// The least number of bytes.
    const MIN: usize;

    /// True if [`put`](Self::put) always writes [`size`](Self::size) bytes.
    #[doc(hidden)]
    const EXACT: bool = false;

    /// Reads it while the frame's end is looked for.
    ///
    /// # Errors
    /// Bytes are missing; or they are not a number.
    fn scan(c: &mut Cursor<'_>) -> Result<i64, Stop>;

    /// Reads it from a complete frame.
    ///
    /// # Errors
    /// The bytes are not a number.
    fn get(r: &mut Decoder<'_>) -> Result<i64, DecodeError>;

    /// Returns the number of bytes of `n`.
    fn size(n: i64) -> usize;

    /// Writes it.
    ///
    /// # Errors
    /// `n` does not fit; or there is no memory.
    fn put(n: i64, w: &mut Encoder<'_>) -> Result<(), EncodeError>;
}

macro_rules! prefixes {
    ($($t:ident),+) => {$(
        impl<S: Repr<$t>> Prefix<S> for $t {
            const MIN: usize = S::MIN;
            const EXACT: bool = S::EXACT;

            #[inline]
            fn scan(c: &mut Cursor<'_>) -> Result<i64, Stop> {
                S::scan(c).map(clamp)
            }
            #[inline]
            fn get(r: &mut Decoder<'_>) -> Result<i64, DecodeError> {
                S::get(r).map(clamp)
            }
            #[inline]
            fn size(n: i64) -> usize {
                S::size(n as $t)
            }
            #[inline]
            fn put(n: i64, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
                match n.try_into() {
                    Ok(n) => S::put(n, w),
                    Err(_) => Err(w.fail(FrameErrorKind::Range(n.into()))),
                }
            }
        }
    )+};
}

prefixes!(u8, u16, u32, u64, i8, i16, i32, i64);

/// Clamps a prefix to 63 bits: no frame is as long, so that every limit still refuses it.
#[inline]
fn clamp(n: impl Int) -> i64 {
    n.widen().min(i64::MAX.into()) as i64
}

impl<S, E> Prefix<S> for U24<E>
where
    U24<E>: Repr<u32>,
{
    const MIN: usize = 3;
    const EXACT: bool = true;

    #[inline]
    fn scan(c: &mut Cursor<'_>) -> Result<i64, Stop> {
        <Self as Repr<u32>>::scan(c).map(i64::from)
    }
    #[inline]
    fn get(r: &mut Decoder<'_>) -> Result<i64, DecodeError> {
        <Self as Repr<u32>>::get(r).map(i64::from)
    }
    #[inline]
    fn size(_: i64) -> usize {
        3
    }
    #[inline]
    fn put(n: i64, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        match n.try_into() {
            Ok(n) => <Self as Repr<u32>>::put(n, w),
            Err(_) => Err(w.fail(FrameErrorKind::Range(n.into()))),
        }
    }
}

/// Decimal digits, perhaps after a minus sign, then CR LF: the lengths of Redis. Only the spelling
/// that is written is read: no plus sign, no leading zero, no `-0`.
/// [`Lenient<AsciiCrlf>`](Lenient) also reads the others.
#[derive(Clone, Copy, Debug)]
pub struct AsciiCrlf;

impl Spelling for AsciiCrlf {
    const STRICT: bool = true;
}

const CRLF: &[u8] = b"\r\n";

/// The digits that a number may have, its sign included.
const DIGITS: usize = 20;

macro_rules! ascii_crlf {
    ($P:ty) => {
        impl<S> Prefix<S> for $P {
            const MIN: usize = 3;
            const EXACT: bool = true;

            #[inline]
            fn scan(c: &mut Cursor<'_>) -> Result<i64, Stop> {
                if let Some(n) = c.short_number() {
                    return Ok(n);
                }
                let (text, n) = c.text::<DIGITS>(CRLF)?;
                ascii::parse(&text[..n], <Self as Spelling>::STRICT)
                    .ok_or_else(|| c.fail(FrameErrorKind::Digits))
            }
            #[inline]
            fn get(r: &mut Decoder<'_>) -> Result<i64, DecodeError> {
                if let Some(n) = r.short_number() {
                    return Ok(n);
                }
                let at = r.pos();
                let digits = r.until(CRLF, DIGITS)?;
                ascii::parse(digits, <Self as Spelling>::STRICT)
                    .ok_or_else(|| DecodeError::new(FrameErrorKind::Digits, at))
            }
            #[inline]
            fn size(n: i64) -> usize {
                ascii::size(n) + CRLF.len()
            }
            #[inline]
            fn put(n: i64, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
                let mut text = ascii::Text::default();
                text.digits(n).push(CRLF);
                w.write(text.as_bytes())
            }
        }
    };
}

ascii_crlf!(AsciiCrlf);
ascii_crlf!(Lenient<AsciiCrlf>);
