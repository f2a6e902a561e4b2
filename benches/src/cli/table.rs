//! A sample as one line of text.

use crate::measure::Sample;

/// The line above the samples.
pub(super) const HEAD: &str = concat!(
    "case                              requests/s    p50 us    p99 us  p99.9 us   cpu us",
    "   calls  peak MB  errors  server/load/others busy",
);

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
        percent(sample.server_busy),
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
