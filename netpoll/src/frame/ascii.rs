//! Integers as decimal digits: [`Ascii`].

use super::{
    cursor::{Cursor, Stop},
    decoder::Decoder,
    encoder::Encoder,
    error::{DecodeError, EncodeError, FrameErrorKind},
    ints::{Int, Repr},
};

/// Decimal digits, perhaps after a sign. They fill their region: a delimiter or a size says how
/// many there are. Written with as few as there can be.
#[derive(Clone, Copy, Debug)]
pub struct Ascii;

/// Returns the number that `text` is, as a whole.
#[inline]
pub(super) fn parse<T: Int>(text: &[u8]) -> Option<T> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 19 {
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

/// Returns a number of one to eight digits with CR LF behind it, at the beginning of `text`, and
/// what follows.
#[inline]
pub(super) fn short(text: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0;
    for (i, &byte) in text.iter().enumerate().take(9) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let rest = text[i..].strip_prefix(b"\r\n")?;
            return (i > 0).then_some((value, rest));
        }
        value = value * 10 + i64::from(digit);
    }
    None
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

impl<T: Int> Repr<T> for Ascii {
    const FIXED: Option<usize> = None;
    const MIN: usize = 1;
    const FILLS: bool = true;

    fn scan(c: &mut Cursor<'_>) -> Result<T, Stop> {
        Err(c.fail(FrameErrorKind::Digits))
    }
    #[inline]
    fn get(r: &mut Decoder<'_>) -> Result<T, DecodeError> {
        let at = r.pos();
        let digits = r.chunks(r.left())?;
        parse(r.join(digits)).ok_or_else(|| DecodeError::new(FrameErrorKind::Digits, at))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_back() {
        for n in [0, 7, -1, 10, 99, 100, i64::MAX, i64::MIN + 1, -1_000_000] {
            let mut text = Text::default();
            text.digits(n);
            assert_eq!(text.as_bytes(), n.to_string().as_bytes());
            assert_eq!(size(n), text.len);
            assert_eq!(parse(text.as_bytes()), Some(n));
        }
        for text in ["", "-", "1x", "99999999999999999999", "--1", "1 "] {
            assert_eq!(parse::<i64>(text.as_bytes()), None, "{text}");
        }
        assert_eq!((parse::<u8>(b"256"), parse::<u8>(b"255")), (None, Some(255)));
    }
}
