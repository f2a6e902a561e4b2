//! Handlers that take long are named: once, in time, with their server, route, connection and place.

mod common;

use std::{
    io::Write,
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{call, connect, frame, read_frame, wait_until};
use netpoll::{
    EventLoop, Frame, In, Runtime, ServerHandle, Service,
    frame::Auto,
    observe::{Observer, Stall, StallPlace},
    service::Free,
};
use parking_lot::{Condvar, Mutex};

const MS: Duration = Duration::from_millis(1);

#[derive(Debug, Frame)]
struct Message {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: Vec<u8>,
}

/// The stalls that were told of, with when.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(Instant, Stall)>>>);

impl Observer for Told {
    fn stalled(&self, stall: &Stall) {
        self.0.lock().push((Instant::now(), stall.clone()));
    }
}

impl Told {
    fn wait(&self, n: usize) -> Vec<Stall> {
        wait_until(|| self.0.lock().len() >= n);
        self.0.lock().iter().map(|(_, stall)| stall.clone()).collect()
    }
}

fn runtime(stall_after: Option<Duration>, told: &Told) -> Runtime {
    Runtime::builder()
        .pollers(1)
        .max_workers(2)
        .stall_after(stall_after)
        .inspect_stalls(true)
        .observer(told.clone())
        .build()
        .unwrap()
}

fn serve<S: Service>(runtime: &Runtime, name: &str, service: S) -> ServerHandle {
    let builder = EventLoop::builder(service).runtime(runtime).name(name).listen("127.0.0.1:0");
    let server = builder.bind().unwrap();
    let handle = server.handle();
    std::thread::spawn(|| server.serve());
    handle
}

fn send(server: &ServerHandle, body: &[u8]) -> TcpStream {
    let mut client = connect(server);
    client.write_all(&frame(body)).unwrap();
    client
}

/// A server of all ways to take long; the body says for how many milliseconds.
struct Slow;

#[derive(Frame)]
#[frame(tag = u8)]
enum Ask {
    #[frame(tag = 1)]
    Sleep(Time),
    #[frame(tag = 2)]
    Wait(Time),
    #[frame(tag = 3)]
    Spin(Time),
}

#[derive(Frame)]
struct Time {
    ms: u32,
}

#[derive(Frame)]
struct Done {
    byte: u8,
}

#[netpoll::server(frame = Ask)]
impl Slow {
    #[on_request(Ask::Sleep)]
    fn sleep(&self, time: Time) -> Done {
        std::thread::sleep(time.ms * MS);
        Done { byte: 1 }
    }

    #[on_request(Ask::Wait)]
    fn wait(&self, time: Time) -> Done {
        netpoll::block_on(netpoll::sleep(time.ms * MS));
        Done { byte: 2 }
    }

    #[on_request(Ask::Spin)]
    fn spin(&self, time: Time) -> Done {
        let until = Instant::now() + time.ms * MS;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        Done { byte: 3 }
    }
}

fn ask(server: &ServerHandle, tag: u8, ms: u32) -> TcpStream {
    let mut client = connect(server);
    client.write_all(&[&[tag][..], &ms.to_be_bytes()].concat()).unwrap();
    client
}

/// With the defaults: a handler that sleeps for 5 s is named within 1.5 s.
#[test]
fn a_handler_that_sleeps_is_named_within_a_second_and_a_half() {
    let told = Told::default();
    let runtime = Runtime::builder().pollers(1).observer(told.clone()).build().unwrap();
    let server = serve(&runtime, "sleepy", Slow);
    let noise = common::stopwatch::Stopwatch::start();
    let began = Instant::now();
    let client = ask(&server, 1, 5_000);
    let stalls = told.wait(1);
    let took = told.0.lock()[0].0.duration_since(began);
    assert!(took >= 1_000 * MS, "{took:?}");
    noise.assert_was_below(took, 1_500 * MS);
    let stall = &stalls[0];
    assert_eq!((stall.server.as_deref(), stall.route.name()), (Some("sleepy"), "Sleep"));
    assert_eq!(stall.peer.as_ref().unwrap().inet(), Some(client.local_addr().unwrap()));
    assert_eq!(stall.connection, Some(server.connections()[0].id()));
    assert_eq!((stall.place, stall.deadlock, &stall.thread), (StallPlace::Outside, false, &None));
    let text = stall.to_string();
    for part in ["`Sleep`", "sleepy", &client.local_addr().unwrap().to_string(), "outside"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!((runtime.stats().stalls, server.stalls().len()), (1, 1));
    // Nobody waits for the rest of its sleep.
    server.shutdown(Duration::ZERO);
}

/// Each place is told apart, each handler is told of once, and is listed only as long as it lasts.
#[test]
fn places_are_told_apart_and_each_stall_once() {
    let told = Told::default();
    let runtime = runtime(Some(50 * MS), &told);
    let server = serve(&runtime, "slow", Slow);
    for (n, tag, route, place) in [
        (1, 1, "Sleep", StallPlace::Outside),
        (2, 2, "Wait", StallPlace::Library),
        (3, 3, "Spin", StallPlace::Outside),
    ] {
        let mut client = ask(&server, tag, 400);
        let stalls = told.wait(n);
        let stall = &stalls[n - 1];
        assert_eq!((stall.route.name(), stall.place), (route, place), "{stall}");
        let listed = server.stalls();
        assert!(listed.len() <= 1 && listed.iter().all(|s| s.route == stall.route), "{listed:?}");
        if cfg!(target_os = "linux") {
            let thread = stall.thread.as_deref().unwrap();
            // Asleep in a system call, or running.
            assert!(thread.contains(if tag == 3 { ": R" } else { ": S" }), "{thread}");
        }
        let mut done = [0];
        std::io::Read::read_exact(&mut client, &mut done).unwrap();
        assert_eq!(done, [tag]);
        wait_until(|| server.stalls().is_empty());
    }
    assert_eq!(told.0.lock().len(), 3);
    assert_eq!(runtime.stats().stalls, 3);
}

#[netpoll::on_request]
async fn waits(message: Message) -> Message {
    netpoll::sleep(200 * MS).await;
    message
}

#[netpoll::on_request(concurrent = 8, ordered)]
async fn beside(message: Message) -> Message {
    netpoll::sleep(200 * MS).await;
    message
}

#[netpoll::on_request(concurrent = 8, ordered)]
fn blocks(message: Message) -> Message {
    std::thread::sleep(200 * MS);
    message
}

/// A future that waits occupies no thread, and is named all the same; a batch's handler has its connection.
#[test]
fn futures_and_batches_are_named() {
    let told = Told::default();
    let runtime = runtime(Some(50 * MS), &told);
    let check = |server: ServerHandle, n: usize, place| {
        let mut client = send(&server, b"x");
        let stalls = told.wait(n);
        let stall = &stalls[n - 1];
        assert_eq!((stall.server.as_deref(), stall.place), (Some(server.name()), place));
        assert_eq!(stall.connection, Some(server.connections()[0].id()));
        assert_eq!(read_frame(&mut client), b"x");
        wait_until(|| runtime.stalls().is_empty());
    };
    check(serve(&runtime, "a", Free::<waits>::new()), 1, StallPlace::Future);
    check(serve(&runtime, "b", Free::<beside>::new()), 2, StallPlace::Future);
    check(serve(&runtime, "c", Free::<blocks>::new()), 3, StallPlace::Outside);
    assert_eq!(told.0.lock().len(), 3);
}

/// Many short requests in one turn are no stall, nor is a handler that waits for its own peer.
#[test]
fn what_makes_progress_is_no_stall() {
    #[netpoll::on_request]
    fn short(message: Message) -> Message {
        std::thread::sleep(2 * MS);
        message
    }
    #[netpoll::on_request]
    async fn line(mut input: In<'_>) -> netpoll::Result<()> {
        input.until_async(b'\n').await.map(drop)
    }
    #[netpoll::on_request]
    fn line_by_thread(mut input: In<'_>) -> netpoll::Result<()> {
        input.until(b'\n').map(drop)
    }
    let told = Told::default();
    let runtime = runtime(Some(100 * MS), &told);
    let server = serve(&runtime, "short", Free::<short>::new());
    let mut client = connect(&server);
    client.write_all(&frame(b"x").repeat(150)).unwrap();
    let readers = [
        serve(&runtime, "line", Free::<line>::new()),
        serve(&runtime, "line_by_thread", Free::<line_by_thread>::new()),
    ];
    let _peers = readers.each_ref().map(|server| {
        let mut peer = connect(server);
        peer.write_all(b"no end").unwrap();
        peer
    });
    for _ in 0..150 {
        assert_eq!(read_frame(&mut client), b"x");
    }
    std::thread::sleep(250 * MS);
    let told = told.0.lock();
    assert!(told.is_empty(), "{told:?}");
}

#[test]
fn nobody_looks_where_none_is_asked_for() {
    let told = Told::default();
    let runtime = runtime(None, &told);
    let server = serve(&runtime, "slow", Slow);
    let mut client = ask(&server, 1, 150);
    std::io::Read::read_exact(&mut client, &mut [0]).unwrap();
    assert!(told.0.lock().is_empty() && runtime.stats().stalls == 0);
}

/// A spawned future that blocks its worker has no connection, and is told of too.
#[test]
fn a_spawned_future_that_blocks_is_told_of() {
    let told = Told::default();
    let runtime = runtime(Some(50 * MS), &told);
    let task = runtime.spawn(async { std::thread::sleep(300 * MS) });
    let stalls = told.wait(1);
    assert_eq!((&stalls[0].server, stalls[0].connection), (&None, None));
    assert_eq!(stalls[0].place, StallPlace::Outside);
    netpoll::block_on(task).unwrap();
}

/// What handlers wait for, and another one gives.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

struct Gated(Arc<Gate>);

#[netpoll::server]
impl Gated {
    #[on_request]
    fn pass(&self, message: Message) -> Message {
        if message.body == b"open" {
            *self.0.open.lock() = true;
            self.0.opened.notify_all();
            return message;
        }
        let gate = self.0.clone();
        let opened = netpoll::spawn(async move {
            while !*gate.open.lock() {
                netpoll::sleep(5 * MS).await;
            }
        });
        netpoll::block_on(opened).unwrap();
        message
    }
}

/// As many handlers as may run wait, by `block_on`, for futures of their own runtime that need another handler.
#[test]
fn a_deadlock_of_handlers_that_wait_for_their_own_runtime_is_said_to_be_one() {
    let told = Told::default();
    let runtime = runtime(Some(100 * MS), &told);
    let gate = Arc::new(Gate::default());
    let server = serve(&runtime, "gated", Gated(gate.clone()));
    let mut waiting = [send(&server, b"a"), send(&server, b"b")];
    let stalls = told.wait(2);
    assert!(stalls.iter().all(|stall| stall.place == StallPlace::OwnTask), "{stalls:?}");
    assert!(stalls.iter().all(|stall| !stall.deadlock), "nobody waits behind them: {stalls:?}");
    // The one that would free them finds no place.
    let mut opens = send(&server, b"open");
    wait_until(|| told.0.lock().iter().any(|(_, stall)| stall.deadlock));
    let deadlock = told.0.lock().iter().find(|(_, s)| s.deadlock).unwrap().1.clone();
    assert!(deadlock.to_string().contains("deadlock"), "{deadlock}");
    assert_eq!(deadlock.server.as_deref(), Some("gated"));
    assert!(server.stalls().iter().all(|stall| stall.deadlock));
    assert_eq!(server.stalls().len(), 2);
    // It is no figure of speech: only help from outside ends it.
    assert!(!*gate.open.lock());
    *gate.open.lock() = true;
    assert_eq!(read_frame(&mut opens), b"open");
    for (client, body) in waiting.iter_mut().zip([b"a", b"b"]) {
        assert_eq!(read_frame(client), body);
    }
    wait_until(|| runtime.stalls().is_empty());
    assert_eq!(call(&mut connect(&server), b"c"), b"c");
}
