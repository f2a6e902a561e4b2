//! A sink of metrics in StatsD's format (`name:value|c`), which answers nothing: it adds up counters,
//! gauges and timers, and prints them every so often.
//!
//! ```text
//! cargo run --release -p netpoll-examples --bin statsd
//! printf 'hits:1|c\nload:0.7|g' | nc -u -w0 127.0.0.1 8125
//! ```

use std::{collections::BTreeMap, sync::Arc, thread, time::Duration};

use clap::Parser;
use netpoll::{EventLoop, Result};
use netpoll_examples::{
    cli::{ServerOptions, seconds},
    run,
};
use parking_lot::Mutex;

/// Takes metrics until SIGINT or SIGTERM.
#[derive(Parser)]
struct Options {
    /// The address to listen on
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8125")]
    listen: String,

    /// Seconds between two reports
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    every: Duration,

    #[command(flatten)]
    server: ServerOptions,
}

/// What has come under one name.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Metric {
    Counter(f64),
    Gauge(f64),
    Timer { count: u64, sum: f64, most: f64 },
}

#[derive(Default)]
struct Table {
    metrics: BTreeMap<String, Metric>,
    /// Lines that are no metric.
    bad: u64,
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Table>>);

#[netpoll::server(max_datagram = 8192)]
impl Sink {
    #[on_datagram]
    fn metrics(&self, datagram: &[u8]) {
        let mut table = self.0.lock();
        for line in datagram.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            if std::str::from_utf8(line).ok().and_then(|line| table.add(line)).is_none() {
                table.bad += 1;
            }
        }
    }
}

/// Names that are kept: whoever sends makes them up.
const NAMES: usize = 10_000;

impl Table {
    /// Adds the metric of a line; `None` if it is none.
    fn add(&mut self, line: &str) -> Option<()> {
        let (name, rest) = line.split_once(':')?;
        let mut fields = rest.split('|');
        let (text, kind) = (fields.next()?, fields.next()?);
        let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
        let rate: f64 = match fields.find_map(|field| field.strip_prefix('@')) {
            Some(rate) => {
                rate.parse().ok().filter(|rate| (0.0..=1.0).contains(rate) && *rate > 0.0)?
            }
            None => 1.0,
        };
        let full = self.metrics.len() >= NAMES;
        let before = match self.metrics.get_mut(name) {
            Some(metric) => metric,
            None if full || name.is_empty() => return None,
            None => {
                let new = match kind {
                    "c" => Metric::Counter(0.0),
                    "g" => Metric::Gauge(0.0),
                    "ms" => Metric::Timer { count: 0, sum: 0.0, most: 0.0 },
                    _ => return None,
                };
                self.metrics.entry(name.to_owned()).or_insert(new)
            }
        };
        match (before, kind) {
            (Metric::Counter(sum), "c") => *sum += value / rate,
            (Metric::Gauge(now), "g") if text.starts_with(['+', '-']) => *now += value,
            (Metric::Gauge(now), "g") => *now = value,
            (Metric::Timer { count, sum, most }, "ms") => {
                *count += 1;
                *sum += value;
                *most = most.max(value);
            }
            _ => return None,
        }
        Some(())
    }

    /// Prints what has come; counters and timers begin anew.
    fn report(&mut self) {
        for (name, metric) in &mut self.metrics {
            match metric {
                Metric::Counter(sum) => println!("{name} {sum}"),
                Metric::Gauge(now) => println!("{name} {now}"),
                Metric::Timer { count: 0, .. } => {}
                Metric::Timer { count, sum, most } => {
                    println!("{name} count {count} mean {} max {most}", *sum / *count as f64);
                }
            }
        }
        if self.bad > 0 {
            println!("lines that are no metric: {}", self.bad);
        }
        self.metrics.retain(|_, metric| matches!(metric, Metric::Gauge(_)));
        self.bad = 0;
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let sink = Sink::default();
    let runtime = run::runtime(&options.server)?;
    let listen = format!("udp://{}", options.listen);
    let server = EventLoop::builder(sink.clone()).runtime(&runtime).listen(listen).bind()?;
    thread::spawn(move || {
        loop {
            thread::sleep(options.every);
            sink.0.lock().report();
        }
    });
    run::until_signal(server)
}
