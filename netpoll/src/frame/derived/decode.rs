//! Steps of derived decoders.

use std::fmt::Display;

use super::size::{Size, amount};
use crate::frame::{
    checksum::Checksum,
    decoder::Decoder,
    error::{DecodeError, FrameErrorKind},
    ints::Int,
    prefix::Prefix,
    wire::Wire,
};

/// Returns the next `N` bytes, which are the fields `names`, each with the offset where it ends.
#[inline]
pub fn run<const N: usize>(
    r: &mut Decoder<'_>,
    names: &[(&str, usize)],
) -> Result<[u8; N], DecodeError> {
    match r.take() {
        Ok(bytes) => Ok(bytes),
        Err(e) => Err(cut(e, r.left(), names)),
    }
}

#[cold]
#[inline(never)]
fn cut(e: DecodeError, left: usize, names: &[(&str, usize)]) -> DecodeError {
    match names.iter().find(|(_, end)| *end > left) {
        Some((name, _)) => e.in_field(name),
        None => e,
    }
}

/// Returns the bytes that `number` counts, in a decoder.
#[inline]
pub fn get_amount(
    r: &Decoder<'_>,
    number: impl Size,
    unit: i64,
    bias: i64,
    max: usize,
) -> Result<usize, DecodeError> {
    amount(number, unit, bias, max).map_err(|kind| r.fail(kind))
}

/// Reads a count in a decoder.
#[inline]
pub fn get_count(r: &Decoder<'_>, number: impl Size) -> Result<i64, DecodeError> {
    number.number().map_err(|kind| r.fail(kind))
}

/// Reads a prefix in a decoder.
#[inline]
pub fn get_prefix<P: Prefix<S>, S>(r: &mut Decoder<'_>) -> Result<i64, DecodeError> {
    P::get(r)
}

/// Checks that the constant `expected` stands next, in a decoder.
#[inline]
pub fn get_constant<const N: usize>(
    r: &mut Decoder<'_>,
    expected: &[u8; N],
) -> Result<(), DecodeError> {
    let at = r.pos();
    if r.take::<N>()? == *expected {
        Ok(())
    } else {
        Err(DecodeError::new(FrameErrorKind::Magic, at))
    }
}

/// Checks a condition of the format in a decoder.
#[inline]
pub fn get_check(
    at: usize,
    holds: bool,
    kind: impl FnOnce() -> FrameErrorKind,
) -> Result<(), DecodeError> {
    if holds { Ok(()) } else { Err(DecodeError::new(kind(), at)) }
}

/// Converts `value` by `f`, a function of the user's.
#[inline]
pub fn convert<A, T, E: Display>(
    at: usize,
    value: A,
    f: impl FnOnce(A) -> Result<T, E>,
) -> Result<T, DecodeError> {
    f(value).map_err(|e| DecodeError::new(FrameErrorKind::Other(e.to_string()), at))
}

/// Reads a value of `n` bytes; its type is inferred.
#[inline]
pub fn get_sized<'a, T: Wire<'a, S>, S>(r: &mut Decoder<'a>, n: usize) -> Result<T, DecodeError> {
    T::get_sized(r, n)
}

/// Reads the field `name` with `f`, from a region of `n` bytes, all of which it has to take.
#[inline]
pub fn get_within<'a, T>(
    r: &mut Decoder<'a>,
    n: usize,
    name: &str,
    f: impl FnOnce(&mut Decoder<'a>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let region = r.enter(n).map_err(|e| e.in_field(name))?;
    let value = f(r)?;
    r.finish().map_err(|e| e.in_field(name))?;
    r.leave(region)?;
    Ok(value)
}

/// Checks that `stored` is the checksum of the frame's bytes `from..to`.
pub fn verify<C: Checksum>(
    r: &Decoder<'_>,
    from: usize,
    to: usize,
    stored: C::Sum,
) -> Result<(), DecodeError> {
    let mut sum = C::default();
    r.range(from, to).for_each(|piece| sum.update(piece));
    let computed = sum.finish();
    if computed == stored {
        return Ok(());
    }
    let (stored, computed) = (stored.widen() as u64, computed.widen() as u64);
    Err(DecodeError::new(FrameErrorKind::Checksum { stored, computed }, from))
}
