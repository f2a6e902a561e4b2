//! `rpc load`: drives a server that already runs.

use std::io;
use std::net::SocketAddr;

use clap::Args;

use super::{ShapeArgs, table};
use crate::case::Scenario;
use crate::measure::{self, Timing};
use crate::process::{self, Process};

#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    /// Where the server listens
    #[arg(long)]
    addr: SocketAddr,
    /// The scenarios, in this order
    #[arg(long, value_delimiter = ',', default_value = "echo")]
    scenario: Vec<Scenario>,
    #[command(flatten)]
    shape: ShapeArgs,
    /// The server's process; found by its port when left out
    #[arg(long)]
    pid: Option<u32>,
    /// Put the server's threads on this core
    #[arg(long)]
    server_core: Option<usize>,
    /// Write the samples to this file as JSON
    #[arg(long)]
    json: Option<std::path::PathBuf>,
}

impl LoadArgs {
    pub(super) fn run(self) -> io::Result<()> {
        process::raise_file_limit()?;
        if self.shape.tls {
            let what = "--tls is of `rpc server`, whose servers show a certificate of its own";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let pid = self.pid.or_else(|| process::listener_pid(self.addr.port()));
        let server = pid.map(Process::new).transpose()?;
        if server.is_none() {
            eprintln!("the server's process is not known: its processor time is left out");
        }
        if let (Some(server), Some(core)) = (&server, self.server_core) {
            server.pin(core)?;
        }
        let core =
            self.shape.load_core.map_or_else(|| Ok(process::two_cores()?.1), io::Result::Ok)?;
        process::pin_current_thread(core)?;
        let mut samples = Vec::new();
        println!("{}", table::head("case"));
        for case in self.scenario.iter().flat_map(|&it| self.shape.overrides().apply(it)) {
            let timing = Timing::of_secs(self.shape.secs);
            let sample = measure::run(self.addr, &case, server.as_ref(), timing)?;
            println!("{}", table::line(&case.to_string(), &sample));
            samples.push((case, sample));
        }
        if let Some(path) = self.json {
            std::fs::write(path, serde_json::to_string_pretty(&samples)?)?;
        }
        Ok(())
    }
}
