//! Steps of derived encoders.

use super::size::Size;
use crate::frame::{
    checksum::Checksum,
    encoder::Encoder,
    error::{EncodeError, FrameErrorKind},
    ints::{Fixed, Int, Repr},
    prefix::Prefix,
    wire::{Wire, WireArgs},
};

/// Returns `value`, if it is not cut off where it is stored.
#[inline]
pub fn fitting<T: Int + Fixed<S>, S>(w: &Encoder<'_>, value: T) -> Result<T, EncodeError> {
    if value.fits() { Ok(value) } else { Err(w.fail(FrameErrorKind::Range(value.widen()))) }
}

/// Returns the number that stands for `bytes` of them: the inverse of `get_amount`.
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
    put_number::<P, S>(w, n as i64)
}

/// Writes the prefix `n`, and checks its size.
#[inline]
pub fn put_number<P: Prefix<S>, S>(w: &mut Encoder<'_>, n: i64) -> Result<(), EncodeError> {
    if P::EXACT {
        return P::put(n, w);
    }
    put_checked(w, P::size(n), |w| P::put(n, w))
}

/// Writes an integer in the representation `R`, and checks its size.
#[inline]
pub fn put_repr<R: Repr<T>, T: Copy>(w: &mut Encoder<'_>, value: T) -> Result<(), EncodeError> {
    if R::EXACT {
        return R::put(value, w);
    }
    put_checked(w, R::size(value), |w| R::put(value, w))
}

/// Writes a value, and checks its size unless its type is known to keep its word.
#[inline]
pub fn put_wire<'a, T: Wire<'a, S>, S>(value: &T, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
    if T::EXACT {
        return value.put(w);
    }
    put_checked(w, value.size(), |w| value.put(w))
}

/// Writes a value that is told arguments, and checks its size unless its type is known to keep its
/// word.
#[inline]
pub fn put_args<'a, T: WireArgs<'a>>(
    value: &T,
    w: &mut Encoder<'_>,
    args: T::Args,
) -> Result<(), EncodeError> {
    if T::EXACT {
        return value.put_with(w, args);
    }
    put_checked(w, value.size(), |w| value.put_with(w, args))
}

/// Writes by `put`, and checks that these are `declared` bytes: lengths before them said so.
#[inline]
pub fn put_checked(
    w: &mut Encoder<'_>,
    declared: usize,
    put: impl FnOnce(&mut Encoder<'_>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let at = w.pos();
    put(w)?;
    let written = w.pos() - at;
    if written == declared {
        return Ok(());
    }
    Err(EncodeError::new(FrameErrorKind::Size { declared, written }, at))
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
    put_wire(value, w)
}

/// Returns the checksum of the bytes `from..to` that `w` has written.
pub fn checksum<C: Checksum>(w: &Encoder<'_>, from: usize, to: usize) -> C::Sum {
    let mut sum = C::default();
    w.written(from, to).for_each(|piece| sum.update(piece));
    sum.finish()
}
