//! Ends of connections beside their requests: no answer is lost, no hook runs early, no request late.

mod common;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use common::{connect, frame, read_frame, reset, runtime, serve_on, wait_until};
use netpoll::{
    Call, CloseReason, Connection, Dispatch, Error, ErrorKind, Flow, In, Result, Runtime, Service,
    frame::{
        Decode, DecodeError, Decoder, Encode, EncodeError, Encoder, Frame, FrameErrorKind,
        Progress, ScanError, Scanner, Window,
    },
};
use parking_lot::Mutex;

const MS: Duration = Duration::from_millis(1);

/// Four bytes of length, then so many. Decoders refuse `bad` and panic at `boom`; a scanner panics at a
/// length of [`BOOM`].
struct Text<'a>(&'a [u8]);

const BOOM: u32 = 0xeeee_eeee;

#[derive(Default)]
struct TextScan;

impl Scanner for TextScan {
    fn scan(&mut self, w: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        let Some(head) = w.array::<4>(0) else { return Ok(Progress::Need(4)) };
        let length = u32::from_be_bytes(head);
        assert_ne!(length, BOOM, "this scanner cannot count so far");
        let size = 4 + length as usize;
        if size > max {
            return Err(ScanError::new(FrameErrorKind::TooLarge { size, max }, 0));
        }
        Ok(if w.len() >= size { Progress::Ready(size) } else { Progress::Need(size) })
    }
}

impl Frame for Text<'_> {
    type Scan = TextScan;
    type At<'a> = Text<'a>;
    const MIN: usize = 4;
}

impl<'a> Decode<'a> for Text<'a> {
    fn decode(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let n = u32::from_be_bytes(r.take()?) as usize;
        match r.bytes(n)? {
            b"bad" => Err(r.fail(FrameErrorKind::Other("bad".to_owned()))),
            b"boom" => panic!("this decoder cannot read it"),
            bytes => Ok(Text(bytes)),
        }
    }
}

impl Encode for Text<'_> {
    fn encoded_len(&self) -> usize {
        4 + self.0.len()
    }

    fn encode(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        w.write(&(self.0.len() as u32).to_be_bytes())?;
        w.write(self.0)
    }
}

const SYNC: u8 = 0;
const ASYNC: u8 = 1;
const CONCURRENT: u8 = 2;
const ORDERED: u8 = 3;

/// Answers each request with itself, after it did what the request says.
struct Server<const MODE: u8> {
    log: Arc<Log>,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    begun: AtomicUsize,
    inside: AtomicUsize,
    most: AtomicUsize,
    /// Handlers of `wait` go on when it is set.
    go_on: Mutex<bool>,
}

impl Log {
    fn note(&self, line: impl Into<String>) {
        self.lines.lock().push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }
}

/// Counts a handler that runs.
struct Inside<'l>(&'l Log);

impl<'l> Inside<'l> {
    fn enter(log: &'l Log) -> Self {
        log.begun.fetch_add(1, SeqCst);
        log.most.fetch_max(log.inside.fetch_add(1, SeqCst) + 1, SeqCst);
        Self(log)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, SeqCst);
    }
}

impl<const MODE: u8> Service for Server<MODE> {
    type Session = ();
    type Request = Text<'static>;
    const DISPATCH: Dispatch = match MODE {
        SYNC => Dispatch::Sync,
        ASYNC => Dispatch::Async,
        CONCURRENT => Dispatch::Concurrent { max: 64, ordered: false },
        _ => Dispatch::Concurrent { max: 64, ordered: true },
    };

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    fn share(_: &()) -> Option<()> {
        Some(())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, text: Text<'a>) -> Result<Flow> {
        let inside = Inside::enter(&self.log);
        match text.0 {
            b"close" => call.conn.close(),
            b"abort" => call.conn.abort(),
            b"later" => netpoll::sleep(20 * MS).await,
            b"block" | b"detach" => wait_until(|| *self.log.go_on.lock()),
            b"wait" => netpoll::sleep(Duration::from_secs(600)).await,
            _ => {}
        }
        drop(inside);
        self.log.note("request ends");
        if text.0 == b"detach" {
            return Ok(Flow::Detach);
        }
        call.out.put(&text)?;
        Ok(Flow::Continue)
    }

