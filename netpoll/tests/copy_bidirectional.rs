//! Copies between two connections: half-closes, backpressure, idle time, resets, and what they cost.

mod common;

use std::{
    io::{ErrorKind as IoErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use common::{reset, wait_until};
use netpoll::{
    Connection, Copied, CopyError, Dialer, ErrorKind, Listener, Runtime, copy_bidirectional, mem,
};

type Ended = Result<Copied, CopyError>;

/// A client and a server with a copy between their connections.
struct Proxied {
    client: TcpStream,
    server: TcpStream,
    copy: JoinHandle<Ended>,
}

fn connections(runtime: &Runtime) -> (TcpStream, TcpStream, Connection, Connection) {
    let listener =
        Listener::builder().runtime(runtime).write_timeout(None).bind("127.0.0.1:0").unwrap();
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.addresses()[0].inet().unwrap()).unwrap();
    let a = listener.accept().unwrap();
    let dialer = Dialer::new().beside(&a).write_timeout(None);
    let b = dialer.dial(backend.local_addr().unwrap()).unwrap();
    let server = backend.accept().unwrap().0;
    for end in [&client, &server] {
        end.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        end.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    }
    (client, server, a, b)
}

fn proxied(idle: Option<Duration>) -> Proxied {
    let (client, server, a, b) = connections(Runtime::global());
    let copy = thread::spawn(move || copy_bidirectional(&a, &b).idle_timeout(idle).wait());
    Proxied { client, server, copy }
}

fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn each_order_of_half_closes_is_passed_on() {
    for client_first in [true, false] {
        let Proxied { client, server, copy } = proxied(None);
        let (mut first, mut second) =
            if client_first { (client, server) } else { (server, client) };
        // A half-close before a first byte in the other direction, which then still has bytes.
        first.write_all(b"question").unwrap();
        first.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut second), b"question");
        second.write_all(b"the answer").unwrap();
        second.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut first), b"the answer");
        let copied = copy.join().unwrap().unwrap();
        let wanted = if client_first { (8, 10) } else { (10, 8) };
        assert_eq!((copied.a_to_b, copied.b_to_a), wanted);
    }
}

#[test]
fn megabytes_pass_both_ways_at_once() {
    const SIZE: usize = 8 << 20;
    let Proxied { client, server, copy } = proxied(None);
    let bytes: Vec<u8> = (0..SIZE).map(|i| (i / 251 + i) as u8).collect();
    let ends = [client, server].map(|end| {
        let bytes = bytes.clone();
        thread::spawn(move || {
            let mut reads = end.try_clone().unwrap();
            let reader = thread::spawn(move || rest(&mut reads));
            let mut end = end;
            end.write_all(&bytes).unwrap();
            end.shutdown(Shutdown::Write).unwrap();
            assert!(reader.join().unwrap() == bytes, "other bytes came than were sent");
        })
    });
    for end in ends {
        end.join().unwrap();
    }
    let copied = copy.join().unwrap().unwrap();
    assert_eq!((copied.a_to_b, copied.b_to_a), (SIZE as u64, SIZE as u64));
}

#[test]
fn bytes_that_were_read_before_are_copied_first() {
    let (mut client, mut server, a, b) = connections(Runtime::global());
    client.write_all(b"head\nbody").unwrap();
    let mut reader = a.reader().unwrap();
    reader.fill(9).unwrap();
    assert_eq!(reader.until(b'\n').unwrap(), b"head\n");
    assert_eq!(copy_bidirectional(&a, &b).wait().unwrap_err().error.kind(), ErrorKind::Limit);
    drop(reader);
    let copy = thread::spawn(move || copy_bidirectional(&a, &b).wait());
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut server), b"body");
    drop(server);
    assert_eq!(copy.join().unwrap().unwrap(), Copied { a_to_b: 4, b_to_a: 0 });
}

#[test]
fn a_reset_of_one_side_resets_the_other() {
    for client_first in [true, false] {
        let Proxied { client, server, copy } = proxied(None);
        let (mut first, mut second) =
            if client_first { (client, server) } else { (server, client) };
        first.write_all(b"part").unwrap();
        let mut said = [0; 4];
        second.read_exact(&mut said).unwrap();
        reset(first);
        let error = second.read(&mut said).unwrap_err();
        assert_eq!(error.kind(), IoErrorKind::ConnectionReset);
        let failed = copy.join().unwrap().unwrap_err();
        assert!(matches!(failed.error.kind(), ErrorKind::Io | ErrorKind::Closed), "{failed}");
        assert_eq!(failed.copied.a_to_b + failed.copied.b_to_a, 4);
    }
}

