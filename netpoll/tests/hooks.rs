//! The hooks: their order, their faults, and what each end of a connection calls.

mod common;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use common::{
    Bench, Log, call, connect, frame, read_frame, reset, serve, stopwatch::Stopwatch, wait_until,
};
use netpoll::{
    Call, CloseReason, Connection, ConnectionOptions, Dispatch, Error, ErrorKind, EventLoopBuilder,
    Flow, Result, Runtime, ServerHandle, Service,
};
use parking_lot::Mutex;

/// Which hook misbehaves, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fault {
    #[default]
    None,
    RefuseInPrepare,
    FailInConnect,
    FailInRequest,
    PanicInPrepare,
    PanicInConnect,
    PanicInRequest,
    PanicInDisconnect,
    PanicInClose,
    PanicInIdle,
}

/// Notes each hook, and does in it what its fault says. Counts requests in its session; answers.
struct Script<const ASYNC: bool> {
    log: Log,
    fault: Fault,
    /// Connections that idle are kept so many times.
    patience: Mutex<u32>,
}

impl<const ASYNC: bool> Script<ASYNC> {
    fn note(&self, what: impl Into<String>, fault: Fault) {
        self.log.lock().push(what.into());
        assert!(self.fault != fault, "a test's panic");
    }
}

impl<const ASYNC: bool> Service for Script<ASYNC> {
    type Session = u32;
    type Request = Bench<'static>;
    const DISPATCH: Dispatch = if ASYNC { Dispatch::Async } else { Dispatch::Sync };

    fn on_prepare(&self, _: &Connection) -> Result<()> {
        self.note("prepare", Fault::PanicInPrepare);
        if self.fault == Fault::RefuseInPrepare {
            return Err(Error::new(ErrorKind::Limit, "a test's refusal"));
        }
        Ok(())
    }

    async fn on_connect(&self, _: &Connection) -> Result<u32> {
        self.note("connect", Fault::PanicInConnect);
        if ASYNC {
            netpoll::sleep(Duration::from_millis(2)).await;
        }
        if self.fault == Fault::FailInConnect {
            return Err(Error::new(ErrorKind::Config, "a test's error"));
        }
        Ok(0)
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, u32>, req: Bench<'a>) -> Result<Flow> {
        *call.session += 1;
        let n = *call.session;
        self.note(format!("request {n}"), Fault::PanicInRequest);
        if ASYNC {
            netpoll::sleep(Duration::from_millis(2)).await;
        }
        if self.fault == Fault::FailInRequest {
            call.out.put(&Bench(b"last words"))?;
            return Err(Error::new(ErrorKind::Config, "a test's error"));
        }
        call.out.put(&req)?;
        Ok(if req.0 == b"close" { Flow::Close } else { Flow::Continue })
    }

    fn on_disconnect(&self, _: &Connection, reason: CloseReason) {
        self.note(format!("disconnect {reason:?}"), Fault::PanicInDisconnect);
    }

    async fn on_close(&self, _: &Connection, session: u32, reason: CloseReason) {
        self.note(format!("close {session} {reason:?}"), Fault::PanicInClose);
    }

    fn on_error(&self, _: &Connection, error: &Error) {
        self.log.lock().push(format!("error {:?}", error.kind()));
    }

    fn on_idle(&self, _: &Connection) -> bool {
        self.note("idle", Fault::PanicInIdle);
        let mut patience = self.patience.lock();
        *patience = patience.saturating_sub(1);
        *patience == 0
    }
}

/// A server whose hooks are noted.
struct Stage {
    runtime: Runtime,
    server: ServerHandle,
    log: Log,
}

impl Stage {
    fn new<const ASYNC: bool>(
        fault: Fault,
        with: impl FnOnce(EventLoopBuilder<Script<ASYNC>>) -> EventLoopBuilder<Script<ASYNC>>,
    ) -> Self {
        let log = Log::default();
        let script = Script { log: log.clone(), fault, patience: Mutex::new(3) };
        let (runtime, server) = serve(script, with);
        Self { runtime, server, log }
    }

    /// What was noted, once no connection is left.
    fn ends_with(&self, expected: &[&str]) {
        wait_until(|| !self.log.lock().is_empty() && self.runtime.stats().connections == 0);
        assert_eq!(*self.log.lock(), expected);
        assert_eq!(self.server.live(), 0);
        wait_until(|| {
            let stats = self.runtime.stats();
            (stats.late, stats.queued_of.iter().sum::<usize>()) == (0, 0)
        });
    }
}

