//! Peers that are there and do not answer: a process that is stopped, a cable that is cut, an interface
//! that drops all packets.

#![cfg(target_os = "linux")]

mod client_support;
mod common;

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use client_support::{
    Echoes, Kind, NEVER, Tally, assert_quiet,
    by_hand::{ByHand, echo},
    message, serve_slow,
};
use common::{namespace, runtime, stopwatch::Stopwatch, wait_until};
use netpoll::{ErrorKind, client::CallOptions};

const MS: Duration = Duration::from_millis(1);
const KINDS: [Kind; 2] = [Kind::Pool(8), Kind::Mux(2)];

/// `n` calls side by side, of `timeout` each.
fn calls(client: &Echoes, n: usize, timeout: Duration) -> Tally {
    let tally = Tally::default();
    thread::scope(|scope| {
        for call in 0..n {
            let tally = &tally;
            scope.spawn(move || {
                let body = format!("{call}").into_bytes();
                let options = CallOptions::new().timeout(timeout);
                let told = client.call_with(message(0, body.clone()), options);
                if let Err(error) = &told {
                    assert!(error.to_string().contains("127.0.0.1"), "{error}");
                }
                tally.note(&body, &told);
            });
        }
    });
    assert_eq!(tally.all(), n);
    assert_quiet(client);
    tally
}

/// All of some calls time out, and soon.
#[track_caller]
fn assert_silent(client: &Echoes) {
    let since = Instant::now();
    let tally = calls(client, 20, 200 * MS);
    assert_eq!(tally.failed(ErrorKind::TimedOut), 20, "{tally:?}");
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
}

/// All calls are answered within `limit`: of a mux's connections one may be new, and another not yet
/// known to be dead.
#[track_caller]
fn assert_heals(client: &Echoes, limit: Duration) {
    let healing = Stopwatch::start();
    wait_until(|| calls(client, 20, 200 * MS).answered() == 20);
    let took = healing.elapsed();
    println!("healed after {took:?}: {:?}", client.stats());
    healing.assert_was_below(took, limit);
    assert_eq!(calls(client, 20, Duration::from_secs(20)).answered(), 20);
}

/// A server in a process of its own.
struct Process {
    child: Child,
    address: String,
}

const CHILD: &str = "NETPOLL_HALF_OPEN";

impl Process {
    fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_stopped_process", "--nocapture"])
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The harness writes to stdout too, so that the line has a mark.
        let mut marked = lines
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("> ").map(str::to_owned));
        let address = marked.next().expect("the child tells its address");
        Self { child, address }
    }

    /// The child: serves until its parent goes.
    fn serve() {
        let runtime = runtime(1);
        let (server, address) = serve_slow(&runtime, NEVER);
        println!("\n> {address}");
        let _ = std::io::stdin().read(&mut [0]);
        server.shutdown(Duration::ZERO);
    }

    fn signal(&self, signal: &str) {
        let kill = format!("kill {signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        wait_until(|| self.is_stopped() == (signal == "-STOP"));
    }

    /// Whether each of its threads is.
    fn is_stopped(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit(')').next().is_some_and(|fields| fields.starts_with(" T"))
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_stopped_process() {
    if std::env::var_os(CHILD).is_some() {
        return Process::serve();
    }
    let server = Process::start();
    for kind in KINDS {
        let client = kind.client(&server.address, Duration::from_secs(20));
        assert_eq!(calls(&client, 20, Duration::from_secs(20)).answered(), 20);
        server.signal("-STOP");
        assert_silent(&client);
        server.signal("-CONT");
        assert_heals(&client, Duration::from_secs(1));
    }
}

/// The connections are dead and nobody says so; new ones can be made.
#[test]
fn a_cut_cable() {
    for kind in KINDS {
        let server = ByHand::start(|stream, _| echo(stream));
        let client = kind.client(&server.address, Duration::from_secs(1));
        client.warm_up(2).unwrap();
        assert_eq!(calls(&client, 20, Duration::from_secs(20)).answered(), 20);
        // All of them are cut: one that is still being made would be left.
        wait_until(|| {
            let now = client.stats();
            now.dialing == 0 && now.connections == server.accepted()
        });
        let before = server.accepted();
        server.cut();
        // A pool has new connections for those that wait.
        assert!(calls(&client, 20, 200 * MS).failed(ErrorKind::TimedOut) > 0);
        assert_heals(&client, Duration::from_secs(5));
        assert!(server.accepted() > before);
    }
}

/// Has the namespace's interface drop all packets, or none.
fn drop_packets(all: bool) {
    let queue: &[&str] = if all { &["limit", "0"] } else { &["limit", "10000"] };
    let change = ["qdisc", "replace", "dev", "lo", "root", "pfifo"];
    assert!(Command::new("tc").args(change).args(queue).status().unwrap().success());
}

#[test]
fn an_interface_that_drops_all_packets() {
    if !namespace::is_inside() {
        let setup = "ip link set lo up && tc qdisc replace dev lo root pfifo";
        let test = "an_interface_that_drops_all_packets";
        return namespace::run(test, &["--net"], &["ip", "tc"], setup);
    }
    for kind in KINDS {
        let server = ByHand::start(|stream, _| echo(stream));
        let client = kind.client(&server.address, Duration::from_secs(1));
        assert_eq!(calls(&client, 20, Duration::from_secs(20)).answered(), 20);
        drop_packets(true);
        assert_silent(&client);
        // A dial is lost in it too.
        let dials = kind.client(&server.address, Duration::from_secs(1));
        assert_silent(&dials);
        drop_packets(false);
        assert_heals(&client, Duration::from_secs(5));
    }
}
