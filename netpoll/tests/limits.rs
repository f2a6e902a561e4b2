//! Limits, and what happens at them: connections, workers, memory; and hand-overs.

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use common::{
    Answer, Bench, Echo, call, connect, frame, read_frame, serve, serve_on, sleepy,
    stopwatch::Stopwatch, wait_until,
};
use netpoll::{Call, Dispatch, ErrorKind, Flow, Runtime, Service};
use parking_lot::{Condvar, Mutex};

const MS: Duration = Duration::from_millis(1);
/// More than the sockets of both ends hold, whatever they grow to.
const SENT: usize = 48 << 20;

/// Handlers that say `wait` wait here until the test opens it.
#[derive(Default)]
struct Door(Mutex<(bool, usize)>, Condvar);

impl Door {
    fn pass(&self) {
        let mut state = self.0.lock();
        state.1 += 1;
        self.1.notify_all();
        while !state.0 {
            self.1.wait(&mut state);
        }
        state.1 -= 1;
    }

    fn open(&self) {
        self.0.lock().0 = true;
        self.1.notify_all();
    }

    fn waiting(&self) -> usize {
        self.0.lock().1
    }
}

/// Echoes; a frame `wait` waits at the door first, `send` sends more than sockets hold.
fn at_door(door: &Arc<Door>) -> impl Service {
    let door = door.clone();
    Answer::by(move |call: &mut Call<'_, u32>, frame: &[u8]| {
        match frame {
            b"wait" => door.pass(),
            b"send" => call.out.put(&Bench(&vec![3; SENT]))?,
            _ => {}
        }
        call.out.put(&Bench(frame))?;
        Ok(Flow::Continue)
    })
}

fn runtime(pollers: usize, max_workers: usize) -> Runtime {
    Runtime::builder().pollers(pollers).max_workers(max_workers).build().unwrap()
}

/// Calls one after another until `until`: at most two take longer than `bound`, since others use this
/// machine too, and there are more than `least`.
#[track_caller]
fn calls_are_quick(client: &mut TcpStream, bound: Duration, least: u32, until: impl Fn() -> bool) {
    let (mut calls, mut slow, mut slowest) = (0, 0, Duration::ZERO);
    while !until() {
        let since = Stopwatch::start();
        assert_eq!(call(client, b"quick"), b"quick");
        let took = since.elapsed();
        slowest = slowest.max(took);
        slow += u32::from(took > bound && took > bound + since.noise());
        calls += 1;
    }
    println!("{calls} calls of others, {slow} above {bound:?}, the slowest took {slowest:?}");
    assert!(calls > least && slow <= 2, "{slow} of {calls}, the slowest took {slowest:?}");
}

#[test]
fn connections_past_the_limit_are_sent_away() {
    let (runtime, server) = serve(Echo::default(), |b| b.max_connections(3));
    let mut clients: Vec<_> = (0..3).map(|_| connect(&server)).collect();
    for client in &mut clients {
        call(client, b"in");
    }
    for _ in 0..5 {
        assert_eq!(connect(&server).read(&mut [0]).unwrap_or(0), 0);
    }
    assert_eq!((server.live(), runtime.stats().refused), (3, 5));
    clients.pop();
    wait_until(|| server.live() == 2);
    assert_eq!(call(&mut connect(&server), b"room again"), b"room again");
    for client in &mut clients {
        call(client, b"still in");
    }
}

