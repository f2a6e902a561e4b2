//! Requests are found and read however they arrive, and what is none is refused.

use netpoll::{
    buf::LinkBuffer,
    frame::{Arena, Frame, FrameErrorKind, Progress, Scanner, Window, decode},
    mem,
};
use netpoll_examples::resp::{Flow, Request, Session, Store, refuse};

type Scan = <Request<'static> as Frame>::Scan;

/// The most bytes that a request may have here.
const MAX: usize = 1 << 20;

/// Requests, and the replies to them.
const REQUESTS: &[(&str, &str)] = &[
    ("*1\r\n$4\r\nPING\r\n", "+PONG\r\n"),
    ("*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", "$0\r\n\r\n"),
    ("*2\r\n$4\r\nECHO\r\n$6\r\na\r\n*1\n\r\n", "$6\r\na\r\n*1\n\r\n"),
    ("*0\r\n", ""),
    ("*-1\r\n", ""),
    ("\n", ""),
    ("\r\n", ""),
    ("PING\r\n", "+PONG\r\n"),
    ("ping\n", "+PONG\r\n"),
    ("  echo 'a b'  \r\n", "$3\r\na b\r\n"),
    ("echo \"\\x41\\r\\n\"\r\n", "$3\r\nA\r\n\r\n"),
    (
        "*11\r\n$4\r\nMGET\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n\
         $1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\n$2\r\n10\r\n",
        "*10\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n",
    ),
];

/// A buffer in which each of `pieces` is a node of its own.
fn nodes(pieces: &[&[u8]]) -> LinkBuffer {
    let mut buffer = LinkBuffer::new();
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        let mut block = mem::alloc(piece.len()).unwrap();
        block.claim(piece.len()).copy_from_slice(piece);
        buffer.push(block.into_slice());
    }
    buffer
}

/// What a server answers to the one request that `wire` is.
fn answer(wire: &LinkBuffer) -> (String, Flow) {
    let (store, arena) = (Store::new(), Arena::new());
    let (mut session, mut out) = (Session::new(&store), Vec::new());
    let request = decode::<Request<'_>>(wire, wire.len(), &arena).unwrap();
    let flow = request.run(&store, &mut session, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), flow)
}

#[test]
fn a_request_is_answered_wherever_its_bytes_are_split() {
    for (wire, wanted) in REQUESTS {
        for cut in 0..wire.len() {
            let (left, right) = wire.as_bytes().split_at(cut);
            let (reply, flow) = answer(&nodes(&[left, right]));
            assert_eq!((&*reply, flow), (*wanted, Flow::Continue), "{wire:?} cut at {cut}");
        }
    }
}

/// A client may wait for its reply before it sends more: to ask for more than the request has
/// would wait for ever.
#[test]
fn the_end_is_found_byte_by_byte_and_nothing_past_it_is_asked_for() {
    for (wire, _) in REQUESTS {
        let wire = wire.as_bytes();
        let followed = [wire, b"*1\r\n$4\r\nPING\r\n"].concat();
        let whole = Scan::default().scan(&Window::new(&followed[..]), MAX).unwrap();
        assert_eq!(whole, Progress::Ready(wire.len()));
        let mut scanner = Scan::default();
        for len in 0..wire.len() {
            match scanner.scan(&Window::new(&wire[..len]), MAX).unwrap() {
                Progress::Need(n) => assert!(len < n && n <= wire.len(), "{n} at {len}"),
                Progress::Ready(n) => panic!("ready with {n} at {len} of {}", wire.len()),
            }
        }
        let last = scanner.scan(&Window::new(wire), MAX).unwrap();
        assert_eq!(last, Progress::Ready(wire.len()));
    }
}

#[test]
fn a_declared_length_is_asked_for_at_once() {
    let head = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000\r\n";
    let need = Scan::default().scan(&Window::new(&head[..]), MAX).unwrap();
    assert_eq!(need, Progress::Need(head.len() + 1002));
    let need = Scan::default().scan(&Window::new(&b"*10\r\n"[..]), MAX).unwrap();
    assert!(matches!(need, Progress::Need(n) if n >= 5 + 10 * 6 - 5), "{need:?}");
}

/// The texts are those of Redis 7.0.15.
#[test]
fn what_is_no_request_is_refused() {
    let long = "x".repeat(70_000);
    for (wire, wanted) in [
        ("*x\r\n", "invalid multibulk length"),
        ("*2147483648\r\n", "invalid multibulk length"),
        ("*123456789012345678901234567890\r\n", "invalid multibulk length"),
        ("*1\r\n+PING\r\n", "expected '$', got '+'"),
        ("*1\r\n$x\r\n", "invalid bulk length"),
        ("*1\r\n$-1\r\n", "invalid bulk length"),
        ("*1\r\n$536870913\r\n", "invalid bulk length"),
        (&*long, "too big inline request"),
    ] {
        let error = Scan::default().scan(&Window::new(wire.as_bytes()), MAX).unwrap_err();
        assert_eq!(*error.kind(), FrameErrorKind::Other(wanted.to_owned()), "{wire}");
    }
    for (wire, wanted) in [
        ("*1\r\n\u{ff}1\r\n", &b"-ERR Protocol error: expected '$', got '\xc3'\r\n"[..]),
        ("*1\r\n$1048576\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        ("*200000\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    ] {
        let error = Scan::default().scan(&Window::new(wire.as_bytes()), MAX).unwrap_err();
        let mut out = Vec::new();
        refuse(&error, &mut out).unwrap();
        assert_eq!(out, wanted, "{wire:?}");
    }
}

#[test]
fn quotes_that_do_not_fit_close_the_connection() {
    let (reply, flow) = answer(&nodes(&[b"set 'a b\r\n"]));
    assert_eq!(reply, "-ERR Protocol error: unbalanced quotes in request\r\n");
    assert_eq!(flow, Flow::Close);
}

/// The limit holds before the bytes beyond it arrive.
#[test]
fn a_request_beyond_the_limit_is_refused_by_its_header() {
    let error = Scan::default().scan(&Window::new(&b"*1\r\n$2000000\r\n"[..]), MAX).unwrap_err();
    assert!(matches!(error.kind(), FrameErrorKind::TooLarge { max: MAX, .. }), "{error}");
    let error = Scan::default().scan(&Window::new(&b"*1000000\r\n"[..]), MAX).unwrap_err();
    assert!(matches!(error.kind(), FrameErrorKind::TooLarge { max: MAX, .. }), "{error}");
}
