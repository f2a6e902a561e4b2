//! Shared memory beside sockets: servers that echo, driven by one client.
//!
//! The client is this project's, in a process of its own on another core. So the rows tell the servers
//! and the ways apart; p50 has the client's part in it, which is the same for both servers over memory.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::child::{self, Server};
use crate::load::window::Latency;
use crate::{go, process};

/// A server, and the way to it.
#[derive(Clone, Copy, Debug)]
struct Peer {
    name: &'static str,
    about: &'static str,
    scheme: &'static str,
    of_go: bool,
}

const PEERS: &[Peer] = &[
    Peer {
        name: "netpoll-shm",
        about: "this project, shared memory",
        scheme: "shm:",
        of_go: false,
    },
    Peer {
        name: "netpoll-unix",
        about: "this project, a Unix socket",
        scheme: "unix:",
        of_go: false,
    },
    Peer { name: "netpoll-tcp", about: "this project, TCP on loopback", scheme: "", of_go: false },
    Peer {
        name: "shmipc-go",
        about: "shmipc-go v0.2, a goroutine a stream",
        scheme: "shm:",
        of_go: true,
    },
];

/// Shape of the load: connections, messages in flight on each, bytes of a message.
#[derive(Clone, Copy, Debug)]
struct Shape {
    conns: usize,
    depth: usize,
    size: usize,
}

const SHAPES: &[Shape] = &[
    Shape { conns: 1, depth: 1, size: 64 },
    Shape { conns: 16, depth: 1, size: 64 },
    Shape { conns: 4, depth: 64, size: 64 },
    Shape { conns: 16, depth: 1, size: 4 << 10 },
    Shape { conns: 4, depth: 64, size: 4 << 10 },
    Shape { conns: 16, depth: 1, size: 64 << 10 },
    Shape { conns: 4, depth: 8, size: 64 << 10 },
    Shape { conns: 4, depth: 1, size: 1 << 20 },
    Shape { conns: 2, depth: 2, size: 1 << 20 },
];

/// Times, rounds, cores and peers of the measurement.
#[derive(Clone, Debug)]
pub struct Options {
    /// Seconds that each sample is measured for.
    pub secs: f64,
    /// Samples of each peer for each shape.
    pub rounds: usize,
    /// The core of the server.
    pub server_core: usize,
    /// The core of the client.
    pub load_core: usize,
    /// The peers; all when empty.
    pub peers: Vec<String>,
    /// Only the shapes of this size.
    pub size: Option<usize>,
}

/// Report that a client prints at its end.
#[derive(Clone, Debug, Deserialize)]
struct Called {
    requests: u64,
    seconds: f64,
    cpu_seconds: f64,
    server_cpu_seconds: Option<f64>,
    server_calls: Option<f64>,
    errors: u64,
    #[serde(flatten)]
    latency: Latency,
}

/// Samples of one peer for one shape.
#[derive(Debug, Default)]
struct Row {
    samples: Vec<Called>,
    calls: Option<f64>,
    others_busy: Vec<f64>,
}

