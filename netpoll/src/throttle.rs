//! Log lines that cannot flood: one in a while, with the number of those left out.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::timer::Clock;

/// Admits one event in each interval and counts the rest.
#[derive(Debug)]
pub(crate) struct Throttle {
    interval_ms: u64,
    next: AtomicU64,
    skipped: AtomicU64,
}

impl Throttle {
    pub(crate) const fn every(interval: Duration) -> Self {
        let interval_ms = interval.as_millis() as u64;
        Self { interval_ms, next: AtomicU64::new(0), skipped: AtomicU64::new(0) }
    }

    /// Whether to log: then with how many were left out since the last time.
    pub(crate) fn admit(&self, clock: Clock) -> Option<u64> {
        let now = clock.now_ms();
        let next = self.next.load(Relaxed);
        let admitted = now >= next
            && self.next.compare_exchange(next, now + self.interval_ms, Relaxed, Relaxed).is_ok();
        if admitted {
            return Some(self.skipped.swap(0, Relaxed));
        }
        self.skipped.fetch_add(1, Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_in_an_interval_and_the_rest_counted() {
        let throttle = Throttle::every(Duration::from_secs(3600));
        let clock = Clock::default();
        assert_eq!(throttle.admit(clock), Some(0));
        assert_eq!([throttle.admit(clock), throttle.admit(clock)], [None, None]);
        assert_eq!(throttle.skipped.load(Relaxed), 2);
    }
}