    fn on_disconnect(&self, _: &Connection, _: CloseReason) {
        self.log.note("on_disconnect begins");
        if MODE == SYNC {
            *self.log.go_on.lock() = true;
            thread::sleep(100 * MS);
        }
        self.log.note("on_disconnect ends");
    }

    async fn on_close(&self, _: &Connection, _session: (), reason: CloseReason) {
        assert_eq!(self.log.inside.load(SeqCst), 0, "on_close beside a handler");
        self.log.note(format!("on_close {reason:?}"));
    }

    fn on_error(&self, conn: &Connection, error: &Error) {
        self.log.note(format!("on_error {:?}", error.kind()));
        // The last frame: it says what was wrong.
        let last = frame(format!("{:?}", error.kind()).as_bytes());
        let _ = conn.write(&last);
    }
}

fn server<const MODE: u8>(runtime: &Runtime) -> (Arc<Log>, netpoll::ServerHandle) {
    let log = Arc::<Log>::default();
    let server = serve_on(runtime, Server::<MODE> { log: log.clone() }, |builder| builder);
    (log, server)
}

/// All frames until the end.
fn frames(client: &mut TcpStream) -> Vec<String> {
    client.set_read_timeout(Some(20_000 * MS)).unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    let mut rest = &all[..];
    let mut frames = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let (body, tail) = tail.split_at(u32::from_be_bytes(*head) as usize);
        frames.push(String::from_utf8(body.to_vec()).unwrap());
        rest = tail;
    }
    assert!(rest.is_empty());
    frames
}

fn answers_before_a_bad_tail<const MODE: u8>() {
    let runtime = runtime(1);
    let large = [0xff; 4];
    let tails: [(&str, Vec<u8>, bool, &str, usize); 6] = [
        ("half a frame and the end", b"\0\0".to_vec(), true, "Eof", 8),
        ("a frame too large", large.to_vec(), false, "FrameTooLarge", 8),
        ("a scanner that panics", BOOM.to_be_bytes().to_vec(), false, "Malformed", 8),
        ("a decoder that refuses", frame(b"bad"), false, "Malformed", 8),
        ("a decoder that panics", frame(b"boom"), false, "Malformed", 8),
        ("nothing", Vec::new(), true, "", 8),
    ];
    for (name, tail, ends, kind, whole) in tails {
        let (log, server) = server::<MODE>(&runtime);
        let mut client = connect(&server);
        client.write_all(&[frame(b"later").repeat(whole), tail].concat()).unwrap();
        if ends {
            client.shutdown(Shutdown::Write).unwrap();
        }
        let mut expected = vec!["later".to_owned(); whole];
        if !kind.is_empty() {
            expected.push(kind.to_owned());
        }
        assert_eq!(frames(&mut client), expected, "{name}, mode {MODE}");
        let errors = log.lines().iter().filter(|line| line.starts_with("on_error")).count();
        assert_eq!(errors, usize::from(!kind.is_empty()), "{name}: {:?}", log.lines());
        wait_until(|| server.live() == 0);
    }
}

#[test]
fn requests_before_a_bad_tail_are_answered() {
    answers_before_a_bad_tail::<SYNC>();
    answers_before_a_bad_tail::<ASYNC>();
}

#[test]
fn concurrent_requests_before_a_bad_tail_are_answered() {
    answers_before_a_bad_tail::<CONCURRENT>();
    answers_before_a_bad_tail::<ORDERED>();
}

