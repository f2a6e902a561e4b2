//! Writes from many threads to one connection: whole, bounded, and in few system calls.

mod common;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{
    Echo, connect, frame, read_frame, runtime, serve_on, stopwatch::Stopwatch, wait_until,
};
use netpoll::{Connection, ConnectionOptions, Dialer, ErrorKind, Runtime, buf::LinkBuffer};

fn pair(runtime: &Runtime, options: ConnectionOptions) -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let conn = Dialer::new().runtime(runtime).options(options).dial(&address).unwrap();
    let peer = listener.accept().unwrap().0;
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (conn, peer)
}

/// Marks of 256 and 64 KiB.
fn marks() -> ConnectionOptions {
    let mut options = ConnectionOptions::default();
    (options.write_high, options.write_low) = (256 << 10, 64 << 10);
    options
}

fn buffer(n: usize) -> LinkBuffer {
    LinkBuffer::try_from(&vec![9; n][..]).unwrap()
}

#[test]
fn frames_of_many_threads_stay_whole_and_in_order() {
    const THREADS: u8 = 8;
    const FRAMES: u32 = 2000;
    for pollers in [1, 2] {
        let runtime = runtime(pollers);
        let (conn, mut peer) = pair(&runtime, marks());
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let conn = conn.clone();
                thread::spawn(move || {
                    let mut writer = conn.writer();
                    for n in 0..FRAMES {
                        let payload = vec![thread; 4 + (n as usize * 7) % 300];
                        let frame = frame(&[&n.to_be_bytes()[..], &payload].concat());
                        writer.write(&frame).unwrap();
                        writer.flush().unwrap();
                    }
                })
            })
            .collect();
        let mut next = [0; THREADS as usize];
        for _ in 0..u32::from(THREADS) * FRAMES {
            let read = read_frame(&mut peer);
            let (n, payload) = read.split_at(4);
            let thread = usize::from(payload[0]);
            assert_eq!(n, u32::to_be_bytes(next[thread]), "of thread {thread}");
            assert!(payload.iter().all(|&b| usize::from(b) == thread));
            next[thread] += 1;
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        wait_until(|| conn.pending() == 0);
    }
}

/// While the socket is full everybody appends; then it leaves in few calls.
#[test]
fn what_gathered_leaves_in_few_writes() {
    let runtime = runtime(1);
    let mut options = ConnectionOptions::default();
    options.write_high = 64 << 20;
    let (conn, mut peer) = pair(&runtime, options);
    let mut sent = 16 << 20;
    conn.send(buffer(sent)).unwrap();
    assert!(conn.pending() > 0, "the socket took all of it");
    let calls = runtime.stats().syscalls.write;
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let conn = conn.clone();
            thread::spawn(move || (0..1000).for_each(|_| conn.send(buffer(100)).unwrap()))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    sent += 4 * 1000 * 100;
    let tried = runtime.stats().syscalls.write - calls;
    assert!(tried < 20, "{tried} writes to a full socket");
    let mut all = vec![0; sent];
    peer.read_exact(&mut all).unwrap();
    wait_until(|| conn.pending() == 0);
    let calls = runtime.stats().syscalls.write - calls;
    assert!(calls < 800, "{calls} writes for 4000 sends");
}

#[test]
fn try_send_says_when_too_much_is_pending() {
    let runtime = runtime(2);
    let (conn, mut peer) = pair(&runtime, marks());
    let mut sent = 0;
    let error = loop {
        match conn.try_send(buffer(50_000)) {
            Ok(()) => sent += 50_000,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(conn.pending() >= 256 << 10 && conn.pending() < (256 << 10) + 50_000);
    let mut all = vec![0; sent];
    peer.read_exact(&mut all).unwrap();
    wait_until(|| conn.pending() == 0);
    conn.try_send(buffer(1)).unwrap();
}

#[test]
fn a_writer_waits_at_the_high_mark_and_goes_on() {
    for pollers in [1, 2] {
        let runtime = runtime(pollers);
        let (conn, mut peer) = pair(&runtime, marks());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let conn = conn.clone();
                thread::spawn(move || (0..100).for_each(|_| conn.send(buffer(100_000)).unwrap()))
            })
            .collect();
        let most = 256 * 1024 + 4 * 100_000;
        let mut piece = vec![0; 1 << 20];
        let mut left = 4 * 100 * 100_000;
        while left > 0 {
            assert!(conn.pending() <= most, "{} bytes are pending", conn.pending());
            let n = peer.read(&mut piece).unwrap();
            left -= n;
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn an_async_writer_waits_at_the_high_mark_and_goes_on() {
    for pollers in [1, 2] {
        let runtime = runtime(pollers);
        let (conn, mut peer) = pair(&runtime, marks());
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let conn = conn.clone();
                runtime.spawn(async move {
                    for _ in 0..100 {
                        conn.send_async(buffer(100_000)).await?;
                    }
                    Ok::<(), netpoll::Error>(())
                })
            })
            .collect();
        let mut all = vec![0; 4 * 100 * 100_000];
        peer.read_exact(&mut all).unwrap();
        for task in tasks {
            netpoll::block_on(task).unwrap().unwrap();
        }
    }
}

#[test]
fn a_writer_that_waits_is_woken_by_the_end() {
    let runtime = runtime(2);
    for how in [Connection::close, Connection::abort] {
        let mut options = marks();
        options.write_timeout = Some(Duration::from_secs(3));
        let (conn, peer) = pair(&runtime, options);
        while conn.try_send(buffer(100_000)).is_ok() {}
        let writers: Vec<_> = (0..3)
            .map(|_| {
                let conn = conn.clone();
                thread::spawn(move || conn.send(buffer(1)).unwrap_err().kind())
            })
            .collect();
        thread::sleep(Duration::from_millis(30));
        let start = Stopwatch::start();
        how(&conn);
        for writer in writers {
            assert_eq!(writer.join().unwrap(), ErrorKind::Closed);
        }
        start.assert_below(Duration::from_secs(1));
        drop(peer);
        netpoll::block_on(conn.closed());
    }
    wait_until(|| runtime.stats().connections == 0);
}

#[test]
fn a_writer_gives_up_after_its_write_timeout() {
    let runtime = runtime(1);
    let mut options = marks();
    options.write_timeout = Some(Duration::from_millis(100));
    let (conn, _peer) = pair(&runtime, options);
    while conn.try_send(buffer(100_000)).is_ok() {}
    let error = conn.send(buffer(1)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::Closed), "{error:?}");
    // The peer took nothing meanwhile: the connection ends too.
    assert_eq!(netpoll::block_on(conn.closed()), netpoll::CloseReason::WriteTimeout);
}