fn both(test: impl Fn(&dyn Fn(Fault) -> Stage)) {
    test(&|fault| Stage::new::<false>(fault, |b| b));
    test(&|fault| Stage::new::<true>(fault, |b| b));
}

#[test]
fn the_peer_leaves() {
    both(|stage| {
        let stage = stage(Fault::None);
        let mut client = connect(&stage.server);
        call(&mut client, b"x");
        call(&mut client, b"y");
        drop(client);
        stage.ends_with(&[
            "prepare",
            "connect",
            "request 1",
            "request 2",
            "disconnect Eof",
            "close 2 Eof",
        ]);
    });
}

#[test]
fn the_peer_leaves_without_a_word() {
    both(|stage| {
        let stage = stage(Fault::None);
        drop(connect(&stage.server));
        stage.ends_with(&["prepare", "connect", "disconnect Eof", "close 0 Eof"]);
    });
}

#[test]
fn the_peer_resets_at_once() {
    both(|stage| {
        let stage = stage(Fault::None);
        reset(connect(&stage.server));
        stage.ends_with(&["prepare", "connect", "disconnect Reset", "close 0 Reset"]);
    });
}

#[test]
fn the_server_closes() {
    both(|stage| {
        let stage = stage(Fault::None);
        let mut client = connect(&stage.server);
        call(&mut client, b"x");
        stage.server.connections()[0].close();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        stage.ends_with(&["prepare", "connect", "request 1", "close 1 Local"]);
    });
}

#[test]
fn the_server_aborts() {
    both(|stage| {
        let stage = stage(Fault::None);
        let mut client = connect(&stage.server);
        call(&mut client, b"x");
        stage.server.connections()[0].abort();
        let error = client.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        stage.ends_with(&["prepare", "connect", "request 1", "close 1 Local"]);
    });
}

#[test]
fn a_handler_closes_after_its_answer() {
    both(|stage| {
        let stage = stage(Fault::None);
        let mut client = connect(&stage.server);
        assert_eq!(call(&mut client, b"close"), b"close");
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        stage.ends_with(&["prepare", "connect", "request 1", "close 1 Local"]);
    });
}

#[test]
fn a_handler_that_fails_has_its_last_words() {
    both(|stage| {
        let stage = stage(Fault::FailInRequest);
        let mut client = connect(&stage.server);
        assert_eq!(call(&mut client, b"x"), b"last words");
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        let noted = ["prepare", "connect", "request 1", "error Config", "close 1 HandlerError"];
        stage.ends_with(&noted);
    });
}

#[test]
fn a_refused_connection_has_no_other_hook() {
    both(|stage| {
        let stage = stage(Fault::RefuseInPrepare);
        let mut client = connect(&stage.server);
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
        stage.ends_with(&["prepare"]);
        assert_eq!(stage.runtime.stats().refused, 1);
    });
}

#[test]
fn a_connection_whose_on_connect_fails_is_not_closed_by_hook() {
    both(|stage| {
        let stage = stage(Fault::FailInConnect);
        let mut client = connect(&stage.server);
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
        stage.ends_with(&["prepare", "connect", "error Config"]);
    });
}

#[test]
fn a_panic_ends_its_connection_and_nothing_else() {
    let cases: [(Fault, &[&str]); 5] = [
        (Fault::PanicInPrepare, &["prepare", "error Panic"]),
        (Fault::PanicInConnect, &["prepare", "connect", "error Panic"]),
        (
            Fault::PanicInRequest,
            &["prepare", "connect", "request 1", "error Panic", "close 1 Panic"],
        ),
        (
            Fault::PanicInDisconnect,
            &["prepare", "connect", "request 1", "disconnect Eof", "error Panic", "close 1 Eof"],
        ),
        (
            Fault::PanicInClose,
            &["prepare", "connect", "request 1", "disconnect Eof", "close 1 Eof", "error Panic"],
        ),
    ];
    for (fault, expected) in cases {
        both(|stage| {
            let stage = stage(fault);
            for round in 1..=3 {
                stage.log.lock().clear();
                let mut client = connect(&stage.server);
                // It may be closed already.
                let _ = client.write_all(&frame(b"x"));
                if matches!(fault, Fault::PanicInDisconnect | Fault::PanicInClose) {
                    read_frame(&mut client);
                    client.shutdown(Shutdown::Write).unwrap();
                }
                assert_eq!(client.read(&mut [0]).unwrap_or(0), 0, "{fault:?}");
                drop(client);
                stage.ends_with(expected);
                assert_eq!(stage.runtime.stats().panics, round, "{fault:?}");
            }
        });
    }
}

