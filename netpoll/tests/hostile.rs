//! Hostile peers: each ends in an error that names it and a closed connection, and harms nobody else.

mod common;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{Echo, Log, call, connect, frame, serve, stopwatch::Stopwatch, wait_until};
use netpoll::{EventLoopBuilder, ServerHandle, mem};

const MS: Duration = Duration::from_millis(1);

/// A server whose good client goes on with its echo while `attack` runs. The hooks that ran for the
/// attackers' connections, in order, without `connect`.
fn attacked(
    with: impl FnOnce(EventLoopBuilder<Echo>) -> EventLoopBuilder<Echo>,
    attack: impl FnOnce(&ServerHandle, &Log),
) -> Vec<String> {
    let service = Echo::default();
    let log = service.log.clone();
    let (runtime, server) = serve(service, with);
    let mut good = connect(&server);
    call(&mut good, b"first");
    let ends = Arc::new(AtomicBool::new(false));
    let echoes = {
        let ends = ends.clone();
        thread::spawn(move || {
            let (mut worst, mut slow) = (Duration::ZERO, 0u32);
            let mut calls = 0u32;
            while calls == 0 || !ends.load(SeqCst) {
                let since = Stopwatch::start();
                assert_eq!(call(&mut good, &calls.to_be_bytes()), calls.to_be_bytes());
                let took = since.elapsed();
                worst = worst.max(took);
                slow += u32::from(took > 50 * MS && took > 50 * MS + since.noise());
                calls += 1;
                thread::sleep(Duration::from_micros(500));
            }
            (calls, slow, worst)
        })
    };
    wait_until(|| server.live() == 1);
    attack(&server, &log);
    wait_until(|| server.live() == 1);
    ends.store(true, SeqCst);
    let (calls, slow, worst) = echoes.join().unwrap();
    println!("{calls} echoes of others meanwhile, the slowest took {worst:?}");
    // Others use this machine too.
    assert!(calls > 0 && slow <= 2, "{slow} of {calls} were slow, the slowest took {worst:?}");
    wait_until(|| server.live() == 0);
    wait_until(|| runtime.stats().connections == 0);
    let hooks = log.lock();
    // What the good client left is not of interest.
    let left = hooks.iter().filter(|hook| *hook != "connect" && !hook.contains("Eof"));
    left.cloned().collect()
}

/// Reads to the end, which may be a reset.
fn read_to_end(client: &mut TcpStream) {
    let _ = client.read_to_end(&mut Vec::new());
}

#[test]
fn a_length_beyond_the_limit() {
    let before = mem::stats().out;
    let hooks = attacked(
        |b| b.max_frame(1 << 20),
        |server, _| {
            for declared in [(1 << 20) - 3, u32::MAX] {
                let mut client = connect(server);
                client.write_all(&declared.to_be_bytes()).unwrap();
                client.write_all(&[0; 1000]).unwrap();
                read_to_end(&mut client);
                drop(client);
                wait_until(|| server.live() == 1);
            }
        },
    );
    assert_eq!(hooks, ["error FrameTooLarge", "close 0 FrameTooLarge"].repeat(2));
    // Nothing was reserved for it. The tests beside this one have blocks for a while.
    wait_until(|| mem::stats().out < before + (1 << 20));
}

#[test]
fn the_largest_frame_that_is_allowed() {
    let hooks = attacked(
        |b| b.max_frame(1 << 20),
        |server, _| {
            let mut client = connect(server);
            let payload = vec![7; (1 << 20) - 4];
            assert!(call(&mut client, &payload) == payload);
        },
    );
    assert_eq!(hooks, [""; 0]);
}

#[test]
fn garbage() {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let hooks = attacked(
        |b| b.max_frame(1 << 16).frame_timeout(Some(100 * MS)),
        |server, _| {
            for _ in 0..30 {
                let mut client = connect(server);
                let bytes: Vec<u8> =
                    (0..512).flat_map(|_| (random() | 0x80).to_be_bytes()).collect();
                let _ = client.write_all(&bytes);
                read_to_end(&mut client);
            }
        },
    );
    let count = |what: &str| hooks.iter().filter(|hook| hook.starts_with(what)).count();
    // A client that is faster than the server's end of its connection is a disconnect too.
    let (errors, closes, disconnects) = (count("error"), count("close"), count("disconnect"));
    assert_eq!((errors, closes), (30, 30), "{hooks:?}");
    assert_eq!(errors + closes + disconnects, hooks.len(), "{hooks:?}");
}

