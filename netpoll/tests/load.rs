//! Load, and what is bounded under it. Short as a rule; NETPOLL_FULL=1 makes it what the names say.

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use common::{
    Answer, Bench, Echo, call,
    child::{self, Server},
    connect, descriptors, frame, read_frame, reset, runtime,
    scenario::{self, length},
    serve_on,
    stopwatch::Stopwatch,
    wait_until,
};
use netpoll::{Call, ErrorKind, Flow, ServerHandle, mem};
use parking_lot::Mutex;

const MS: Duration = Duration::from_millis(1);

/// Tests of this file measure memory and descriptors of their process: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// Bytes of the server's process for each connection: its state, and its part of tables.
const EACH: u64 = 3 << 10;

/// 15,000 connections at once, each of which has spoken and is quiet.
#[test]
fn fifteen_thousand_connections_at_once() {
    if child::serves() {
        return;
    }
    let _alone = ALONE.lock();
    let many = length(1_500, 15_000);
    let limit = netpoll::raise_fd_limit().unwrap();
    assert!(limit as usize > many + 100, "{limit} descriptors are allowed: see `ulimit -Hn`");
    let mut server = Server::start("fifteen_thousand_connections_at_once");
    let mut first = TcpStream::connect(&server.address).unwrap();
    assert_eq!(call(&mut first, b"warm"), b"warm");
    let before = server.status("VmRSS");
    let payload = [7; 1024];
    let mut clients = Vec::new();
    while clients.len() < many {
        let mut part: Vec<_> =
            (0..100).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
        part.iter_mut().for_each(|client| client.write_all(&frame(&payload)).unwrap());
        part.iter_mut().for_each(|client| assert_eq!(read_frame(client), payload));
        clients.extend(part);
    }
    // All are there, and answer.
    for client in clients.iter_mut().step_by(7) {
        assert_eq!(call(client, b"still here"), b"still here");
    }
    let [live, out, _] = server.ask();
    assert_eq!(live, many + 1);
    let (now, peak) = (server.status("VmRSS"), server.status("VmHWM"));
    let each = (now - before) * 1024 / many as u64;
    println!("{live} connections: {now} KiB, peak {peak} KiB, {each} bytes each, {out} in buffers");
    assert!(each < EACH, "{each} bytes for each connection");
    drop((clients, first));
    wait_until(|| server.ask()[0] == 0);
    server.end();
}

/// Threads connect and leave in a tight loop, in all ways: nothing stays, and the server answers.
#[test]
fn floods_of_connections_leave_nothing() {
    let _alone = ALONE.lock();
    let each = length(1_000, 25_000);
    let baseline = descriptors();
    let runtime = runtime(2);
    let server = serve_on(&runtime, Echo::default(), |b| b);
    let mut good = connect(&server);
    call(&mut good, b"before");
    let buffers = mem::stats().out;
    let since = Instant::now();
    let floods: Vec<_> = (0..4)
        .map(|_| {
            let server = server.clone();
            thread::spawn(move || {
                for i in 0..each {
                    let mut client = connect(&server);
                    match i % 4 {
                        0 => drop(client.write_all(&frame(b"unanswered"))),
                        1 => drop(client.write_all(&frame(b"half of it")[..7])),
                        _ => {}
                    }
                    // Ends in order leave ports behind for a minute: most are resets.
                    if i % 20 > 0 {
                        reset(client);
                    }
                }
            })
        })
        .collect();
    while floods.iter().any(|flood| !flood.is_finished()) {
        assert_eq!(call(&mut good, b"meanwhile"), b"meanwhile");
    }
    floods.into_iter().for_each(|flood| flood.join().unwrap());
    println!("{} connections came and went in {:?}", 4 * each, since.elapsed());
    wait_until(|| server.live() == 1);
    assert_eq!(call(&mut connect(&server), b"after"), b"after");
    // Read blocks of the two pollers, at most.
    wait_until(|| mem::stats().out <= buffers + 2 * (64 << 10) + 4096);
    drop(good);
    server.shutdown(Duration::ZERO);
    drop(server);
    scenario::ends(runtime, baseline);
}

/// Calls until told to stop. How long each took, but for those that this machine held up.
fn calls(server: &ServerHandle, stop: impl Fn() -> bool) -> Vec<Duration> {
    let mut client = connect(server);
    let mut took = Vec::new();
    while !stop() {
        let since = Stopwatch::start();
        assert_eq!(call(&mut client, &[5; 100]), [5; 100]);
        let time = since.elapsed();
        took.push(if time > MS { time.saturating_sub(since.noise()) } else { time });
    }
    took.sort();
    took
}

