//! What observers cost: the CPU time of the workers for each request of an echo, without and with metrics.
//!
//! The figures are those of a release build: `cargo test --release -p netpoll --features metrics --test observer_cost
//! -- --nocapture`. With `NETPOLL_FULL=1` the bound is checked too. `NETPOLL_COST=bare` and `NETPOLL_COST=metrics` run
//! one of the two with as many requests as `NETPOLL_COST_REQUESTS` says, for callgrind, which counts instructions.

mod common;

use std::{
    collections::HashMap,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::PathBuf,
};

use common::{connect, frame};
use netpoll::{
    EventLoop, Frame, Runtime, ServerHandle,
    frame::Auto,
    metrics::{MetricsObserver, Recorder},
    service::Free,
};

/// Requests that a client sends before it reads their answers, one for each connection.
const CONNECTIONS: usize = 100;

#[derive(Debug, Frame)]
struct Message<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

#[netpoll::on_request]
fn echo<'a>(message: Message<'a>) -> Message<'a> {
    message
}

struct Bed {
    _runtime: Runtime,
    _server: EventLoop,
    recorder: Recorder,
    clients: Vec<TcpStream>,
}

impl Bed {
    fn new(with_metrics: bool) -> Self {
        let runtime = Runtime::builder().pollers(1).build().unwrap();
        let recorder = Recorder::new();
        let mut builder = EventLoop::builder(Free::<echo>::new()).runtime(&runtime);
        if with_metrics {
            builder = builder.observer(MetricsObserver::new(recorder.clone()));
        }
        let server = builder.name("echo").listen("127.0.0.1:0").bind().unwrap();
        let handle: ServerHandle = server.handle();
        let clients = (0..CONNECTIONS).map(|_| connect(&handle)).collect();
        Self { _runtime: runtime, _server: server, recorder, clients }
    }

    /// So many requests of 1 KiB, each on the next connection.
    fn run(&mut self, requests: usize) {
        let request = frame(&[7; 1024]);
        let mut answer = vec![0; request.len()];
        for _ in 0..requests / CONNECTIONS {
            self.clients.iter_mut().for_each(|client| client.write_all(&request).unwrap());
            for client in &mut self.clients {
                client.read_exact(&mut answer).unwrap();
                assert!(answer == request);
            }
        }
    }
}

/// Nanoseconds on a processor of each worker of this process, by the path of its directory.
fn worker_times() -> HashMap<PathBuf, u64> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let paths = tasks.map(|task| task.unwrap().path());
    let workers = paths.filter(|path| {
        fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "netpoll-worker")
    });
    let time = |path: PathBuf| {
        let text = fs::read_to_string(path.join("schedstat")).ok()?;
        let time = text.split_whitespace().next()?.parse().ok()?;
        Some((path, time))
    };
    workers.filter_map(time).collect()
}

/// Returns what has been added since `before`. A worker that ended meanwhile is left out.
fn since(before: &HashMap<PathBuf, u64>) -> u64 {
    let time = |(path, now): (PathBuf, u64)| now.saturating_sub(*before.get(&path).unwrap_or(&0));
    worker_times().into_iter().map(time).sum()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn metrics_cost_little_of_a_request() {
    if let Ok(mode) = std::env::var("NETPOLL_COST") {
        let requests = std::env::var("NETPOLL_COST_REQUESTS").unwrap().parse().unwrap();
        return Bed::new(mode == "metrics").run(requests);
    }
    let full = std::env::var_os("NETPOLL_FULL").is_some();
    // Many short rounds, in turns first and second: what others do to the machine falls on both alike.
    let (rounds, requests) = if full { (401, 2_000) } else { (5, 2_000) };
    let mut beds = [Bed::new(false), Bed::new(true)];
    beds.iter_mut().for_each(|bed| bed.run(requests));
    let mut ratios = Vec::new();
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        let mut took = [0.0; 2];
        for at in [round % 2, 1 - round % 2] {
            let before = worker_times();
            beds[at].run(requests);
            took[at] = since(&before) as f64 / requests as f64;
            times[at].push(took[at]);
        }
        ratios.push(took[1] / took[0]);
    }
    let [bare, with_metrics] = times.map(median);
    let ratio = median(ratios);
    println!(
        "CPU of the workers for each request: {bare:.0} ns bare, {with_metrics:.0} ns with metrics, ratio {ratio:.3} \
         (medians of {rounds})"
    );
    let counted = format!(
        "netpoll_requests_total{{server=\"echo\",route=\"\",outcome=\"ok\"}} {}\n",
        requests * (rounds + 1)
    );
    assert!(beds[1].recorder.exposition().contains(&counted));
    assert!(beds[0].recorder.exposition().is_empty());
    if full && !cfg!(debug_assertions) {
        assert!(ratio <= 1.03, "{ratio}");
    }
}
