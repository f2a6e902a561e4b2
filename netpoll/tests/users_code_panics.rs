//! Users' code panics, in each place where the library calls it and in each form of service: what it belongs
//! to ends, and nothing else. Afterwards workers, pollers, listeners, places, descriptors and memory are as
//! before.
//!
//! Each row of `PLACES` names a `Place` of `src/guard.rs`; `.ci/guards` checks that none is missing.

#[path = "users_code/codec.rs"]
mod codec;
mod common;

use std::{
    future::Future,
    io::{Read, Write},
    marker::PhantomData,
    net::{Shutdown, TcpStream},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use common::{BenchScan, frame, wait_until};
use netpoll::{
    Call, CloseReason, Connection, Dialer, Dispatch, Error, ErrorKind, EventLoop, Flow, Result,
    Runtime, Service, block_on,
    buf::LinkBuffer,
    client::{Client, Resolve},
    frame::{
        Decode, DecodeError, Decoder, Encode, EncodeError, Encoder, Frame, Progress, ScanError,
        Scanner, Window,
    },
    mem,
    transport::{Transport, TransportContext},
};

/// What provokes a panic in a place.
type Provoke = fn(&Runtime);

/// The rows: a place, its name in the log, and what provokes a panic there.
const PLACES: &[(&str, &str, &[Provoke])] = &[
    ("Task", "a task", &[|runtime| gone(runtime.spawn(async { panic!("as asked") }))]),
    ("TaskDrop", "the destructor of a task's future", &[aborted_task, ready_task]),
    (
        "ResultDrop",
        "the destructor of a task's result",
        &[|runtime| drop(runtime.spawn(async { Bomb }))],
    ),
    (
        "Waker",
        "a waker",
        &[foreign_waker_of_a_task, foreign_waker_of_a_sleep, foreign_waker_of_a_connection],
    ),
    // The last resort, which a service's destructor reaches.
    ("Worker", "a worker", &[service_drop]),
    ("Handler", "a handler", &[|r| forms(r, "handler"), |r| forms(r, "later")]),
    ("HandlerDrop", "the destructor of a handler's future", &[|r| forms(r, "deadline")]),
    // `on_close` has it by value.
    ("SessionDrop", "on_close", &[|r| forms(r, "session")]),
    ("OnPrepare", "on_prepare", &[|r| forms(r, "prepare")]),
    ("OnConnect", "on_connect", &[|r| forms(r, "connect")]),
    ("OnDisconnect", "on_disconnect", &[|r| forms(r, "disconnect")]),
    ("OnHalfClose", "on_half_close", &[|r| forms(r, "half-close")]),
    ("OnIdle", "on_idle", &[|r| forms(r, "idle")]),
    ("OnError", "on_error", &[|r| forms(r, "error")]),
    ("OnClose", "on_close", &[|r| forms(r, "close")]),
    ("CloseCallback", "a callback for a connection's end", &[|r| forms(r, "callback")]),
    ("Scan", "a frame's scanner", &[|r| forms(r, "scan"), client_scan, codec::destructor]),
    ("Decode", "a frame's decoder", &[|r| forms(r, "decode")]),
    ("Encode", "a frame's encoder", &[|r| forms(r, "encode")]),
    ("Codec", "a codec", &[codec::methods]),
    ("TransportMaker", "a transport's maker", &[|r| transports(r, "make")]),
    (
        "Transport",
        "a transport",
        &[|r| transports(r, "start"), |r| transports(r, "open"), |r| transports(r, "seal")],
    ),
    ("TransportDrop", "the destructor of a transport", &[|r| transports(r, "drop")]),
    ("ClientHook", "a client's hook", &[client_push]),
    ("Resolver", "a resolver", &[resolver]),
    ("Observer", "an observer", &[observer]),
    ("BytesDrop", "the destructor of lent bytes", &[]), // No API lends bytes with a destructor of the user's yet.
];

/// An observer of a server.
fn observer(runtime: &Runtime) {
    struct Bad;
    impl netpoll::observe::Observer for Bad {
        fn request_ended(&self, _: &netpoll::observe::RequestEnded<'_>) {
            panic!("as asked");
        }
    }
    let service = Fragile::<Async_>("", PhantomData);
    let builder = EventLoop::builder(service).runtime(runtime).observer(Bad);
    let server = builder.listen("127.0.0.1:0").bind().unwrap();
    let before = runtime.stats().panics;
    let mut peer = TcpStream::connect(server.addresses()[0].inet().unwrap()).unwrap();
    peer.write_all(&frame(b"text")).unwrap();
    wait_until(|| runtime.stats().panics > before);
    drop(peer);
    wait_until(|| server.handle().live() == 0);
    server.handle().shutdown(Duration::from_secs(5));
}

/// A value whose destructor panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(thread::panicking(), "a destructor panics as asked");
    }
}

