//! A panic in each hook: its connection ends, and nothing else does.

mod common;

use std::{
    io::{Read, Write},
    net::Shutdown,
    sync::Arc,
    time::Duration,
};

use common::{call, connect, frame, read_frame, serve, wait_until};
use netpoll::{
    CloseReason, Connection, ConnectionId, Error, ErrorKind, Frame, Result, frame::Auto,
};
use parking_lot::Mutex;

#[derive(Debug, Frame)]
struct Message {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: Vec<u8>,
}

/// Panics in one hook, but not for its first connection.
#[derive(Clone)]
struct Fragile(Arc<State>);

struct State {
    at: &'static str,
    first: Mutex<Option<ConnectionId>>,
    errors: Mutex<Vec<ErrorKind>>,
    closed: Mutex<usize>,
}

impl Fragile {
    fn new(at: &'static str) -> Self {
        let (first, errors, closed) = Default::default();
        Self(Arc::new(State { at, first, errors, closed }))
    }

    /// Whether `hook` fails for `conn`.
    fn fails(&self, hook: &str, conn: &Connection) -> bool {
        let first = *self.0.first.lock().get_or_insert(conn.id());
        hook == self.0.at && first != conn.id()
    }

    fn panics(&self, hook: &str, conn: &Connection) {
        assert!(!self.fails(hook, conn), "as asked");
    }
}

#[netpoll::server]
impl Fragile {
    #[on_prepare]
    fn prepare(&self, conn: &Connection) -> Result<()> {
        self.panics("prepare", conn);
        Ok(())
    }

    #[on_connect]
    async fn connect(&self, conn: &Connection) -> Result<u32> {
        netpoll::sleep(Duration::from_millis(1)).await;
        self.panics("connect", conn);
        Ok(0)
    }

    #[on_request]
    fn request(&self, conn: &Connection, count: &mut u32, message: Message) -> Result<Message> {
        self.panics("request", conn);
        *count += 1;
        match self.fails("error", conn) {
            true => Err(Error::new(ErrorKind::Limit, "as asked")),
            false => Ok(message),
        }
    }

    #[on_disconnect]
    fn disconnect(&self, conn: &Connection, _: CloseReason) {
        self.panics("disconnect", conn);
    }

    #[on_close]
    async fn close(&self, conn: &Connection, _count: u32) {
        netpoll::sleep(Duration::from_millis(1)).await;
        *self.0.closed.lock() += 1;
        self.panics("close", conn);
    }

    #[on_idle]
    fn idle(&self, conn: &Connection) -> bool {
        self.panics("idle", conn);
        false
    }

    #[on_error]
    fn error(&self, conn: &Connection, error: &Error) {
        self.panics("error", conn);
        self.0.errors.lock().push(error.kind());
    }
}

/// `errors`: what `on_error` is told for each connection; `closed`: whether its session is given back.
fn check(at: &'static str, errors: &[ErrorKind], closed: bool) {
    const ROUNDS: usize = 3;
    let fragile = Fragile::new(at);
    let state = fragile.0.clone();
    let idle = (at == "idle").then_some(Duration::from_millis(30));
    let (runtime, server) = serve(fragile, |b| b.idle_timeout(idle));
    let mut other = connect(&server);
    assert_eq!(call(&mut other, b"first"), b"first");
    for round in 1..=ROUNDS {
        let mut client = connect(&server);
        if matches!(at, "disconnect" | "close") {
            assert_eq!(call(&mut client, b"fine"), b"fine");
            client.shutdown(Shutdown::Write).unwrap();
        } else if at != "idle" {
            // It may be closed already.
            let _ = client.write_all(&frame(b"x"));
        }
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0, "{at}");
        wait_until(|| runtime.stats().panics == round as u64 && server.live() == 1);
        assert_eq!(call(&mut other, b"on"), b"on", "{at}");
    }
    wait_until(|| *state.errors.lock() == errors.repeat(ROUNDS));
    let sessions = if closed { ROUNDS } else { 0 };
    wait_until(|| *state.closed.lock() == sessions);
    other.write_all(&frame(b"last")).unwrap();
    assert_eq!(read_frame(&mut other), b"last");
    drop(other);
    wait_until(|| *state.closed.lock() == sessions + 1);
    wait_until(|| server.live() == 0 && runtime.stats().connections == 0);
    assert_eq!(runtime.stats().panics, ROUNDS as u64, "{at}");
}

#[test]
fn in_on_prepare() {
    check("prepare", &[ErrorKind::Panic], false);
}

#[test]
fn in_on_connect() {
    check("connect", &[ErrorKind::Panic], false);
}

#[test]
fn in_on_request() {
    check("request", &[ErrorKind::Panic], true);
}

#[test]
fn in_on_disconnect() {
    check("disconnect", &[ErrorKind::Panic], true);
}

#[test]
fn in_on_close() {
    check("close", &[ErrorKind::Panic], true);
}

#[test]
fn in_on_idle() {
    check("idle", &[ErrorKind::Panic], true);
}

#[test]
fn in_on_error_itself() {
    // Nobody is left to be told.
    check("error", &[], true);
}
