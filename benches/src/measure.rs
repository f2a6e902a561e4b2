//! One run of one case against one server.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::load::churn::Churn;
use crate::load::{Load, Window, window::Errors, window::Latency};
use crate::process::{self, Process, SyscallCount};

/// How long replies may still come after the end.
const PATIENCE: Duration = Duration::from_secs(2);
/// A generator that uses this share of its core limits what it measures.
const LIMITED: f64 = 0.97;

/// How long to load, and what to measure.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Before anything is measured.
    pub warm_up: Duration,
    /// While requests, latencies and processor time are measured.
    pub measure: Duration,
    /// While system calls are counted, which slows a server; zero leaves that out.
    pub count_calls: Duration,
}

impl Timing {
    /// A tenth and at least 0.1 s to warm up, then `secs`, then a tenth and at least 0.1 s to count.
    pub fn of_secs(secs: f64) -> Self {
        let side = Duration::from_secs_f64((secs / 10.0).max(0.1));
        Self { warm_up: side, measure: Duration::from_secs_f64(secs), count_calls: side }
    }
}

/// What one run showed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// Requests answered in a second.
    pub per_second: f64,
    /// Latencies of the requests whose handler does not sleep.
    pub fast: Latency,
    /// Latencies of those whose handler sleeps, where there are any.
    pub slow: Option<Latency>,
    /// Processor time for a request, in microseconds.
    pub cpu_us: Option<f64>,
    /// System calls for a request.
    pub calls: Option<f64>,
    /// Peak memory, in bytes, since the process began.
    pub peak_bytes: Option<u64>,
    /// Memory that a connection adds at most, in bytes: the peak without what the process had before the first.
    #[serde(default)]
    pub each_bytes: Option<f64>,
    /// What went wrong.
    pub errors: Errors,
    /// The share of a core that what is measured used.
    pub measured_busy: Option<f64>,
    /// The share of a core that the load generator used.
    pub load_busy: f64,
    /// The share of the whole machine that other processes used.
    pub others_busy: Option<f64>,
}

impl Sample {
    /// Whether the load generator, not the server, set the number of requests.
    pub fn is_limited_by_load(&self) -> bool {
        self.load_busy > LIMITED && self.measured_busy.is_none_or(|server| server < self.load_busy)
    }
}

enum Generator {
    Stay(Box<Load>),
    Churn(Box<Churn>),
}

impl Generator {
    fn start(addr: SocketAddr, case: &Case) -> io::Result<Self> {
        if case.churns() {
            let mut churn = Churn::new(addr, case.conns, case.size, case.tls)?;
            churn.start()?;
            return Ok(Self::Churn(Box::new(churn)));
        }
        let mut load = Load::connect(addr, case)?;
        load.start();
        Ok(Self::Stay(Box::new(load)))
    }

    fn run_for(&mut self, length: Duration) -> io::Result<(Window, Duration)> {
        let begin = Instant::now();
        match self {
            Self::Stay(load) => load.run_until(begin + length)?,
            Self::Churn(churn) => churn.run_until(begin + length)?,
        }
        Ok((self.take_window(), begin.elapsed()))
    }

    fn drain(&mut self) -> io::Result<Window> {
        match self {
            Self::Stay(load) => load.drain(PATIENCE)?,
            Self::Churn(churn) => churn.drain(PATIENCE)?,
        }
        Ok(self.take_window())
    }

    fn take_window(&mut self) -> Window {
        match self {
            Self::Stay(load) => load.take_window(),
            Self::Churn(churn) => churn.take_window(),
        }
    }
}

/// Runs one case against a server that listens on `addr`, from the calling thread.
///
/// Without `process` the server is not measured from outside.
///
/// # Errors
/// The server cannot be reached, or is gone at the end.
pub fn run(
    addr: SocketAddr,
    case: &Case,
    process: Option<&Process>,
    timing: Timing,
) -> io::Result<Sample> {
    let mut errors = Errors::default();
    let bytes_before = process.map(Process::memory).transpose()?;
    let mut generator = Generator::start(addr, case)?;
    errors.add(&generator.run_for(timing.warm_up)?.0.errors);

    let server_before = process.map(Process::cpu_time).transpose()?;
    let machine_before = process::machine_time();
    let load_before = process::thread_cpu_time();
    let (window, length) = generator.run_for(timing.measure)?;
    let load = process::thread_cpu_time() - load_before;
    let machine_after = process::machine_time();
    let server_after = process.map(Process::cpu_time).transpose()?;
    errors.add(&window.errors);

    let (calls, rest) = count_calls(&mut generator, process, timing.count_calls)?;
    errors.add(&rest);
    let peak_bytes = process.map(Process::peak_memory).transpose()?;
    errors.add(&generator.drain()?.errors);

    let requests = window.requests() as f64;
    let share = |time: Duration| time.as_secs_f64() / length.as_secs_f64();
    let server = server_after.zip(server_before).map(|(after, before)| after - before);
    let others = machine_after.zip(machine_before).map(|(after, before)| {
        let ours = load + server.unwrap_or_default();
        let others = (after.0 - before.0).saturating_sub(ours);
        others.as_secs_f64() / (after.1 - before.1).as_secs_f64().max(1e-9)
    });
    Ok(Sample {
        per_second: requests / length.as_secs_f64(),
        fast: Latency::from(&window.fast),
        slow: (!window.slow.is_empty()).then(|| Latency::from(&window.slow)),
        cpu_us: server.filter(|_| requests > 0.0).map(|time| time.as_secs_f64() * 1e6 / requests),
        calls,
        peak_bytes,
        each_bytes: peak_bytes
            .zip(bytes_before)
            .map(|(peak, before)| peak.saturating_sub(before) as f64 / case.conns.max(1) as f64),
        errors,
        measured_busy: server.map(share),
        load_busy: share(load),
        others_busy: others,
    })
}

/// System calls for each request, counted while the load goes on; and what went wrong meanwhile.
fn count_calls(
    generator: &mut Generator,
    process: Option<&Process>,
    length: Duration,
) -> io::Result<(Option<f64>, Errors)> {
    let mut errors = Errors::default();
    let counted = process.filter(|_| !length.is_zero());
    let Some(mut count) = counted.and_then(|process| SyscallCount::start(process, length)) else {
        return Ok((None, errors));
    };
    let (mut requests, mut time) = (0, Duration::ZERO);
    while !count.is_done() {
        let (window, length) = generator.run_for(Duration::from_millis(10))?;
        errors.add(&window.errors);
        requests += window.requests();
        time += length;
    }
    let per_second = requests as f64 / time.as_secs_f64();
    Ok((count.finish().map(|calls| calls / per_second).filter(|it| it.is_finite()), errors))
}
