//! The clients written in Rust. Each makes calls as fast as it can from a number of callers.
//!
//! Callers take a connection from a pool for each call, or share connections on which replies are
//! matched by the sequence number in the payload. A client prints one JSON object when it ends.

mod netpoll;
mod tokio;

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use serde::Serialize;

use crate::load::window::{Latency, Window};
use crate::process::{Process, SyscallCount};
use crate::wire::{Request, Tag};

/// What a client is to do.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Where the server listens.
    pub addr: String,
    /// Connections.
    pub conns: usize,
    /// Callers side by side.
    pub callers: usize,
    /// Whether callers share connections.
    pub shared: bool,
    /// Bytes of a payload.
    pub size: usize,
    /// How long to measure.
    pub measure: Duration,
    /// The server's process, whose processor time is measured too.
    pub server: Option<u32>,
    /// Counts the server's system calls in the measured time, which slows it.
    pub count_calls: bool,
}

/// A client written in Rust.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Its name on the command line.
    pub name: &'static str,
    /// A description, for the report.
    pub about: &'static str,
    run: fn(Shape) -> io::Result<Report>,
}

/// All clients written in Rust.
pub const CLIENTS: &[Client] = &[
    Client {
        name: "netpoll",
        about: "this project, Client::pool and Client::mux",
        run: netpoll::run,
    },
    Client { name: "tokio", about: "tokio, LengthDelimitedCodec", run: tokio::run },
];

/// The client of that name.
pub fn find(name: &str) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.name == name)
}

impl Client {
    /// Makes the calls, and prints what came of them.
    ///
    /// # Errors
    /// The server cannot be reached.
    pub fn run(&self, shape: Shape) -> io::Result<()> {
        println!("{}", serde_json::to_string(&(self.run)(shape)?)?);
        Ok(())
    }
}

/// What came of the calls.
#[derive(Debug, Serialize)]
struct Report {
    requests: u64,
    seconds: f64,
    cpu_seconds: f64,
    /// The server's, where it is known.
    server_cpu_seconds: Option<f64>,
    /// The server's system calls in the measured time, where they were counted.
    server_calls: Option<f64>,
    errors: u64,
    #[serde(flatten)]
    latency: Latency,
}

/// Time, processor time and system calls of the measured part.
#[derive(Debug)]
struct Spent {
    seconds: f64,
    cpu_seconds: f64,
    server_cpu_seconds: Option<f64>,
    server_calls: Option<f64>,
}

/// What the callers that have ended found.
#[derive(Debug, Default)]
struct Found {
    window: Window,
    failed: u64,
}

/// The clock that all callers go by, and what they found.
#[derive(Debug, Default)]
struct Meter {
    measuring: AtomicBool,
    stopped: AtomicBool,
    found: Mutex<Found>,
}

impl Meter {
    /// Sleeps through the warm-up and the measured time.
    fn time(&self, shape: &Shape) -> io::Result<Spent> {
        let measure = shape.measure;
        std::thread::sleep(measure / 10);
        let server = shape.server.map(Process::new).transpose()?;
        let counted = server.filter(|_| shape.count_calls);
        let counts = counted.and_then(|server| SyscallCount::start(&server, measure));
        let server_cpu = || server.map(|server| server.cpu_time()).transpose();
        let (cpu, before, begin) = (cpu_seconds()?, server_cpu()?, Instant::now());
        self.measuring.store(true, Ordering::Relaxed);
        std::thread::sleep(measure);
        self.measuring.store(false, Ordering::Relaxed);
        let spent = Spent {
            seconds: begin.elapsed().as_secs_f64(),
            cpu_seconds: cpu_seconds()? - cpu,
            server_cpu_seconds: server_cpu()?
                .zip(before)
                .map(|(after, before)| (after - before).as_secs_f64()),
            server_calls: counts
                .and_then(SyscallCount::finish)
                .map(|calls| calls * measure.as_secs_f64()),
        };
        self.stopped.store(true, Ordering::Relaxed);
        Ok(spent)
    }

    /// The report, when all callers have ended.
    fn report(&self, spent: Spent) -> Report {
        let found = self.found.lock().expect("no caller panics");
        let Spent { seconds, cpu_seconds, server_cpu_seconds, server_calls } = spent;
        Report {
            requests: found.window.requests(),
            seconds,
            cpu_seconds,
            server_cpu_seconds,
            server_calls,
            errors: found.failed,
            latency: Latency::from(&found.window.fast),
        }
    }
}

/// One caller's calls.
struct Caller<'a> {
    meter: &'a Meter,
    latencies: Vec<Duration>,
    request: Request,
}

impl<'a> Caller<'a> {
    fn new(meter: &'a Meter, size: usize) -> io::Result<Self> {
        Ok(Self { meter, latencies: Vec::new(), request: Request::new(size)? })
    }

    /// The payload of a call.
    fn payload(&mut self, sequence: u32) -> &[u8] {
        &self.request.with_tag(Tag { slow: false, sequence })[crate::wire::LENGTH_BYTES..]
    }

    /// Notes a call that was answered rightly; false when it was the last.
    fn done(&mut self, begin: Instant) -> bool {
        if self.meter.measuring.load(Ordering::Relaxed) {
            self.latencies.push(begin.elapsed());
        }
        !self.meter.stopped.load(Ordering::Relaxed)
    }

    /// Ends the caller.
    fn end(self, result: io::Result<()>) {
        let mut found = self.meter.found.lock().expect("no caller panics");
        found.failed += u64::from(result.is_err());
        for latency in self.latencies {
            found.window.record(latency, false);
        }
    }
}

/// A reply that is not the request.
fn differs() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the reply differs from the request")
}

fn cpu_seconds() -> io::Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}
