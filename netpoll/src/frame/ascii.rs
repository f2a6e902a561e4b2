//! Integers as decimal digits: [`Ascii`], [`Lenient`].

use std::marker::PhantomData;

use super::{
    cursor::{Cursor, Stop},
    decoder::Decoder,
    encoder::Encoder,
    error::{DecodeError, EncodeError, FrameErrorKind},
    ints::{Int, Repr},
};

/// Decimal digits, perhaps after a minus sign, as they are written: no plus sign, no leading zero, no
/// `-0`. They fill their region: a delimiter or a size says how many there are.
///
/// [`Lenient<Ascii>`](Lenient) also reads other spellings.
#[derive(Clone, Copy, Debug)]
pub struct Ascii;

/// Decimal digits that are read in any spelling: after a plus sign, with leading zeros, as `-0`.
/// Written, they are those of `R`, which is [`Ascii`] or [`AsciiCrlf`](super::AsciiCrlf).
///
/// A parser that accepts more than its peers do is what requests are smuggled through: use it where
/// peers need it.
///
/// ```
/// use netpoll::{Frame, frame::{self, AsciiCrlf, Lenient}};
///
/// #[derive(Frame)]
/// struct Strict<'a>(#[frame(prefix = AsciiCrlf)] &'a str);
///
/// #[derive(Frame)]
/// struct AnySpelling<'a>(#[frame(prefix = Lenient<AsciiCrlf>)] &'a str);
///
/// assert!(frame::round_trip::<Strict<'_>>(b"+02\r\nhi").is_err());
/// assert_eq!(frame::round_trip::<AnySpelling<'_>>(b"+02\r\nhi")?, b"2\r\nhi");
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Lenient<R>(PhantomData<R>);

/// A way to read digits.
pub trait Spelling {
    /// True if only the spelling is accepted that is written.
    const STRICT: bool;
}

impl Spelling for Ascii {
    const STRICT: bool = true;
}

impl<R> Spelling for Lenient<R> {
    const STRICT: bool = false;
}

/// Returns the number that `text` is, as a whole.
#[inline]
pub(super) fn parse<T: Int>(text: &[u8], strict: bool) -> Option<T> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] if !strict => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 19 {
        return None;
    }
    if strict && digits[0] == b'0' && (negative || digits.len() > 1) {
        return None;
    }
    let mut value = 0u64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Nineteen digits always fit.
        value = value * 10 + u64::from(digit);
    }
    T::narrow(if negative { -i128::from(value) } else { value.into() })
}

/// Returns the number of characters of `n`.
#[inline]
pub(super) fn size(n: i64) -> usize {
    usize::from(n < 0) + n.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1
}

/// A short text on the stack.
#[derive(Default)]
pub(super) struct Text {
    bytes: [u8; 24],
    len: usize,
}

impl Text {
    #[inline]
    pub(super) fn push(&mut self, text: &[u8]) -> &mut Self {
        self.bytes[self.len..self.len + text.len()].copy_from_slice(text);
        self.len += text.len();
        self
    }

    #[inline]
    pub(super) fn digits(&mut self, n: i64) -> &mut Self {
        if n < 0 {
            self.push(b"-");
        }
        let mut left = n.unsigned_abs();
        let end = self.len + size(n) - usize::from(n < 0);
        for place in self.bytes[self.len..end].iter_mut().rev() {
            *place = b'0' + (left % 10) as u8;
            left /= 10;
        }
        self.len = end;
        self
    }

    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

macro_rules! ascii {
    ($R:ty) => {
        impl<T: Int> Repr<T> for $R {
            const FIXED: Option<usize> = None;
            const MIN: usize = 1;
            const FILLS: bool = true;
            const EXACT: bool = true;

            fn scan(c: &mut Cursor<'_>) -> Result<T, Stop> {
                Err(c.fail(FrameErrorKind::Digits))
            }
            #[inline]
            fn get(r: &mut Decoder<'_>) -> Result<T, DecodeError> {
                let at = r.pos();
                let digits = r.chunks(r.left())?;
                parse(r.join(digits), <Self as Spelling>::STRICT)
                    .ok_or_else(|| DecodeError::new(FrameErrorKind::Digits, at))
            }
            #[inline]
            fn size(value: T) -> usize {
                size(value.widen() as i64)
            }
            #[inline]
            fn put(value: T, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
                let n = value.widen();
                match n.try_into() {
                    Ok(n) => w.write(Text::default().digits(n).as_bytes()),
                    Err(_) => Err(w.fail(FrameErrorKind::Range(n))),
                }
            }
        }
    };
}

ascii!(Ascii);
ascii!(Lenient<Ascii>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::digits::short;

    #[test]
    fn digits_and_back() {
        for n in [0, 7, -1, 10, 99, 100, i64::MAX, i64::MIN + 1, -1_000_000] {
            let mut text = Text::default();
            text.digits(n);
            assert_eq!(text.as_bytes(), n.to_string().as_bytes());
            assert_eq!(size(n), text.len);
            assert_eq!(parse(text.as_bytes(), true), Some(n));
        }
        for text in ["", "-", "1x", "99999999999999999999", "--1", "1 "] {
            assert_eq!(parse::<i64>(text.as_bytes(), false), None, "{text}");
        }
        assert_eq!((parse::<u8>(b"256", true), parse::<u8>(b"255", true)), (None, Some(255)));
    }

    #[test]
    fn other_spellings_are_read_only_where_asked_for() {
        for (text, n) in [("+7", 7), ("007", 7), ("-0", 0), ("00", 0), ("-012", -12), ("+0", 0)] {
            assert_eq!(parse::<i64>(text.as_bytes(), true), None, "{text}");
            assert_eq!(parse(text.as_bytes(), false), Some(n), "{text}");
            assert_eq!(short(format!("{text}\r\n").as_bytes()), None, "{text}");
        }
        assert_eq!(short(b"0\r\nx"), Some((0, &b"x"[..])));
        assert_eq!(short(b"10\r\nx"), Some((10, &b"x"[..])));
    }
}