fn gone<T>(task: netpoll::JoinHandle<T>) {
    assert!(matches!(block_on(task), Err(e) if e.kind() == ErrorKind::Panic));
}

fn aborted_task(runtime: &Runtime) {
    let task = runtime.spawn(async {
        let _bomb = Bomb;
        std::future::pending::<()>().await;
    });
    wait_until(|| runtime.stats().turns > 0);
    task.abort();
    assert_eq!(block_on(task).unwrap_err().kind(), ErrorKind::Cancelled);
}

fn ready_task(runtime: &Runtime) {
    struct Ready(#[allow(dead_code, reason = "it is dropped")] Bomb);
    impl Future for Ready {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Ready(())
        }
    }
    block_on(runtime.spawn(Ready(Bomb))).unwrap();
}

struct BadWaker;

impl Wake for BadWaker {
    fn wake(self: Arc<Self>) {
        panic!("a waker panics as asked");
    }
}

/// Polls `future` once with a waker that panics.
fn poll_badly<F: Future>(future: Pin<&mut F>) {
    let waker = Waker::from(Arc::new(BadWaker));
    assert!(future.poll(&mut Context::from_waker(&waker)).is_pending());
}

fn foreign_waker_of_a_task(runtime: &Runtime) {
    let before = runtime.stats().panics;
    let mut task = Box::pin(runtime.spawn(netpoll::sleep(Duration::from_millis(20))));
    poll_badly(task.as_mut());
    wait_until(|| runtime.stats().panics > before);
}

fn foreign_waker_of_a_sleep(runtime: &Runtime) {
    let before = runtime.stats().panics;
    let made = runtime.spawn(unpolled(50));
    let mut sleep = Box::pin(block_on(made).unwrap());
    poll_badly(sleep.as_mut());
    wait_until(|| runtime.stats().panics > before);
}

fn foreign_waker_of_a_connection(runtime: &Runtime) {
    let before = runtime.stats().panics;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let dialer = Dialer::new().runtime(runtime);
    let conn = dialer.dial(listener.local_addr().unwrap()).unwrap();
    let mut reader = conn.reader().unwrap();
    let mut next = Box::pin(reader.fill_async(4));
    poll_badly(next.as_mut());
    listener.accept().unwrap().0.write_all(b"four").unwrap();
    wait_until(|| runtime.stats().panics > before);
}

fn resolver(runtime: &Runtime) {
    struct Bad;
    impl Resolve for Bad {
        fn resolve(&self) -> Result<Vec<netpoll::Address>> {
            panic!("a resolver panics as asked")
        }
    }
    let client = Client::<Text, Text>::pool(Bad).runtime(runtime).build().unwrap();
    assert!(client.call(Text::from("x")).is_err());
}

/// The client's reply is of a form whose scanner panics.
fn client_scan(runtime: &Runtime) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = thread::spawn(move || {
        let mut peer = listener.accept().unwrap().0;
        peer.write_all(&frame(b"scan")).unwrap();
        // The client ends the connection.
        let _ = peer.read_to_end(&mut Vec::new());
    });
    let client = Client::<Text, Text>::pool(address).runtime(runtime).build().unwrap();
    assert!(client.call(Text::from("x")).is_err());
    peer.join().unwrap();
    drop(client);
}

/// A frame of a mux: a number and a value.
#[derive(Debug, netpoll::Frame)]
struct Numbered {
    #[frame(seq)]
    id: u32,
    value: u32,
}

/// The peer sends what answers no call, and then the answer.
fn client_push(runtime: &Runtime) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let peer = thread::spawn(move || {
        let mut peer = listener.accept().unwrap().0;
        let mut ask = [0; 8];
        peer.read_exact(&mut ask).unwrap();
        peer.write_all(&[0; 8]).unwrap();
        let _ = peer.write_all(&ask);
        let _ = peer.read_to_end(&mut Vec::new());
    });
    let client = Client::<Numbered, Numbered>::mux(address)
        .runtime(runtime)
        .on_push(|_| panic!("a hook panics as asked"))
        .build()
        .unwrap();
    // The connection ends, with the call or after it.
    let _ =
        client.call(Numbered { id: 0, value: 7 }).map(|reply| reply.into_owned().unwrap().value);
    drop(client);
    peer.join().unwrap();
}

