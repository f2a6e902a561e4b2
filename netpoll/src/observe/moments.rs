//! When a request came, and when its handler began.

use std::time::{Duration, Instant};

/// The moments of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moments {
    pub(crate) arrived: Instant,
    pub(crate) begun: Instant,
    /// The bytes of the request.
    pub(crate) received: usize,
}

impl Moments {
    pub(crate) fn queued(&self) -> Duration {
        if self.begun == self.arrived {
            return Duration::ZERO;
        }
        self.begun.duration_since(self.arrived)
    }
}