#[test]
fn a_header_and_then_silence() {
    let hooks = attacked(
        |b| b.frame_timeout(Some(100 * MS)),
        |server, _| {
            let mut client = connect(server);
            let since = Stopwatch::start();
            client.write_all(&1000u32.to_be_bytes()).unwrap();
            read_to_end(&mut client);
            since.assert_within(99 * MS, 200 * MS);
        },
    );
    assert_eq!(hooks, ["error TimedOut", "close 0 FrameTimeout"]);
}

/// Each byte is progress, and none of them buys more time.
#[test]
fn one_byte_at_a_time() {
    let hooks = attacked(
        |b| b.frame_timeout(Some(200 * MS)),
        |server, _| {
            let mut client = connect(server);
            let since = Stopwatch::start();
            for byte in frame(&[1; 1000]) {
                if client.write_all(&[byte]).is_err() {
                    break;
                }
                thread::sleep(10 * MS);
            }
            since.assert_below(500 * MS);
        },
    );
    assert_eq!(hooks, ["error TimedOut", "close 0 FrameTimeout"]);
}

#[test]
fn a_reset_in_a_frame() {
    let hooks = attacked(
        |b| b,
        |server, log| {
            let mut client = connect(server);
            call(&mut client, b"whole");
            client.write_all(&frame(&[1; 100])[..50]).unwrap();
            thread::sleep(20 * MS);
            let zero = Some(Duration::ZERO);
            socket2::SockRef::from(&client.as_fd()).set_linger(zero).unwrap();
            drop(client);
            wait_until(|| log.lock().iter().any(|hook| hook.starts_with("close")));
        },
    );
    assert_eq!(hooks, ["disconnect Reset", "close 1 Reset"]);
}

#[test]
fn the_end_in_a_frame() {
    let service = Echo::default();
    let log = service.log.clone();
    let (_runtime, server) = serve(service, |b| b);
    let mut client = connect(&server);
    client.write_all(&[frame(b"whole"), frame(b"half")[..6].to_vec()].concat()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    assert_eq!(all, frame(b"whole"));
    wait_until(|| server.live() == 0);
    assert_eq!(log.lock()[1..], ["error Eof", "disconnect Eof", "close 1 Eof"]);
}

/// It asks and asks, and takes no answer: the server stops reading, holds little, and ends it.
#[test]
fn a_peer_that_never_reads() {
    const HIGH: usize = 256 << 10;
    let before = mem::stats().out;
    let hooks = attacked(
        |b| b.write_timeout(Some(400 * MS)).write_high(HIGH).write_low(HIGH / 4),
        |server, _| {
            let attackers: Vec<_> = (0..4)
                .map(|_| {
                    let mut client = connect(server);
                    client.set_write_timeout(Some(5000 * MS)).unwrap();
                    thread::spawn(move || {
                        let batch = frame(&[1; 4096]).repeat(16);
                        while client.write_all(&batch).is_ok() {}
                    })
                })
                .collect();
            let mut most = 0;
            while attackers.iter().any(|attacker| !attacker.is_finished()) {
                most = most.max(mem::stats().out.saturating_sub(before));
                thread::sleep(MS);
            }
            println!("{} KiB of buffers at most for 4 attackers", most >> 10);
            // Answers of a turn may pass the mark by what one turn reads.
            assert!(most < 4 * (HIGH + (1 << 20)) + (2 << 20), "{most} bytes were held");
            attackers.into_iter().for_each(|attacker| attacker.join().unwrap());
        },
    );
    let mut hooks = hooks;
    hooks.sort();
    let ends = ["close WriteTimeout", "error TimedOut"].map(|end| [end; 4]).concat();
    let hooks: Vec<_> = hooks
        .iter()
        .map(|h| if h.starts_with("close") { "close WriteTimeout" } else { h })
        .collect();
    assert_eq!(hooks, ends);
}

/// Connects and leaves, over and over.
#[test]
fn a_flood_of_connections() {
    let hooks = attacked(
        |b| b,
        |server, _| {
            for i in 0..2000 {
                let client = connect(server);
                if i % 2 == 0 {
                    let zero = Some(Duration::ZERO);
                    socket2::SockRef::from(&client.as_fd()).set_linger(zero).unwrap();
                }
            }
        },
    );
    let resets = hooks.iter().filter(|hook| hook.starts_with("disconnect Reset")).count();
    assert_eq!(hooks.len(), 2 * resets, "{hooks:?}");
}
