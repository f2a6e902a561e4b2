//! Steps of derived encoders.

use super::size::Size;
use crate::frame::{
    checksum::Checksum,
    encoder::Encoder,
    error::{EncodeError, FrameErrorKind},
    ints::{Fixed, Int},
    prefix::Prefix,
    wire::Wire,
};

/// Returns `value`, if it is not cut off where it is stored.
#[inline]
pub fn fitting<T: Int + Fixed<S>, S>(w: &Encoder<'_>, value: T) -> Result<T, EncodeError> {
    if value.fits() { Ok(value) } else { Err(w.fail(FrameErrorKind::Range(value.widen()))) }
}

/// Returns the number that stands for `bytes` of them: the inverse of [`get_amount`].
#[inline]
pub fn put_amount<T: Int>(
    w: &Encoder<'_>,
    bytes: usize,
    unit: i64,
    bias: i64,
    max: usize,
) -> Result<T, EncodeError> {
    let excess = bytes as i64 - bias;
    if bytes > max {
        return Err(w.fail(FrameErrorKind::TooLarge { size: bytes, max }));
    }
    if excess % unit != 0 {
        return Err(w.fail(FrameErrorKind::Length(excess.into())));
    }
    let number = excess / unit;
    match T::narrow(number.into()) {
        Some(number) => Ok(number),
        None => Err(w.fail(FrameErrorKind::Range(number.into()))),
    }
}

/// Checks that a value has as many bytes, or elements, as the fields before it say.
#[inline]
pub fn same_size(w: &Encoder<'_>, is: usize, said: impl Size) -> Result<(), EncodeError> {
    match said.number() {
        Ok(n) if n == is as i64 => Ok(()),
        Ok(_) => Err(w.fail(FrameErrorKind::Length(is as i128))),
        Err(kind) => Err(w.fail(kind)),
    }
}

/// Writes a prefix in an encoder.
#[inline]
pub fn put_prefix<P: Prefix<S>, S>(
    w: &mut Encoder<'_>,
    n: usize,
    max: usize,
) -> Result<(), EncodeError> {
    if n > max {
        return Err(w.fail(FrameErrorKind::TooLarge { size: n, max }));
    }
    P::put(n as i64, w)
}

/// Checks a condition of the format in an encoder.
#[inline]
pub fn put_check(
    w: &Encoder<'_>,
    holds: bool,
    kind: impl FnOnce() -> FrameErrorKind,
) -> Result<(), EncodeError> {
    if holds { Ok(()) } else { Err(w.fail(kind())) }
}

/// Returns the number of bytes of a value; its type is inferred.
#[inline]
pub fn size_of<'a, T: Wire<'a, S>, S>(value: &T) -> usize {
    value.size()
}

/// Writes a value; its type is inferred.
#[inline]
pub fn put_value<'a, T: Wire<'a, S>, S>(value: &T, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
    value.put(w)
}

/// Returns the checksum of the bytes `from..to` that `w` has written.
pub fn checksum<C: Checksum>(w: &Encoder<'_>, from: usize, to: usize) -> C::Sum {
    let mut sum = C::default();
    w.written(from, to).for_each(|piece| sum.update(piece));
    sum.finish()
}
