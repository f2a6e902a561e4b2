//! Datagrams: servers that echo them, measured under one load.
//!
//! The first byte of a datagram says whether it is answered ([`ECHO`]) or not ([`ONE_WAY`]).

mod load;
mod peers;

use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub use peers::{PEERS, Peer, find};

use crate::child::Server;
use crate::go;
use load::{Sample, Shape};

/// The first byte of a datagram that is answered with itself.
pub const ECHO: u8 = 1;
/// The first byte of one that is not answered.
pub const ONE_WAY: u8 = 0;

/// The peers that stand in the program of those written in Go.
const OF_GO: &[(&str, &str)] =
    &[("go-net", "Go's net, a goroutine"), ("go-gnet", "gnet v2, a handler in its loop")];

/// What is measured, in this order.
const SHAPES: &[Shape] = &[
    Shape { what: "echo of 64 B from 100 peers", peers: 100, size: 64, burst: 1, one_way: false },
    Shape { what: "echo of 512 B from 100 peers", peers: 100, size: 512, burst: 1, one_way: false },
    Shape {
        what: "echo of 1,200 B from 100 peers",
        peers: 100,
        size: 1_200,
        burst: 1,
        one_way: false,
    },
    Shape {
        what: "echo of bursts of 32 x 1,200 B from 4 peers, sent as one (GSO)",
        peers: 4,
        size: 1_200,
        burst: 32,
        one_way: false,
    },
    Shape { what: "one way, 64 B from 100 peers", peers: 100, size: 64, burst: 1, one_way: true },
];

/// How the measurement runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long each sample is measured.
    pub length: Duration,
    /// Samples of each peer for each shape.
    pub rounds: usize,
    /// The core of the server.
    pub server_core: usize,
    /// The core of the load.
    pub load_core: usize,
    /// The peers; all when empty.
    pub peers: Vec<String>,
}

/// Measures the peers, in turns, and prints a table for each shape: medians of the samples, and each
/// peer's CPU as a ratio of `netpoll`'s.
///
/// # Errors
/// A peer that is not known, cannot be started or ends.
pub fn compare(options: &Options) -> io::Result<()> {
    let names: Vec<&str> =
        PEERS.iter().map(|peer| peer.name).chain(OF_GO.iter().map(|p| p.0)).collect();
    let wanted: Vec<&str> = match options.peers.is_empty() {
        true => names.clone(),
        false => options.peers.iter().map(String::as_str).collect(),
    };
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        let what = format!("no peer {unknown:?}; there are {}", names.join(", "));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    let mut of_go = None;
    for shape in SHAPES {
        let mut rows: Vec<(&str, Vec<Sample>)> =
            wanted.iter().map(|name| (*name, vec![])).collect();
        for _ in 0..options.rounds {
            for (name, samples) in &mut rows {
                let Some(mut command) = command(name, &mut of_go)? else { continue };
                let server = Server::start(&mut command, options.server_core)?;
                samples.push(load::run(&server, shape, options)?);
            }
        }
        print(shape, &mut rows);
    }
    if let Some(Err(why)) = of_go {
        println!("left out, those written in Go: {why}");
    }
    Ok(())
}

/// The command that starts a peer; `None` where those of Go cannot be built.
fn command(name: &str, of_go: &mut Option<Result<PathBuf, String>>) -> io::Result<Option<Command>> {
    if PEERS.iter().any(|peer| peer.name == name) {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["datagram-peer", name]);
        return Ok(Some(command));
    }
    let Ok(program) = of_go.get_or_insert_with(go::build) else { return Ok(None) };
    let mut command = Command::new(program);
    command.args(["server", &format!("udp-{name}")]);
    Ok(Some(command))
}

fn print(shape: &Shape, rows: &mut [(&str, Vec<Sample>)]) {
    println!("\n{}", shape.what);
    println!(
        "{:<12} {:>14} {:>12} {:>10} {:>10} {:>8} {:>8}",
        "", "CPU/datagram", "datagrams/s", "p50", "p99", "lost", "ratio"
    );
    let mut subject = None;
    for (name, samples) in rows.iter_mut().filter(|(_, samples)| !samples.is_empty()) {
        samples.sort_by_key(|sample| sample.cpu);
        let Sample { cpu, rate, p50, p99, lost } = samples[samples.len() / 2];
        let nanos = cpu.as_nanos() as f64;
        let of = *subject.get_or_insert(nanos);
        println!(
            "{name:<12} {nanos:>11.0} ns {rate:>12.0} {p50:>10.1?} {p99:>10.1?} {:>7.2}% {:>8.2}",
            lost * 100.0,
            of / nanos
        );
    }
}
