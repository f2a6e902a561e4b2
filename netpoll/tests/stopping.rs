//! Stopping: a server drains when its process is told to end, and a second signal ends it at once.

mod common;

use std::{
    io::Read,
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use common::{Echo, call, connect, frame, read_frame, runtime, wait_until};
use netpoll::{EventLoop, Frame, frame::Auto};

const MS: Duration = Duration::from_millis(1);

/// The part of a test that runs in a process of its own.
const CHILD: &str = "NETPOLL_STOPPING";

#[derive(Debug, Frame)]
struct Message {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: Vec<u8>,
}

#[netpoll::on_request]
fn slow(message: Message) -> Message {
    if message.body == b"slow" {
        std::thread::sleep(300 * MS);
    } else if message.body == b"stuck" {
        std::thread::sleep(60_000 * MS);
    }
    message
}

/// Serves at `path` in this process, if it is the child.
fn serve_if_child() -> bool {
    let Some(path) = std::env::var_os(CHILD) else { return false };
    netpoll::serve::<slow>(std::path::PathBuf::from(path)).unwrap();
    println!("drained");
    true
}

struct Server {
    child: Child,
    path: std::path::PathBuf,
}

impl Server {
    fn start(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("netpoll-{test}-{}", std::process::id()));
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let this = Self { child, path };
        wait_until(|| std::os::unix::net::UnixStream::connect(&this.path).is_ok());
        this
    }

    fn connect(&self) -> std::os::unix::net::UnixStream {
        let client = std::os::unix::net::UnixStream::connect(&self.path).unwrap();
        client.set_read_timeout(Some(20_000 * MS)).unwrap();
        client
    }

    fn signal(&self, signal: i32) {
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }
}

#[test]
fn a_process_that_is_told_to_end_answers_what_it_has_begun() {
    if serve_if_child() {
        return;
    }
    let mut server = Server::start("a_process_that_is_told_to_end_answers_what_it_has_begun");
    let (mut client, mut idle) = (server.connect(), server.connect());
    assert_eq!(call(&mut client, b"quick"), b"quick");
    std::io::Write::write_all(&mut client, &frame(b"slow")).unwrap();
    std::thread::sleep(50 * MS);
    server.signal(15);
    assert_eq!(idle.read(&mut [0]).unwrap(), 0, "an idle connection is closed");
    assert_eq!(read_frame(&mut client), b"slow");
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    assert!(server.child.wait().unwrap().success());
    let mut said = String::new();
    server.child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("drained"), "{said}");
    assert!(!server.path.exists(), "the socket's file is removed");
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    if serve_if_child() {
        return;
    }
    let mut server = Server::start("a_second_signal_ends_the_process_at_once");
    let (mut stuck, mut idle) = (server.connect(), server.connect());
    std::io::Write::write_all(&mut stuck, &frame(b"stuck")).unwrap();
    std::thread::sleep(50 * MS);
    server.signal(15);
    // The drain has begun.
    assert_eq!(idle.read(&mut [0]).unwrap(), 0);
    server.signal(15);
    assert_eq!(server.child.wait().unwrap().signal(), Some(15));
    let _ = std::fs::remove_file(&server.path);
}

#[test]
fn a_server_serves_until_the_future_is_ready() {
    let runtime = runtime(1);
    let server = EventLoop::builder(Echo::default()).runtime(&runtime).listen("127.0.0.1:0");
    let server = server.drain_timeout(20_000 * MS).bind().unwrap();
    let handle = server.handle();
    assert!(handle.is_ready());
    let mut client = connect(&handle);
    assert_eq!(call(&mut client, b"served"), b"served");
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let waits = runtime.spawn(async move { netpoll::blocking(|| stopped.recv()) });
    let serves = std::thread::spawn(move || server.serve_until(waits));
    assert_eq!(call(&mut client, b"still"), b"still");
    stop.send(()).unwrap();
    let report = serves.join().unwrap().unwrap();
    assert_eq!((report.drained, report.cut.len()), (1, 0));
    assert!(!handle.is_ready());
    assert!(report.to_string().contains("1 connections drained, 0 cut"), "{report}");
}

/// A balancer that asks for readiness has time to notice before the first client is refused.
#[test]
fn a_server_that_is_not_ready_still_accepts_during_the_drains_delay() {
    let runtime = runtime(1);
    let server = EventLoop::builder(Echo::default()).runtime(&runtime).listen("127.0.0.1:0");
    let server = server.drain_delay(400 * MS).drain_timeout(20_000 * MS).bind().unwrap();
    let handle = server.handle();
    let since = Instant::now();
    let serves = std::thread::spawn(move || server.serve_until(std::future::ready(())));
    wait_until(|| !handle.is_ready());
    if since.elapsed() < 300 * MS {
        assert_eq!(call(&mut connect(&handle), b"late"), b"late");
    }
    let report = serves.join().unwrap().unwrap();
    assert!(report.took >= 400 * MS, "{report:?}");
}
