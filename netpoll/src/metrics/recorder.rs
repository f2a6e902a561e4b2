//! A recorder of the crate `metrics` that shows what it has in the text format of Prometheus.

use std::{collections::BTreeMap, fmt, sync::Arc};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, SetRecorderError, SharedString, Unit,
};
use parking_lot::Mutex;

use super::cells::{Buckets, Count, Level};
use crate::prometheus::{Exposition, pair};

/// The upper bounds of histograms of seconds: from 25 us to 10 s.
const SECONDS: &[f64] = &[
    0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Those of other values: powers of four, from 1 to 2^30.
const OTHERS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1_024.0,
    4_096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
];

/// A recorder that keeps counters, gauges and histograms in memory and writes them in the text format of
/// Prometheus. Clones are handles to the same one.
///
/// Its histograms have fixed buckets, so that its memory does not grow with what is recorded, whether or not anybody
/// reads it. Series are never removed: labels have to be bounded.
///
/// ```
/// use netpoll::metrics::Recorder;
///
/// let recorder = Recorder::new().buckets("job_seconds", [0.1, 1.0]);
/// metrics::with_local_recorder(&recorder, || {
///     metrics::counter!("jobs_total", "kind" => "mail").increment(2);
///     metrics::histogram!("job_seconds").record(0.5);
/// });
/// let text = recorder.exposition();
/// assert!(text.contains("jobs_total{kind=\"mail\"} 2\n"));
/// assert!(text.contains("job_seconds_bucket{le=\"0.1\"} 0\njob_seconds_bucket{le=\"1\"} 1\n"));
/// ```
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Registry>>);

#[derive(Default)]
struct Registry {
    /// By their names as Prometheus allows them.
    families: BTreeMap<String, Family>,
    help: BTreeMap<String, String>,
    bounds: BTreeMap<String, Vec<f64>>,
}

/// The series of one name, by their labels as they are written.
enum Family {
    Counters(BTreeMap<String, Arc<Count>>),
    Gauges(BTreeMap<String, Arc<Level>>),
    Histograms(BTreeMap<String, Arc<Buckets>>),
}

impl Recorder {
    /// Creates a recorder without series.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the upper bounds of the histograms `name`, in ascending order; those that exist already keep theirs.
    /// Default: 25 us to 10 s for names that end in `_seconds`, else powers of four from 1 to 2^30.
    #[must_use]
    pub fn buckets(self, name: &str, bounds: impl IntoIterator<Item = f64>) -> Self {
        let mut bounds: Vec<_> = bounds.into_iter().filter(|bound| bound.is_finite()).collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        self.0.lock().bounds.insert(allowed(name), bounds);
        self
    }

    /// Makes this the recorder of the whole process, for the macros of the crate `metrics`.
    ///
    /// # Errors
    /// The process has one.
    pub fn install(&self) -> Result<(), SetRecorderError<Self>> {
        metrics::set_global_recorder(self.clone())
    }

    /// Returns all series in the text format of Prometheus, version 0.0.4.
    pub fn exposition(&self) -> String {
        let mut out = Exposition::default();
        self.write_to(&mut out);
        out.finish()
    }

    /// Adds all families whose names are not in `out` yet.
    pub(crate) fn write_to(&self, out: &mut Exposition) {
        let registry = self.0.lock();
        for (name, family) in &registry.families {
            let help = registry.help.get(name).map_or("Not described.", String::as_str);
            if out.family(name, family.kind(), help) {
                family.write_to(name, out);
            }
        }
    }
}

impl Family {
    fn kind(&self) -> &'static str {
        match self {
            Self::Counters(_) => "counter",
            Self::Gauges(_) => "gauge",
            Self::Histograms(_) => "histogram",
        }
    }

    fn write_to(&self, name: &str, out: &mut Exposition) {
        match self {
            Self::Counters(series) => {
                series
                    .iter()
                    .for_each(|(labels, count)| out.sample_with(name, labels, count.sum()));
            }
            Self::Gauges(series) => {
                series
                    .iter()
                    .for_each(|(labels, level)| out.sample_with(name, labels, level.get()));
            }
            Self::Histograms(series) => {
                for (labels, buckets) in series {
                    let read = buckets.read();
                    let bucket = format!("{name}_bucket");
                    let comma = if labels.is_empty() { "" } else { "," };
                    let with =
                        |bound: &dyn fmt::Display| format!("{labels}{comma}{}", pair("le", bound));
                    for (bound, count) in &read.cumulative {
                        out.sample_with(&bucket, &with(bound), count);
                    }
                    out.sample_with(&bucket, &with(&"+Inf"), read.count);
                    out.sample_with(&format!("{name}_sum"), labels, read.sum);
                    out.sample_with(&format!("{name}_count"), labels, read.count);
                }
            }
        }
    }
}

/// A name as Prometheus allows it: other signs become `_`.
fn allowed(name: &str) -> String {
    let fits = |at: usize, sign: char| {
        sign.is_ascii_alphabetic() || "_:".contains(sign) || at > 0 && sign.is_ascii_digit()
    };
    name.chars().enumerate().map(|(at, sign)| if fits(at, sign) { sign } else { '_' }).collect()
}

fn labels(key: &Key) -> String {
    let pairs =
        key.labels().map(|label| pair(&allowed(label.key()).replace(':', "_"), &label.value()));
    pairs.collect::<Vec<_>>().join(",")
}

macro_rules! register {
    ($self:ident, $key:ident, $family:ident, $make:expr) => {{
        let (name, labels) = (allowed($key.name()), labels($key));
        let mut registry = $self.0.lock();
        let Registry { families, bounds, .. } = &mut *registry;
        let make = |bounds: &BTreeMap<String, Vec<f64>>| $make(&name, bounds);
        let family =
            families.entry(name.clone()).or_insert_with(|| Family::$family(BTreeMap::new()));
        match family {
            Family::$family(series) => {
                series.entry(labels).or_insert_with(|| Arc::new(make(bounds))).clone()
            }
            // A name of two types: the first one counts, and the others are recorded nowhere.
            _ => Arc::new(make(bounds)),
        }
    }};
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.0.lock().help.insert(allowed(name.as_str()), help.into_owned());
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe_counter(name, unit, help);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, help: SharedString) {
        self.describe_counter(name, unit, help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(register!(self, key, Counters, |_: &str, _: &BTreeMap<_, _>| {
            Count::default()
        }))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(register!(self, key, Gauges, |_: &str, _: &BTreeMap<_, _>| Level::default()))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(register!(self, key, Histograms, new_buckets))
    }
}

fn new_buckets(name: &str, bounds: &BTreeMap<String, Vec<f64>>) -> Buckets {
    let own = bounds.get(name).map(Vec::as_slice);
    Buckets::new(own.unwrap_or(if name.ends_with("_seconds") { SECONDS } else { OTHERS }))
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("families", &self.0.lock().families.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_become_what_prometheus_allows() {
        let recorder = Recorder::new();
        metrics::with_local_recorder(&recorder, || {
            metrics::describe_gauge!("a.b-c", "A\nthing.");
            metrics::gauge!("a.b-c", "x.y" => "\"q\"").set(1.5);
            metrics::counter!("a.b-c").increment(1);
        });
        let text = "# HELP a_b_c A\\nthing.\n# TYPE a_b_c gauge\na_b_c{x_y=\"\\\"q\\\"\"} 1.5\n";
        assert_eq!(recorder.exposition(), text);
    }
}