/// Text in a frame of four bytes of length; what it says is where its code panics.
#[derive(Debug)]
struct Text(Vec<u8>);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

#[derive(Default)]
struct TextScan(BenchScan);

impl Scanner for TextScan {
    fn scan(&mut self, w: &Window<'_>, max: usize) -> std::result::Result<Progress, ScanError> {
        let progress = self.0.scan(w, max)?;
        let panics = matches!(progress, Progress::Ready(_)) && w.array::<4>(4) == Some(*b"scan");
        assert!(!panics, "a scanner panics as asked");
        Ok(progress)
    }
}

impl Frame for Text {
    type Scan = TextScan;
    type At<'a> = Text;
    const MIN: usize = 4;
}

impl Decode<'_> for Text {
    fn decode(r: &mut Decoder<'_>) -> std::result::Result<Self, DecodeError> {
        let n = u32::from_be_bytes(r.take()?) as usize;
        let text = r.bytes(n)?;
        assert!(text != b"decode", "a decoder panics as asked");
        Ok(Self(text.to_vec()))
    }
}

impl Encode for Text {
    fn encoded_len(&self) -> usize {
        4 + self.0.len()
    }

    fn encode(&self, w: &mut Encoder<'_>) -> std::result::Result<(), EncodeError> {
        assert!(self.0 != b"encode", "an encoder panics as asked");
        w.write(&(self.0.len() as u32).to_be_bytes())?;
        w.write(&self.0)
    }
}

/// A form of service.
trait Form: Send + Sync + 'static {
    const DISPATCH: Dispatch;
}

struct Sync_;
struct Async_;
struct Inline_;
struct Concurrent_;

impl Form for Sync_ {
    const DISPATCH: Dispatch = Dispatch::Sync;
}
impl Form for Async_ {
    const DISPATCH: Dispatch = Dispatch::Async;
}
impl Form for Inline_ {
    const DISPATCH: Dispatch = Dispatch::Inline;
}
impl Form for Concurrent_ {
    const DISPATCH: Dispatch = Dispatch::Concurrent { max: 4, ordered: true };
}