#[test]
fn a_reset_keeps_the_place_of_a_connection_whose_handlers_run() {
    let runtime = runtime(1);
    let log = Arc::<Log>::default();
    let service = Server::<CONCURRENT> { log: log.clone() };
    let server = serve_on(&runtime, service, |builder| builder.max_connections(2));
    for _ in 0..20 {
        let mut client = connect(&server);
        let begun = log.begun.load(SeqCst);
        let _ = client.write_all(&frame(b"block"));
        let until = Instant::now() + 50 * MS;
        while log.begun.load(SeqCst) == begun && Instant::now() < until {
            thread::sleep(MS);
        }
        reset(client);
    }
    assert!(log.most.load(SeqCst) <= 2, "{} at once", log.most.load(SeqCst));
    assert!(server.live() <= 2);
    *log.go_on.lock() = true;
    wait_until(|| server.live() == 0);
    let mut client = connect(&server);
    client.write_all(&frame(b"again")).unwrap();
    assert_eq!(read_frame(&mut client), b"again");
}

#[test]
fn on_close_comes_after_on_disconnect_at_a_detach() {
    let runtime = runtime(1);
    let (log, server) = server::<SYNC>(&runtime);
    let mut client = connect(&server);
    client.write_all(&frame(b"detach")).unwrap();
    wait_until(|| log.begun.load(SeqCst) == 1);
    drop(client);
    wait_until(|| log.lines().iter().any(|line| line.starts_with("on_close")));
    let lines = log.lines();
    assert!(lines.last().unwrap().starts_with("on_close"), "{lines:?}");
    assert!(lines.contains(&"on_disconnect ends".to_owned()), "{lines:?}");
    wait_until(|| server.live() == 0);
}

#[test]
fn a_shutdown_returns_after_the_last_handler() {
    let runtime = runtime(1);
    let (log, server) = server::<CONCURRENT>(&runtime);
    let mut client = connect(&server);
    client.write_all(&frame(b"block")).unwrap();
    wait_until(|| log.begun.load(SeqCst) == 1);
    reset(client);
    wait_until(|| log.lines().contains(&"on_disconnect ends".to_owned()));
    let ends = thread::spawn({
        let log = log.clone();
        move || {
            thread::sleep(100 * MS);
            *log.go_on.lock() = true;
        }
    });
    server.shutdown(Duration::from_secs(20));
    let lines = log.lines();
    assert!(lines.last().unwrap().starts_with("on_close"), "{lines:?}");
    ends.join().unwrap();
}

fn nothing_starts_after<const MODE: u8>() {
    let runtime = runtime(1);
    for how in ["close", "abort"] {
        let (log, server) = server::<MODE>(&runtime);
        let mut client = connect(&server);
        let requests = [frame(how.as_bytes()), frame(b"later").repeat(600)].concat();
        client.write_all(&requests).unwrap();
        wait_until(|| log.lines().iter().any(|line| line.starts_with("on_close")));
        // Of concurrent ones some may have begun before the first.
        assert_eq!(log.begun.load(SeqCst), 1, "{how}, mode {MODE}");
        if how == "close" {
            assert_eq!(frames(&mut client), ["close"], "mode {MODE}");
        }
        wait_until(|| server.live() == 0);
    }
}

#[test]
fn no_request_starts_after_a_close_or_an_abort_in_a_handler() {
    nothing_starts_after::<SYNC>();
    nothing_starts_after::<ASYNC>();
}

#[test]
fn no_request_of_a_batch_starts_after_an_abort_in_a_handler() {
    let runtime = runtime(1);
    let (log, server) = server::<CONCURRENT>(&runtime);
    let mut client = connect(&server);
    let requests = [frame(b"abort"), frame(b"later").repeat(30)].concat();
    client.write_all(&requests).unwrap();
    wait_until(|| log.lines().iter().any(|line| line.starts_with("on_close")));
    assert_eq!(log.begun.load(SeqCst), 1);
    wait_until(|| server.live() == 0);
}

