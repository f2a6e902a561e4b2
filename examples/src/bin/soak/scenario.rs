//! The scenarios, built and run by cargo.

use std::{
    env,
    io::{self, Read},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A test of the crate `netpoll`: `scenario_` and its number.
pub(crate) struct Scenario {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
}

pub(crate) const SCENARIOS: [Scenario; 9] = [
    Scenario { number: 1, name: "write to a stranger" },
    Scenario { number: 2, name: "hang-up as the handler returns" },
    Scenario { number: 3, name: "close during read and flush" },
    Scenario { number: 4, name: "connect and disconnect in order" },
    Scenario { number: 5, name: "send, then close" },
    Scenario { number: 6, name: "descriptors run out" },
    Scenario { number: 7, name: "no progress" },
    Scenario { number: 9, name: "wake and dial races" },
    Scenario { number: 10, name: "pool and mux after a timeout" },
];

/// How long a scenario takes.
#[derive(Clone, Copy)]
pub(crate) enum Length {
    /// So many rounds as are written in it.
    Full,
    /// Rounds of the short form for so long, and one at least.
    Seconds(Duration),
}

/// What came of a scenario.
pub(crate) struct Outcome {
    pub(crate) scenario: &'static Scenario,
    pub(crate) took: Duration,
    /// Its figures, or all that it said where it failed.
    pub(crate) figures: Result<Figures, String>,
}

/// What a scenario tells at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) connections: u64,
    pub(crate) faults: u64,
    /// Bytes compared.
    pub(crate) bytes: u64,
    /// Bytes of buffers that were not given back. Connections and descriptors fail the test.
    pub(crate) leaks: u64,
}

/// Builds the tests, so that the first does not wait for that.
pub(crate) fn build(wanted: &[&Scenario]) -> Result<(), String> {
    let mut cargo = cargo();
    for scenario in wanted {
        cargo.args(["--test", &scenario.test()]);
    }
    let built = cargo.arg("--no-run").output().map_err(cannot_run)?;
    if built.status.success() {
        return Ok(());
    }
    Err(format!("the tests cannot be built:\n{}", String::from_utf8_lossy(&built.stderr)))
}

/// The tests as `cargo test --workspace` builds them: with the same features, once.
fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["test", "--workspace"]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    cargo
}

fn cannot_run(error: io::Error) -> String {
    format!("cannot run cargo: {error}")
}

impl Scenario {
    fn test(&self) -> String {
        format!("scenario_{}", self.number)
    }

    /// Runs it, over TLS where that is wanted; calls `tick` meanwhile.
    ///
    /// # Errors
    /// Cargo cannot be run.
    pub(crate) fn run(
        &'static self,
        length: Length,
        seed: u64,
        tls: bool,
        tick: impl Fn(),
    ) -> Result<Outcome, String> {
        let since = Instant::now();
        let mut cargo = cargo();
        cargo.args(["--test", &self.test(), "--", "--nocapture"]);
        cargo.env("NETPOLL_SEED", seed.to_string());
        if tls {
            cargo.env("NETPOLL_TLS", "1");
        }
        match length {
            Length::Full => cargo.env("NETPOLL_FULL", "1"),
            Length::Seconds(each) => cargo.env("NETPOLL_SECONDS", each.as_secs().to_string()),
        };
        let mut child = cargo
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(cannot_run)?;
        let said = [reads(child.stdout.take()), reads(child.stderr.take())];
        let status = loop {
            match child.try_wait().map_err(cannot_run)? {
                Some(status) => break status,
                None => thread::sleep(Duration::from_millis(100)),
            }
            tick();
        };
        let said = said.map(|said| said.join().unwrap_or_default()).concat();
        let figures = Figures::find(&said).filter(|_| status.success()).ok_or(said);
        Ok(Outcome { scenario: self, took: since.elapsed(), figures })
    }
}

/// All that comes from a pipe.
fn reads(pipe: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before a failure is still of use.
            let _ = pipe.read_to_end(&mut said);
        }
        String::from_utf8_lossy(&said).into_owned()
    })
}

impl Figures {
    /// The figures in what a test said: `figures:` and four numbers.
    fn find(said: &str) -> Option<Self> {
        let line = said.lines().find_map(|line| line.strip_prefix("figures: "))?;
        let mut numbers = line.split(' ').map_while(|n| n.parse().ok());
        let mut next = || numbers.next();
        Some(Self { connections: next()?, faults: next()?, bytes: next()?, leaks: next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_found_among_other_lines() {
        let said = "running 1 test\nfigures: 10 2 3000 0 (seed 7)\ntest x ... ok\n";
        let wanted = Figures { connections: 10, faults: 2, bytes: 3000, leaks: 0 };
        assert_eq!(Figures::find(said), Some(wanted));
        assert_eq!(Figures::find("figures: 10 2 x"), None);
        assert_eq!(Figures::find("running 1 test"), None);
    }
}
