//! A server that runs as a child process.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::process::{self, Process};

/// What a server prints when it is ready, before its address.
pub const READY: &str = "listening on ";

/// A running server. It is ended when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    address: String,
    process: Process,
    /// The server ends with it.
    _stdin: Option<ChildStdin>,
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts a server on one core and waits until it listens.
    ///
    /// # Errors
    /// The program cannot be started, or ends before it listens.
    pub fn start(command: &mut Command, core: usize) -> io::Result<Self> {
        let mut child = spawn_on(command.stdin(Stdio::piped()).stdout(Stdio::piped()), core)?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().expect("a piped output");
        let mut stdout = BufReader::new(stdout);
        match read_address(&mut stdout) {
            Ok(address) => {
                let process = Process::new(child.id())?;
                Ok(Self { child, address, process, _stdin: stdin, _stdout: stdout })
            }
            Err(error) => {
                let _ = child.kill();
                let status = child.wait()?;
                Err(io::Error::new(error.kind(), format!("{command:?}: {error} ({status})")))
            }
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// It is no address of IP.
    pub fn addr(&self) -> io::Result<SocketAddr> {
        let what = |error| io::Error::other(format!("{:?} is no address: {error}", self.address));
        self.address.parse().map_err(what)
    }

    /// Address on which it listens, as it printed.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The process, to be measured.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_address(stdout: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    loop {
        line.clear();
        if stdout.read_line(&mut line)? == 0 {
            return Err(io::Error::other("it ended before it listened"));
        }
        if let Some(addr) = line.trim_end().strip_prefix(READY) {
            return Ok(addr.to_owned());
        }
    }
}

/// Starts a program that has only `core` from its first instruction on, so that it sees a machine
/// with one core.
///
/// # Errors
/// The program cannot be started, or there is no such core.
pub fn spawn_on(command: &mut Command, core: usize) -> io::Result<Child> {
    let spawn = || {
        process::pin_current_thread(core)?;
        command.spawn()
    };
    std::thread::scope(|scope| scope.spawn(spawn).join()).expect("no panic in spawn")
}
