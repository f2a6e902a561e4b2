//! Connections in memory: what the kernel would say of a TCP connection in the same state.

mod common;

use std::{
    io::{self, Read, Write},
    sync::{Arc, mpsc},
    time::Duration,
};

use common::{
    Answer, Bench, Echo, Log, call, frame, memory::Memory, over, read_frame, runtime, wait_until,
};
use netpoll::{
    Call, CloseReason, Connection, ConnectionOptions, Dispatch, ErrorKind, EventLoop, Flow, In,
    Result, Runtime, Service,
    buf::LinkBuffer,
    testing::{Link, MemoryPeer, Server, pair, settle},
};

fn echo() -> (Server, Log) {
    let service = Echo::default();
    let log = service.log.clone();
    (Server::start(over::serve(EventLoop::builder(service).pollers(1))).unwrap(), log)
}

fn dialled(options: ConnectionOptions, link: &Link) -> (Runtime, Connection, MemoryPeer) {
    let runtime = runtime(1);
    let (conn, peer) = pair(&runtime, options, link).unwrap();
    (runtime, conn, peer)
}

#[test]
fn frames_come_back() {
    let (server, log) = echo();
    let mut peer = Memory::connect(&server);
    for n in [0, 1, 100, 4096, 60_000] {
        let payload: Vec<u8> = (0..n).map(|i| (i * 7) as u8).collect();
        assert!(call(&mut peer, &payload) == payload, "{n} bytes");
    }
    drop(peer);
    wait_until(|| server.handle().live() == 0);
    assert_eq!(*log.lock(), ["connect", "disconnect Eof", "close 5 Eof"]);
}

/// Each piece is read by itself, wherever it is cut.
#[test]
fn every_piece_is_a_read() {
    struct Lengths(mpsc::Sender<usize>);
    impl Service for Lengths {
        type Session = ();
        type Request = In<'static>;
        async fn on_connect(&self, _: &Connection) -> Result<()> {
            Ok(())
        }
        async fn on_request<'a>(&'a self, _: Call<'a, ()>, mut input: In<'a>) -> Result<Flow> {
            let n = input.len();
            input.skip(n)?;
            self.0.send(n).unwrap();
            Ok(Flow::Continue)
        }
    }
    let (lengths, seen) = mpsc::channel();
    let server = Server::start(EventLoop::builder(Lengths(lengths)).pollers(1)).unwrap();
    let mut peer = server.connect().unwrap();
    peer.write_cut(b"abcdefghij", &[1, 4, 4, 5]).unwrap();
    let seen: Vec<_> =
        (0..4).map(|_| seen.recv_timeout(Duration::from_secs(20)).unwrap()).collect();
    assert_eq!(seen, [1, 3, 1, 5]);
}

#[test]
fn a_frame_cut_anywhere_comes_back() {
    let (server, _) = echo();
    let bytes = [frame(b"one"), frame(b""), frame(b"three")].concat();
    let mut peer = Memory::connect(&server);
    for a in 0..=bytes.len() {
        for b in a..=bytes.len() {
            peer.write_cut(&bytes, &[a, b]).unwrap();
            for payload in [&b"one"[..], b"", b"three"] {
                assert_eq!(read_frame(&mut peer), payload, "cut at {a} and {b}");
            }
        }
    }
}