/// Measures the peers, in turns, and prints a table for each shape: medians of the samples, and ratios of the
/// first peer to each.
///
/// # Errors
/// A peer that is not known, cannot be started or ends; a call that fails.
pub fn compare(options: &Options) -> io::Result<()> {
    let names: Vec<&str> = PEERS.iter().map(|peer| peer.name).collect();
    if let Some(unknown) = options.peers.iter().find(|name| !names.contains(&name.as_str())) {
        let what = format!("no peer {unknown:?}; there are {}", names.join(", "));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let wanted = |peer: &&Peer| {
        options.peers.is_empty() || options.peers.iter().any(|name| name == peer.name)
    };
    let mut peers: Vec<Peer> = PEERS.iter().filter(wanted).copied().collect();
    let mut program = None;
    if peers.iter().any(|peer| peer.of_go) {
        match go::build() {
            Ok(path) => program = Some(path),
            Err(why) => {
                println!("left out, shmipc-go: {why}");
                peers.retain(|peer| !peer.of_go);
            }
        }
    }
    for peer in &peers {
        println!("{:<13} {}", peer.name, peer.about);
    }
    for shape in SHAPES.iter().filter(|shape| options.size.is_none_or(|size| size == shape.size)) {
        let mut rows: Vec<Row> = peers.iter().map(|_| Row::default()).collect();
        for round in 0..options.rounds {
            for turn in 0..peers.len() {
                let i = (turn + round) % peers.len();
                let count = round + 1 == options.rounds;
                sample(&peers[i], program.as_ref(), shape, options, count, &mut rows[i])?;
            }
        }
        print(shape, &peers, &mut rows);
    }
    Ok(())
}

fn sample(
    peer: &Peer,
    program: Option<&PathBuf>,
    shape: &Shape,
    options: &Options,
    count: bool,
    row: &mut Row,
) -> io::Result<()> {
    let path = std::env::temp_dir().join(format!("netpoll-rpc-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let at = path.display();
    let mut command = match program.filter(|_| peer.of_go) {
        Some(program) => {
            let mut command = Command::new(program);
            command.args(["server", "shm-go", "--listen", &at.to_string()]);
            command
        }
        None => {
            let mut command = Command::new(std::env::current_exe()?);
            let address = match peer.scheme {
                "" => "127.0.0.1:0".to_owned(),
                scheme => format!("{scheme}{at}"),
            };
            command.args(["address-peer", "--listen", &address]);
            command
        }
    };
    let server = Server::start(&mut command, options.server_core)?;
    let address = match peer.scheme {
        "" => server.address().to_owned(),
        scheme => format!("{scheme}{at}"),
    };
    let before = process::machine_time();
    let called = call(&server, &address, shape, options, false)?;
    if let Some((before, after)) = before.zip(process::machine_time()) {
        let ours = called.cpu_seconds + called.server_cpu_seconds.unwrap_or(0.0);
        // The warm-up is the same load.
        let busy = (after.0 - before.0).as_secs_f64() - ours * 1.1;
        row.others_busy.push((busy / (after.1 - before.1).as_secs_f64()).max(0.0));
    }
    row.samples.push(called);
    if count {
        let counted = call(&server, &address, shape, options, true)?;
        row.calls = counted.server_calls.map(|calls| calls / counted.requests.max(1) as f64);
    }
    drop(server);
    let _ = std::fs::remove_file(&path);
    Ok(())
}

fn call(
    server: &Server,
    address: &str,
    shape: &Shape,
    options: &Options,
    count: bool,
) -> io::Result<Called> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["call", "netpoll", "--addr", address]);
    command.args(["--conns", &shape.conns.to_string()]);
    command.args(["--callers", &(shape.conns * shape.depth).to_string()]);
    command.args(["--size", &shape.size.to_string(), "--secs", &options.secs.to_string()]);
    command.args(["--server", &server.process().pid().to_string()]);
    if shape.depth > 1 {
        command.arg("--shared");
    }
    if count {
        command.arg("--count-calls");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let output = child::spawn_on(&mut command, options.load_core)?.wait_with_output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{command:?}: {}", output.status)));
    }
    let called: Called = serde_json::from_slice(&output.stdout)?;
    if called.errors > 0 {
        return Err(io::Error::other(format!("{command:?}: {} callers failed", called.errors)));
    }
    Ok(called)
}

fn print(shape: &Shape, peers: &[Peer], rows: &mut [Row]) {
    println!("\n{} connections x {} in flight x {} B", shape.conns, shape.depth, shape.size);
    println!(
        "{:<13} {:>12} {:>7} {:>12} {:>7} {:>9} {:>7} {:>9} {:>10} {:>7}",
        "",
        "CPU/request",
        "ratio",
        "requests/s",
        "ratio",
        "p50 us",
        "ratio",
        "p99 us",
        "calls/req",
        "others"
    );
    let mut subject = None;
    for (peer, row) in peers.iter().zip(rows) {
        let cpu =
            |it: &Called| it.server_cpu_seconds.unwrap_or(0.0) * 1e6 / it.requests.max(1) as f64;
        let rate = |it: &Called| it.requests as f64 / it.seconds;
        let (cpu, rate) = (median(&row.samples, cpu), median(&row.samples, rate));
        let p50 = median(&row.samples, |it| it.latency.p50_us);
        let p99 = median(&row.samples, |it| it.latency.p99_us);
        let (cpu0, rate0, p500) = *subject.get_or_insert((cpu, rate, p50));
        let calls = row.calls.map_or_else(|| "-".into(), |calls| format!("{calls:.3}"));
        row.others_busy.sort_by(f64::total_cmp);
        let others = row.others_busy.get(row.others_busy.len() / 2).copied().unwrap_or(0.0);
        println!(
            "{:<13} {cpu:>9.2} us {:>7.2} {rate:>12.0} {:>7.2} {p50:>9.1} {:>7.2} {p99:>9.1} \
             {calls:>10} {:>6.0}%",
            peer.name,
            cpu0 / cpu,
            rate0 / rate,
            p500 / p50,
            others * 100.0
        );
    }
}

fn median(samples: &[Called], of: impl Fn(&Called) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