fn p99(took: &[Duration]) -> Duration {
    took[took.len() * 99 / 100]
}

/// Hundreds send a byte now and then of a frame that never ends: the others' calls do not suffer, and
/// each is cut off in time.
#[test]
fn slow_senders_by_the_hundreds_hold_nobody_up() {
    let _alone = ALONE.lock();
    let many = length(200, 800);
    let lasts = Duration::from_millis(length(1_000, 5_000) as u64);
    let baseline = descriptors();
    let runtime = runtime(2);
    let server = serve_on(&runtime, Echo::default(), |b| b.frame_timeout(Some(lasts)));
    let start = Instant::now();
    let without = calls(&server, || start.elapsed() > 300 * MS);
    assert!(without.len() > 20, "{} calls without them", without.len());
    let mut slow: Vec<_> = (0..many).map(|_| connect(&server)).collect();
    wait_until(|| server.live() == many);
    let stop = Arc::new(AtomicBool::new(false));
    let sender = {
        let stop = stop.clone();
        thread::spawn(move || {
            let bytes = frame(&[1; 100_000]);
            let mut at = 0;
            while !stop.load(SeqCst) {
                // One that was cut off takes no more.
                slow.iter_mut().for_each(|client| drop(client.write(&bytes[at..=at])));
                at += 1;
                thread::sleep(5 * MS);
            }
        })
    };
    // Until the first of them is cut off.
    let with = calls(&server, || server.live() < many);
    assert!(with.len() > 20, "{} calls beside them", with.len());
    wait_until(|| server.live() == 0);
    stop.store(true, SeqCst);
    sender.join().unwrap();
    let [before, beside] = [p99(&without), p99(&with)];
    println!(
        "p99 of {} calls {before:?}; of {} beside {many} {beside:?}",
        without.len(),
        with.len()
    );
    assert!(beside < 10 * before.max(MS), "{beside:?} beside them, {before:?} without");
    server.shutdown(Duration::ZERO);
    drop(server);
    scenario::ends(runtime, baseline);
}

/// Handlers that write without end to peers that never read: what waits is bounded, and the writers are
/// told in time.
#[test]
fn writers_that_never_stop_hold_little() {
    const HIGH: usize = 128 << 10;
    const PIECE: usize = 32 << 10;
    let _alone = ALONE.lock();
    let many = length(30, 200);
    let baseline = descriptors();
    let runtime = netpoll::Runtime::builder().pollers(2).max_workers(many + 8).build().unwrap();
    let errors = Arc::new(Mutex::new(Vec::new()));
    let service = {
        let errors = errors.clone();
        Answer::by(move |call: &mut Call<'_, u32>, frame: &[u8]| {
            if frame != b"write" {
                call.out.put(&Bench(frame))?;
                return Ok(Flow::Continue);
            }
            let error = loop {
                if let Err(error) = call.conn.write(&[9; PIECE]) {
                    break error;
                }
            };
            errors.lock().push(error.kind());
            Err(error)
        })
    };
    let server = serve_on(&runtime, service, |b| {
        b.write_high(HIGH).write_low(HIGH / 4).write_timeout(Some(500 * MS))
    });
    let mut good = connect(&server);
    call(&mut good, b"before");
    let buffers = mem::stats().out;
    let mut deaf: Vec<_> = (0..many).map(|_| connect(&server)).collect();
    deaf.iter_mut().for_each(|client| client.write_all(&frame(b"write")).unwrap());
    let mut most = 0;
    while errors.lock().len() < many {
        assert_eq!(call(&mut good, b"meanwhile"), b"meanwhile");
        most = most.max(mem::stats().out.saturating_sub(buffers));
    }
    println!("{} KiB of buffers at most for {many} writers", most >> 10);
    // Each passes its mark by a piece, waits with another, and has a worker with its read block. Blocks
    // are powers of two with a header, so that all of them are twice as large.
    let each = 2 * (HIGH + 2 * PIECE + (64 << 10));
    assert!(most <= many * each + (1 << 20), "{most} bytes were held");
    assert!(
        errors.lock().iter().all(|kind| matches!(kind, ErrorKind::TimedOut | ErrorKind::Closed))
    );
    wait_until(|| server.live() == 1);
    for mut client in deaf {
        client.set_read_timeout(Some(20_000 * MS)).unwrap();
        let mut got = Vec::new();
        // It ends in a reset, after what the sockets held.
        let _ = client.read_to_end(&mut got);
        assert!(got.iter().all(|&byte| byte == 9));
    }
    drop(good);
    server.shutdown(Duration::ZERO);
    drop(server);
    scenario::ends(runtime, baseline);
}
