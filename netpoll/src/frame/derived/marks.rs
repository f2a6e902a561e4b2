//! Steps of derived marks.

use std::time::Duration;

use crate::frame::{MetadataEntry, Route, ints::Int};

/// A field that the mark `route` stands on.
pub trait AsRoute {
    /// Returns the name of the method.
    fn as_route(&self) -> Route<'_>;
}

impl AsRoute for str {
    #[inline]
    fn as_route(&self) -> Route<'_> {
        Route::Text(self)
    }
}

impl AsRoute for [u8] {
    #[inline]
    fn as_route(&self) -> Route<'_> {
        Route::Bytes(self)
    }
}

impl<T: Int> AsRoute for T {
    #[inline]
    fn as_route(&self) -> Route<'_> {
        Route::Number(self.widen())
    }
}

/// Returns the value of the first of `entries` whose name is `name`.
pub fn entry_of<'f, E: MetadataEntry>(entries: &'f [E], name: &str) -> Option<&'f [u8]> {
    entries.iter().find(|entry| entry.name() == name).map(MetadataEntry::value)
}

/// Returns the time of `value` units of `nanos` nanoseconds; zero and less are none.
pub fn time_of<T: Int>(value: T, nanos: u64) -> Option<Duration> {
    let units = u64::try_from(value.widen()).ok().filter(|&units| units > 0)?;
    let nanos = u128::from(units) * u128::from(nanos);
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, (nanos % 1_000_000_000) as u32))
}

/// Returns the units of `nanos` nanoseconds in `time`, rounded down but to one at least, and as
/// many as `T` can hold at most; none is zero.
pub fn time_in<T: Int>(time: Option<Duration>, nanos: u64) -> T {
    let Some(time) = time else { return T::default() };
    let units = (time.as_nanos() / u128::from(nanos)).clamp(1, i128::MAX as u128) as i128;
    let most = || (1..i128::BITS - 1).rev().find_map(|bits| T::narrow((1 << bits) - 1));
    T::narrow(units).or_else(most).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn times_keep_within_what_their_type_holds() {
        let time = Duration::from_millis;
        assert_eq!(time_in::<u32>(None, MS), 0);
        assert_eq!(time_in::<u32>(Some(Duration::ZERO), MS), 1);
        assert_eq!(time_in::<u32>(Some(Duration::from_micros(1_999)), MS), 1);
        assert_eq!(time_in::<u8>(Some(time(256)), MS), 255);
        assert_eq!(time_in::<i8>(Some(time(256)), MS), 127);
        assert_eq!(time_in::<i64>(Some(Duration::MAX), 1), i64::MAX);
        assert_eq!(time_in::<u64>(Some(Duration::MAX), 1), u64::MAX);
        assert_eq!(time_of(0u32, MS), None);
        assert_eq!(time_of(-1i32, MS), None);
        assert_eq!(time_of(1_500u16, MS), Some(time(1_500)));
        assert_eq!(time_of(u64::MAX, 1_000_000_000), Some(Duration::from_secs(u64::MAX)));
    }
}
