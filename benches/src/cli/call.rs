//! `rpc call`: calls as one of the clients written in Rust.

use std::io;
use std::time::Duration;

use clap::Args;

use crate::clients::{self, CLIENTS, Shape};

#[derive(Debug, Args)]
pub(super) struct CallArgs {
    /// The client's name
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(CLIENTS.iter().map(|it| it.name)))]
    name: String,
    /// Where the server listens
    #[arg(long)]
    addr: String,
    /// Connections
    #[arg(long, default_value_t = 100)]
    conns: usize,
    /// Callers side by side
    #[arg(long, default_value_t = 100)]
    callers: usize,
    /// Callers share the connections, replies are matched
    #[arg(long)]
    shared: bool,
    /// Bytes of a payload
    #[arg(long, default_value_t = 1024)]
    size: usize,
    /// Seconds to measure
    #[arg(long, default_value_t = 1.0, value_parser = super::seconds)]
    secs: f64,
    /// The server's process, whose processor time is reported too
    #[arg(long)]
    server: Option<u32>,
    /// Count the server's system calls, which slows it
    #[arg(long, requires = "server")]
    count_calls: bool,
}

impl CallArgs {
    pub(super) fn run(self) -> io::Result<()> {
        let client = clients::find(&self.name).expect("clap let only known names through");
        client.run(Shape {
            addr: self.addr,
            conns: self.conns.max(1),
            callers: self.callers,
            shared: self.shared,
            size: self.size,
            measure: Duration::from_secs_f64(self.secs),
            server: self.server,
            count_calls: self.count_calls,
        })
    }
}
