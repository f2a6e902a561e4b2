//! A proxy of PostgreSQL's protocol, which logs each query with the time that it took.
//!
//! Every message is a frame, read from one side and put to the other. Requests for encryption are answered
//! with `N`: the proxy has to read what passes. A cancel request passes like any start-up message.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin pg_proxy -- --listen 127.0.0.1:5433 --to 127.0.0.1:5432
//! ```

use std::{
    collections::{HashMap, VecDeque},
    future::{Future, pending, poll_fn},
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use clap::Parser;
use netpoll::{
    Connection, Detach, Dialer, Error, EventLoop, Frame, Reader, Result, Writer, frame::Auto,
};
use netpoll_examples::{
    cli::{ServerOptions, seconds},
    log::Gathered,
    run,
};
use parking_lot::Mutex;

/// Codes in the place of a version, which ask for encryption.
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// Output that is gathered before it is sent, while more messages are there, in bytes. With twice as many that the
/// system does not take, nothing more is read.
const BATCH: usize = 64 << 10;

/// What is kept of a statement's text, in bytes, and how many prepared ones have theirs kept.
const TEXT: usize = 200;
const STATEMENTS: usize = 1000;

/// Queries of a session that wait for their answers: with so many nothing more is read from its client.
const PENDING: usize = 1000;

/// The idle time is judged this many times while it passes once.
const LOOKS: u32 = 4;

/// Passes PostgreSQL's messages on, and logs each query with its time on standard error.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: host:port, unix:/path or unix:@name; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5433")]
    listen: Vec<String>,

    /// The server of PostgreSQL: host:port or unix:/path
    #[arg(long, value_name = "ADDRESS")]
    to: String,

    /// The longest message, in bytes: a session holds about two of them in each direction
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20)]
    max_message: usize,

    /// Ends a session whose client has not sent its first message within so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    start_timeout: Duration,

    /// Ends a session in which no message has passed for so many seconds, also while a query runs [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle_timeout: Option<Duration>,

    #[command(flatten)]
    server: ServerOptions,
}

/// The first message, which has no type.
#[derive(Frame)]
#[frame(max = 10_000)]
struct StartUp<'a> {
    #[frame(len(of = length..))]
    length: Auto<u32>,
    code: u32,
    #[frame(rest)]
    body: &'a [u8],
}

/// All others.
#[derive(Frame)]
struct Message<'a> {
    kind: u8,
    #[frame(len(of = length..))]
    length: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

/// A query, or all up to a `Sync`.
struct Query {
    sql: String,
    began: Instant,
    extended: bool,
}

impl Query {
    fn new(sql: String, extended: bool) -> Self {
        Self { sql, began: Instant::now(), extended }
    }
}

/// What a session has asked, and is not answered yet.
#[derive(Default)]
struct Queries {
    /// The first `ReadyForQuery` answers the start-up.
    welcomed: bool,
    pending: VecDeque<Query>,
    prepared: HashMap<Vec<u8>, String>,
    /// What was parsed and bound since the last `Sync`.
    bound: Option<Query>,
    /// The server ignores the `Sync` that came with a copy from the client: the one behind the copy's end
    /// belongs to the same query.
    again: bool,
    /// Messages of both sides so far.
    passed: u64,
    /// Woken when there is room in `pending`.
    waits: Option<Waker>,
}

impl Queries {
    /// Ready while less than the most queries wait. The session's task polls it, which polls for answers too.
    fn poll_room(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.pending.len() < PENDING {
            return Poll::Ready(());
        }
        self.waits = Some(cx.waker().clone());
        Poll::Pending
    }

    fn asked(&mut self, message: &Message<'_>) {
        self.passed += 1;
        let mut fields = message.body.split(|byte| *byte == 0);
        let mut field = || fields.next().unwrap_or_default();
        match message.kind {
            b'Q' => self.pending.push_back(Query::new(text(field()), false)),
            b'F' => self.pending.push_back(Query::new("a function call".to_owned(), false)),
            b'P' => {
                let (name, sql) = (field(), field());
                if self.prepared.len() < STATEMENTS || self.prepared.contains_key(name) {
                    self.prepared.insert(name.to_vec(), text(sql));
                }
                self.bound.get_or_insert_with(|| Query::new(String::new(), true));
            }
            b'B' => {
                let (_portal, name) = (field(), field());
                let bound = self.bound.get_or_insert_with(|| Query::new(String::new(), true));
                let all = &mut bound.sql;
                if all.len() < TEXT {
                    let sql = self.prepared.get(name).map_or("a forgotten statement", |sql| sql);
                    all.push_str(if all.is_empty() { "" } else { "; " });
                    all.push_str(sql);
                }
            }
            b'C' => {
                if let Some(name) = field().strip_prefix(b"S") {
                    self.prepared.remove(name);
                }
            }
            b'S' if std::mem::take(&mut self.again) => {}
            b'S' => {
                let bound = self.bound.take();
                self.pending.push_back(bound.unwrap_or_else(|| Query::new(String::new(), true)));
            }
            _ => {}
        }
    }

