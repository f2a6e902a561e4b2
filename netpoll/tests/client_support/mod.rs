//! What the tests of clients share: a format, a server whose answers take time, clients of both kinds,
//! and a tally of what came of calls.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of it")]

pub mod by_hand;

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use netpoll::{
    Connection, Dialer, ErrorKind, EventLoop, Frame, Result, Runtime, ServerHandle,
    client::{Client, Received},
    frame::Auto,
};
use parking_lot::Mutex;

use crate::common::{over, scenario, wait_until};

/// A number, how long the answer takes in milliseconds, and what to echo.
#[derive(Clone, Debug, Frame, PartialEq)]
pub struct Message {
    #[frame(len(of = rest))]
    pub length: Auto<u32>,
    #[frame(seq)]
    pub id: u32,
    pub millis: u32,
    #[frame(rest, max = "1 MiB")]
    pub body: Vec<u8>,
}

pub fn message(millis: u32, body: impl Into<Vec<u8>>) -> Message {
    Message { length: Auto::default(), id: 0, millis, body: body.into() }
}

pub type Echoes = Client<Message, Message>;

/// The two kinds of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// With at most so many connections.
    Pool(usize),
    /// With so many connections to each address.
    Mux(usize),
}

impl Kind {
    pub fn client(self, address: &str, timeout: Duration) -> Echoes {
        self.client_on(Runtime::global(), address, timeout)
    }

    pub fn client_on(self, runtime: &Runtime, address: &str, timeout: Duration) -> Echoes {
        let dialer = over::dial(Dialer::new());
        match self {
            Self::Pool(most) => {
                let pool = Echoes::pool(address).max_connections(most);
                pool.dialer(dialer).runtime(runtime).timeout(timeout).build().unwrap()
            }
            Self::Mux(connections) => {
                let mux = Echoes::mux(address).connections(connections);
                mux.dialer(dialer).runtime(runtime).timeout(timeout).build().unwrap()
            }
        }
    }
}

/// Whether a connection is to be reset, by its own number and that of the request, from 0.
pub type Resets = fn(usize, usize) -> bool;

/// Resets nothing.
pub const NEVER: Resets = |_, _| false;

/// Echoes each message after the time that it says.
struct Slow {
    resets: Resets,
    connections: AtomicUsize,
    requests: AtomicUsize,
}

/// A connection's number.
#[derive(Default)]
struct Nth(usize);

#[netpoll::server]
impl Slow {
    #[on_connect]
    fn connect(&self) -> Nth {
        Nth(self.connections.fetch_add(1, SeqCst))
    }

    #[on_request(concurrent = 16_384)]
    async fn answer(&self, conn: &Connection, nth: &Nth, message: Message) -> Option<Message> {
        if (self.resets)(nth.0, self.requests.fetch_add(1, SeqCst)) {
            conn.abort();
            return None;
        }
        if message.millis > 0 {
            netpoll::sleep(Duration::from_millis(message.millis.into())).await;
        }
        Some(message)
    }
}

/// A server at `address` that echoes each message after the time that it says: and where it listens.
pub fn serve_slow_at(runtime: &Runtime, address: &str, resets: Resets) -> (ServerHandle, String) {
    let (connections, requests) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let service = Slow { resets, connections, requests };
    let server = over::serve(EventLoop::builder(service)).runtime(runtime);
    let server = server.listen(address).bind().unwrap();
    let (handle, address) = (server.handle(), server.addresses()[0].to_string());
    std::thread::spawn(|| server.serve());
    (handle, address)
}

/// As [`serve_slow_at`], on a port of its own.
pub fn serve_slow(runtime: &Runtime, resets: Resets) -> (ServerHandle, String) {
    serve_slow_at(runtime, "127.0.0.1:0", resets)
}

/// What came of calls.
#[derive(Debug, Default)]
pub struct Tally {
    answered: AtomicUsize,
    /// By kind: how many, and what the last one said.
    failed: Mutex<BTreeMap<String, (usize, String)>>,
}

impl Tally {
    /// Notes the end of a call, whose answer must be what it sent.
    pub fn note(&self, sent: &[u8], result: &Result<Received<Message>>) {
        match result {
            Ok(reply) => {
                // Else it would be an answer to another call.
                scenario::same(&reply.get().unwrap().body, sent);
                self.answered.fetch_add(1, SeqCst);
            }
            Err(error) => {
                let mut failed = self.failed.lock();
                let entry = failed.entry(format!("{:?}", error.kind())).or_default();
                *entry = (entry.0 + 1, error.to_string());
            }
        }
    }

    pub fn answered(&self) -> usize {
        self.answered.load(SeqCst)
    }

    /// How many failed as `kind`.
    pub fn failed(&self, kind: ErrorKind) -> usize {
        self.failed.lock().get(&format!("{kind:?}")).map_or(0, |(count, _)| *count)
    }

    /// How many ended.
    pub fn all(&self) -> usize {
        self.answered() + self.failed.lock().values().map(|(count, _)| count).sum::<usize>()
    }
}

/// Waits until nothing of the client's is under way: a connection that was given up ends in its turn.
#[track_caller]
pub fn assert_quiet(client: &Echoes) {
    wait_until(|| {
        let stats = client.stats();
        stats.in_flight + stats.waiters == 0
    });
}
