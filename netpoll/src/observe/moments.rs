//! When a request came, and when its handler began.

use std::time::Duration;

use crate::sys;

/// A moment on the system's steady clock, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Stamp {
    #[inline]
    pub(crate) fn now() -> Self {
        Self(sys::nanos())
    }

    /// Returns the time from `earlier` to this moment; zero if that is later.
    #[inline]
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The moments of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    pub(crate) arrived: Stamp,
    pub(crate) begun: Stamp,
    /// The bytes of the request.
    pub(crate) received: usize,
}

impl Moments {
    /// Returns the moments of a request that arrives and begins now.
    pub(crate) fn now(received: usize) -> Self {
        let now = Stamp::now();
        Self { arrived: now, begun: now, received }
    }

    #[inline]
    pub(crate) fn queued(&self) -> Duration {
        self.begun.since(self.arrived)
    }

    /// Returns the time since the handler began.
    pub(crate) fn handled(&self) -> Duration {
        Stamp::now().since(self.begun)
    }
}
