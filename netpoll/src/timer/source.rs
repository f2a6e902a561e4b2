//! Where a clock's time comes from. In this build from the system: the feature `testing` puts
//! `by_hand` in this module's place.

use std::{
    sync::LazyLock,
    task::Waker,
    time::{Duration, Instant},
};

use crate::primitive::thread;

static BASE: LazyLock<Instant> = LazyLock::new(Instant::now);

/// The system's time since the process's first look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Source(());

impl Source {
    pub(super) fn age(self) -> Duration {
        BASE.elapsed()
    }

    pub(super) fn instant(self, age: Duration) -> Option<Instant> {
        BASE.checked_add(age)
    }

    /// How long a wait of `left` may last; `None` where the end is told instead.
    #[inline(always)]
    pub(super) fn limit(self, left: Duration) -> Option<Duration> {
        Some(left)
    }

    /// Parks this thread until `age`, or until it is unparked, as `waker` does.
    pub(super) fn park(self, age: Duration, _waker: &Waker) {
        thread::park_timeout(age.saturating_sub(self.age()));
    }

    /// Calls `tell` whenever the time was changed, until it gives false.
    #[inline(always)]
    pub(super) fn on_change(self, _tell: impl Fn() -> bool + Send + 'static) {}
}
