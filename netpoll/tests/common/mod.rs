//! What the tests share: an echo service by hand, and clients of std's.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of it")]

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use netpoll::{
    Call, CloseReason, Connection, Dialer, Dispatch, EventLoop, EventLoopBuilder, Flow, Result,
    Runtime, ServerHandle, Service,
    frame::{
        Decode, DecodeError, Decoder, Encode, EncodeError, Encoder, Frame, Progress, ScanError,
        Scanner, Window,
    },
};
use parking_lot::Mutex;

pub mod child;
pub mod client;
pub mod logged;
#[cfg(feature = "testing")]
pub mod memory;
pub mod namespace;
#[cfg(feature = "tls")]
#[path = "over_tls.rs"]
pub mod over;
#[cfg(not(feature = "tls"))]
#[path = "without_tls.rs"]
pub mod over;
pub mod scenario;
pub mod stopwatch;

pub use client::Client;

/// Four bytes of length, big-endian, then so many bytes.
#[derive(Debug)]
pub struct Bench<'a>(pub &'a [u8]);

#[derive(Default)]
pub struct BenchScan;

impl Scanner for BenchScan {
    fn scan(&mut self, w: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        let Some(head) = w.array::<4>(0) else { return Ok(Progress::Need(4)) };
        let total = 4 + u32::from_be_bytes(head) as usize;
        if total > max {
            return Err(ScanError::new(
                netpoll::frame::FrameErrorKind::TooLarge { size: total, max },
                0,
            ));
        }
        Ok(if w.len() >= total { Progress::Ready(total) } else { Progress::Need(total) })
    }
}

impl Frame for Bench<'_> {
    type Scan = BenchScan;
    type At<'a> = Bench<'a>;
    const MIN: usize = 4;
}

impl<'a> Decode<'a> for Bench<'a> {
    fn decode(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let n = u32::from_be_bytes(r.take()?) as usize;
        r.bytes(n).map(Bench)
    }
}

impl Encode for Bench<'_> {
    fn encoded_len(&self) -> usize {
        4 + self.0.len()
    }

    fn encode(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        w.write(&(self.0.len() as u32).to_be_bytes())?;
        w.write(self.0)
    }
}

/// What the hooks were called with, in order.
pub type Log = Arc<Mutex<Vec<String>>>;

/// Echoes frames, each after so long, in an async handler.
pub struct EchoAfter(pub Duration);

impl Service for EchoAfter {
    type Session = ();
    type Request = Bench<'static>;
    const DISPATCH: Dispatch = Dispatch::Async;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, req: Bench<'a>) -> Result<Flow> {
        netpoll::sleep(self.0).await;
        call.out.put(&req)?;
        Ok(Flow::Continue)
    }
}

/// Echoes frames; notes its hooks.
#[derive(Default)]
pub struct Echo {
    pub log: Log,
}

impl Service for Echo {
    type Session = u32;
    type Request = Bench<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<u32> {
        self.log.lock().push("connect".into());
        Ok(0)
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, u32>, req: Bench<'a>) -> Result<Flow> {
        *call.session += 1;
        call.out.put(&req)?;
        Ok(Flow::Continue)
    }

    fn on_disconnect(&self, _: &Connection, reason: CloseReason) {
        self.log.lock().push(format!("disconnect {reason:?}"));
    }

    async fn on_close(&self, _: &Connection, session: u32, reason: CloseReason) {
        self.log.lock().push(format!("close {session} {reason:?}"));
    }

    fn on_error(&self, _: &Connection, error: &netpoll::Error) {
        self.log.lock().push(format!("error {:?}", error.kind()));
    }
}

/// A runtime with two pollers, and the service on a port of its own.
pub fn serve<S: Service>(
    service: S,
    with: impl FnOnce(EventLoopBuilder<S>) -> EventLoopBuilder<S>,
) -> (Runtime, ServerHandle) {
    let runtime = Runtime::builder().pollers(2).max_workers(64).build().unwrap();
    let handle = serve_on(&runtime, service, with);
    (runtime, handle)
}

