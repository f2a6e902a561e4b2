//! Scenario 9, wake and dial races: threads wake pollers that stop while others open pipes; dials into
//! a full queue are given up. No pipe gets stray bytes, every task runs soon, no event is stale.

mod common;

use std::{
    io::{ErrorKind::WouldBlock, Read, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{
    Echo, descriptors, dialer, frame, random, runtime,
    scenario::{self, rounds},
    serve_on,
    stopwatch::Stopwatch,
    wait_until,
};
use netpoll::{
    Connection, ErrorKind, Runtime,
    poller::{Event, Events, Interest, Poller},
};
use parking_lot::Mutex;

const SECOND: Duration = Duration::from_secs(1);

/// Opens pairs of sockets until told to stop. Whoever still writes to a descriptor that was closed
/// writes to one of these: what is read is only what was written here.
fn opens_pipes(stop: &AtomicBool) -> usize {
    let mut opened = 0;
    while !stop.load(SeqCst) {
        let mut pairs: Vec<_> = (0..8).map(|_| UnixStream::pair().unwrap()).collect();
        thread::yield_now();
        for (a, b) in &mut pairs {
            for end in [&mut *a, &mut *b] {
                end.set_nonblocking(true).unwrap();
                let stray = end.read(&mut [0; 64]).map_err(|e| e.kind());
                assert_eq!(stray, Err(WouldBlock), "stray bytes in a pipe");
            }
            a.write_all(b"own").unwrap();
            let mut own = [0; 64];
            let n = b.read(&mut own).unwrap();
            scenario::same(&own[..n], b"own");
            opened += 1;
        }
    }
    opened
}

/// Threads spawn tasks on runtimes while these are shut down: each task runs within a second or is told
/// to be cancelled, and one on a runtime that goes on always runs.
fn wakes(pollers: usize, seed: &mut u64) {
    let runtime = Arc::new(runtime(pollers));
    for _ in 0..20 {
        let since = Stopwatch::start();
        let tasks: Vec<_> = (0..4).map(|n| runtime.spawn(async move { n })).collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(netpoll::block_on(task).unwrap(), n);
        }
        since.assert_below(SECOND);
    }
    let wakers: Vec<_> = (0..3)
        .map(|_| {
            let runtime = runtime.clone();
            thread::spawn(move || {
                loop {
                    let since = Stopwatch::start();
                    let told = netpoll::block_on(runtime.spawn(async {}));
                    since.assert_below(SECOND);
                    match told {
                        Ok(()) => {}
                        Err(error) => break assert_eq!(error.kind(), ErrorKind::Cancelled),
                    }
                }
            })
        })
        .collect();
    thread::sleep(Duration::from_micros(random(seed, 2000)));
    scenario::faults(1);
    assert_eq!(runtime.shutdown(SECOND), 0);
    wakers.into_iter().for_each(|waker| waker.join().unwrap());
}

/// Sources come to a poller and go while it is polled and woken: no event is of one that has gone.
fn registers(seed: u64) {
    let poller = Arc::new(Poller::<usize>::new().unwrap());
    let gone: Arc<Mutex<Vec<bool>>> = Arc::default();
    let told: Arc<Vec<AtomicUsize>> = Arc::new((0..600).map(|_| AtomicUsize::new(0)).collect());
    let stop = Arc::new(AtomicBool::new(false));
    let driver = {
        let (poller, gone, told, stop) = (poller.clone(), gone.clone(), told.clone(), stop.clone());
        thread::spawn(move || {
            let mut events = Events::with_capacity(64);
            while !stop.load(SeqCst) {
                // What had gone when the poll began gives no event.
                let gone = gone.lock().clone();
                poller.poll(&mut events, Some(Duration::from_millis(50))).unwrap();
                for (source, event) in events.drain() {
                    assert!(!gone.get(source).copied().unwrap_or(false), "a stale event");
                    assert!(matches!(event, Event::Ready(_)));
                    told[source].fetch_add(1, SeqCst);
                }
            }
        })
    };
    let waker = {
        let (poller, stop) = (poller.clone(), stop.clone());
        thread::spawn(move || {
            while !stop.load(SeqCst) {
                poller.wake();
            }
        })
    };
    let users: Vec<_> = (0..3)
        .map(|user| {
            let (poller, gone, told) = (poller.clone(), gone.clone(), told.clone());
            let mut seed = seed + user;
            thread::spawn(move || {
                for _ in 0..200 {
                    let (ours, mut theirs) = UnixStream::pair().unwrap();
                    let source = {
                        let mut gone = gone.lock();
                        gone.push(false);
                        gone.len() - 1
                    };
                    let token = poller.register(ours.as_fd(), Interest::Stream, source).unwrap();
                    let speaks = random(&mut seed, 2) == 0;
                    if speaks {
                        theirs.write_all(b"x").unwrap();
                        wait_until(|| told[source].load(SeqCst) > 0);
                    }
                    assert_eq!(poller.deregister(token, ours.as_fd()).unwrap(), Some(source));
                    gone.lock()[source] = true;
                    let _ = theirs.write_all(b"too late");
                }
            })
        })
        .collect();
    users.into_iter().for_each(|user| user.join().unwrap());
    stop.store(true, SeqCst);
    driver.join().unwrap();
    waker.join().unwrap();
    assert!(poller.is_empty());
}

/// A listener whose queue is full, which drops what comes: with what fills it.
fn full_queue() -> (socket2::Socket, String, Vec<std::net::TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let wait = Duration::from_millis(200);
    let fill = (0..2).filter_map(|_| std::net::TcpStream::connect_timeout(&address, wait).ok());
    let fill = fill.collect();
    (socket, address.to_string(), fill)
}

/// An echo through `conn`: what was dialled is this server and no other socket.
fn echoes(conn: &Connection, word: &[u8]) {
    conn.write(&frame(word)).unwrap();
    let mut reader = conn.reader().unwrap();
    let n = u32::from_be_bytes(reader.next(4).unwrap().try_into().unwrap());
    scenario::same(reader.next(n as usize).unwrap(), word);
}

/// Dials into a full queue are given up after 0 to 2 ms, while others dial a server that answers.
fn dials(runtime: &Runtime, seed: u64) {
    let server = serve_on(runtime, Echo::default(), |b| b);
    let good = server.addresses()[0].inet().unwrap().to_string();
    let (listener, full, fill) = full_queue();
    let threads: Vec<_> = (0..3)
        .map(|n| {
            let (runtime, good, full) = (runtime.clone(), good.clone(), full.clone());
            let mut seed = seed + n;
            thread::spawn(move || {
                for i in 0..30u64 {
                    let timeout = Duration::from_micros(random(&mut seed, 2000));
                    let dials = dialer(&runtime).connect_timeout(timeout);
                    let since = Stopwatch::start();
                    let given_up = match i % 2 {
                        0 => dials.dial(&full),
                        _ => netpoll::block_on(dials.dial_async(&full)),
                    };
                    assert_eq!(given_up.unwrap_err().kind(), ErrorKind::TimedOut);
                    since.assert_within(timeout, timeout + SECOND);
                    scenario::faults(1);
                    let conn = dialer(&runtime).dial(&good).unwrap();
                    assert!(conn.is_active());
                    echoes(&conn, format!("{n} {i}").as_bytes());
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    drop((listener, fill));
    wait_until(|| server.live() == 0);
    server.shutdown(SECOND);
}

#[test]
fn wakes_and_dials_hit_nobody_else() {
    let mut seed = scenario::seed();
    // Where futures outside of workers have their timers: it stays.
    assert!(Runtime::global().stats().pollers > 0);
    for pollers in [1, 2] {
        for _ in rounds(1, 100, 2) {
            let baseline = descriptors();
            let stop = Arc::new(AtomicBool::new(false));
            let pipes = {
                let stop = stop.clone();
                thread::spawn(move || opens_pipes(&stop))
            };
            for _ in 0..10 {
                wakes(pollers, &mut seed);
            }
            let runtime = runtime(pollers);
            dials(&runtime, seed);
            registers(seed);
            stop.store(true, SeqCst);
            assert!(pipes.join().unwrap() > 0);
            scenario::ends(runtime, baseline);
        }
    }
    scenario::tell();
}