    fn answered(&mut self, message: &Message<'_>) {
        self.passed += 1;
        match message.kind {
            b'Z' if !self.welcomed => self.welcomed = true,
            b'G' => self.again = self.pending.front().is_some_and(|query| query.extended),
            b'Z' => {
                let query = self.pending.pop_front();
                if let Some(Query { sql, began, .. }) = query.filter(|query| !query.sql.is_empty())
                {
                    let micros = began.elapsed().as_micros();
                    tracing::info!(micros, query = ?sql, "a query was answered");
                }
                if let Some(waker) = self.waits.take() {
                    waker.wake();
                }
            }
            _ => {}
        }
    }
}

/// The beginning of a statement.
fn text(sql: &[u8]) -> String {
    String::from_utf8_lossy(&sql[..sql.len().min(TEXT)]).into_owned()
}

/// Reads the client's first message, and passes it on.
async fn start(client: &mut Reader, to_client: &mut Writer, to_server: &mut Writer) -> Result<()> {
    loop {
        let message = client.frame::<StartUp<'_>>().await?;
        if !matches!(message.code, SSL | GSS) {
            to_server.put(&message)?;
            return to_server.flush_async().await;
        }
        to_client.write_str("N")?;
        to_client.flush_async().await?;
    }
}

/// Passes messages on up to the end of the stream. What waits to be sent is sent before it waits for more, be it a
/// message or that there is `room` for one.
async fn pass(
    from: &mut Reader,
    to: &Connection,
    writer: &mut Writer,
    seen: impl Fn(&Message<'_>),
    mut room: impl FnMut(&Context<'_>) -> Poll<()>,
) -> Result<()> {
    let mut messages = from.frames::<Message<'_>>();
    loop {
        let mut next = pin!(messages.next());
        let message = match poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await {
            Poll::Ready(message) => message?,
            Poll::Pending => {
                writer.flush_async().await?;
                next.await?
            }
        };
        let Some(message) = message else { break };
        seen(&message);
        writer.put(&message)?;
        let full = poll_fn(|cx| Poll::Ready(room(cx).is_pending())).await;
        if full || writer.malloc_len() >= BATCH {
            writer.flush_async().await?;
        }
        if full {
            poll_fn(|cx| room(cx)).await;
        }
    }
    writer.flush_async().await?;
    to.shutdown_write();
    Ok(())
}

/// Ready when no message has passed for `limit`.
async fn idle(queries: &Mutex<Queries>, limit: Duration) {
    let (mut last, mut quiet) = (0, 0);
    while quiet < LOOKS {
        netpoll::sleep(limit / LOOKS).await;
        let now = queries.lock().passed;
        quiet = if now == last { quiet + 1 } else { 0 };
        last = now;
    }
}

/// One session. It ends with the server, or when either side breaks, or by `limits`.
async fn session(client: &Connection, server: &Connection, limits: Limits) -> Result<()> {
    let (mut from_client, mut from_server) = (client.reader()?, server.reader()?);
    let (mut to_client, mut to_server) = (client.writer(), server.writer());
    let start = start(&mut from_client, &mut to_client, &mut to_server);
    netpoll::timeout(limits.start, start).await??;
    let queries = Mutex::new(Queries::default());
    let mut there = pin!(pass(
        &mut from_client,
        server,
        &mut to_server,
        |m| queries.lock().asked(m),
        |cx| queries.lock().poll_room(cx),
    ));
    let mut back = pin!(pass(
        &mut from_server,
        client,
        &mut to_client,
        |m| queries.lock().answered(m),
        |_| Poll::Ready(()),
    ));
    let mut idle = pin!(async {
        match limits.idle {
            Some(limit) => idle(&queries, limit).await,
            None => pending().await,
        }
    });
    let mut asks = true;
    poll_fn(|cx| {
        if idle.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(Error::other("no message has passed for the idle time")));
        }
        if asks && let Poll::Ready(ended) = there.as_mut().poll(cx) {
            asks = false;
            if ended.is_err() {
                return Poll::Ready(ended);
            }
        }
        back.as_mut().poll(cx)
    })
    .await
}

