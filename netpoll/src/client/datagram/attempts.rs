//! [`Attempts`]: when a request is sent again.

use std::time::Duration;

/// The policy of retransmission: how often a request is sent, and how long each reply is waited for.
///
/// ```
/// use netpoll::client::Attempts;
/// use std::time::Duration;
///
/// // 200 ms, 400 ms, 800 ms, 1 s.
/// let attempts = Attempts::new(4)
///     .wait_first(Duration::from_millis(200))
///     .backoff(2)
///     .wait_most(Duration::from_secs(1));
/// assert_eq!(attempts.total(), Duration::from_millis(2_400));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Attempts {
    pub(super) attempts: u32,
    first: Duration,
    factor: u32,
    most: Duration,
}

impl Default for Attempts {
    /// Three attempts, which wait for 1 s, 2 s and 4 s.
    fn default() -> Self {
        Self::new(3)
    }
}

impl Attempts {
    /// Sends a request `attempts` times at most, at least once.
    pub fn new(attempts: u32) -> Self {
        let (first, most) = (Duration::from_secs(1), Duration::from_secs(60));
        Self { attempts: attempts.max(1), first, factor: 2, most }
    }

    /// Sets how long the first reply is waited for. Default: 1 s.
    pub fn wait_first(mut self, wait: Duration) -> Self {
        self.first = wait;
        self
    }

    /// Multiplies each wait by `factor` for the next one. Default: 2; 1 keeps it.
    pub fn backoff(mut self, factor: u32) -> Self {
        self.factor = factor.max(1);
        self
    }

    /// Sets the longest wait. Default: 60 s.
    pub fn wait_most(mut self, wait: Duration) -> Self {
        self.most = wait;
        self
    }

    /// The wait after the attempt of that number, counted from 0.
    pub(super) fn wait(&self, attempt: u32) -> Duration {
        let factor = self.factor.saturating_pow(attempt);
        self.first.saturating_mul(factor).min(self.most)
    }

    /// The time after which a call without an answer fails.
    pub fn total(&self) -> Duration {
        (0..self.attempts).fold(Duration::ZERO, |sum, n| sum.saturating_add(self.wait(n)))
    }
}