/// All workers that may run handlers wait in them; what needs no handler goes on, requests wait and
/// are then served.
#[test]
fn at_max_workers_io_goes_on_and_requests_wait() {
    for (pollers, max_workers) in [(1, 1), (1, 4), (2, 2), (2, 5)] {
        let runtime = runtime(pollers, max_workers);
        let door = Arc::new(Door::default());
        let server = serve_on(&runtime, at_door(&door), |b| b.write_high(2 * SENT));
        // It has an answer of which the most part does not fit into the socket.
        let mut slow = connect(&server);
        slow.write_all(&frame(b"send")).unwrap();
        wait_until(|| server.connections().iter().any(|conn| conn.pending() > 0));
        let mut leaves = connect(&server);
        call(&mut leaves, b"hello");
        // Each driver may run a handler too, so that so many are sure to be the last.
        let handlers = max_workers - pollers + 1;
        let mut waiting: Vec<_> = (0..handlers)
            .map(|i| {
                let mut client = connect(&server);
                client.write_all(&frame(b"wait")).unwrap();
                wait_until(|| door.waiting() == i + 1);
                client
            })
            .collect();
        wait_until(|| runtime.stats().late == handlers);
        let mut queued: Vec<_> = (0..6)
            .map(|_| {
                let mut client = connect(&server);
                client.write_all(&frame(b"queued")).unwrap();
                client.set_read_timeout(Some(20 * MS)).unwrap();
                client
            })
            .collect();
        for client in &mut queued {
            assert!(client.read(&mut [0]).is_err(), "no handler may start");
            client.set_read_timeout(Some(20_000 * MS)).unwrap();
        }
        // The pending output leaves, though no handler may run.
        assert!(read_frame(&mut slow) == vec![3; SENT]);
        assert_eq!(read_frame(&mut slow), b"send");
        // A hang-up of one whose handler waits is noticed.
        let gone = waiting.pop().unwrap();
        drop(gone);
        wait_until(|| server.connections().iter().any(|conn| conn.cancel().is_cancelled()));
        drop(leaves);
        let stats = runtime.stats();
        assert_eq!(stats.late, handlers);
        assert!(stats.workers <= max_workers + pollers, "{} threads", stats.workers);
        door.open();
        for client in &mut queued {
            assert_eq!(read_frame(client), b"queued");
        }
        for client in &mut waiting {
            assert_eq!(read_frame(client), b"wait");
        }
        drop((slow, queued, waiting));
        wait_until(|| server.live() == 0);
        wait_until(|| runtime.stats().late == 0);
        assert_eq!(runtime.stats().queued_of.iter().sum::<usize>(), 0);
    }
}