#[test]
fn a_panic_beside_others_leaves_them_alone() {
    struct Picky;
    impl Service for Picky {
        type Session = ();
        type Request = Bench<'static>;
        async fn on_connect(&self, _: &Connection) -> Result<()> {
            Ok(())
        }
        async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, req: Bench<'a>) -> Result<Flow> {
            assert!(req.0 != b"panic", "a test's panic");
            call.out.put(&req)?;
            Ok(Flow::Continue)
        }
    }
    let (runtime, server) = serve(Picky, |b| b);
    let mut others: Vec<_> = (0..8).map(|_| connect(&server)).collect();
    for _ in 0..10 {
        let mut client = connect(&server);
        client.write_all(&frame(b"panic")).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
        for other in &mut others {
            assert_eq!(call(other, b"fine"), b"fine");
        }
    }
    assert_eq!(runtime.stats().panics, 10);
    drop(others);
    wait_until(|| runtime.stats().connections == 0);
}

fn idle(ms: u64) -> ConnectionOptions {
    let mut options = ConnectionOptions::default();
    options.idle_timeout = Some(Duration::from_millis(ms));
    options
}

#[test]
fn an_idle_connection_is_asked_about_and_closed() {
    let stage = Stage::new::<false>(Fault::None, |b| b.options(idle(40)));
    let mut client = connect(&stage.server);
    let start = Instant::now();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    assert!(start.elapsed() >= Duration::from_millis(120), "{:?}", start.elapsed());
    stage.ends_with(&["prepare", "connect", "idle", "idle", "idle", "close 0 IdleTimeout"]);
}

#[test]
fn a_panic_in_on_idle_closes() {
    let stage = Stage::new::<false>(Fault::PanicInIdle, |b| b.options(idle(40)));
    assert_eq!(connect(&stage.server).read(&mut [0]).unwrap(), 0);
    stage.ends_with(&["prepare", "connect", "idle", "error Panic", "close 0 IdleTimeout"]);
    assert_eq!(stage.runtime.stats().panics, 1);
}

#[test]
fn a_busy_connection_is_not_idle() {
    let stage = Stage::new::<false>(Fault::None, |b| b.options(idle(60)));
    let mut calls = 0;
    while calls < 10 {
        calls = 0;
        let mut client = connect(&stage.server);
        call(&mut client, b"first");
        stage.log.lock().clear();
        let mut last = Instant::now();
        // A client that this machine holds up for so long is idle: then another tries.
        while calls < 10 && last.elapsed() < Duration::from_millis(5) {
            thread::sleep(Duration::from_millis(20));
            if last.elapsed() > Duration::from_millis(50) {
                break;
            }
            call(&mut client, b"x");
            let gap = last.elapsed();
            last = Instant::now();
            calls += 1;
            let idle = stage.log.lock().contains(&"idle".to_owned());
            assert!(!idle || gap > Duration::from_millis(50));
        }
    }
}

/// Waits until nobody wants its work any more; notes how that ended.
struct Works<const ASYNC: bool>(Log);

impl<const ASYNC: bool> Works<ASYNC> {
    fn note(&self, what: &str) {
        self.0.lock().push(what.to_owned());
    }
}

/// Notes that a future was dropped before its end.
struct Guard<'a>(&'a Log);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.lock().push("dropped".into());
    }
}

