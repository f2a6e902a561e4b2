//! Counters, gauges and histograms in memory: what many threads add to at once is striped over cache lines.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

use crossbeam_utils::CachePadded;

/// Stripes of a counter and of a histogram.
const STRIPES: usize = 8;

/// The stripe of this thread.
fn stripe() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static MINE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    match MINE.get() {
        usize::MAX => {
            let mine = NEXT.fetch_add(1, Relaxed) % STRIPES;
            MINE.set(mine);
            mine
        }
        mine => mine,
    }
}

/// A count that grows.
#[derive(Default)]
pub(super) struct Count([CachePadded<AtomicU64>; STRIPES]);

impl Count {
    pub(super) fn sum(&self) -> u64 {
        self.0.iter().map(|stripe| stripe.load(Relaxed)).sum()
    }
}

impl metrics::CounterFn for Count {
    fn increment(&self, value: u64) {
        self.0[stripe()].fetch_add(value, Relaxed);
    }

    fn absolute(&self, value: u64) {
        // A counter is set or incremented, as a rule: all of it stands in the first stripe then.
        self.0[0].fetch_max(value, Relaxed);
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

/// Adds `value` to the number whose bits `cell` holds.
fn add(cell: &AtomicU64, value: f64) {
    let _ =
        cell.fetch_update(Relaxed, Relaxed, |bits| Some((f64::from_bits(bits) + value).to_bits()));
}

impl metrics::GaugeFn for Level {
    fn increment(&self, value: f64) {
        add(&self.0, value);
    }

    fn decrement(&self, value: f64) {
        add(&self.0, -value);
    }

    fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }
}

/// A histogram with fixed buckets.
pub(super) struct Buckets {
    /// The upper bounds, without the last one, which has none.
    bounds: Box<[f64]>,
    /// For each stripe the counts of the buckets, then the sum.
    stripes: [CachePadded<Box<[AtomicU64]>>; STRIPES],
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
        let cells = || (0..bounds.len() + 2).map(|_| AtomicU64::new(0)).collect::<Box<[_]>>();
        Self { bounds: bounds.into(), stripes: std::array::from_fn(|_| CachePadded::new(cells())) }
    }

    pub(super) fn read(&self) -> Histogram<'_> {
        let of = |at: usize| self.stripes.iter().map(|s| s[at].load(Relaxed)).sum::<u64>();
        let mut count = 0;
        let mut cumulative = Vec::with_capacity(self.bounds.len());
        for (at, bound) in self.bounds.iter().enumerate() {
            count += of(at);
            cumulative.push((bound, count));
        }
        count += of(self.bounds.len());
        let at = self.bounds.len() + 1;
        let sum = self.stripes.iter().map(|s| f64::from_bits(s[at].load(Relaxed))).sum();
        Histogram { cumulative, count, sum }
    }
}

impl metrics::HistogramFn for Buckets {
    fn record(&self, value: f64) {
        let cells = &self.stripes[stripe()];
        // Most values are small: they are found at once.
        let at = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        cells[at].fetch_add(1, Relaxed);
        add(&cells[self.bounds.len() + 1], value);
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