/// More waiting handlers than `max_workers`, in all connections at once, over and over.
#[test]
fn no_deadlock_at_max_workers() {
    for (pollers, max_workers) in [(1, 1), (2, 2), (2, 3)] {
        let runtime = runtime(pollers, max_workers);
        let service = Answer::by(|call: &mut Call<'_, u32>, frame: &[u8]| {
            match frame[0] % 4 {
                0 => thread::sleep(MS),
                1 => netpoll::blocking(|| thread::sleep(MS)),
                2 => netpoll::block_on(netpoll::sleep(MS)),
                _ => {}
            }
            call.out.put(&Bench(frame))?;
            Ok(Flow::Continue)
        });
        let server = serve_on(&runtime, service, |b| b);
        let clients: Vec<_> = (0..12u8)
            .map(|n| {
                let mut client = connect(&server);
                thread::spawn(move || {
                    for i in 0..40 {
                        let payload = [n.wrapping_add(i), n, i];
                        assert_eq!(call(&mut client, &payload), payload);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        wait_until(|| server.live() == 0);
        wait_until(|| runtime.stats().late == 0);
    }
}

/// Eighty handlers wait at once, each on a worker; afterwards most of these leave.
#[test]
fn workers_grow_on_demand_and_leave_when_idle() {
    const WAITING: usize = 80;
    let runtime = runtime(2, 100);
    let door = Arc::new(Door::default());
    let server = serve_on(&runtime, at_door(&door), |b| b);
    assert_eq!(runtime.stats().workers, 2);
    let mut clients: Vec<_> = (0..WAITING)
        .map(|_| {
            let mut client = connect(&server);
            client.write_all(&frame(b"wait")).unwrap();
            client
        })
        .collect();
    wait_until(|| door.waiting() == WAITING);
    let stats = runtime.stats();
    assert!((WAITING..=WAITING + 3).contains(&stats.workers), "{} workers", stats.workers);
    assert!(stats.handovers_by_monitor >= WAITING as u64 - 2, "{}", stats.handovers_by_monitor);
    let mut other = connect(&server);
    assert_eq!(call(&mut other, b"not held up"), b"not held up");
    door.open();
    for client in &mut clients {
        assert_eq!(read_frame(client), b"wait");
    }
    wait_until(|| runtime.stats().late == 0);
    assert!(runtime.stats().standbys >= WAITING - 3, "{:?}", runtime.stats().standbys);
    wait_until(|| runtime.stats().workers <= 3);
    assert_eq!(call(&mut other, b"as before"), b"as before");
}

/// What the others see of a handler that holds its worker in one of these ways.
fn others_see(hold: fn(Duration), bound: Duration) -> Runtime {
    const HOLDS: usize = 8;
    let runtime = runtime(1, 64);
    let held = Arc::new(AtomicUsize::new(0));
    let service = {
        let held = held.clone();
        Answer::by(move |call: &mut Call<'_, u32>, frame: &[u8]| {
            if frame == b"hold" {
                hold(50 * MS);
                held.fetch_add(1, SeqCst);
            }
            call.out.put(&Bench(frame))?;
            Ok(Flow::Continue)
        })
    };
    let server = serve_on(&runtime, service, |b| b);
    let mut holder = connect(&server);
    let holds = thread::spawn(move || {
        for _ in 0..HOLDS {
            assert_eq!(call(&mut holder, b"hold"), b"hold");
        }
    });
    calls_are_quick(&mut connect(&server), bound, 50, || held.load(SeqCst) == HOLDS);
    holds.join().unwrap();
    runtime
}

#[test]
fn a_handler_that_sleeps_unmarked_holds_nobody_up() {
    let runtime = others_see(thread::sleep, 30 * MS);
    let stats = runtime.stats();
    assert!(stats.handovers_by_monitor >= 8, "{}", stats.handovers_by_monitor);
    assert_eq!(stats.handovers_by_wait, 0);
}

#[test]
fn a_handler_that_computes_holds_nobody_up() {
    let spin = |time| {
        let since = Instant::now();
        while since.elapsed() < time {
            std::hint::spin_loop();
        }
    };
    let runtime = others_see(spin, 40 * MS);
    assert!(runtime.stats().handovers_by_monitor >= 8);
}

#[test]
fn a_marked_wait_hands_over_at_once() {
    let nested = |time| {
        netpoll::blocking(|| {
            netpoll::blocking(|| thread::sleep(time / 2));
            netpoll::block_on(async { netpoll::sleep(time / 2).await });
        });
    };
    let runtime = others_see(nested, 30 * MS);
    let stats = runtime.stats();
    // Nested waits give away once.
    assert_eq!(stats.handovers_by_wait, 8);
}

/// An inline handler keeps its poller by contract.
#[test]
fn an_inline_handler_keeps_its_poller() {
    struct Inline;
    impl Service for Inline {
        type Session = ();
        type Request = Bench<'static>;
        const DISPATCH: Dispatch = Dispatch::Inline;
        async fn on_connect(&self, _: &netpoll::Connection) -> netpoll::Result<()> {
            Ok(())
        }
        async fn on_request<'a>(
            &'a self,
            mut call: Call<'a, ()>,
            req: Bench<'a>,
        ) -> netpoll::Result<Flow> {
            netpoll::blocking(|| thread::sleep(20 * MS));
            call.out.put(&req)?;
            Ok(Flow::Continue)
        }
    }
    let runtime = runtime(1, 8);
    let server = serve_on(&runtime, Inline, |b| b);
    let mut client = connect(&server);
    assert_eq!(call(&mut client, b"x"), b"x");
    let stats = runtime.stats();
    assert_eq!((stats.handovers_by_wait, stats.handovers_by_monitor, stats.workers), (0, 0, 1));
}

/// Connections of one that pipelines without end and one that asks now and then.
#[test]
fn a_connection_that_floods_starves_nobody() {
    let runtime = runtime(1, 8);
    let server = serve_on(&runtime, Echo::default(), |b| b);
    let mut flood = connect(&server);
    let mut drains = flood.try_clone().unwrap();
    let drainer = thread::spawn(move || {
        let mut bytes = vec![0; 1 << 18];
        while drains.read(&mut bytes).is_ok_and(|n| n > 0) {}
    });
    let batch = frame(&[1; 100]).repeat(2000);
    let until = Instant::now() + 300 * MS;
    let flooder = thread::spawn(move || {
        while Instant::now() < until {
            flood.write_all(&batch).unwrap();
        }
        flood.shutdown(std::net::Shutdown::Write).unwrap();
    });
    calls_are_quick(&mut connect(&server), 60 * MS, 20, || Instant::now() >= until);
    flooder.join().unwrap();
    drainer.join().unwrap();
}

/// Requests of many connections at one moment, each of which blocks: all run side by side.
#[test]
fn waits_run_side_by_side() {
    let runtime = runtime(2, 64);
    let server = serve_on(&runtime, Answer::by(sleepy), |b| b);
    let start = Arc::new(Barrier::new(41));
    let clients: Vec<_> = (0..40)
        .map(|_| {
            let (mut client, start) = (connect(&server), start.clone());
            thread::spawn(move || {
                start.wait();
                call(&mut client, b"sleep 200");
            })
        })
        .collect();
    start.wait();
    let since = Stopwatch::start();
    clients.into_iter().for_each(|client| client.join().unwrap());
    println!("40 handlers of 200 ms took {:?}", since.elapsed());
    since.assert_below(500 * MS);
}

#[test]
fn settings_that_cannot_be_are_named() {
    for (builder, what) in [
        (Runtime::builder().pollers(0), "pollers"),
        (Runtime::builder().pollers(4).max_workers(3), "max_workers"),
        (Runtime::builder().buffer_size(10), "buffer_size"),
        (Runtime::builder().handoff_after(Duration::ZERO), "handoff_after"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(what), "{error}");
    }
}
