//! Every accepted form of a mark.

use std::time::Duration;

use bytes::Bytes;
use netpoll::{
    Frame,
    buf::LinkSlice,
    frame::{
        Auto, Carries, Chunks, Goodbye, Judged, Routed, Sequenced, Status, Streamed, Timed,
    },
};

#[derive(Frame, Default)]
struct ByText<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(seq)]
    id: u64,
    #[frame(route, prefix = u8)]
    method: &'a str,
    #[frame(deadline(us))]
    micros: u64,
    #[frame(payload, rest)]
    body: &'a [u8],
}

#[derive(Frame, Default)]
struct ByBytes<'a> {
    #[frame(route, until = b" ", max = 16)]
    method: &'a [u8],
    #[frame(deadline(s), ascii, until = b"\n")]
    seconds: u16,
    #[frame(payload, prefix = u16)]
    body: Chunks<'a>,
}

#[derive(Frame, Default)]
struct ByNumber {
    #[frame(route)]
    method: i16,
    #[frame(deadline(ns))]
    nanos: i64,
    #[frame(payload, prefix = u16)]
    body: Bytes,
}

#[derive(Frame, Default)]
struct Reply {
    #[frame(last, bits = 1)]
    last: bool,
    #[frame(goodbye, bits = 1)]
    bye: bool,
    #[frame(bits = 6)]
    rest: u8,
    #[frame(status(ok = 0, failed = -1, timeout = LATE))]
    code: i8,
    #[frame(payload, prefix = u16)]
    body: LinkSlice,
}

const LATE: i8 = 4;

#[derive(Frame)]
#[frame(tag = u8)]
enum Message {
    #[frame(tag = 1)]
    Text(#[frame(prefix = u8)] String),
    #[frame(tag = 2, goodbye)]
    Bye { last: u32, why: Auto<u8> },
}

#[derive(Frame)]
#[frame(goodbye = drained)]
struct Line<'a>(#[frame(until = b"\n", max = 80)] &'a str);

fn drained(line: &Line<'_>) -> bool {
    line.0 == "bye"
}

fn main() {
    let mut call = ByText::default();
    call.set_route("add");
    call.set_seq(7);
    call.set_remaining(Some(Duration::from_millis(1)));
    assert_eq!((call.route(), call.micros, call.remaining().is_some()), ("add", 1000, true));
    let mut call = ByBytes::default();
    call.set_route(b"add");
    call.set_payload(b"1").unwrap();
    assert_eq!((call.route(), call.payload().len(), call.remaining()), (&b"add"[..], 1, None));
    let mut call = ByNumber::default();
    call.set_route(&-3);
    call.set_payload(b"1").unwrap();
    assert_eq!((*call.route(), call.payload().to_vec(), call.nanos), (-3, b"1".to_vec(), 0));
    let mut reply = Reply::with_status(Status::Limit).unwrap();
    assert_eq!((reply.code, reply.status()), (-1, Status::Failed));
    assert!(reply.set_status(Status::Timeout) && reply.code == LATE);
    reply.set_last(true);
    reply.set_payload(b"x").unwrap();
    assert!(reply.is_last() && !reply.is_goodbye() && Reply::goodbye().unwrap().bye);
    let bye = Message::goodbye().unwrap();
    assert!(bye.is_goodbye() && !Message::Text(String::new()).is_goodbye());
    assert!(Line("bye").is_goodbye() && Line::goodbye().is_none());
}
