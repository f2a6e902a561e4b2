//! A server as a program.

use std::{
    io::{BufRead, BufReader},
    net::TcpStream,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

/// A running server, on a port of its own; killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    /// What it prints, which it can do to its end.
    _output: BufReader<ChildStdout>,
    pub(crate) address: String,
}

impl Server {
    /// Starts the program `path`.
    pub(crate) fn start(path: &str) -> Self {
        Self::start_with(path, &[])
    }

    /// Starts the program `path` with these options besides its address.
    pub(crate) fn start_with(path: &str, options: &[&str]) -> Self {
        let mut child = Command::new(path)
            .args(["--listen", "127.0.0.1:0"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ").expect("where it listens");
        let address = address.strip_prefix("tcp://").unwrap_or(address).to_owned();
        Self { child, _output: output, address }
    }

    /// Sends it the signal, by name; gives its exit code.
    pub(crate) fn end_by(mut self, signal: &str) -> Option<i32> {
        let sent = Command::new("kill").args(["-s", signal, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        self.child.wait().unwrap().code()
    }

    /// A number that the system tells of its process.
    pub(crate) fn status(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("a known field");
        line.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(&self.address).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