#[test]
fn the_server_reads_no_more_requests_than_it_can_answer() {
    for pollers in [1, 2] {
        let runtime = runtime(pollers);
        let server = serve_on(&runtime, Echo::default(), |b| b.options(marks()));
        let client = connect(&server);
        let request = frame(&vec![3; 50_000]);
        let stop = Arc::new(AtomicBool::new(false));
        let writer = thread::spawn({
            let (mut client, stop) = (client.try_clone().unwrap(), stop.clone());
            move || {
                let mut sent = 0;
                while !stop.load(SeqCst) && sent < 600 {
                    client.write_all(&request).unwrap();
                    sent += 1;
                }
                sent
            }
        });
        thread::sleep(Duration::from_millis(150));
        let conn = server.connections()[0].clone();
        let pending = conn.pending();
        // One turn's answers may come on top of the mark.
        assert!((1..1 << 20).contains(&pending), "{pending} bytes are pending");
        let received = runtime.stats().bytes_in;
        thread::sleep(Duration::from_millis(50));
        assert_eq!(runtime.stats().bytes_in, received, "it reads on");
        stop.store(true, SeqCst);
        let mut client = client;
        let mut answers = 0;
        while !writer.is_finished() {
            assert_eq!(read_frame(&mut client).len(), 50_000);
            answers += 1;
        }
        for _ in answers..writer.join().unwrap() {
            assert_eq!(read_frame(&mut client).len(), 50_000);
        }
    }
}

#[test]
fn a_push_beside_answers_breaks_no_frame() {
    for pollers in [1, 2] {
        let runtime = runtime(pollers);
        let server = serve_on(&runtime, Echo::default(), |b| b);
        let mut client = connect(&server);
        wait_until(|| server.live() == 1);
        let conn = server.connections()[0].clone();
        let start = Arc::new(Barrier::new(3));
        let pushers: Vec<_> = (0..2)
            .map(|_| {
                let (conn, start) = (conn.clone(), start.clone());
                thread::spawn(move || {
                    start.wait();
                    (0..2000).for_each(|_| conn.write(&frame(b"push")).unwrap());
                })
            })
            .collect();
        start.wait();
        let (mut pushed, mut answered) = (0, 0u32);
        let batch: Vec<u8> = (0..10u32).flat_map(|_| frame(b"answer")).collect();
        while pushed < 4000 || answered % 10 != 0 {
            if answered % 10 == 0 {
                client.write_all(&batch).unwrap();
            }
            match &read_frame(&mut client)[..] {
                b"push" => pushed += 1,
                b"answer" => answered += 1,
                other => panic!("a broken frame: {other:?}"),
            }
            while answered % 10 != 0 {
                match &read_frame(&mut client)[..] {
                    b"push" => pushed += 1,
                    b"answer" => answered += 1,
                    other => panic!("a broken frame: {other:?}"),
                }
            }
        }
        pushers.into_iter().for_each(|pusher| pusher.join().unwrap());
    }
}

#[test]
fn shutdown_write_sends_what_was_written_and_reads_on() {
    let runtime = runtime(1);
    let (conn, mut peer) = pair(&runtime, ConnectionOptions::default());
    conn.send(buffer(4 << 20)).unwrap();
    conn.shutdown_write();
    assert_eq!(conn.write(b"late").unwrap_err().kind(), ErrorKind::Closed);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), 4 << 20);
    peer.write_all(b"still here").unwrap();
    assert_eq!(conn.reader().unwrap().next(10).unwrap(), b"still here");
}
