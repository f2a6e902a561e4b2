//! `rpc server` and `rpc client`: measure peers against each other.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{ShapeArgs, table};
use crate::case::Scenario;
use crate::catalog::{self, Program, Role};
use crate::results::Results;
use crate::runner::{self, Options};
use crate::{process, report, shm, udp};

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// The scenarios, in this order
    #[arg(long, value_delimiter = ',', default_value = "echo")]
    scenario: Vec<Scenario>,
    #[command(flatten)]
    shape: ShapeArgs,
    /// Samples of each peer in each case
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The peers; all when left out. NAME=COMMAND names another program
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// The peer that ratios are of; the first when left out
    #[arg(long)]
    subject: Option<String>,
    /// Write all samples to this file as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write a page with plots and a summary in Markdown into this directory
    #[arg(long)]
    report: Option<PathBuf>,
    /// The core of what is measured; the first that is allowed when left out
    #[arg(long)]
    measured_core: Option<usize>,
}

impl CompareArgs {
    pub(super) fn run(self, role: Role) -> io::Result<()> {
        process::raise_file_limit()?;
        let (first, second) = process::two_cores()?;
        if self.scenario.contains(&Scenario::Udp) {
            return self.datagrams(role, first, second);
        }
        if self.scenario.contains(&Scenario::Shm) {
            return self.shared_memory(role, first, second);
        }
        let role = self.role(role)?;
        if self.shape.tls && role != Role::Server {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "--tls is of servers"));
        }
        let (programs, left_out) = catalog::resolve(role, &self.peers, self.shape.tls)?;
        let measured_core = self.measured_core.unwrap_or(first);
        let other_core = self.shape.load_core.unwrap_or(second);
        if measured_core == other_core {
            eprintln!("both ends share core {measured_core}: each slows the other");
        }
        let options = Options {
            secs: self.shape.secs,
            rounds: self.rounds as usize,
            measured_core,
            other_core,
        };
        let overrides = self.shape.overrides();
        let cases: Vec<_> = self.scenario.iter().flat_map(|&it| overrides.apply(it)).collect();
        let results = match role {
            Role::Server => runner::servers(&programs, left_out, &cases, options)?,
            Role::Client => {
                if let Some(case) = cases.iter().find(|case| !case.suits_clients()) {
                    let what = format!("{case}: clients have the scenarios echo and mux");
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
                }
                let server = Program::rust_server("bare")?;
                runner::clients(&programs, left_out, &cases, options, &server)?
            }
            Role::Proxy => {
                let server = Program::rust_server("bare")?;
                runner::proxies(&programs, left_out, &cases, options, &server)?
            }
        };
        let first = programs.first().map(|program| program.name.clone());
        let subject = self.subject.or(first).unwrap_or_default();
        print(&results);
        if let Some(path) = &self.json {
            std::fs::write(path, serde_json::to_string_pretty(&results)?)?;
        }
        if let Some(directory) = &self.report {
            report::write(&results, &subject, directory)?;
            eprintln!("the report is {}", directory.join("report.html").display());
        }
        Ok(())
    }
}

impl CompareArgs {
    /// Returns the role that is compared: proxies in a scenario of their own, else the command's.
    fn role(&self, role: Role) -> io::Result<Role> {
        if !self.scenario.contains(&Scenario::Proxy) {
            return Ok(role);
        }
        if role != Role::Server || self.scenario.len() > 1 {
            let what = "the scenario proxy is of servers, and stands alone";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        Ok(Role::Proxy)
    }

    /// The scenario `udp`, which has peers and a load of its own.
    fn datagrams(&self, role: Role, first: usize, second: usize) -> io::Result<()> {
        if role != Role::Server || self.scenario.len() > 1 {
            let what = "the scenario udp is of servers, and stands alone";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        udp::compare(&udp::Options {
            length: Duration::from_secs_f64(self.shape.secs),
            rounds: self.rounds as usize,
            server_core: self.measured_core.unwrap_or(first),
            load_core: self.shape.load_core.unwrap_or(second),
            peers: self.peers.clone(),
        })
    }
}

impl CompareArgs {
    /// The scenario `shm`, which has peers of its own.
    fn shared_memory(&self, role: Role, first: usize, second: usize) -> io::Result<()> {
        if role != Role::Server || self.scenario.len() > 1 {
            let what = "the scenario shm is of servers, and stands alone";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        shm::compare(&shm::Options {
            secs: self.shape.secs,
            rounds: self.rounds as usize,
            server_core: self.measured_core.unwrap_or(first),
            load_core: self.shape.load_core.unwrap_or(second),
            peers: self.peers.clone(),
            size: self.shape.size,
        })
    }
}

fn print(results: &Results) {
    for case in results.cases() {
        println!("\n{}", table::head(&case.to_string()));
        for row in results.of_case(&case) {
            println!("{}", table::medians(row));
        }
    }
    for left_out in &results.left_out {
        println!("left out: {}: {}", left_out.peer, left_out.why);
    }
}
