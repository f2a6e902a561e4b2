//! Benchmarks of RPC servers and clients; see the package's README.

use std::process::ExitCode;

use clap::Parser;
use netpoll_benches::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