#[test]
fn what_was_sent_before_the_end_is_answered() {
    let (server, _) = echo();
    let mut peer = Memory::connect(&server);
    peer.write_all(&[frame(b"one"), frame(b"two")].concat()).unwrap();
    peer.shutdown_write();
    assert_eq!([read_frame(&mut peer), read_frame(&mut peer)], [b"one", b"two"]);
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    peer.peer.wait_closed().unwrap();
    assert_eq!(peer.peer.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_reset_is_told_after_what_came_before_it() {
    let (server, log) = echo();
    let mut peer = Memory::connect(&server);
    peer.write_all(&frame(b"one")).unwrap();
    peer.reset();
    peer.peer.wait_closed().unwrap();
    wait_until(|| server.handle().live() == 0);
    assert_eq!(peer.peer.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    let log = log.lock();
    // Whether the turn or the hang-up came first: one end, by the peer, after at most the one request.
    assert_eq!(log.iter().filter(|line| line.starts_with("disconnect")).count(), 1, "{log:?}");
    assert!(["close 0 Reset", "close 1 Reset"].contains(&&**log.last().unwrap()), "{log:?}");
}

/// A peer that reads nothing: the writer waits, with a bounded number of bytes, and goes on.
#[test]
fn a_peer_that_does_not_read_stops_the_writer() {
    let options = ConnectionOptions::default();
    let (high, low) = (options.write_high, options.write_low);
    let (_runtime, conn, mut peer) = dialled(options, &Link::default().outbound(1000));
    let block = vec![7; 100_000];
    while conn.pending() < high {
        conn.write(&block).unwrap();
    }
    assert_eq!(peer.readable(), 1000);
    assert!(conn.pending() < high + block.len());
    let sent = conn.pending() + 1000;
    assert_eq!(
        conn.try_send(LinkBuffer::try_from(&b"x"[..]).unwrap()).unwrap_err().kind(),
        ErrorKind::Limit
    );
    let writer = conn.clone();
    let waits = std::thread::spawn(move || writer.write(&[8]).unwrap());
    let mut got = vec![0; sent - low];
    peer.read_exact(&mut got).unwrap();
    waits.join().unwrap();
    let mut rest = vec![0; low + 1];
    peer.read_exact(&mut rest).unwrap();
    assert!(got.iter().chain(&rest[..low]).all(|&byte| byte == 7) && rest[low] == 8);
}

#[test]
fn an_abort_is_a_reset_for_the_peer() {
    let (_runtime, conn, mut peer) = dialled(ConnectionOptions::default(), &Link::default());
    conn.write(b"lost").unwrap();
    conn.abort();
    peer.wait_closed().unwrap();
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_close_sends_what_waits() {
    let (_runtime, conn, mut peer) =
        dialled(ConnectionOptions::default(), &Link::default().outbound(10));
    let bytes: Vec<u8> = (0..=255).collect();
    conn.write(&bytes).unwrap();
    conn.close();
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    assert_eq!(got, bytes);
}

/// The answer of a connection that closes with unread input is not thrown away.
#[test]
fn a_close_with_unread_input_lingers() {
    let server = EventLoop::builder(Answer::by(|call, _| {
        call.out.put(&Bench(b"bye"))?;
        Ok(Flow::Close)
    }));
    let server = Server::start(over::serve(server.pollers(1))).unwrap();
    let mut peer = Memory::connect(&server);
    peer.write_all(&[frame(b"one"), frame(b"two")].concat()).unwrap();
    assert_eq!(read_frame(&mut peer), b"bye");
    assert_eq!(peer.read(&mut [0]).unwrap(), 0, "an end, not a reset");
}

#[test]
fn a_write_to_a_peer_that_left_ends_the_connection() {
    let (_runtime, conn, peer) = dialled(ConnectionOptions::default(), &Link::default());
    let ended = Arc::new(parking_lot::Mutex::new(None));
    let note = ended.clone();
    conn.on_closed(move |_, reason| *note.lock() = Some(reason));
    drop(peer);
    wait_until(|| conn.write(b"x").is_err());
    conn.close();
    wait_until(|| ended.lock().is_some());
    assert_eq!(*ended.lock(), Some(CloseReason::Local));
}

#[test]
fn a_dialled_connection_reads_and_probes() {
    let (_runtime, conn, mut peer) = dialled(ConnectionOptions::default(), &Link::default());
    assert!(conn.probe());
    peer.write_all(b"hello").unwrap();
    assert!(!conn.probe(), "bytes that nobody asked for");
    let mut reader = conn.reader().unwrap();
    assert_eq!(reader.next(5).unwrap(), b"hello");
    assert!(conn.probe());
    conn.shutdown_write();
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    peer.write_all(b"more").unwrap();
    assert_eq!(reader.next(4).unwrap(), b"more");
    drop(peer);
    assert_eq!(reader.next(1).unwrap_err().kind(), ErrorKind::Eof);
}

/// Answers `bye` and closes; holds its poller where it is asked to.
struct Bye {
    held: mpsc::Sender<()>,
    go_on: parking_lot::Mutex<mpsc::Receiver<()>>,
}

impl Service for Bye {
    type Session = ();
    type Request = Bench<'static>;
    const DISPATCH: Dispatch = Dispatch::Inline;
    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }
    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, req: Bench<'a>) -> Result<Flow> {
        if req.0 == b"hold" {
            self.held.send(()).unwrap();
            self.go_on.lock().recv().unwrap();
        }
        call.out.put(&Bench(b"bye"))?;
        Ok(Flow::Close)
    }
}

/// With this side's end and the peer's both sent the connection counts as gone, and was closed over
/// what the peer had sent last: by a reset, which took the answer with it.
#[test]
fn the_last_answer_arrives_although_the_peer_ends_over_unread_input() {
    let ((held, holds), (go, go_on)) = (mpsc::channel(), mpsc::channel());
    let service = Bye { held, go_on: parking_lot::Mutex::new(go_on) };
    let runtime = runtime(1);
    let server = EventLoop::builder(service).runtime(&runtime);
    let server = Server::start(over::serve(server)).unwrap();
    let (mut peer, mut other) = (Memory::connect(&server), Memory::connect(&server));
    peer.write_all(&[&frame(b"one")[..], b"unread"].concat()).unwrap();
    settle(&runtime);
    // The poller hears of the last bytes and of the end at once.
    other.write_all(&frame(b"hold")).unwrap();
    holds.recv().unwrap();
    peer.write_all(b"more").unwrap();
    peer.shutdown_write();
    go.send(()).unwrap();
    peer.peer.wait_closed().unwrap();
    assert_eq!(read_frame(&mut peer), b"bye");
    assert_eq!(peer.read(&mut [0]).unwrap(), 0, "an end, not a reset");
}
