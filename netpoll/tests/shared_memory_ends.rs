//! Sessions in shared memory that end: with a process that is killed, with their server, and one that begins
//! with a server of an older version. And what they cost in system calls while they are busy.
#![cfg(target_os = "linux")]

mod client_support;
mod common;

use std::{
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use client_support::{Kind, NEVER, message, serve_slow_at};
use common::{Echo, descriptors, frame, random, runtime, serve_on, wait_until};
use netpoll::{Connection, Dialer};

fn path(name: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let n = NEXT.fetch_add(1, Relaxed);
    std::env::temp_dir().join(format!("netpoll-shm-{name}-{}-{n}", std::process::id()))
}

fn call(conn: &Connection, payload: &[u8]) {
    conn.write(&frame(payload)).unwrap();
    let mut reader = conn.reader().unwrap();
    assert!(reader.next(4 + payload.len()).unwrap() == frame(payload), "{} bytes", payload.len());
}

/// Mappings of buffer files in this process.
fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().matches("netpoll-buffer").count()
}

/// Set in a process that calls until it is killed.
const CALLS: &str = "NETPOLL_TEST_CALLS";

/// A process whose clients call `address` from many streams.
struct Caller(Child);

impl Caller {
    fn start(address: &str) -> Self {
        let test = "a_process_that_is_killed_costs_its_own_memory_alone";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(CALLS, address)
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn call_for_ever(address: &str) {
    thread::scope(|scope| {
        for t in 0..4usize {
            scope.spawn(move || {
                for n in 0.. {
                    let conn = Dialer::new().dial(address).unwrap();
                    for m in 0..50 {
                        // Of one slice, of several, and of more than a message has.
                        call(
                            &conn,
                            &vec![t as u8; [100, 20_000, 300_000, 1_500_000][(n + m + t) % 4]],
                        );
                    }
                }
            });
        }
    });
}

#[test]
fn a_process_that_is_killed_costs_its_own_memory_alone() {
    if let Ok(address) = std::env::var(CALLS) {
        return call_for_ever(&address);
    }
    let mut seed = std::env::var("NETPOLL_SEED").map_or(7, |seed| seed.parse().unwrap());
    println!("NETPOLL_SEED={seed}");
    let runtime = runtime(2);
    let address = format!("shm:{}", path("killed").display());
    let server = serve_on(&runtime, Echo::default(), |b| b.listen(address.as_str()));
    let good = Dialer::new().runtime(&runtime).dial(address.as_str()).unwrap();
    call(&good, b"first");
    let (descriptors_before, mappings_before) = (descriptors(), mappings());
    for round in 0..8 {
        let caller = Caller::start(&address);
        wait_until(|| server.live() >= 5);
        // In the middle of whatever it does.
        thread::sleep(Duration::from_micros(random(&mut seed, 20_000)));
        call(&good, &vec![round; 50_000]);
        drop(caller);
        wait_until(|| server.live() == 1);
        call(&good, &vec![round; 200_000]);
    }
    wait_until(|| mappings() == mappings_before);
    wait_until(|| descriptors() <= descriptors_before);
}

#[test]
fn sessions_end_with_their_server() {
    let runtime = runtime(2);
    let address = format!("shm:{}", path("server").display());
    let before = mappings();
    let server = serve_on(&runtime, Echo::default(), |b| b.listen(address.as_str()));
    // Two processes, as far as the server knows: sessions of one runtime are shared.
    let other = common::runtime(1);
    let conns =
        [&runtime, &other].map(|of| Dialer::new().runtime(of).dial(address.as_str()).unwrap());
    conns.iter().for_each(|conn| call(conn, b"before"));
    let [open, ended] = conns;
    drop(ended);
    wait_until(|| server.live() == 1);
    let closing = thread::spawn(move || server.shutdown(Duration::from_secs(10)));
    // What is open drains.
    wait_until(|| {
        !open.is_active() || Dialer::new().runtime(&other).dial(address.as_str()).is_err()
    });
    drop(open);
    let report = closing.join().unwrap();
    assert_eq!(report.cut.len(), 0, "{report}");
    wait_until(|| mappings() <= before);
    assert!(Dialer::new().runtime(&other).dial(address.as_str()).is_err());
}

/// Passes what comes from one end on to the other.
fn pump(mut from: UnixStream, mut to: UnixStream) {
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

#[test]
fn a_client_offers_files_to_a_server_that_knows_version_2_alone() {
    let runtime = runtime(2);
    let (behind, before) = (path("behind"), path("before"));
    let _server =
        serve_on(&runtime, Echo::default(), |b| b.listen(format!("shm:{}", behind.display())));
    let listener = UnixListener::bind(&before).unwrap();
    let refused = Arc::new(AtomicUsize::new(0));
    // Closes on a greeting of another version, as a server would that does not know the frame.
    thread::spawn({
        let refused = refused.clone();
        move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let mut head = [0; 8];
                client.read_exact(&mut head).unwrap();
                if head[7] != 0 {
                    refused.fetch_add(1, Relaxed);
                    continue;
                }
                assert_eq!(head[6], 2, "files are offered by version 2");
                let mut server = UnixStream::connect(&behind).unwrap();
                server.write_all(&head).unwrap();
                pump(client.try_clone().unwrap(), server.try_clone().unwrap());
                pump(server, client);
            }
        }
    });
    let dialer = Dialer::new().runtime(&runtime);
    let address = format!("shm:{}", before.display());
    let conns: Vec<_> = (0..3).map(|_| dialer.dial(address.as_str()).unwrap()).collect();
    for (n, conn) in conns.iter().enumerate() {
        for len in [0, 1, 300, 8_173, 300_000, 3_000_000] {
            call(conn, &vec![n as u8; len]);
        }
    }
    assert_eq!(refused.load(Relaxed), 1, "one session, which asked once");
    let files = || {
        let ours = format!("netpoll-{}-", std::process::id());
        let entries = std::fs::read_dir("/dev/shm").into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&ours)).count()
    };
    assert!(files() > 0 || !std::path::Path::new("/dev/shm").is_dir());
    drop(conns);
    drop(runtime);
    wait_until(|| files() == 0);
    std::fs::remove_file(&before).unwrap();
}

#[test]
fn two_busy_sides_make_nearly_no_system_calls() {
    let (ours, theirs) = (runtime(1), runtime(1));
    let address = format!("shm:{}", path("calls").display());
    let (_server, _) = serve_slow_at(&theirs, &address, NEVER);
    let mux = Kind::Mux(2).client_on(&ours, &address, Duration::from_secs(60));
    let callers = |calls: usize| {
        let tasks: Vec<_> = (0..128u8)
            .map(|t| {
                let mux = mux.clone();
                ours.spawn(async move {
                    for _ in 0..calls {
                        let answer = mux.call_async(message(0, vec![t; 64])).await.unwrap();
                        assert_eq!(answer.get().unwrap().body, [t; 64]);
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(|task| netpoll::block_on(task).unwrap());
    };
    callers(10);
    let count = || {
        [&ours, &theirs].map(|runtime| {
            let calls = runtime.stats().syscalls;
            calls.read + calls.write + calls.wait + calls.control + calls.wake
        })
    };
    let before = count();
    callers(100);
    let [ours, theirs] = std::array::from_fn(|i| (count()[i] - before[i]) as f64 / 12_800.0);
    println!("system calls for a request: {ours:.3} by the client, {theirs:.3} by the server");
    // A socket takes two at least where nothing is gathered; on a busy machine a side is at rest more often.
    assert!(ours + theirs < 1.0, "{ours} and {theirs} system calls for a request");
}