/// A service whose hook `at` panics, and whose requests say what else does.
struct Fragile<F>(&'static str, PhantomData<F>);

impl<F> Drop for Fragile<F> {
    fn drop(&mut self) {
        assert!(
            self.0 != "service" || thread::panicking(),
            "a service's destructor panics as asked"
        );
    }
}

/// A session: its last handle's destructor panics where it is to.
#[derive(Clone)]
struct Session(#[allow(dead_code, reason = "it is dropped")] Arc<Option<Bomb>>);

impl<F: Form> Fragile<F> {
    fn panics(&self, hook: &str) {
        assert!(self.0 != hook, "a hook panics as asked");
    }
}

impl<F: Form> Service for Fragile<F> {
    type Session = Session;
    type Request = Text;
    const DISPATCH: Dispatch = F::DISPATCH;

    fn on_prepare(&self, _: &Connection) -> Result<()> {
        self.panics("prepare");
        Ok(())
    }

    async fn on_connect(&self, conn: &Connection) -> Result<Session> {
        self.panics("connect");
        if self.0 == "callback" {
            conn.on_closed(|_, _| panic!("a callback panics as asked"));
        }
        Ok(Session(Arc::new(if self.0 == "session" { Some(Bomb) } else { None })))
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, Session>, text: Text) -> Result<Flow> {
        match &*text.0 {
            b"handler" => panic!("a handler panics as asked"),
            b"later" => {
                netpoll::sleep(Duration::from_millis(1)).await;
                panic!("a handler panics as asked");
            }
            b"deadline" => {
                let _bomb = Bomb;
                netpoll::sleep(Duration::from_secs(3600)).await;
            }
            b"block" => {
                BLOCKED.store(true, SeqCst);
                wait_until(|| !BLOCKED.load(SeqCst));
            }
            b"error" => return Err(Error::other("as asked")),
            _ => {}
        }
        call.out.put(&text)?;
        Ok(Flow::Continue)
    }

    fn share(session: &Session) -> Option<Session> {
        Some(session.clone())
    }

    fn on_disconnect(&self, _: &Connection, _: CloseReason) {
        self.panics("disconnect");
    }

    fn on_half_close(&self, _: &Connection) {
        self.panics("half-close");
    }

    fn on_idle(&self, _: &Connection) -> bool {
        self.panics("idle");
        true
    }

    fn on_error(&self, _: &Connection, _: &Error) {
        self.panics("error");
    }

    async fn on_close(&self, _: &Connection, _: Session, _: CloseReason) {
        self.panics("close");
    }
}

/// A handler blocks.
static BLOCKED: AtomicBool = AtomicBool::new(false);

/// The last connection of a server that is gone has its service dropped.
fn service_drop(runtime: &Runtime) {
    let service = Fragile::<Sync_>("service", PhantomData);
    let server = EventLoop::builder(service).runtime(runtime).listen("127.0.0.1:0").bind().unwrap();
    let mut peer = TcpStream::connect(server.addresses()[0].inet().unwrap()).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let before = runtime.stats().panics;
    peer.write_all(&frame(b"block")).unwrap();
    wait_until(|| BLOCKED.load(SeqCst));
    let handle = server.handle();
    let serves = thread::spawn(|| server.serve());
    handle.shutdown(Duration::ZERO);
    serves.join().unwrap().unwrap();
    drop(handle);
    BLOCKED.store(false, SeqCst);
    wait_until(|| runtime.stats().panics > before);
}

/// Provokes the panic `at` in a service of each form, several times, and looks at what is left.
fn forms(runtime: &Runtime, at: &'static str) {
    form::<Sync_>(runtime, at);
    form::<Async_>(runtime, at);
    form::<Concurrent_>(runtime, at);
    // It may not wait.
    if !matches!(at, "later" | "deadline") {
        form::<Inline_>(runtime, at);
    }
}

fn form<F: Form>(runtime: &Runtime, at: &'static str) {
    /// More than there are places.
    const ROUNDS: usize = 4;
    let mut builder = EventLoop::builder(Fragile::<F>(at, PhantomData))
        .runtime(runtime)
        .max_connections(2)
        .listen("127.0.0.1:0");
    match at {
        "deadline" => builder = builder.request_timeout(Duration::from_millis(20)),
        "half-close" => builder = builder.keep_half_open(true),
        "idle" => builder = builder.idle_timeout(Duration::from_millis(20)),
        _ => {}
    }
    let server = builder.bind().unwrap();
    let address = server.addresses()[0].inet().unwrap();
    let handle = server.handle();
    let before = runtime.stats().panics;
    for round in 1..=ROUNDS {
        let mut peer = TcpStream::connect(address).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // It may be closed already.
        let _ = peer.write_all(&frame(at.as_bytes()));
        match at {
            "disconnect" | "half-close" | "close" | "callback" | "session" => {
                peer.shutdown(Shutdown::Write).unwrap()
            }
            _ => {}
        }
        // An answer, if there is one, and the end. A concurrent request that its deadline ends leaves its
        // connection open.
        if at == "deadline" {
            wait_until(|| runtime.stats().panics >= before + round as u64);
        } else {
            let _ = peer.read_to_end(&mut Vec::new());
        }
        drop(peer);
        wait_until(|| handle.live() == 0 && runtime.stats().panics >= before + round as u64);
    }
    handle.shutdown(Duration::from_secs(5));
}

/// A transport that passes bytes on and panics in one place.
struct BadTransport(&'static str);

impl BadTransport {
    fn panics(&self, at: &str) {
        assert!(self.0 != at, "a transport panics as asked");
    }
}

impl Transport for BadTransport {
    fn start(&mut self, _: &TransportContext<'_>, _: &mut LinkBuffer) -> Result<()> {
        self.panics("start");
        Ok(())
    }

    fn open(
        &mut self,
        wire: &mut LinkBuffer,
        plain: &mut LinkBuffer,
        _: &mut LinkBuffer,
    ) -> Result<()> {
        self.panics("open");
        plain.append(std::mem::take(wire));
        Ok(())
    }

    fn seal(&mut self, plain: &mut LinkBuffer, wire: &mut LinkBuffer) -> Result<()> {
        self.panics("seal");
        wire.append(std::mem::take(plain));
        Ok(())
    }
}

impl Drop for BadTransport {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.panics("drop");
        }
    }
}

/// Provokes the panic `at` of transports of a server, and of a dialler's.
fn transports(runtime: &Runtime, at: &'static str) {
    let make = move || {
        assert!(at != "make", "a maker panics as asked");
        BadTransport(at)
    };
    let service = Fragile::<Async_>("", PhantomData);
    let builder = EventLoop::builder(service).runtime(runtime).max_connections(2);
    let server = builder.transport(make).listen("127.0.0.1:0").bind().unwrap();
    let handle = server.handle();
    let before = runtime.stats().panics;
    for round in 1..=4 {
        let mut peer = TcpStream::connect(server.addresses()[0].inet().unwrap()).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = peer.write_all(&frame(b"text"));
        let _ = peer.shutdown(Shutdown::Write);
        let _ = peer.read_to_end(&mut Vec::new());
        drop(peer);
        wait_until(|| handle.live() == 0 && runtime.stats().panics >= before + round);
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let before = runtime.stats().panics;
    let dialer = Dialer::new().runtime(runtime).transport(make);
    if let Ok(conn) = dialer.dial(listener.local_addr().unwrap()) {
        let mut peer = listener.accept().unwrap().0;
        peer.write_all(b"text").unwrap();
        let _ = conn.write(b"text");
        let _ = conn.reader().and_then(|mut reader| reader.next(4).map(<[u8]>::len));
        conn.close();
    }
    wait_until(|| runtime.stats().panics > before);
    handle.shutdown(Duration::from_secs(5));
}

/// What a runtime and its process hold.
#[derive(Debug, PartialEq)]
struct Held {
    drivers: usize,
    late: usize,
    tasks: usize,
    connections: usize,
    descriptors: usize,
    memory: usize,
}

impl Held {
    fn by(runtime: &Runtime) -> Self {
        let stats = runtime.stats();
        Self {
            drivers: stats.workers
                - stats.standbys
                - stats.late.min(stats.workers - stats.standbys),
            late: stats.late,
            tasks: stats.tasks,
            connections: stats.connections,
            descriptors: std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count),
            memory: mem::stats().out,
        }
    }
}

/// The log of the row that runs.
static LOG: Mutex<String> = Mutex::new(String::new());

struct Sink;

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        LOG.lock().unwrap().push_str(&String::from_utf8_lossy(line));
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_panic_of_users_code_costs_nothing_else() {
    // It stays, with its descriptors: what is awaited outside of a runtime uses it.
    let _ = Runtime::global();
    // Hundreds of backtraces would take most of the time.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing_subscriber::filter::LevelFilter::ERROR)
        .with_writer(|| Sink)
        .init();
    for pollers in [1, 2] {
        for (place, name, provokes) in PLACES {
            for provoke in *provokes {
                let runtime = Runtime::builder().pollers(pollers).max_workers(8).build().unwrap();
                wait_until(|| Held::by(&runtime).drivers == pollers);
                let (before, panics) = (Held::by(&runtime), runtime.stats().panics);
                LOG.lock().unwrap().clear();
                provoke(&runtime);
                wait_until(|| runtime.stats().panics > panics);
                let told = format!("{name} panicked: ");
                let log = || LOG.lock().unwrap().clone();
                let until = Instant::now() + Duration::from_secs(10);
                while !log().contains(&told) {
                    assert!(Instant::now() < until, "{place}: the log has no {told:?}:\n{}", log());
                    thread::sleep(Duration::from_millis(1));
                }
                let until = Instant::now() + Duration::from_secs(10);
                while Held::by(&runtime) != before {
                    let now = Held::by(&runtime);
                    assert!(Instant::now() < until, "{place}: {before:?}, now {now:?}");
                    thread::sleep(Duration::from_millis(1));
                }
                assert_eq!(block_on(runtime.spawn(async { 42 })).unwrap(), 42, "{place}");
                assert_eq!(runtime.shutdown(Duration::from_secs(5)), 0, "{place}");
            }
        }
    }
}

/// A sleep that belongs to the runtime whose task makes it, and that nobody has polled.
#[allow(clippy::async_yields_async, reason = "who awaits it is the point of the tests")]
async fn unpolled(millis: u64) -> netpoll::Sleep {
    netpoll::sleep(Duration::from_millis(millis))
}
