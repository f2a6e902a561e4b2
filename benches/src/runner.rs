//! Runs cases against programs, round by round.
//!
//! A round has one run of each program, each in a process of its own that lives for that run alone.
//! Rounds alternate: each begins with another program, so that a machine that slows down or is
//! shared for a while does not favour one.

use std::io;
use std::process::{Command, Stdio};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Deserialize;

use crate::case::Case;
use crate::catalog::Program;
use crate::child::{self, Server};
use crate::load::window::{Errors, Latency};
use crate::measure::{self, Sample, Timing};
use crate::process;
use crate::results::{LeftOut, Results, Row};
use crate::secure;

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Seconds that each sample is measured for.
    pub secs: f64,
    /// Samples of each program in each case.
    pub rounds: usize,
    /// The core of what is measured.
    pub measured_core: usize,
    /// The core of the other end.
    pub other_core: usize,
}

/// Measures servers under the load generator, which runs on the calling thread.
///
/// # Errors
/// The cores cannot be had.
pub fn servers(
    programs: &[Program],
    left_out: Vec<LeftOut>,
    cases: &[Case],
    options: Options,
) -> io::Result<Results> {
    process::pin_current_thread(options.other_core)?;
    let run = |program: &Program, case: &Case| {
        let mut command = program.command();
        command.args(["--listen", "127.0.0.1:0"]);
        if case.side_by_side() {
            command.arg("--side-by-side");
        }
        if case.tls {
            secure::serve_by(&mut command);
        }
        let server = Server::start(&mut command, options.measured_core)?;
        let timing = Timing::of_secs(options.secs);
        measure::run(server.addr()?, case, Some(server.process()), timing)
    };
    Ok(rounds("server", programs, left_out, cases, options, run))
}

/// Measures clients, all against the same server.
///
/// # Errors
/// The server cannot be started.
pub fn clients(
    programs: &[Program],
    left_out: Vec<LeftOut>,
    cases: &[Case],
    options: Options,
    server: &Program,
) -> io::Result<Results> {
    let run = |program: &Program, case: &Case| {
        let mut command = server.command();
        command.args(["--listen", "127.0.0.1:0"]);
        let server = Server::start(&mut command, options.other_core)?;
        let mut command = program.command();
        command.args(["--addr", server.address()]);
        call(&mut command, case, options)
    };
    Ok(rounds("client", programs, left_out, cases, options, run))
}

/// Measures proxies between the load and `server`, which share a core.
///
/// # Errors
/// The cores cannot be had.
pub fn proxies(
    programs: &[Program],
    left_out: Vec<LeftOut>,
    cases: &[Case],
    options: Options,
    server: &Program,
) -> io::Result<Results> {
    process::pin_current_thread(options.other_core)?;
    let run = |program: &Program, case: &Case| {
        let mut command = server.command();
        command.args(["--listen", "127.0.0.1:0"]);
        let server = Server::start(&mut command, options.other_core)?;
        let mut command = program.command();
        command.args(["--listen", "127.0.0.1:0", "--to", server.address()]);
        let proxy = Server::start(&mut command, options.measured_core)?;
        let timing = Timing::of_secs(options.secs);
        measure::run(proxy.addr()?, case, Some(proxy.process()), timing)
    };
    Ok(rounds("proxy", programs, left_out, cases, options, run))
}

/// What a client prints when it ends.
#[derive(Debug, Deserialize)]
struct Called {
    requests: u64,
    seconds: f64,
    cpu_seconds: f64,
    errors: u64,
    #[serde(flatten)]
    latency: Latency,
}

fn call(command: &mut Command, case: &Case, options: Options) -> io::Result<Sample> {
    command.args(["--conns", &case.conns.to_string()]);
    command.args(["--callers", &(case.conns * case.depth).to_string()]);
    command.args(["--size", &case.size.to_string()]);
    command.args(["--secs", &options.secs.to_string()]);
    if case.side_by_side() {
        command.arg("--shared");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let output = child::spawn_on(command, options.measured_core)?.wait_with_output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{command:?}: {}", output.status)));
    }
    let called: Called = serde_json::from_slice(&output.stdout)?;
    Ok(Sample {
        per_second: called.requests as f64 / called.seconds,
        fast: called.latency,
        slow: None,
        cpu_us: (called.requests > 0).then(|| called.cpu_seconds * 1e6 / called.requests as f64),
        calls: None,
        peak_bytes: None,
        each_bytes: None,
        errors: Errors { other: called.errors, ..Errors::default() },
        measured_busy: Some(called.cpu_seconds / called.seconds),
        load_busy: 0.0,
        others_busy: None,
    })
}

fn rounds(
    measured: &str,
    programs: &[Program],
    left_out: Vec<LeftOut>,
    cases: &[Case],
    options: Options,
    run: impl Fn(&Program, &Case) -> io::Result<Sample>,
) -> Results {
    let mut results = Results {
        measured: measured.into(),
        machine: process::machine(),
        secs: options.secs,
        rounds: options.rounds,
        left_out,
        ..Results::default()
    };
    let bar = ProgressBar::new((cases.len() * programs.len() * options.rounds) as u64);
    bar.set_style(
        ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}, {eta} left")
            .expect("a valid template"),
    );
    for case in cases {
        let mut rows: Vec<Row> = programs.iter().map(|program| row(program, case)).collect();
        for round in 0..options.rounds {
            for turn in 0..programs.len() {
                let index = (turn + round) % programs.len();
                bar.set_message(format!("{case}: {}", programs[index].name));
                match run(&programs[index], case) {
                    Ok(sample) => rows[index].samples.push(Some(sample)),
                    Err(error) => {
                        rows[index].samples.push(None);
                        rows[index].failures.push(error.to_string());
                    }
                }
                bar.inc(1);
            }
        }
        results.rows.extend(rows);
    }
    bar.finish_and_clear();
    results
}

fn row(program: &Program, case: &Case) -> Row {
    Row {
        case: *case,
        peer: program.name.clone(),
        about: program.about.clone(),
        samples: Vec::new(),
        failures: Vec::new(),
    }
}
