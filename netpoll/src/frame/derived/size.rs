//! Sizes and counts: what gives them, and what is known of them when a frame is compiled.

use std::fmt::Display;

use crate::frame::{
    error::FrameErrorKind,
    ints::Int,
    wire::{self, Wire},
};

/// A number or a `Result` of one, as lengths, sizes and counts are given.
#[diagnostic::on_unimplemented(
    message = "a size is an integer, or a `Result` of one, not `{Self}`",
    label = "not a size"
)]
pub trait Size {
    /// Returns the number.
    fn number(self) -> Result<i64, FrameErrorKind>;
}

impl<T: Int> Size for T {
    #[inline]
    fn number(self) -> Result<i64, FrameErrorKind> {
        Ok(self.widen().min(i64::MAX.into()) as i64)
    }
}

impl<T: Int, E: Display> Size for Result<T, E> {
    fn number(self) -> Result<i64, FrameErrorKind> {
        match self {
            Ok(n) => n.number(),
            Err(e) => Err(FrameErrorKind::Other(e.to_string())),
        }
    }
}

/// Returns the bytes that `number` counts: `number * unit + bias`, at most `max`.
#[inline]
pub(super) fn amount(
    number: impl Size,
    unit: i64,
    bias: i64,
    max: usize,
) -> Result<usize, FrameErrorKind> {
    let n = number.number()?.saturating_mul(unit).saturating_add(bias);
    match usize::try_from(n) {
        Ok(size) if size <= max => Ok(size),
        Ok(size) => Err(FrameErrorKind::TooLarge { size, max }),
        Err(_) => Err(FrameErrorKind::Length(n.into())),
    }
}

/// Requires that `T` can stand in a frame.
pub const fn stands<T: Wire<'static, S>, S>() {}

/// Requires that `T` can stand in a frame and says itself how long it is; else `error` is reported.
#[track_caller]
pub const fn ends<T: Wire<'static, S>, S>(error: &str) {
    assert!(!T::FILLS, "{}", error);
}

/// Returns the bytes from `n` to the next multiple of `align`.
#[inline]
pub const fn gap(n: usize, align: usize) -> usize {
    n.next_multiple_of(align) - n
}

/// The sum of sizes that are all fixed.
pub const fn sum<const N: usize>(sizes: [Option<usize>; N]) -> Option<usize> {
    wire::sum(sizes)
}

/// The least of `sizes`.
pub const fn least<const N: usize>(sizes: [usize; N]) -> usize {
    let mut least = sizes[0];
    let mut i = 1;
    while i < N {
        if sizes[i] < least {
            least = sizes[i];
        }
        i += 1;
    }
    least
}
