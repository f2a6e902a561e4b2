//! Each option of `#[server]`: what it does, and that the builder overrides it.

mod common;

use std::{
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use common::{call, connect, frame, read_frame, runtime, wait_until};
use netpoll as renamed;
use netpoll::{CloseReason, Frame, In, Out, Result, Transport, buf::LinkBuffer, frame::Auto};
use parking_lot::Mutex;

const MS: Duration = Duration::from_millis(1);

#[derive(Debug, Frame)]
struct Message {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: Vec<u8>,
}

type Reasons = Arc<Mutex<Vec<CloseReason>>>;

/// An echo server with these options, which notes why its connections ended.
macro_rules! echo {
    ($name:ident: $($options:tt)*) => {
        #[derive(Clone, Default)]
        struct $name(Reasons);

        #[netpoll::server(listen = "127.0.0.1:0", $($options)*)]
        impl $name {
            #[on_request]
            fn echo(&self, message: Message) -> Message {
                message
            }

            #[on_close]
            fn close(&self, _: (), why: CloseReason) {
                self.0.lock().push(why);
            }
        }
    };
}

/// The stream has ended, or was reset.
fn ended(client: &mut impl Read) -> bool {
    client.read(&mut [0]).unwrap_or(0) == 0
}

echo!(Idle: idle_timeout = "60ms");

#[test]
fn idle_timeout() {
    let (runtime, idle) = (runtime(1), Idle::default());
    let server = idle.clone().builder().runtime(&runtime).bind().unwrap();
    let (since, mut client) = (Instant::now(), connect(&server.handle()));
    assert!(ended(&mut client) && since.elapsed() >= 60 * MS);
    wait_until(|| *idle.0.lock() == [CloseReason::IdleTimeout]);

    let server = idle.builder().runtime(&runtime).idle_timeout(None).bind().unwrap();
    let mut client = connect(&server.handle());
    std::thread::sleep(150 * MS);
    assert_eq!(call(&mut client, b"still here"), b"still here");
}

echo!(Whole: frame_timeout = "60ms");

#[test]
fn frame_timeout() {
    let (runtime, whole) = (runtime(1), Whole::default());
    let (head, tail) = (&frame(b"halves")[..7], &frame(b"halves")[7..]);
    let server = whole.clone().builder().runtime(&runtime).bind().unwrap();
    let (since, mut client) = (Instant::now(), connect(&server.handle()));
    client.write_all(head).unwrap();
    assert!(ended(&mut client) && since.elapsed() >= 60 * MS);
    wait_until(|| *whole.0.lock() == [CloseReason::FrameTimeout]);

    let builder = whole.builder().runtime(&runtime).frame_timeout(Some(20_000 * MS));
    let server = builder.bind().unwrap();
    let mut client = connect(&server.handle());
    client.write_all(head).unwrap();
    std::thread::sleep(150 * MS);
    client.write_all(tail).unwrap();
    assert_eq!(read_frame(&mut client), b"halves");
}

echo!(Taken: write_timeout = "100ms", max_frame = 32 << 20);

#[test]
fn write_timeout_and_max_frame() {
    let (runtime, taken) = (runtime(1), Taken::default());
    let server = taken.clone().builder().runtime(&runtime).bind().unwrap();
    let mut client = connect(&server.handle());
    // More than the sockets hold, and nobody takes the answer.
    client.write_all(&frame(&vec![1; 16 << 20])).unwrap();
    wait_until(|| *taken.0.lock() == [CloseReason::WriteTimeout]);

    let server = taken.clone().builder().runtime(&runtime).max_frame(100).bind().unwrap();
    let mut client = connect(&server.handle());
    assert_eq!(call(&mut client, &[2; 96]), [2; 96]);
    client.write_all(&frame(&[3; 97])).unwrap();
    assert!(ended(&mut client));
    wait_until(|| taken.0.lock().last() == Some(&CloseReason::FrameTooLarge));
}

echo!(Small: max_frame = 8, idle_timeout = "60ms");

/// Of a builder's own setters and `options(..)`, the latter replaces the attribute's options too.
#[test]
fn all_options_at_once_replace_those_of_the_attribute() {
    let runtime = runtime(1);
    let server = Small::default().builder().runtime(&runtime);
    let server = server.options(netpoll::ConnectionOptions::new().max_frame(9)).bind().unwrap();
    let _client = connect(&server.handle());
    wait_until(|| server.handle().live() == 1);
    let options = server.handle().connections()[0].options().clone();
    assert_eq!((options.max_frame, options.idle_timeout), (9, None));
}

echo!(One: max_connections = 1);

#[test]
fn max_connections() {
    let runtime = runtime(1);
    let server = One::default().builder().runtime(&runtime).bind().unwrap();
    let mut first = connect(&server.handle());
    assert_eq!(call(&mut first, b"in"), b"in");
    assert!(ended(&mut connect(&server.handle())));
    assert_eq!(call(&mut first, b"still"), b"still");

    let server = One::default().builder().runtime(&runtime).max_connections(2).bind().unwrap();
    let mut two = [connect(&server.handle()), connect(&server.handle())];
    for client in &mut two {
        assert_eq!(call(client, b"in"), b"in");
    }
    assert!(ended(&mut connect(&server.handle())));
}

/// Notes how many handlers run at once.
#[derive(Clone, Default)]
struct Few(Arc<AtomicUsize>, Arc<AtomicUsize>);

/// `workers` is the former name of `max_workers`.
#[netpoll::server(listen = "127.0.0.1:0", pollers = 1, workers = 1)]
impl Few {
    #[on_request]
    fn slowly(&self, message: Message) -> Message {
        let now = self.0.fetch_add(1, SeqCst) + 1;
        self.1.fetch_max(now, SeqCst);
        std::thread::sleep(30 * MS);
        self.0.fetch_sub(1, SeqCst);
        message
    }
}

#[test]
fn pollers_and_workers() {
    let few = Few::default();
    let server = few.clone().builder().bind().unwrap();
    assert_eq!(server.handle().runtime().stats().pollers, 1);
    let mut clients: Vec<_> = (0..4).map(|_| connect(&server.handle())).collect();
    for client in &mut clients {
        client.write_all(&frame(b"x")).unwrap();
    }
    for client in &mut clients {
        assert_eq!(read_frame(client), b"x");
    }
    assert_eq!(few.1.load(SeqCst), 1, "one worker runs one handler at a time");

    let server = few.builder().pollers(2).max_workers(8).bind().unwrap();
    assert_eq!(server.handle().runtime().stats().pollers, 2);
}

#[derive(Default)]
struct Elsewhere;

#[netpoll::server(listen = "unix:/no such directory/socket")]
impl Elsewhere {
    #[on_request]
    fn echo(&self, message: Message) -> Message {
        message
    }
}

#[test]
fn listen() {
    let runtime = runtime(1);
    let error = Elsewhere.builder().runtime(&runtime).bind().unwrap_err().to_string();
    assert!(error.contains("/no such directory/socket"), "{error}");
    let server = Elsewhere.builder().runtime(&runtime).listen("127.0.0.1:0").bind().unwrap();
    assert_eq!(call(&mut connect(&server.handle()), b"here"), b"here");
}

/// Two bytes at a time, however long the second takes to come.
#[netpoll::on_request]
fn pairs(out: Out<'_>, mut input: In<'_>) -> Result<()> {
    let pair = input.next(2)?;
    out.buf.write(pair)
}

#[derive(Default)]
#[netpoll::server(listen = "127.0.0.1:0", on_request = pairs, read_timeout = "60ms")]
struct Pairs;

#[test]
fn read_timeout() {
    let runtime = runtime(1);
    let server = Pairs.builder().runtime(&runtime).bind().unwrap();
    let (since, mut client) = (Instant::now(), connect(&server.handle()));
    client.write_all(b"a").unwrap();
    assert!(ended(&mut client) && since.elapsed() >= 60 * MS);

    let server = Pairs.builder().runtime(&runtime).read_timeout(None).bind().unwrap();
    let mut client = connect(&server.handle());
    client.write_all(b"a").unwrap();
    std::thread::sleep(150 * MS);
    client.write_all(b"b").unwrap();
    let mut pair = [0; 2];
    client.read_exact(&mut pair).unwrap();
    assert_eq!(&pair, b"ab");
}

/// Every bit is flipped on the wire.
struct Flip;

fn flip() -> Flip {
    Flip
}

fn flipped(from: &mut LinkBuffer, to: &mut LinkBuffer) -> Result<()> {
    let bytes: Vec<u8> = from.read_bytes(from.len())?.iter().map(|byte| !byte).collect();
    to.write(&bytes)
}

impl Transport for Flip {
    fn open(
        &mut self,
        wire: &mut LinkBuffer,
        plain: &mut LinkBuffer,
        _: &mut LinkBuffer,
    ) -> Result<()> {
        flipped(wire, plain)
    }

    fn seal(&mut self, plain: &mut LinkBuffer, wire: &mut LinkBuffer) -> Result<()> {
        flipped(plain, wire)
    }
}

echo!(Flipped: transport = flip, crate = renamed);

#[test]
fn transport_and_crate() {
    let runtime = runtime(1);
    let server = Flipped::default().builder().runtime(&runtime).bind().unwrap();
    let mut client = connect(&server.handle());
    let flipped: Vec<u8> = frame(b"secret").iter().map(|byte| !byte).collect();
    client.write_all(&flipped).unwrap();
    let mut answer = vec![0; flipped.len()];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(answer, flipped);
}
