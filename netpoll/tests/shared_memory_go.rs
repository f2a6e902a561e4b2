//! Shared memory with the protocol's own implementation, shmipc-go, at the other end.
//!
//! `NETPOLL_FULL=1` makes ten million calls in place of some thousands.
#![cfg(target_os = "linux")]

mod common;

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::OnceLock,
};

use common::{Echo, frame, runtime, serve_on, wait_until};
use netpoll::{Connection, Dialer};

/// The peer's program, built once; `None`, with a word why, where it cannot be built. Under CI it has to be.
fn peer() -> Option<&'static PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("shmipc-go");
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shmipc"))
            .output();
        match built {
            Ok(output) if output.status.success() => Some(program),
            Ok(output) => {
                eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr));
                None
            }
            Err(error) => {
                eprintln!("skipped: `go` is missing: {error}");
                None
            }
        }
    });
    assert!(built.is_some() || std::env::var_os("CI").is_none(), "shmipc-go could not be built");
    built.as_ref()
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("netpoll-shm-go-{}-{name}", std::process::id()))
}

fn full() -> bool {
    std::env::var_os("NETPOLL_FULL").is_some()
}

/// A server over shmipc-go; it ends with its standard input.
struct GoServer(Child, Option<ChildStdin>);

impl GoServer {
    fn start(program: &PathBuf, path: &PathBuf) -> Self {
        let mut child = Command::new(program)
            .arg("server")
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "listening\n");
        let stdin = child.stdin.take();
        Self(child, stdin)
    }
}

impl Drop for GoServer {
    fn drop(&mut self) {
        self.1.take();
        let _ = self.0.wait();
    }
}

fn call(conn: &Connection, payload: &[u8]) {
    conn.write(&frame(payload)).unwrap();
    let mut reader = conn.reader().unwrap();
    assert_eq!(reader.next(4).unwrap(), (payload.len() as u32).to_be_bytes());
    assert!(reader.next(payload.len()).unwrap() == payload, "{} bytes", payload.len());
}

#[test]
fn a_client_calls_a_server_in_go() {
    let Some(program) = peer() else { return };
    let path = path("server");
    let _server = GoServer::start(program, &path);
    let address = format!("shm:{}", path.display());
    let runtime = runtime(2);
    let dialer = Dialer::new().runtime(&runtime);
    let conn = dialer.dial(address.as_str()).unwrap();
    for n in [0usize, 1, 300, 8172, 8173, 70_000, 1_000_000, 8 << 20] {
        let payload: Vec<u8> = (0..n).map(|i| (i * 3) as u8).collect();
        call(&conn, &payload);
    }
    std::thread::scope(|scope| {
        for t in 0..16u8 {
            let (dialer, address) = (dialer.clone(), address.as_str());
            scope.spawn(move || {
                for n in 0..20 {
                    let conn = dialer.dial(address).unwrap();
                    for m in 0..if full() { 2000 } else { 20 } {
                        call(&conn, &vec![t; (n * 131 + m * 17) % 9000]);
                    }
                }
            });
        }
    });
}

/// Has a client over shmipc-go call this library's server.
fn go_client(version: u8, streams: usize, calls: usize, most: usize) {
    let Some(program) = peer() else { return };
    let path = path(&format!("client-{version}-{streams}"));
    let runtime = runtime(2);
    let address = format!("shm:{}", path.display());
    let server = serve_on(&runtime, Echo::default(), |b| b.listen(address.as_str()));
    let numbers = [usize::from(version), streams, calls, most].map(|n| n.to_string());
    let output = Command::new(program).arg("client").arg(&path).args(numbers).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{} calls\n", streams * calls));
    wait_until(|| server.live() == 0);
}

#[test]
fn a_client_in_go_calls_over_descriptors() {
    go_client(3, 1, 200, 20_000);
    go_client(3, 16, if full() { 625_000 } else { 200 }, 10_000);
}

#[test]
fn a_client_in_go_calls_over_files() {
    go_client(2, 4, 200, 20_000);
}

#[test]
fn a_client_in_go_has_a_thousand_streams() {
    go_client(3, if full() { 1000 } else { 200 }, 5, 3000);
}

#[test]
fn a_client_in_go_sends_more_than_the_memory_holds() {
    go_client(3, 8, 4, 8 << 20);
}