/// The times of a session.
#[derive(Clone, Copy)]
struct Limits {
    start: Duration,
    idle: Option<Duration>,
}

struct Proxy {
    to: String,
    max_message: usize,
    limits: Limits,
}

#[netpoll::server]
impl Proxy {
    #[on_connect]
    async fn enter(&self, client: &Connection) -> Result<Detach> {
        // Sessions may rest: their time is the server's to limit.
        let dialer = Dialer::new().beside(client).write_timeout(None).read_timeout(None);
        let dialer = dialer.write_low(BATCH).write_high(2 * BATCH);
        let server = dialer.max_frame(self.max_message).dial_async(&self.to).await?;
        let (client, limits) = (client.clone(), self.limits);
        Ok(Detach::then(async move {
            if let Err(error) = session(&client, &server, limits).await {
                tracing::info!(peer = %client.peer(), %error, "a session was cut");
                // So that no peer takes a part for the whole.
                client.abort();
                server.abort();
            }
        }))
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let log = Gathered::start();
    tracing_subscriber::fmt().with_writer(log.clone()).init();
    let runtime = run::runtime(&options.server)?;
    let limits = Limits { start: options.start_timeout, idle: options.idle_timeout };
    let proxy = Proxy { to: options.to, max_message: options.max_message, limits };
    let mut server = EventLoop::builder(proxy)
        .runtime(&runtime)
        .keep_half_open(true)
        .max_frame(options.max_message)
        .read_timeout(None)
        .write_timeout(None)
        .write_low(BATCH)
        .write_high(2 * BATCH);
    for address in options.listen {
        server = server.listen(address);
    }
    let served = server.bind().and_then(run::until_signal);
    log.flush();
    served
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is logged next, after these messages of both sides: `>` is the client's.
    fn front(queries: &mut Queries, messages: &[(char, u8, &[u8])]) -> Vec<String> {
        let mut answered = Vec::new();
        for &(side, kind, body) in messages {
            let message = Message { kind, length: Auto::default(), body };
            if side == '>' {
                queries.asked(&message);
            } else {
                let next = queries.pending.front().map(|query| query.sql.clone());
                let before = queries.pending.len();
                queries.answered(&message);
                answered.extend(next.filter(|_| queries.pending.len() < before));
            }
        }
        answered
    }

    #[test]
    fn queries_are_matched_with_their_ends() {
        let mut queries = Queries::default();
        let told = front(
            &mut queries,
            &[
                ('<', b'Z', b"I"),
                ('>', b'Q', b"select 1\0"),
                ('>', b'P', b"one\0select $1\0\0\0"),
                ('>', b'B', b"\0one\0"),
                ('>', b'B', b"\0one\0"),
                ('>', b'S', b""),
                ('<', b'Z', b"I"),
                ('<', b'Z', b"I"),
                ('>', b'C', b"Sone\0"),
                ('>', b'C', b""),
                ('>', b'B', b"\0one\0"),
                ('>', b'S', b""),
                ('<', b'Z', b"I"),
            ],
        );
        assert_eq!(told, ["select 1", "select $1; select $1", "a forgotten statement"]);
        assert!(queries.pending.is_empty());
    }

    #[test]
    fn a_client_that_asks_too_much_waits_for_an_answer() {
        let mut queries = Queries::default();
        let cx = Context::from_waker(Waker::noop());
        let message = |kind| Message { kind, length: Auto::default(), body: b"select 1\0" };
        queries.answered(&message(b'Z'));
        for _ in 0..PENDING {
            assert!(queries.poll_room(&cx).is_ready());
            queries.asked(&message(b'Q'));
        }
        assert!(queries.poll_room(&cx).is_pending());
        assert!(queries.waits.is_some());
        queries.answered(&message(b'Z'));
        assert!(queries.waits.is_none(), "it was not woken");
        assert!(queries.poll_room(&cx).is_ready());
    }

    #[test]
    fn a_copy_in_an_extended_query_counts_once() {
        let mut queries = Queries::default();
        let told = front(
            &mut queries,
            &[
                ('<', b'Z', b"I"),
                ('>', b'P', b"\0copy t from stdin\0\0\0"),
                ('>', b'B', b"\0\0"),
                ('>', b'S', b""),
                ('<', b'G', b""),
                ('>', b'c', b""),
                ('>', b'S', b""),
                ('<', b'Z', b"I"),
                ('>', b'Q', b"select 2\0"),
                ('<', b'Z', b"I"),
            ],
        );
        assert_eq!(told, ["copy t from stdin", "select 2"]);
        assert!(queries.pending.is_empty());
    }
}