impl<const ASYNC: bool> Service for Works<ASYNC> {
    type Session = ();
    type Request = Bench<'static>;
    const DISPATCH: Dispatch = if ASYNC { Dispatch::Async } else { Dispatch::Sync };

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, call: Call<'a, ()>, req: Bench<'a>) -> Result<Flow> {
        self.note("begins");
        let cancel = call.cancel();
        let guard = Guard(&self.0);
        match req.0 {
            b"wait" if ASYNC => cancel.cancelled().await,
            b"wait" => netpoll::block_on(cancel.cancelled()),
            b"look" => {
                while !cancel.is_cancelled() {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            _ => std::future::pending().await,
        }
        std::mem::forget(guard);
        let kind = cancel.check().unwrap_err().kind();
        let late = call.deadline.has_passed();
        self.note(&format!("{kind:?}{}", if late { ", late" } else { "" }));
        Ok(Flow::Continue)
    }

    fn on_disconnect(&self, _: &Connection, _: CloseReason) {
        self.note("disconnect");
    }

    async fn on_close(&self, _: &Connection, _: (), _: CloseReason) {
        self.note("close");
    }

    fn on_error(&self, _: &Connection, error: &Error) {
        self.note(&format!("error {:?}", error.kind()));
    }
}

/// Has a request begin, and waits until it has.
fn begin(server: &ServerHandle, log: &Log, how: &[u8]) -> TcpStream {
    let mut client = connect(server);
    client.write_all(&frame(how)).unwrap();
    wait_until(|| log.lock().iter().any(|line| line == "begins"));
    client
}

#[test]
fn a_handler_is_told_that_its_client_left() {
    fn check<const ASYNC: bool>(how: &[u8]) {
        let log = Log::default();
        let (runtime, server) = serve(Works::<ASYNC>(log.clone()), |b| b);
        for leave in [drop, reset] {
            leave(begin(&server, &log, how));
            wait_until(|| runtime.stats().connections == 0);
            let mut noted = std::mem::take(&mut *log.lock());
            // The disconnect runs beside the handler.
            noted[1..3].sort();
            assert_eq!(noted, ["begins", "Cancelled", "disconnect", "close"]);
        }
    }
    check::<false>(b"wait");
    check::<true>(b"wait");
    check::<false>(b"look");
}

#[test]
fn a_handler_is_told_that_this_side_closes() {
    fn check<const ASYNC: bool>(how: &[u8]) {
        let log = Log::default();
        let (runtime, server) = serve(Works::<ASYNC>(log.clone()), |b| b);
        let _client = begin(&server, &log, how);
        server.connections()[0].close();
        wait_until(|| runtime.stats().connections == 0);
        let ends = if ASYNC { "dropped" } else { "Cancelled" };
        assert_eq!(*log.lock(), ["begins", ends, "close"]);
    }
    check::<false>(b"wait");
    check::<true>(b"wait");
    check::<false>(b"look");
    check::<true>(b"for ever");
}

#[test]
fn a_sync_handler_sees_its_deadline() {
    let log = Log::default();
    let (runtime, server) =
        serve(Works::<false>(log.clone()), |b| b.request_timeout(Some(Duration::from_millis(50))));
    for how in [b"wait", b"look"] {
        let start = Stopwatch::start();
        let client = begin(&server, &log, how);
        wait_until(|| log.lock().len() == 2);
        start.assert_within(Duration::from_millis(49), Duration::from_millis(500));
        assert_eq!(*log.lock(), ["begins", "Cancelled, late"]);
        drop(client);
        wait_until(|| runtime.stats().connections == 0);
        log.lock().clear();
    }
}

#[test]
fn an_async_handler_is_dropped_at_its_deadline() {
    let log = Log::default();
    let (runtime, server) =
        serve(Works::<true>(log.clone()), |b| b.request_timeout(Some(Duration::from_millis(50))));
    let mut client = begin(&server, &log, b"for ever");
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    wait_until(|| runtime.stats().connections == 0);
    assert_eq!(*log.lock(), ["begins", "dropped", "error TimedOut", "close"]);
}

#[test]
fn a_sync_handler_that_awaits_is_given_up_at_its_deadline() {
    let log = Log::default();
    let (runtime, server) =
        serve(Works::<false>(log.clone()), |b| b.request_timeout(Some(Duration::from_millis(50))));
    let mut client = begin(&server, &log, b"for ever");
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    wait_until(|| runtime.stats().connections == 0);
    assert_eq!(*log.lock(), ["begins", "dropped", "error TimedOut", "close"]);
}

/// Lets its connection go.
struct Lets(Log, Mutex<mpsc::Sender<Connection>>);

impl Service for Lets {
    type Session = u8;
    type Request = Bench<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<u8> {
        Ok(7)
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, u8>, req: Bench<'a>) -> Result<Flow> {
        call.out.put(&req)?;
        if req.0 == b"keep" {
            self.1.lock().send(call.conn.clone()).unwrap();
        }
        Ok(Flow::Detach)
    }

    fn on_disconnect(&self, _: &Connection, _: CloseReason) {
        self.0.lock().push("disconnect".into());
    }

    async fn on_close(&self, _: &Connection, session: u8, reason: CloseReason) {
        self.0.lock().push(format!("close {session} {reason:?}"));
    }
}

#[test]
fn a_detached_connection_goes_on_raw() {
    let (log, (tell, told)) = (Log::default(), mpsc::channel());
    let (runtime, server) = serve(Lets(log.clone(), Mutex::new(tell)), |b| b);
    let mut client = connect(&server);
    client.write_all(&[&frame(b"keep")[..], b"more"].concat()).unwrap();
    assert_eq!(read_frame(&mut client), b"keep");
    wait_until(|| server.live() == 0);
    assert_eq!(*log.lock(), ["close 7 Detached"]);
    let conn = told.recv().unwrap();
    let mut reader = conn.reader().unwrap();
    assert_eq!(reader.next(4).unwrap(), b"more");
    conn.write(b"raw").unwrap();
    let mut raw = [0; 3];
    client.read_exact(&mut raw).unwrap();
    assert_eq!(&raw, b"raw");
    drop(client);
    assert_eq!(reader.next(1).unwrap_err().kind(), ErrorKind::Eof);
    drop(reader);
    conn.close();
    assert_eq!(netpoll::block_on(conn.closed()), CloseReason::Local);
    wait_until(|| runtime.stats().connections == 0);
    assert_eq!(*log.lock(), ["close 7 Detached"], "no hook after the detach");
}

#[test]
fn a_detached_connection_that_nobody_holds_ends_with_its_peer() {
    let (log, (tell, _told)) = (Log::default(), mpsc::channel());
    let (runtime, server) = serve(Lets(log.clone(), Mutex::new(tell)), |b| b);
    let mut client = connect(&server);
    assert_eq!(call(&mut client, b"drop"), b"drop");
    wait_until(|| server.live() == 0);
    drop(client);
    wait_until(|| runtime.stats().connections == 0);
}

#[test]
fn close_callbacks_run_once_after_on_close() {
    let stage = Stage::new::<false>(Fault::None, |b| b);
    let mut client = connect(&stage.server);
    call(&mut client, b"x");
    let conn = stage.server.connections()[0].clone();
    let log = stage.log.clone();
    conn.on_closed(move |_, reason| log.lock().push(format!("callback {reason:?}")));
    drop(client);
    stage.ends_with(&[
        "prepare",
        "connect",
        "request 1",
        "disconnect Eof",
        "close 1 Eof",
        "callback Eof",
    ]);
    let (tell, told) = mpsc::channel();
    conn.on_closed(move |_, reason| tell.send(reason).unwrap());
    assert_eq!(told.recv(), Ok(CloseReason::Eof), "at once, on a connection that has ended");
    assert_eq!(conn.write(b"late").unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(conn.reader().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(netpoll::block_on(conn.closed()), CloseReason::Eof);
    assert!(!conn.is_active() && !conn.probe());
}

#[test]
fn malformed_and_large_frames_are_told_apart() {
    let stage = Stage::new::<false>(Fault::None, |b| {
        let mut options = ConnectionOptions::default();
        options.max_frame = 1000;
        b.options(options)
    });
    let mut client = connect(&stage.server);
    client.write_all(&frame(&[0; 1001])).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    drop(client);
    wait_until(|| stage.runtime.stats().connections == 0);
    let log = stage.log.lock();
    assert_eq!(log[2..4], ["error FrameTooLarge", "close 0 FrameTooLarge"]);
}

#[test]
fn a_slow_frame_is_cut_off() {
    let stage = Stage::new::<false>(Fault::None, |b| {
        let mut options = ConnectionOptions::default();
        options.frame_timeout = Some(Duration::from_millis(80));
        b.options(options)
    });
    let mut client = connect(&stage.server);
    let start = Stopwatch::start();
    for byte in frame(&[1; 200]) {
        thread::sleep(Duration::from_millis(10));
        if client.write_all(&[byte]).is_err() {
            break;
        }
    }
    start.assert_below(Duration::from_millis(1000));
    wait_until(|| stage.runtime.stats().connections == 0);
    assert_eq!(stage.log.lock()[2..], ["error TimedOut", "close 0 FrameTimeout"]);
}

#[test]
fn a_peer_that_takes_nothing_is_cut_off() {
    let stage = Stage::new::<false>(Fault::None, |b| {
        let mut options = ConnectionOptions::default();
        options.write_timeout = Some(Duration::from_millis(100));
        b.options(options)
    });
    let mut client = connect(&stage.server);
    client.write_all(&frame(&vec![1; 32 << 20])).unwrap();
    wait_until(|| stage.runtime.stats().connections == 0);
    let log = stage.log.lock();
    assert_eq!(log[2..], ["request 1", "error TimedOut", "close 1 WriteTimeout"]);
}