#[test]
fn a_slow_frame_is_cut_off_beside_a_request_in_flight() {
    let runtime = runtime(1);
    let log = Arc::<Log>::default();
    let service = Server::<CONCURRENT> { log: log.clone() };
    let server = serve_on(&runtime, service, |builder| builder.frame_timeout(Some(200 * MS)));
    let mut client = connect(&server);
    client.write_all(&frame(b"wait")).unwrap();
    wait_until(|| log.begun.load(SeqCst) == 1);
    client.write_all(b"\0\0").unwrap();
    wait_until(|| log.lines().contains(&"on_error TimedOut".to_owned()));
    wait_until(|| server.live() == 0);
}

/// Answers each line with itself, and waits for its end on its worker.
struct Lines;

impl Service for Lines {
    type Session = ();
    type Request = In<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, call: Call<'a, ()>, mut input: In<'a>) -> Result<Flow> {
        let line = input.until(b'\n')?;
        call.out.buf.write(line)?;
        Ok(Flow::Continue)
    }
}

#[test]
fn half_lines_hold_workers_no_longer_than_the_frame_timeout() {
    let runtime = Runtime::builder().pollers(1).max_workers(3).build().unwrap();
    let server = serve_on(&runtime, Lines, |builder| builder.frame_timeout(Some(300 * MS)));
    let slow: Vec<_> = (0..8)
        .map(|_| {
            let mut client = connect(&server);
            client.write_all(b"x").unwrap();
            client
        })
        .collect();
    let mut client = connect(&server);
    client.set_read_timeout(Some(20_000 * MS)).unwrap();
    client.write_all(b"hi\n").unwrap();
    let mut line = [0; 3];
    client.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"hi\n");
    drop(slow);
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a destructor panics");
    }
}

/// A server whose sessions and futures panic when they are dropped.
struct Bombs<const MODE: u8>;

impl<const MODE: u8> Service for Bombs<MODE> {
    type Session = Arc<Bomb>;
    type Request = Text<'static>;
    const DISPATCH: Dispatch = Server::<MODE>::DISPATCH;
    const TIMEOUT: Option<Duration> = Some(Duration::from_millis(20));

    async fn on_connect(&self, _: &Connection) -> Result<Arc<Bomb>> {
        Ok(Arc::new(Bomb))
    }

    fn share(session: &Arc<Bomb>) -> Option<Arc<Bomb>> {
        Some(session.clone())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, Arc<Bomb>>, t: Text<'a>) -> Result<Flow> {
        if t.0 == b"wait" {
            let _bomb = Bomb;
            netpoll::sleep(Duration::from_secs(600)).await;
        }
        call.out.put(&t)?;
        Ok(Flow::Continue)
    }
}

fn destructors_that_panic<const MODE: u8>() {
    let runtime = Runtime::builder().pollers(1).max_workers(2).build().unwrap();
    let server = serve_on(&runtime, Bombs::<MODE>, |builder| builder.max_connections(2));
    for _ in 0..8 {
        let mut client = connect(&server);
        client.write_all(&[frame(b"whole"), frame(b"wait")].concat()).unwrap();
        assert_eq!(read_frame(&mut client), b"whole");
        thread::sleep(30 * MS);
        reset(client);
        wait_until(|| server.live() == 0);
    }
    assert!(runtime.stats().panics >= 8, "{}", runtime.stats().panics);
    let mut client = connect(&server);
    client.write_all(&frame(b"whole")).unwrap();
    assert_eq!(read_frame(&mut client), b"whole");
}

#[test]
fn destructors_of_sessions_and_futures_that_panic_cost_nothing() {
    destructors_that_panic::<ASYNC>();
    destructors_that_panic::<CONCURRENT>();
    destructors_that_panic::<SYNC>();
}

#[test]
fn a_malformed_frame_has_one_kind_wherever_it_is_found() {
    let error: Error = DecodeError::new(FrameErrorKind::Other("x".to_owned()), 0).into();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    let error: Error = ScanError::new(FrameErrorKind::Other("x".to_owned()), 0).into();
    assert_eq!(error.kind(), ErrorKind::Malformed);
}
