//! Services over shared memory: the same handlers, clients and limits as over sockets.
#![cfg(target_os = "linux")]

mod client_support;
mod common;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use common::{Echo, frame, runtime, serve_on, wait_until};
use netpoll::{Connection, Dialer, ErrorKind, Runtime, ServerHandle};

use crate::client_support::{Kind, message};

/// A path for a socket, in the system's directory for temporary files.
fn path() -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("netpoll-shm-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
    std::env::temp_dir().join(name)
}

fn echo() -> (Runtime, ServerHandle, String) {
    let runtime = runtime(2);
    let address = format!("shm:{}", path().display());
    let server = serve_on(&runtime, Echo::default(), |b| b.listen(address.as_str()));
    (runtime, server, address)
}

fn call(conn: &Connection, payload: &[u8]) {
    conn.write(&frame(payload)).unwrap();
    let mut reader = conn.reader().unwrap();
    assert_eq!(reader.next(4).unwrap(), (payload.len() as u32).to_be_bytes());
    assert!(reader.next(payload.len()).unwrap() == payload, "{} bytes", payload.len());
}

#[test]
fn frames_of_all_sizes_pass_and_come_back() {
    let (_runtime, _server, address) = echo();
    let conn = Dialer::new().dial(address).unwrap();
    for n in [0usize, 1, 300, 8172, 8173, 70_000, 3_000_000] {
        let payload: Vec<u8> = (0..n).map(|i| (i * 3) as u8).collect();
        call(&conn, &payload);
    }
}

#[test]
fn more_than_the_memory_holds_passes_by_backpressure_or_by_the_socket() {
    let (_runtime, _server, address) = echo();
    let conn = Dialer::new().dial(address).unwrap();
    let payload: Vec<u8> = (0..40_000_000u32).map(|i| (i / 7) as u8).collect();
    call(&conn, &payload);
}

#[test]
fn many_streams_share_a_session_and_end_by_themselves() {
    let (_runtime, server, address) = echo();
    let streams: Vec<_> = (0..200).map(|_| Dialer::new().dial(address.as_str()).unwrap()).collect();
    for (i, conn) in streams.iter().enumerate() {
        call(conn, &vec![i as u8; 100 + i]);
    }
    wait_until(|| server.live() == 200);
    let mut streams = streams;
    drop(streams.split_off(100));
    wait_until(|| server.live() == 100);
    for conn in &streams {
        call(conn, b"still");
    }
    drop(streams);
    wait_until(|| server.live() == 0);
}

#[test]
fn pools_and_muxes_call_over_it() {
    let runtime = runtime(1);
    let address = format!("shm:{}", path().display());
    let server = serve_on(&runtime, Echo::default(), |b| b.listen(address.as_str()));
    let pool = netpoll::client::Client::<Owned, Owned>::pool(address.as_str()).build().unwrap();
    std::thread::scope(|scope| {
        for t in 0..8u8 {
            let pool = &pool;
            scope.spawn(move || {
                for n in 0..200usize {
                    let body = vec![t; n * 7];
                    assert_eq!(pool.call(Owned::of(&body)).unwrap().get().unwrap().body, body);
                }
            });
        }
    });
    drop(pool);
    wait_until(|| server.live() == 0);
}

/// The frame of the echo service, owned.
#[derive(Debug, netpoll::Frame)]
struct Owned {
    #[frame(len(of = rest))]
    length: netpoll::frame::Auto<u32>,
    #[frame(rest)]
    body: Vec<u8>,
}

impl Owned {
    fn of(body: &[u8]) -> Self {
        Self { length: netpoll::frame::Auto::default(), body: body.to_vec() }
    }
}

#[test]
fn half_close_answers_what_came_before_it() {
    let (_runtime, server, address) = echo();
    let conn = Dialer::new().dial(address).unwrap();
    conn.write(&frame(b"last")).unwrap();
    conn.shutdown_write();
    let mut reader = conn.reader().unwrap();
    assert_eq!(reader.next(8).unwrap(), frame(b"last"));
    assert_eq!(reader.next(1).unwrap_err().kind(), ErrorKind::Eof);
    wait_until(|| server.live() == 0);
}

#[test]
fn a_reader_that_does_not_read_is_not_written_to_without_end() {
    let (_runtime, _server, address) = echo();
    let stalled = Dialer::new()
        .options(netpoll::ConnectionOptions::new().write_timeout(Duration::from_secs(2)))
        .dial(address.as_str())
        .unwrap();
    // The answers are not read, until the server does not read either.
    let mut sent = 0u64;
    loop {
        let mut bytes = netpoll::buf::LinkBuffer::new();
        bytes.write(&frame(&[7; 100_000])).unwrap();
        bytes.flush();
        if stalled.try_send(bytes).is_err() {
            break;
        }
        sent += 100_000;
        // Its part of the memory in each direction, and the high marks of both ends.
        assert!(sent < 60_000_000, "nothing bounds what waits");
    }
    // Others go on beside it.
    let other = Dialer::new().dial(address).unwrap();
    for _ in 0..100 {
        call(&other, &[1; 1000]);
    }
}

#[test]
fn a_dial_fails_where_nobody_listens_or_no_session_is_spoken() {
    let nobody = format!("shm:{}", path().display());
    assert!(Dialer::new().dial(nobody.as_str()).is_err());
    // A Unix socket of another protocol: the handshake gets no answer that it knows.
    let runtime = runtime(1);
    let path = path();
    let _server =
        serve_on(&runtime, Echo::default(), |b| b.listen(format!("unix:{}", path.display())));
    let dialer = Dialer::new().connect_timeout(Duration::from_secs(2));
    assert!(dialer.dial(format!("shm:{}", path.display())).is_err());
}

#[test]
fn peers_know_each_others_process() {
    let (_runtime, _server, address) = echo();
    let conn = Dialer::new().dial(address).unwrap();
    assert_eq!(conn.peer_credentials().unwrap().pid, Some(std::process::id()));
}

#[test]
fn a_mux_matches_answers_of_many_callers() {
    let runtime = runtime(2);
    let address = format!("shm:{}", path().display());
    let (_server, _) = client_support::serve_slow_at(&runtime, &address, client_support::NEVER);
    let mux = Kind::Mux(2).client_on(&runtime, &address, Duration::from_secs(20));
    std::thread::scope(|scope| {
        for t in 0..16u8 {
            let mux = &mux;
            scope.spawn(move || {
                for n in 0..100usize {
                    let body = vec![t; n * 3];
                    let answer = mux.call(message(u32::from(n % 17 == 0), body.clone())).unwrap();
                    assert_eq!(answer.get().unwrap().body, body);
                }
            });
        }
    });
}
