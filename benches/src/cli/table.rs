//! Samples as lines of text.

use crate::measure::Sample;
use crate::results::{Metric, Row};

/// The columns behind the name.
const COLUMNS: &str = concat!(
    " requests/s    p50 us    p99 us  p99.9 us   cpu us   calls  peak MB  errors",
    "  server/load/others busy",
);

/// The line above samples.
pub(super) fn head(name: &str) -> String {
    format!("{name:<32} {COLUMNS}")
}

/// The medians of a peer's samples, and the range of its processor time.
pub(super) fn medians(row: &Row) -> String {
    let text = |metric: Metric| {
        row.spread(metric).map_or_else(|| "-".into(), |spread| metric.text(spread.median))
    };
    let mut line = format!(
        "{:<32} {:>11} {:>9} {:>9} {:>9} {:>8} {:>7} {:>8} {:>7}",
        row.peer,
        text(Metric::PerSecond),
        text(Metric::P50),
        text(Metric::P99),
        text(Metric::P999),
        text(Metric::Cpu),
        text(Metric::Calls),
        text(Metric::Peak),
        row.errors(),
    );
    if let Some(cpu) = row.spread(Metric::Cpu) {
        line += &format!("  cpu {:.2} - {:.2}", cpu.min, cpu.max);
    }
    if row.is_limited_by_load() {
        line += ", limited by the load generator";
    }
    if let Some(failure) = row.failures.first() {
        line += &format!("\n  failed: {failure}");
    }
    line
}

/// One sample.
pub(super) fn line(name: &str, sample: &Sample) -> String {
    let number = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
    };
    let percent = |value: Option<f64>| {
        value.map_or_else(|| "-".into(), |value| format!("{:.0}%", value * 100.0))
    };
    let latency = sample.fast;
    let mut line = format!(
        "{name:<32} {:>11.0} {:>9.1} {:>9.1} {:>9.1} {:>8} {:>7} {:>8} {:>7}  {}/{}/{}",
        sample.per_second,
        latency.p50_us,
        latency.p99_us,
        latency.p999_us,
        number(sample.cpu_us, 3),
        number(sample.calls, 2),
        number(sample.peak_bytes.map(|bytes| bytes as f64 / 1e6), 1),
        sample.errors.total(),
        percent(sample.measured_busy),
        percent(Some(sample.load_busy)),
        percent(sample.others_busy),
    );
    if let Some(slow) = sample.slow {
        line += &format!("\n  slow: p50 {:.1}, p99 {:.1} us", slow.p50_us, slow.p99_us);
    }
    if sample.errors.total() > 0 {
        line += &format!("\n  {:?}", sample.errors);
    }
    if sample.is_limited_by_load() {
        line += "\n  limited by the load generator";
    }
    line
}
