//! Counters, gauges and histograms in memory: what many threads add to at once is [striped](super::stripes).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crossbeam_utils::CachePadded;

use super::stripes::{Access, Stripes};

/// A count that grows.
pub(super) struct Count(Stripes<CachePadded<AtomicU64>>);

impl Default for Count {
    fn default() -> Self {
        Self(Stripes::new(CachePadded::default()))
    }
}

impl Count {
    pub(super) fn sum(&self) -> u64 {
        self.0.all().map(|stripe| stripe.load(Relaxed)).sum()
    }
}

impl metrics::CounterFn for Count {
    fn increment(&self, value: u64) {
        let (cell, access) = self.0.mine(CachePadded::default);
        access.update(cell, |sum| sum.wrapping_add(value));
    }

    fn absolute(&self, value: u64) {
        // A counter is set or incremented, as a rule: all of it stands in one stripe then.
        self.0.shared().fetch_max(value, Relaxed);
    }
}

/// A value that goes up and down, as the bits of a number.
#[derive(Default)]
pub(super) struct Level(AtomicU64);

impl Level {
    pub(super) fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }
}

/// Returns the bits of the number of `bits` and `value` together.
fn plus(bits: u64, value: f64) -> u64 {
    (f64::from_bits(bits) + value).to_bits()
}

impl metrics::GaugeFn for Level {
    fn increment(&self, value: f64) {
        Access::Shared.update(&self.0, |bits| plus(bits, value));
    }

    fn decrement(&self, value: f64) {
        Access::Shared.update(&self.0, |bits| plus(bits, -value));
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }
}

/// A histogram with fixed buckets.
pub(super) struct Buckets {
    /// The upper bounds, without the last one, which has none.
    bounds: Box<[f64]>,
    /// In each stripe the counts of the buckets, then the sum.
    stripes: Stripes<Box<[AtomicU64]>>,
}

/// The values of a histogram.
pub(super) struct Histogram<'a> {
    /// Upper bounds, each with the number of values up to it.
    pub(super) cumulative: Vec<(&'a f64, u64)>,
    pub(super) count: u64,
    pub(super) sum: f64,
}

impl Buckets {
    pub(super) fn new(bounds: &[f64]) -> Self {
        Self { bounds: bounds.into(), stripes: Stripes::new(cells(bounds.len())) }
    }

    pub(super) fn read(&self) -> Histogram<'_> {
        let of = |at: usize| self.stripes.all().map(|s| s[at].load(Relaxed)).sum::<u64>();
        let mut count = 0;
        let mut cumulative = Vec::with_capacity(self.bounds.len());
        for (at, bound) in self.bounds.iter().enumerate() {
            count += of(at);
            cumulative.push((bound, count));
        }
        count += of(self.bounds.len());
        let at = self.bounds.len() + 1;
        let sum = self.stripes.all().map(|s| f64::from_bits(s[at].load(Relaxed))).sum();
        Histogram { cumulative, count, sum }
    }
}

/// Returns the cells of a stripe of a histogram with so many bounds.
fn cells(bounds: usize) -> Box<[AtomicU64]> {
    (0..bounds + 2).map(|_| AtomicU64::new(0)).collect()
}

impl metrics::HistogramFn for Buckets {
    fn record(&self, value: f64) {
        let (cells, access) = self.stripes.mine(|| cells(self.bounds.len()));
        // Most values are small: they are found at once.
        let at = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        access.update(&cells[at], |count| count + 1);
        access.update(&cells[self.bounds.len() + 1], |bits| plus(bits, value));
    }
}

#[cfg(test)]
mod tests {
    use metrics::{CounterFn, GaugeFn, HistogramFn};

    use super::*;

    #[test]
    fn values_fall_into_the_first_bucket_that_holds_them() {
        let buckets = Buckets::new(&[1.0, 2.0]);
        for value in [0.5, 1.0, 1.5, 2.5] {
            buckets.record(value);
        }
        let read = buckets.read();
        assert_eq!(read.cumulative, [(&1.0, 2), (&2.0, 3)]);
        assert_eq!((read.count, read.sum), (4, 5.5));
    }

    #[test]
    fn threads_add_to_one_sum() {
        let (count, level) = (Count::default(), Level::default());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..100).for_each(|_| count.increment(2)));
            }
        });
        level.set(3.0);
        level.increment(1.5);
        level.decrement(0.5);
        assert_eq!((count.sum(), level.get()), (600, 4.0));
    }
}