/// As a server does that refuses a large request: it answers and closes without reading the rest.
#[test]
fn the_last_answer_arrives_though_the_server_reads_no_more() {
    let Proxied { mut client, mut server, copy } = proxied(None);
    let mut uploads = client.try_clone().unwrap();
    let upload = thread::spawn(move || while uploads.write_all(&[7; 65_536]).is_ok() {});
    let mut some = [0; 1024];
    server.read_exact(&mut some).unwrap();
    server.write_all(b"413 too large").unwrap();
    server.shutdown(Shutdown::Write).unwrap();
    // What it has said is on its way before its close resets the rest.
    let mut said = [0; 13];
    client.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"413 too large");
    drop(server);
    upload.join().unwrap();
    assert!(copy.join().unwrap().is_err());
}

#[test]
fn a_copy_that_rests_too_long_ends_and_says_so() {
    let Proxied { mut client, mut server, copy } = proxied(Some(Duration::from_millis(300)));
    let begin = Instant::now();
    for _ in 0..4 {
        client.write_all(b"x").unwrap();
        server.read_exact(&mut [0]).unwrap();
        thread::sleep(Duration::from_millis(100));
    }
    let failed = copy.join().unwrap().unwrap_err();
    assert_eq!((failed.error.kind(), failed.copied.a_to_b), (ErrorKind::TimedOut, 4));
    assert!(begin.elapsed() >= Duration::from_millis(600), "{:?}", begin.elapsed());
    assert!(rest(&mut client).is_empty() && rest(&mut server).is_empty());

    let (_client, _server, a, b) = connections(Runtime::global());
    let zero = copy_bidirectional(&a, &b).idle_timeout(Duration::ZERO).wait().unwrap_err();
    assert_eq!(zero.error.kind(), ErrorKind::Config);
}

#[test]
fn a_copy_that_is_dropped_leaves_both_connections_usable() {
    let (mut client, mut server, a, b) = connections(Runtime::global());
    let copied = netpoll::block_on(netpoll::timeout(Duration::from_millis(50), async {
        copy_bidirectional(&a, &b).await
    }));
    assert!(copied.is_err(), "nothing was sent");
    client.write_all(b"one").unwrap();
    assert_eq!(a.reader().unwrap().next(3).unwrap(), b"one");
    b.write(b"two").unwrap();
    server.read_exact(&mut [0; 3]).unwrap();
}

/// Clients that ask for much and read nothing: no thread each, and 64 KiB of memory at most.
#[test]
fn stalled_copies_cost_no_thread_and_bounded_memory() {
    const SESSIONS: usize = 200;
    let runtime = Runtime::builder().pollers(1).max_workers(4).build().unwrap();
    let (send, copies) = mpsc::channel();
    let mut stalled = Vec::new();
    let threads = || std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    let (before, memory) = (threads(), mem::stats().out);
    for _ in 0..SESSIONS {
        let (client, server, a, b) = connections(&runtime);
        socket2::SockRef::from(&client).set_recv_buffer_size(4096).unwrap();
        server.set_nonblocking(true).unwrap();
        let send = send.clone();
        runtime.spawn(async move {
            let ended = copy_bidirectional(&a, &b).await;
            send.send(ended.is_ok()).unwrap();
        });
        stalled.push((client, server));
    }
    // Each server sends until nothing is taken any more, anywhere on the way.
    let mut full = 0;
    while full < SESSIONS {
        full = stalled
            .iter()
            .filter(|(_, server)| {
                let mut server = server;
                match server.write(&[1; 65_536]) {
                    Ok(_) => false,
                    Err(e) if e.kind() == IoErrorKind::WouldBlock => true,
                    Err(e) => panic!("{e}"),
                }
            })
            .count();
    }
    let held = mem::stats().out.saturating_sub(memory);
    // What waits may lie in two blocks of 64 KiB: the rest of one, and the begin of the next.
    assert!(held <= SESSIONS * (144 << 10), "{held} bytes are held");
    assert!(threads() <= before + 8, "{} threads, {before} before", threads());
    // Others are served meanwhile.
    let (mut client, mut server, a, b) = connections(&runtime);
    runtime.spawn(async move { copy_bidirectional(&a, &b).await });
    client.write_all(b"hello").unwrap();
    let mut said = [0; 5];
    server.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"hello");
    drop(stalled);
    for _ in 0..SESSIONS {
        copies.recv_timeout(Duration::from_secs(20)).unwrap();
    }
    wait_until(|| mem::stats().out <= memory + (1 << 20));
}
