//! The results of a benchmark: samples by case and peer, their medians, ranges and ratios.

use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::measure::Sample;

/// All that a benchmark showed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// Whose processor time, system calls and memory the samples hold: "server" or "client".
    pub measured: String,
    /// The machine.
    pub machine: String,
    /// Seconds that each sample was measured for.
    pub secs: f64,
    /// Rounds; each has a sample of every peer.
    pub rounds: usize,
    /// Samples by case and peer, in the order of the command line.
    pub rows: Vec<Row>,
    /// Peers that could not take part.
    pub left_out: Vec<LeftOut>,
}

/// The samples of one peer in one case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The load.
    pub case: Case,
    /// The peer's name.
    pub peer: String,
    /// A description, for the report.
    pub about: String,
    /// A sample for each round; none for a round that failed.
    pub samples: Vec<Option<Sample>>,
    /// What failed.
    pub failures: Vec<String>,
}

/// A peer that could not take part, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name.
    pub peer: String,
    /// The reason.
    pub why: String,
}

/// A figure of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Requests a second.
    PerSecond,
    /// Processor time for each request, in microseconds.
    Cpu,
    /// The median latency, in microseconds.
    P50,
    /// Of 100 requests 99 are not slower, in microseconds.
    P99,
    /// Of 1,000 requests 999 are not slower, in microseconds.
    P999,
    /// The same as `P99`, of requests whose handler sleeps.
    SlowP99,
    /// System calls for each request.
    Calls,
    /// Peak memory, in millions of bytes.
    Peak,
    /// Memory that a connection adds at most, in thousands of bytes.
    Each,
    /// Requests for each second of processor time: `Cpu` turned round.
    PerCpuSecond,
}

impl Metric {
    /// Those of a table, in its order.
    pub const TABLE: [Self; 9] = [
        Self::PerSecond,
        Self::P50,
        Self::P99,
        Self::P999,
        Self::SlowP99,
        Self::Cpu,
        Self::Calls,
        Self::Peak,
        Self::Each,
    ];

    /// Its name in a table, with its unit.
    pub fn title(self) -> &'static str {
        match self {
            Self::PerSecond => "requests/s",
            Self::Cpu => "CPU us/request",
            Self::P50 => "p50 us",
            Self::P99 => "p99 us",
            Self::P999 => "p99.9 us",
            Self::SlowP99 => "slow p99 us",
            Self::Calls => "calls/request",
            Self::Peak => "peak MB",
            Self::Each => "kB each",
            Self::PerCpuSecond => "requests/CPU s",
        }
    }

    /// Its value in a sample.
    pub fn of(self, sample: &Sample) -> Option<f64> {
        match self {
            Self::PerSecond => Some(sample.per_second),
            Self::Cpu => sample.cpu_us,
            Self::P50 => Some(sample.fast.p50_us),
            Self::P99 => Some(sample.fast.p99_us),
            Self::P999 => Some(sample.fast.p999_us),
            Self::SlowP99 => sample.slow.map(|slow| slow.p99_us),
            Self::Calls => sample.calls,
            Self::Peak => sample.peak_bytes.map(|bytes| bytes as f64 / 1e6),
            Self::Each => sample.each_bytes.map(|bytes| bytes / 1e3),
            Self::PerCpuSecond => sample.cpu_us.map(|cpu| 1e6 / cpu),
        }
    }

    /// A value as text, with as many digits as it is worth.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::PerSecond | Self::PerCpuSecond => grouped(value),
            Self::Cpu | Self::Calls => format!("{value:.2}"),
            Self::Peak | Self::Each => format!("{value:.1}"),
            _ if value < 100.0 => format!("{value:.1}"),
            _ => grouped(value),
        }
    }
}

/// A whole number with its thousands apart.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The median of some values, and their range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle one, or the mean of the two in the middle.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

impl Spread {
    /// Of these values; `None` of none.
    ///
    /// ```
    /// use netpoll_benches::results::Spread;
    /// let spread = Spread::of([3.0, 1.0, 2.0]).unwrap();
    /// assert_eq!((spread.median, spread.min, spread.max), (2.0, 1.0, 3.0));
    /// ```
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { median, min, max })
    }

    /// All three multiplied.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { median: self.median * factor, min: self.min * factor, max: self.max * factor }
    }

    /// The median, and the range in brackets.
    pub fn text(self) -> String {
        format!("{:.2} ({:.2} - {:.2})", self.median, self.min, self.max)
    }
}

impl Row {
    /// A metric over the rounds.
    pub fn spread(&self, metric: Metric) -> Option<Spread> {
        Spread::of(self.samples.iter().flatten().filter_map(|sample| metric.of(sample)))
    }

    /// This peer's metric divided by another's, round by round, over the rounds.
    pub fn ratio(&self, metric: Metric, other: &Self) -> Option<Spread> {
        Spread::of(self.pairs(metric, other).filter(|pair| pair.1 > 0.0).map(|(a, b)| a / b))
    }

    /// This peer's metric less another's, round by round, over the rounds.
    pub fn difference(&self, metric: Metric, other: &Self) -> Option<Spread> {
        Spread::of(self.pairs(metric, other).map(|(a, b)| a - b))
    }

    fn pairs(&self, metric: Metric, other: &Self) -> impl Iterator<Item = (f64, f64)> {
        let rounds = self.samples.iter().zip(&other.samples);
        rounds.filter_map(move |(own, other)| {
            Some((metric.of(own.as_ref()?)?, metric.of(other.as_ref()?)?))
        })
    }

    /// What went wrong in all rounds, failed rounds among them.
    pub fn errors(&self) -> u64 {
        let counted: u64 = self.samples.iter().flatten().map(|it| it.errors.total()).sum();
        counted + self.failures.len() as u64
    }

    /// Whether the load generator set the number of requests in most rounds.
    pub fn is_limited_by_load(&self) -> bool {
        let limited = self.samples.iter().flatten().filter(|it| it.is_limited_by_load()).count();
        2 * limited > self.samples.len()
    }
}

impl Results {
    /// The cases, each once, in order.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases: Vec<Case> = Vec::new();
        for row in &self.rows {
            if !cases.contains(&row.case) {
                cases.push(row.case);
            }
        }
        cases
    }

    /// The rows of one case.
    pub fn of_case(&self, case: &Case) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.case == *case).collect()
    }

    /// The row of one peer in one case.
    pub fn row(&self, case: &Case, peer: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.case == *case && row.peer == peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(1_234_567.0), "1,234,567");
        assert_eq!(grouped(999.4), "999");
        assert_eq!(grouped(1_000.0), "1,000");
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(Spread::of([4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of([]), None);
    }
}
