//! What the load generator saw over a length of time.

use std::io;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest latency that is told apart, in nanoseconds.
const LONGEST_NANOS: u64 = 60_000_000_000;

/// Replies and errors over a length of time.
#[derive(Clone, Debug)]
pub struct Window {
    /// Latencies of requests whose handler does not sleep, in nanoseconds.
    pub fast: Histogram<u64>,
    /// Latencies of requests whose handler is asked to sleep, in nanoseconds.
    pub slow: Histogram<u64>,
    /// What went wrong.
    pub errors: Errors,
}

impl Default for Window {
    fn default() -> Self {
        let empty = || Histogram::new_with_bounds(1, LONGEST_NANOS, 3).expect("valid bounds");
        Self { fast: empty(), slow: empty(), errors: Errors::default() }
    }
}

impl Window {
    pub(crate) fn record(&mut self, latency: Duration, slow: bool) {
        let histogram = if slow { &mut self.slow } else { &mut self.fast };
        histogram.saturating_record(latency.as_nanos() as u64);
    }

    /// Requests that were answered.
    pub fn requests(&self) -> u64 {
        self.fast.len() + self.slow.len()
    }
}

/// Percentiles of latencies, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The median.
    pub p50_us: f64,
    /// 99 of 100 are not longer.
    pub p99_us: f64,
    /// 999 of 1,000 are not longer.
    pub p999_us: f64,
}

impl From<&Histogram<u64>> for Latency {
    fn from(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Self { p50_us: at(0.5), p99_us: at(0.99), p999_us: at(0.999) }
    }
}

/// Counts of what went wrong, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errors {
    /// Replies that were not what was asked for.
    pub wrong: u64,
    /// Connections that the server closed or reset.
    pub closed: u64,
    /// Connections that failed in another way.
    pub other: u64,
    /// Requests that were never answered.
    pub lost: u64,
}

impl Errors {
    pub(super) fn count(&mut self, error: &io::Error) {
        match error.kind() {
            io::ErrorKind::InvalidData => self.wrong += 1,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe => self.closed += 1,
            _ => self.other += 1,
        }
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.wrong + self.closed + self.other + self.lost
    }

    /// Adds another window's counts.
    pub fn add(&mut self, other: &Self) {
        self.wrong += other.wrong;
        self.closed += other.closed;
        self.other += other.other;
        self.lost += other.lost;
    }
}
