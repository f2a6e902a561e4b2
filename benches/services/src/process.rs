//! Processes: their cores, their processor time.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use nix::{sched, unistd::Pid};

use crate::load::Figures;

/// The clock's ticks in a second, as `/proc` counts them.
const TICKS: f64 = 100.0;

/// Keeps this process to a core, from its next threads on.
pub fn pin(core: usize) -> nix::Result<()> {
    let mut cores = sched::CpuSet::new();
    cores.set(core)?;
    sched::sched_setaffinity(Pid::from_raw(0), &cores)
}

/// The processor time of a process, with that of the threads that have ended.
pub fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    // Behind the name, which is in parentheses: the 14th and 15th are user's and system's time.
    let (_, behind) = stat.rsplit_once(')').expect("a name");
    let ticks =
        behind.split_whitespace().skip(11).take(2).map(|n| n.parse::<f64>().expect("a number"));
    ticks.sum::<f64>() / TICKS
}

/// A running server, which ends when this is dropped.
pub struct Server {
    child: Child,
    address: String,
}

impl Server {
    pub fn start(peer: &str) -> std::io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        let mut child = command.args(["serve", peer]).stdout(Stdio::piped()).spawn()?;
        let mut address = String::new();
        BufReader::new(child.stdout.take().expect("a piped output")).read_line(&mut address)?;
        Ok(Self { child, address: address.trim().to_owned() })
    }

    /// Has a client call it.
    pub fn measured(&self, peer: &str, secs: &str) -> Result<Figures, Box<dyn std::error::Error>> {
        let process = self.child.id().to_string();
        let mut command = Command::new(env::current_exe()?);
        let output = command
            .args(["call", peer, &self.address, &process, secs])
            .stderr(Stdio::inherit())
            .output()?;
        let text = String::from_utf8(output.stdout)?;
        let numbers: Result<Vec<f64>, _> = text.split_whitespace().map(str::parse).collect();
        let figures =
            numbers?.try_into().map_err(|_| format!("{peer}: the client said {text:?}"))?;
        Ok(Figures(figures))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
