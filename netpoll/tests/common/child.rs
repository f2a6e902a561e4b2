//! A server in a process of its own, whose memory is measured alone: the test's file once more, with a
//! variable that says what it is.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use netpoll::{Runtime, mem};

use super::{Echo, over, serve_on};

/// Set in the server's process.
const SERVES: &str = "NETPOLL_TEST_SERVES";

/// In the server's process: serves echoes until its end is asked for, answers each line with its
/// counters, and gives true.
pub fn serves() -> bool {
    if std::env::var_os(SERVES).is_none() {
        return false;
    }
    netpoll::raise_fd_limit().unwrap();
    let runtime = Runtime::builder().build().unwrap();
    let server = serve_on(&runtime, Echo::default(), |b| b);
    // The harness writes to stdout too, so that lines of ours have a mark.
    println!("\n> {}", server.addresses()[0].inet().unwrap());
    for _ in std::io::stdin().lines() {
        let stats = mem::stats();
        println!("> {} {} {}", server.live(), stats.out, stats.cached);
    }
    server.shutdown(Duration::ZERO);
    true
}

/// A process that answers by lines with a mark; the first one is its address.
pub struct Answering {
    pub child: Child,
    answers: BufReader<ChildStdout>,
    pub address: String,
}

impl Answering {
    pub fn start(command: &mut Command) -> Self {
        if let Some(identity) = over::identity() {
            command.env(over::IDENTITY, identity);
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child");
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut child = Self { child, answers, address: String::new() };
        child.address = child.answer();
        child
    }

    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "the child ended");
            if let Some(answer) = line.strip_prefix("> ") {
                return answer.trim().to_owned();
            }
        }
    }

    /// What it answers to a line.
    pub fn ask(&mut self, line: &str) -> String {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
        self.answer()
    }
}

pub struct Server {
    process: Answering,
    pub address: String,
}

impl Server {
    /// Starts the test of that name as a server: it must begin with [`serves`].
    pub fn start(test: &str) -> Self {
        let process = Answering::start(
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", test, "--nocapture"])
                .env(SERVES, "1"),
        );
        let address = process.address.clone();
        Self { process, address }
    }

    /// Live connections, bytes of buffers out and cached.
    pub fn ask(&mut self) -> [usize; 3] {
        let answer = self.process.ask("");
        let mut numbers = answer.split(' ').map(|n| n.parse().unwrap());
        std::array::from_fn(|_| numbers.next().unwrap())
    }

    /// A figure of /proc/pid/status, in KiB.
    pub fn status(&self, name: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Has it end, and sees that it does so in order.
    pub fn end(mut self) {
        drop(self.process.child.stdin.take());
        std::io::copy(&mut self.process.answers, &mut std::io::sink()).unwrap();
        assert!(self.process.child.wait().unwrap().success());
    }
}
