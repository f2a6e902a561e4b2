//! Time in ticks of one millisecond: the [`Clock`] and the timer [`Wheel`].
//!
//! The wheel never forgets and never moves an entry on request. A deadline that moves is a store
//! to whatever owns it; when the old entry fires, its owner's deadline is looked at again and a new
//! entry is made if it has not come.

mod wheel;

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

pub(crate) use wheel::Wheel;

/// What tells the time, in ticks of one millisecond since the process's first look at a clock.
///
/// Everything that measures deadlines asks the clock it was given, so that a test may give it one
/// that stands still. The first tick is 1: zero is free to mean "no deadline".
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(());

/// The instant at which `delay` from now has passed; one decades away where that would be past what
/// an `Instant` can express.
pub(crate) fn instant_after(delay: Duration) -> Instant {
    const DECADES: Duration = Duration::from_secs(30 * 365 * 86_400);
    let now = Instant::now();
    now.checked_add(delay).unwrap_or_else(|| now + DECADES)
}

static BASE: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock {
    /// The tick that is running.
    pub(crate) fn now_ms(&self) -> u64 {
        let age = self.age();
        age.as_secs() * 1_000 + u64::from(age.subsec_millis()) + 1
    }

    /// The first tick at which `delay` has passed in full; the last tick of all if that never comes.
    pub(crate) fn tick_after(&self, delay: Duration) -> u64 {
        first_tick(self.age().saturating_add(delay))
    }

    /// The first tick at which `instant` has come.
    pub(crate) fn tick_at(&self, instant: Instant) -> u64 {
        first_tick(instant.saturating_duration_since(*BASE))
    }

    /// How long it is until `tick` begins; zero if it has begun.
    pub(crate) fn until(&self, tick: u64) -> Duration {
        Duration::from_millis(tick.saturating_sub(1)).saturating_sub(self.age())
    }

    fn age(&self) -> Duration {
        BASE.elapsed()
    }
}

/// The first tick at which `age` has passed since the first look at a clock.
fn first_tick(age: Duration) -> u64 {
    u64::try_from(age.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_come_at_its_tick_and_not_before() {
        let clock = Clock::default();
        clock.now_ms();
        let at = Instant::now() + Duration::from_micros(2_300);
        let tick = clock.tick_at(at);
        while clock.now_ms() < tick {
            std::thread::sleep(clock.until(tick));
        }
        assert!(Instant::now() >= at);
        assert!(clock.tick_at(Instant::now()) <= clock.now_ms() + 1);
    }

    #[test]
    fn a_delay_is_never_cut_short() {
        let clock = Clock::default();
        let (start, delay) = (Instant::now(), Duration::from_micros(2_300));
        let tick = clock.tick_after(delay);
        while clock.now_ms() < tick {
            std::thread::sleep(clock.until(tick));
        }
        assert!(start.elapsed() >= delay);
        assert_eq!(clock.until(tick), Duration::ZERO);
    }

    #[test]
    fn a_delay_without_end_is_the_last_tick() {
        assert_eq!(Clock::default().tick_after(Duration::MAX), u64::MAX);
    }
}
