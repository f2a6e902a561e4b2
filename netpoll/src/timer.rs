//! Time in ticks of one millisecond: the [`Clock`] and the timer [`Wheel`].
//!
//! The wheel never forgets and never moves an entry on request. A deadline that moves is a store
//! to whatever owns it; when the old entry fires, its owner's deadline is looked at again and a new
//! entry is made if it has not come.

#[cfg(feature = "testing")]
mod by_hand;
#[cfg(not(feature = "testing"))]
mod source;
mod wheel;

use std::{
    task::Waker,
    time::{Duration, Instant},
};

#[cfg(feature = "testing")]
pub(crate) use by_hand::Hand;
#[cfg(feature = "testing")]
use by_hand::Source;
#[cfg(not(feature = "testing"))]
use source::Source;
pub(crate) use wheel::Wheel;

/// What tells the time, in ticks of one millisecond since it began.
///
/// Everything that measures deadlines asks the clock it was given, so that a test may give it one
/// that stands still. The first tick is 1: zero is free to mean "no deadline".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clock(Source);

/// A moment on a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    clock: Clock,
    age: Duration,
}

impl Clock {
    /// A clock that a test turns.
    #[cfg(feature = "testing")]
    pub(crate) fn by_hand(hand: &'static Hand) -> Self {
        Self(Source::of(hand))
    }

    /// The tick that is running.
    pub(crate) fn now_ms(self) -> u64 {
        let age = self.0.age();
        age.as_secs() * 1_000 + u64::from(age.subsec_millis()) + 1
    }

    /// The first tick at which `delay` has passed in full; the last tick of all if that never comes.
    pub(crate) fn tick_after(self, delay: Duration) -> u64 {
        first_tick(self.0.age().saturating_add(delay))
    }

    /// The first tick at which `moment`, perhaps another clock's, has come.
    pub(crate) fn tick_at(self, moment: Moment) -> u64 {
        if moment.clock == self { first_tick(moment.age) } else { self.tick_after(moment.left()) }
    }

    /// How long it may be waited for `tick`, zero if it has begun; `None` for as long as nobody tells
    /// of a change.
    pub(crate) fn limit(self, tick: u64) -> Option<Duration> {
        let begins = Duration::from_millis(tick.saturating_sub(1));
        self.0.limit(begins.saturating_sub(self.0.age()))
    }

    /// Calls `tell` after each change of the time that a wait within [`limit`](Self::limit) would not
    /// see, until it gives false.
    pub(crate) fn on_change(self, tell: impl Fn() -> bool + Send + 'static) {
        self.0.on_change(tell);
    }

    /// This moment.
    pub(crate) fn now(self) -> Moment {
        Moment { clock: self, age: self.0.age() }
    }

    /// The moment at which `delay` has passed.
    pub(crate) fn after(self, delay: Duration) -> Moment {
        self.now().after(delay)
    }
}

impl Moment {
    /// The moment so much later.
    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { age: self.age.saturating_add(delay), ..self }
    }

    /// How long after `earlier` it is, a moment of the same clock; zero if it is not after it.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.age.saturating_sub(earlier.age)
    }

    /// How long it is until then; zero if it has passed.
    pub(crate) fn left(self) -> Duration {
        self.age.saturating_sub(self.clock.0.age())
    }

    /// Whether it has come.
    pub(crate) fn has_passed(self) -> bool {
        self.left().is_zero()
    }

    /// The moment that leaves one of `parts` of the time that is left.
    pub(crate) fn share(self, parts: u32) -> Self {
        self.clock.after(self.left() / parts)
    }

    /// As an instant, where it can be one.
    pub(crate) fn instant(self) -> Option<Instant> {
        self.clock.0.instant(self.age)
    }

    /// Parks this thread until then, or until it is unparked, as `waker` does.
    pub(crate) fn park(self, waker: &Waker) {
        self.clock.0.park(self.age, waker);
    }
}

/// The first tick at which `delay` has passed in full, whenever it began in the tick `now`.
pub(crate) fn tick_after(now: u64, delay: Duration) -> u64 {
    // The tick ends `now` milliseconds after the beginning, so that the delay begins before that.
    now.saturating_add(first_tick(delay))
}

/// The first tick at which `age` has passed since the first look at a clock.
fn first_tick(age: Duration) -> u64 {
    let part = u64::from(age.subsec_nanos().div_ceil(1_000_000));
    age.as_secs().saturating_mul(1_000).saturating_add(part).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_has_come_at_its_tick_and_not_before() {
        let clock = Clock::default();
        clock.now_ms();
        let at = clock.after(Duration::from_micros(2_300));
        let tick = clock.tick_at(at);
        while clock.now_ms() < tick {
            std::thread::sleep(clock.limit(tick).unwrap());
        }
        assert!(at.has_passed());
        assert!(clock.tick_at(clock.after(Duration::ZERO)) <= clock.now_ms() + 1);
    }

    #[test]
    fn a_delay_is_never_cut_short() {
        let clock = Clock::default();
        let (start, delay) = (Instant::now(), Duration::from_micros(2_300));
        let tick = clock.tick_after(delay);
        while clock.now_ms() < tick {
            std::thread::sleep(clock.limit(tick).unwrap());
        }
        assert!(start.elapsed() >= delay);
        assert_eq!(clock.limit(tick), Some(Duration::ZERO));
    }

    #[test]
    fn a_delay_from_some_time_in_a_tick_is_not_cut_short_either() {
        let clock = Clock::default();
        for micros in [0, 1, 999, 1_000, 2_300] {
            let delay = Duration::from_micros(micros);
            let (now, at) = (clock.now_ms(), clock.after(delay));
            let (least, tick) = (clock.tick_at(at), tick_after(clock.now_ms(), delay));
            assert!(tick >= least && tick_after(now, delay) <= least + 2, "{delay:?}");
        }
    }

    #[test]
    fn a_delay_without_end_is_the_last_tick() {
        assert_eq!(tick_after(1, Duration::MAX), u64::MAX);
        assert_eq!(Clock::default().tick_after(Duration::MAX), u64::MAX);
    }
}
