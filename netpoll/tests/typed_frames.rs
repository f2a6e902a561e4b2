//! Frames read and written by hand on a connection that no handler serves.
#![cfg(not(loom))]

mod common;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    time::Duration,
};

use common::runtime;
use netpoll::{
    Connection, Dialer, ErrorKind, Frame, Runtime, block_on,
    frame::{
        Auto, Decode, DecodeError, Decoder, FrameError, FrameErrorKind, Progress, ScanError,
        Scanner, Window,
    },
};

#[derive(Frame, Debug, PartialEq)]
struct Message<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(check = kind < 9)]
    kind: u8,
    #[frame(prefix = u8)]
    name: &'a str,
    #[frame(rest)]
    body: &'a [u8],
}

fn message<'a>(kind: u8, name: &'a str, body: &'a [u8]) -> Message<'a> {
    Message { n: Auto::default(), kind, name, body }
}

fn wire(kind: u8, name: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = ((2 + name.len() + body.len()) as u32).to_be_bytes().to_vec();
    bytes.extend([kind, name.len() as u8]);
    bytes.extend(name.as_bytes());
    bytes.extend(body);
    bytes
}

fn pair(runtime: &Runtime) -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let conn = Dialer::new().runtime(runtime).max_frame(100_000).dial(&address).unwrap();
    (conn, listener.accept().unwrap().0)
}

#[test]
fn frames_of_any_pieces_are_read_by_threads_and_futures() {
    let runtime = runtime(2);
    let (conn, mut peer) = pair(&runtime);
    let mut reader = conn.reader().unwrap();
    let long = vec![b'x'; 70_000];
    let sent = [wire(1, "one", b""), wire(2, "two", &long), wire(3, "", b"3")].concat();
    for _ in 0..2 {
        let (sent, mut peer) = (sent.clone(), peer.try_clone().unwrap());
        let sender = std::thread::spawn(move || {
            for piece in sent[..20].chunks(1).chain(sent[20..].chunks(7001)) {
                peer.write_all(piece).unwrap();
            }
        });
        let seen = reader.frame_blocking::<Message<'_>>().unwrap();
        assert_eq!(seen, message(1, "one", b""));
        block_on(async {
            let seen = reader.frame::<Message<'_>>().await.unwrap();
            assert_eq!((seen.name, seen.body == long), ("two", true));
        });
        assert_eq!(reader.frame_blocking::<Message<'_>>().unwrap().body, b"3");
        sender.join().unwrap();
    }
    peer.write_all(&sent).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let (mut count, mut frames) = (0, reader.frames::<Message<'_>>());
    while let Some(frame) = block_on(frames.next()).unwrap() {
        count += usize::from(frame.kind);
    }
    assert_eq!(count, 6);
    assert!(frames.next_blocking().unwrap().is_none(), "the end stays the end");
    assert_eq!(reader.frame_blocking::<Message<'_>>().unwrap_err().kind(), ErrorKind::Eof);
}

#[test]
fn a_future_that_is_dropped_has_consumed_nothing() {
    let runtime = runtime(1);
    let (conn, mut peer) = pair(&runtime);
    let mut reader = conn.reader().unwrap();
    let sent = wire(1, "name", b"body");
    let mut frames = reader.frames::<Message<'_>>();
    for &byte in &sent[..sent.len() - 1] {
        peer.write_all(&[byte]).unwrap();
        let waits = netpoll::timeout(Duration::from_millis(2), frames.next());
        assert_eq!(block_on(waits).unwrap_err().kind(), ErrorKind::TimedOut);
    }
    let waits = netpoll::timeout(Duration::from_millis(2), reader.frame::<Message<'_>>());
    assert!(block_on(waits).is_err());
    peer.write_all(&sent[sent.len() - 1..]).unwrap();
    let frame = reader.frame_blocking::<Message<'_>>().unwrap();
    assert_eq!(frame, message(1, "name", b"body"));
}

#[test]
fn errors_say_what_is_wrong_and_leave_what_can_be_read() {
    let runtime = runtime(1);
    let (conn, mut peer) = pair(&runtime);
    let mut reader = conn.reader().unwrap();
    peer.write_all(&[wire(99, "bad", b""), wire(1, "good", b"")].concat()).unwrap();
    let error = reader.frame_blocking::<Message<'_>>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(matches!(FrameError::of(&error).unwrap().kind(), FrameErrorKind::Check(_)));
    assert_eq!(reader.frame_blocking::<Message<'_>>().unwrap().name, "good");

    peer.write_all(&[&200_000u32.to_be_bytes()[..], b"\x01\0"].concat()).unwrap();
    let error = reader.frame_blocking::<Message<'_>>().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FrameTooLarge);
    let text = error.to_string();
    assert!(text.contains("200004 bytes") && text.contains("max_frame (100000)"), "{text}");
    assert!(text.contains(&peer.local_addr().unwrap().to_string()), "{text}");

    reader.skip(6).unwrap();
    peer.write_all(&wire(1, "cut", b"")[..7]).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let error = block_on(reader.frames::<Message<'_>>().next()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Eof, "{error}");
}

/// All that comes, up to the end of the stream.
#[derive(Default)]
struct ToTheEnd;

impl Scanner for ToTheEnd {
    fn scan(&mut self, w: &Window<'_>, _: usize) -> Result<Progress, ScanError> {
        Ok(Progress::Need(w.len() + 1))
    }
    fn at_eof(&mut self, w: &Window<'_>) -> Result<Option<usize>, ScanError> {
        Ok(Some(w.len()))
    }
}

struct Rest(Vec<u8>);

impl Frame for Rest {
    type Scan = ToTheEnd;
    type At<'a> = Rest;
}

impl<'a> Decode<'a> for Rest {
    fn decode(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        Ok(Rest(r.bytes(r.left())?.to_vec()))
    }
}

#[test]
fn a_format_that_the_close_delimits_ends_there() {
    let runtime = runtime(1);
    let (conn, mut peer) = pair(&runtime);
    let mut reader = conn.reader().unwrap();
    peer.write_all(&wire(1, "first", b"")).unwrap();
    peer.write_all(b"and all the rest").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    // Each call may name another format.
    assert_eq!(reader.frame_blocking::<Message<'_>>().unwrap().name, "first");
    let mut frames = reader.frames::<Rest>();
    assert_eq!(frames.next_blocking().unwrap().unwrap().0, b"and all the rest");
    assert!(frames.next_blocking().unwrap().is_none());
}

#[test]
fn frames_that_are_put_leave_together() {
    let runtime = runtime(1);
    let (conn, mut peer) = pair(&runtime);
    let mut writer = conn.writer();
    writer.put(&message(1, "one", b"1")).unwrap();
    let long = "x".repeat(256);
    let error = writer.put(&message(1, &long, b"")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed, "its prefix has one byte");
    writer.put(&message(2, "two", b"2")).unwrap();
    block_on(writer.flush_async()).unwrap();
    let expected = [wire(1, "one", b"1"), wire(2, "two", b"2")].concat();
    let mut sent = vec![0; expected.len()];
    peer.read_exact(&mut sent).unwrap();
    assert_eq!(sent, expected);
}
