//! Steps of derived scans.

use super::size::{Size, amount};
use crate::frame::{
    ascii::{self, Spelling},
    cursor::{Cursor, Stop},
    error::{FrameErrorKind, ScanError},
    ints::Int,
    prefix::Prefix,
    wire::Wire,
};

/// Returns the bytes that `number` counts, in a scan.
#[inline]
pub fn scan_amount(
    c: &Cursor<'_>,
    number: impl Size,
    unit: i64,
    bias: i64,
    max: usize,
) -> Result<usize, Stop> {
    amount(number, unit, bias, max).map_err(|kind| c.fail(kind))
}

/// Reads a count in a scan.
#[inline]
pub fn scan_count(c: &Cursor<'_>, number: impl Size) -> Result<i64, Stop> {
    number.number().map_err(|kind| c.fail(kind))
}

/// Passes a field that has to say itself how long it is.
#[inline]
pub fn skip_own<T: Wire<'static, S>, S>(
    state: &mut T::Skip,
    c: &mut Cursor<'_>,
) -> Result<(), Stop> {
    const { assert!(!T::FILLS, "nothing says how long this field is: `prefix`, `size`, ..") };
    T::skip(state, c)
}

/// Reads a prefix in a scan.
#[inline]
pub fn scan_prefix<P: Prefix<S>, S>(c: &mut Cursor<'_>) -> Result<i64, Stop> {
    P::scan(c)
}

/// Passes a self-recursive type whose elements are scanned one after the other: `owed` are still
/// to come, and `one` may add to them.
pub fn flat<K: Default>(
    state: &mut Flat<K>,
    c: &mut Cursor<'_>,
    min: usize,
    mut one: impl FnMut(&mut K, &mut usize, &mut Cursor<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    loop {
        let owed = state.owed.saturating_mul(min);
        if owed > c.max() {
            return Err(c.need(owed));
        }
        c.owe(owed);
        one(&mut state.one, &mut state.owed, c)?;
        c.settle(owed);
        if state.owed == 0 {
            return Ok(());
        }
        *state = Flat { owed: state.owed - 1, one: K::default() };
        c.commit();
    }
}

/// The state of [`flat`].
#[derive(Debug)]
pub struct Flat<K> {
    owed: usize,
    one: K,
}

impl<K: Default> Default for Flat<K> {
    #[inline]
    fn default() -> Self {
        Self { owed: 0, one: K::default() }
    }
}

/// Adds `n` elements of `each` to `owed`.
#[inline]
pub fn owe(c: &Cursor<'_>, owed: &mut usize, n: i64, each: usize) -> Result<(), Stop> {
    let n = usize::try_from(n).map_err(|_| c.fail(FrameErrorKind::Length(n.into())))?;
    *owed = owed.saturating_add(n.saturating_mul(each));
    Ok(())
}

/// Passes `n` bytes and the constant `tail` behind them: where something else stands there, the
/// next field would begin within this one.
#[inline]
pub fn skip_tail<const N: usize>(c: &mut Cursor<'_>, n: usize, tail: &[u8; N]) -> Result<(), Stop> {
    if n.saturating_add(N) > c.left() {
        return Err(c.need(n.saturating_add(N)));
    }
    c.skip(n)?;
    let at = c.pos();
    if c.take::<N>()? == *tail {
        return Ok(());
    }
    Err(ScanError::new(FrameErrorKind::Magic, at).into())
}

/// Checks that the constant `expected` stands next, in a scan.
#[inline]
pub fn scan_constant<const N: usize>(c: &mut Cursor<'_>, expected: &[u8; N]) -> Result<(), Stop> {
    if c.take::<N>()? == *expected { Ok(()) } else { Err(c.fail(FrameErrorKind::Magic)) }
}

/// Checks a condition of the format in a scan.
#[inline]
pub fn scan_check(
    c: &Cursor<'_>,
    holds: bool,
    kind: impl FnOnce() -> FrameErrorKind,
) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(c.fail(kind())) }
}

/// Passes to the delimiter's end, for a number of digits; gives the number.
#[inline]
pub fn scan_digits<T: Int, A: Spelling>(c: &mut Cursor<'_>, delimiter: &[u8]) -> Result<T, Stop> {
    if delimiter == b"\r\n"
        && let Some(n) = c.short_number()
    {
        return T::narrow(n.into()).ok_or_else(|| c.fail(FrameErrorKind::Digits));
    }
    let (text, n) = c.text::<20>(delimiter)?;
    ascii::parse(&text[..n], A::STRICT).ok_or_else(|| c.fail(FrameErrorKind::Digits))
}
