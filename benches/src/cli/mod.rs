//! The command line of `rpc`.

mod call;
mod compare;
mod datagram_peer;
mod load;
mod pass;
mod peer;
mod report;
mod shared_memory;
mod table;

use std::io;

use clap::{Args, Parser, Subcommand};

use crate::case::Overrides;
use crate::catalog::Role;

/// Benchmarks of RPC servers and clients: echo over a 4-byte big-endian length.
#[derive(Debug, Parser)]
#[command(name = "rpc", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Measure servers under the same load
    Server(compare::CompareArgs),
    /// Measure clients against the same server
    Client(compare::CompareArgs),
    /// Write the report of results that were kept as JSON
    Report(report::ReportArgs),
    /// Drive a server that already runs
    Load(load::LoadArgs),
    /// Serve as one of the peers written in Rust
    Peer(peer::PeerArgs),
    /// Echo datagrams as one of the peers written in Rust
    DatagramPeer(datagram_peer::DatagramPeerArgs),
    /// Echo at any address that this project knows
    AddressPeer(shared_memory::AddressPeerArgs),
    /// Pass bytes on as one of the proxies
    Pass(pass::PassArgs),
    /// Print an address once somebody listens there
    Announce {
        /// The address
        at: std::net::SocketAddr,
    },
    /// Call as one of the clients written in Rust
    Call(call::CallArgs),
}

impl Cli {
    /// Does what the command line asks for.
    ///
    /// # Errors
    /// What was asked for cannot be done.
    pub fn run(self) -> io::Result<()> {
        match self.command {
            Action::Server(args) => args.run(Role::Server),
            Action::Client(args) => args.run(Role::Client),
            Action::Report(args) => args.run(),
            Action::Load(args) => args.run(),
            Action::Peer(args) => args.run(),
            Action::DatagramPeer(args) => args.run(),
            Action::AddressPeer(args) => args.run(),
            Action::Pass(args) => args.run(),
            Action::Announce { at } => crate::proxy::announce(at),
            Action::Call(args) => args.run(),
        }
    }
}

/// The shape of the load, where it is not the scenario's own.
#[derive(Clone, Debug, Args)]
struct ShapeArgs {
    /// Connections in all
    #[arg(long)]
    conns: Option<usize>,
    /// Requests in flight on each connection
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    depth: Option<u32>,
    /// Bytes of a payload
    #[arg(long)]
    size: Option<usize>,
    /// Requests of a hundred whose handler sleeps for 20 ms
    #[arg(long)]
    slow_percent: Option<f64>,
    /// Connections over TLS, to peers that speak it
    #[arg(long)]
    tls: bool,
    /// Seconds that each run is measured for
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    secs: f64,
    /// The core of the other end; the second that is allowed when left out
    #[arg(long)]
    load_core: Option<usize>,
}

impl ShapeArgs {
    fn overrides(&self) -> Overrides {
        Overrides {
            conns: self.conns,
            depth: self.depth.map(|depth| depth as usize),
            size: self.size,
            slow_percent: self.slow_percent,
            tls: self.tls,
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(secs) if secs > 0.0 && secs <= 3_600.0 => Ok(secs),
        Ok(_) => Err("it must be above 0 and at most 3600".into()),
        Err(error) => Err(error.to_string()),
    }
}