pub fn serve_on<S: Service>(
    runtime: &Runtime,
    service: S,
    with: impl FnOnce(EventLoopBuilder<S>) -> EventLoopBuilder<S>,
) -> ServerHandle {
    let builder = EventLoop::builder(service).runtime(runtime).listen("127.0.0.1:0");
    let server = with(over::serve(builder)).bind().unwrap();
    let handle = server.handle();
    std::thread::spawn(|| server.serve());
    handle
}

/// A client of `server`, which shakes hands where the server wants that.
pub fn client(server: &ServerHandle) -> Client {
    Client::connect(server.addresses()[0].inet().unwrap()).unwrap()
}

/// A dialler on `runtime`, over TLS where the tests run over it.
pub fn dialer(runtime: &Runtime) -> Dialer {
    over::dial(Dialer::new().runtime(runtime))
}

pub fn connect(server: &ServerHandle) -> TcpStream {
    let client = TcpStream::connect(server.addresses()[0].inet().unwrap()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client
}

pub fn frame(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_be_bytes()[..], payload].concat()
}

pub fn read_frame(client: &mut impl Read) -> Vec<u8> {
    let mut head = [0; 4];
    client.read_exact(&mut head).unwrap();
    let mut payload = vec![0; u32::from_be_bytes(head) as usize];
    client.read_exact(&mut payload).unwrap();
    payload
}

/// Sends a frame and reads its answer.
pub fn call(client: &mut (impl Read + Write), payload: &[u8]) -> Vec<u8> {
    client.write_all(&frame(payload)).unwrap();
    read_frame(client)
}

/// Waits for a state; fails after 20 s without it.
#[track_caller]
pub fn wait_until(mut state: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !state() {
        assert!(Instant::now() < until, "the state did not come");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A runtime of its own, for tests that run with one poller and with more.
pub fn runtime(pollers: usize) -> Runtime {
    Runtime::builder().pollers(pollers).max_workers(64).build().unwrap()
}

/// Descriptors that this process has open.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A number below `n`, from a generator that costs nothing and needs no crate.
pub fn random(state: &mut u64, n: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % n
}

/// Has the last close of `client` reset the connection.
pub fn reset(client: TcpStream) {
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
}

/// A service that is one function of the call and its frame; notes its other hooks as [`Echo`] does.
pub struct Answer<F> {
    pub answer: F,
    pub log: Log,
}

impl<F> Answer<F>
where
    F: Fn(&mut Call<'_, u32>, &[u8]) -> Result<Flow> + Send + Sync + 'static,
{
    pub fn by(answer: F) -> Self {
        Self { answer, log: Log::default() }
    }
}

impl<F> Service for Answer<F>
where
    F: Fn(&mut Call<'_, u32>, &[u8]) -> Result<Flow> + Send + Sync + 'static,
{
    type Session = u32;
    type Request = Bench<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<u32> {
        Ok(0)
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, u32>, req: Bench<'a>) -> Result<Flow> {
        (self.answer)(&mut call, req.0)
    }

    fn on_disconnect(&self, _: &Connection, reason: CloseReason) {
        self.log.lock().push(format!("disconnect {reason:?}"));
    }

    async fn on_close(&self, _: &Connection, _: u32, reason: CloseReason) {
        self.log.lock().push(format!("close {reason:?}"));
    }

    fn on_error(&self, _: &Connection, error: &netpoll::Error) {
        self.log.lock().push(format!("error {:?}", error.kind()));
    }
}

/// Answers `c` after `ms` milliseconds of sleep where a frame says `sleep ms`; echoes any other.
pub fn sleepy(call: &mut Call<'_, u32>, frame: &[u8]) -> Result<Flow> {
    let text = std::str::from_utf8(frame).unwrap_or_default();
    if let Some(ms) = text.strip_prefix("sleep ") {
        std::thread::sleep(Duration::from_millis(ms.parse().unwrap()));
    }
    call.out.put(&Bench(frame))?;
    Ok(Flow::Continue)
}
