//! What a handler of requests may take, and how it is called, over a socket.

mod common;

use std::{
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use common::{call, connect, frame, read_frame, serve, wait_until};
use netpoll::{
    CallParts, Cancel, Connection, Deadline, Frame, FromCall, Local, Out, Peer, Result, State,
    frame::Auto, service::Free,
};

#[derive(Debug, Frame)]
struct Message {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: Vec<u8>,
}

fn message(text: impl Into<Vec<u8>>) -> Message {
    Message { n: Auto::default(), body: text.into() }
}

/// An argument of the user's own: how many bytes are answered so far in this turn.
struct Answered(usize);

impl<S> FromCall<'_, S> for Answered {
    fn from_call(parts: &mut CallParts<'_, S>) -> Result<Self> {
        let taken = parts.take_out().map_or(0, |out| out.buf.len());
        Ok(Self(taken))
    }
}

#[netpoll::on_request]
fn told(
    conn: &Connection,
    session: &mut u32,
    peer: Peer,
    local: Local,
    answered: Answered,
    request: Message,
) -> Message {
    *session += 1;
    let same = conn.peer() == &peer.0 && conn.local().is_ok_and(|at| *at == local.0);
    let text = String::from_utf8_lossy(&request.body);
    message(format!("{same} {session} {} {text}", answered.0))
}

#[test]
fn each_by_its_position() {
    let (_runtime, server) = serve(Free::<told>::new(), |b| b);
    let mut client = connect(&server);
    assert_eq!(call(&mut client, b"a"), b"true 1 0 a");
    // Both in one turn, most often: the second one finds the first one's answer, or its place empty.
    client.write_all(&[frame(b"b"), frame(b"c")].concat()).unwrap();
    assert_eq!(read_frame(&mut client), b"true 2 0 b");
    let last = read_frame(&mut client);
    assert!(last == b"true 3 14 c" || last == b"true 3 0 c", "{}", last.escape_ascii());
}

/// A session that handlers only look at.
#[netpoll::server]
impl Named {
    #[on_connect]
    fn connect(&self) -> String {
        "a name".to_owned()
    }

    #[on_request]
    fn said(&self, _: &Connection, name: &String, mut out: Out<'_>, request: Message) {
        if request.body != b"nothing" {
            out.put(&message(name.as_bytes())).unwrap();
        }
    }
}

struct Named;

#[test]
fn a_shared_session_and_no_reply() {
    let (_runtime, server) = serve(Named, |b| b);
    let mut client = connect(&server);
    client.write_all(&[frame(b"nothing"), frame(b"something")].concat()).unwrap();
    assert_eq!(read_frame(&mut client), b"a name");
}

#[netpoll::on_request(timeout = "100ms")]
fn until_late(deadline: Deadline, cancel: Cancel, _request: Message) -> Message {
    let start = Instant::now();
    while !cancel.is_cancelled() && start.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let passed = deadline.at().is_some_and(|at| Instant::now() >= at);
    message(format!("{passed}"))
}

#[test]
fn a_deadline_and_its_cancel_are_seen() {
    let (_runtime, server) = serve(Free::<until_late>::new(), |b| b);
    let (mut client, start) = (connect(&server), Instant::now());
    assert_eq!(call(&mut client, b""), b"true");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(100) && took < Duration::from_secs(15), "{took:?}");
}

/// How many requests are handled at once.
#[derive(Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
    done: AtomicUsize,
}

#[netpoll::server(on_request = waits)]
struct Waits(Arc<Gauge>);

#[netpoll::on_request]
async fn waits(server: State<'_, Waits>, request: Message) -> Message {
    let gauge = &server.0.0;
    gauge.most.fetch_max(gauge.now.fetch_add(1, SeqCst) + 1, SeqCst);
    netpoll::sleep(Duration::from_millis(5)).await;
    gauge.now.fetch_sub(1, SeqCst);
    gauge.done.fetch_add(1, SeqCst);
    request
}

#[netpoll::server(on_request = blocks)]
struct Blocks(Arc<Gauge>);

#[netpoll::on_request]
fn blocks(server: State<'_, Blocks>, request: Message) -> Message {
    let gauge = &server.0.0;
    gauge.most.fetch_max(gauge.now.fetch_add(1, SeqCst) + 1, SeqCst);
    std::thread::sleep(Duration::from_millis(5));
    gauge.now.fetch_sub(1, SeqCst);
    gauge.done.fetch_add(1, SeqCst);
    request
}

/// Ten requests at once on one connection are answered in order, and none beside another.
fn one_at_a_time(mut client: impl Read + Write, gauge: &Gauge) {
    let requests: Vec<u8> = (0..10).flat_map(|i| frame(&[i])).collect();
    client.write_all(&requests).unwrap();
    for i in 0..10 {
        assert_eq!(read_frame(&mut client), [i]);
    }
    assert_eq!((gauge.most.load(SeqCst), gauge.done.load(SeqCst)), (1, 10));
}

#[test]
fn one_request_at_a_time() {
    let gauge = Arc::<Gauge>::default();
    let (runtime, server) = serve(Waits(gauge.clone()), |b| b);
    one_at_a_time(connect(&server), &gauge);
    let gauge = Arc::<Gauge>::default();
    let server = common::serve_on(&runtime, Blocks(gauge.clone()), |b| b);
    one_at_a_time(connect(&server), &gauge);
    wait_until(|| runtime.stats().connections == 0);
}

/// Handlers that block on as many connections as there are pollers, and more, hold nobody up.
#[test]
fn a_handler_may_block() {
    #[netpoll::on_request]
    fn blocks(request: Message) -> Message {
        if request.body == b"block" {
            std::thread::sleep(Duration::from_millis(500));
        }
        request
    }
    let (_runtime, server) = serve(Free::<blocks>::new(), |b| b);
    let mut blocked: Vec<_> = (0..6).map(|_| connect(&server)).collect();
    let start = Instant::now();
    for client in &mut blocked {
        client.write_all(&frame(b"block")).unwrap();
    }
    assert_eq!(call(&mut connect(&server), b"quick"), b"quick");
    for client in &mut blocked {
        assert_eq!(read_frame(client), b"block");
    }
    // One after the other they would take three seconds.
    assert!(start.elapsed() < Duration::from_millis(2500), "{:?}", start.elapsed());
}
