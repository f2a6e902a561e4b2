//! The forms that marks may have, over sockets: routes that are bytes, payloads of each type, statuses that are an
//! enum, replies until the last one; and payloads in each format.

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use bytes::Bytes;
use common::{connect, runtime, serve_on};
use netpoll::{
    Fault, Frame, Replies, Result,
    buf::LinkSlice,
    client::{CallOptions, Client},
    frame::{Chunks, Status},
    rpc::{Answer, Call},
    service::{Json, Postcard, Prost},
};
use serde::{Deserialize, Serialize};

/// Declares a server whose requests and replies have payloads of the type `$payload`.
macro_rules! carrying {
    ($server:ident, $ask:ident, $told:ident, $payload:ty) => {
        #[derive(Default, Frame)]
        struct $ask<'a> {
            #[frame(route, prefix = u8)]
            method: &'a [u8],
            #[frame(seq)]
            id: u8,
            #[frame(payload, prefix = u16)]
            body: $payload,
        }

        #[derive(Default, Frame)]
        struct $told<'a> {
            #[frame(seq)]
            id: u8,
            #[frame(status(ok = 0, unknown = 1))]
            status: u8,
            #[frame(payload, prefix = u16)]
            body: $payload,
            #[frame(prefix = u8)]
            why: &'a str,
        }

        struct $server;

        #[netpoll::server(frame = $ask<'_>, reply = $told<'_>)]
        impl $server {
            #[on_request(b"reverse")]
            fn reverse(&self, bytes: Vec<u8>) -> Vec<u8> {
                bytes.into_iter().rev().collect()
            }
        }
    };
}

carrying!(OfSlices, AskSlice, ToldSlice, &'a [u8]);
carrying!(OfBytes, AskBytes, ToldBytes, Bytes);
carrying!(OfLinks, AskLinks, ToldLinks, LinkSlice);
carrying!(OfChunks, AskChunks, ToldChunks, Chunks<'a>);

/// Sends `bytes` and reads as many as `expected` has.
#[track_caller]
fn assert_answer(client: &mut TcpStream, bytes: &[u8], expected: &[u8]) {
    client.write_all(bytes).unwrap();
    let mut came = vec![0; expected.len()];
    client.read_exact(&mut came).unwrap();
    assert_eq!(came, expected);
}

#[test]
fn routes_are_bytes_and_payloads_of_each_type() {
    let runtime = runtime(1);
    let servers = [
        serve_on(&runtime, OfSlices, |builder| builder),
        serve_on(&runtime, OfBytes, |builder| builder),
        serve_on(&runtime, OfLinks, |builder| builder),
        serve_on(&runtime, OfChunks, |builder| builder),
    ];
    for server in &servers {
        let mut client = connect(server);
        assert_answer(&mut client, b"\x07reverse\x01\0\x03abc", b"\x01\0\0\x03cba\0");
        assert_answer(&mut client, b"\x04flip\x02\0\x03abc", b"\x02\x01\0\0\0");
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Code {
    #[default]
    Done,
    Late,
    Wrong,
}

fn code(n: u8) -> Result<Code, String> {
    let codes = [Code::Done, Code::Late, Code::Wrong];
    codes.get(usize::from(n)).copied().ok_or(format!("code {n}"))
}

fn number(code: &Code) -> u8 {
    *code as u8
}

#[derive(Frame)]
struct Count {
    #[frame(seq)]
    id: u8,
    upto: u8,
}

#[derive(Default, Frame)]
struct Number {
    #[frame(seq)]
    id: u8,
    #[frame(status(ok = Code::Done, timeout = Code::Late, failed = Code::Wrong), as = u8, try_map = code, unmap = number)]
    code: Code,
    n: u8,
    #[frame(last, bits = 1)]
    last: bool,
    #[frame(bits = 7)]
    rest: u8,
}

struct Counter;

#[netpoll::server]
impl Counter {
    #[on_request]
    fn count(&self, asked: Count) -> Replies<impl Iterator<Item = Number> + use<>> {
        Replies((1..=asked.upto).map(move |n| Number {
            id: asked.id,
            n,
            last: n == asked.upto,
            ..Number::default()
        }))
    }
}

#[netpoll::on_request]
fn one(asked: Count) -> Number {
    assert!(asked.upto > 0, "a secret");
    Number { id: asked.id, n: asked.upto, last: true, ..Number::default() }
}

#[test]
fn a_status_may_be_an_enum() {
    let runtime = runtime(1);
    let server = serve_on(&runtime, netpoll::service::Free::<one>::new(), |builder| builder);
    let mut client = connect(&server);
    // A panic has no code of its own: it is a failure.
    assert_answer(&mut client, &[1, 5, 2, 0, 3, 6], &[1, 0, 5, 0x80, 2, 2, 0, 0, 3, 0, 6, 0x80]);
}

#[test]
fn a_client_reads_replies_until_the_last() {
    let runtime = runtime(1);
    let server = serve_on(&runtime, Counter, |builder| builder);
    let address = server.addresses()[0].to_string();
    let pool = Client::<Count, Number>::pool(address.as_str()).runtime(&runtime).build().unwrap();
    let mux = Client::<Count, Number>::mux(address.as_str()).runtime(&runtime).build().unwrap();
    for client in [pool, mux] {
        for upto in [1, 200] {
            let replies = client.stream(Count { id: 0, upto }, CallOptions::new()).unwrap();
            let numbers: Vec<u8> = replies.map(|reply| reply.unwrap().get().unwrap().n).collect();
            assert_eq!(numbers, (1..=upto).collect::<Vec<_>>());
        }
    }
}

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Pair {
    a: i64,
    b: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Message {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(sint64, tag = "2")]
    n: i64,
}

struct Formats;

#[netpoll::server(frame = Call<'_>, reply = Answer<'_>)]
impl Formats {
    #[on_request("json")]
    fn json(&self, Json(pair): Json<Pair>) -> Result<Json<i64>, Fault> {
        pair.a.checked_add(pair.b).map(Json).ok_or(Fault::new(Status::Failed, "too large"))
    }

    #[on_request("postcard")]
    async fn postcard(&self, Postcard(pair): Postcard<Pair>) -> Postcard<Pair> {
        Postcard(Pair { a: pair.b, b: pair.a })
    }

    #[on_request("prost")]
    async fn prost(&self, Prost(message): Prost<Message>) -> Prost<Message> {
        Prost(Message { text: message.text.to_uppercase(), n: -message.n })
    }

    #[on_request("nothing")]
    fn nothing(&self, (): ()) {}
}

#[test]
fn payloads_are_in_each_format() {
    let runtime = runtime(1);
    let server = serve_on(&runtime, Formats, |builder| builder);
    let client = Client::<Call<'static>, Answer<'static>>::mux(server.addresses()[0].to_string());
    let client = client.runtime(&runtime).build().unwrap();
    // By the documented bytes of each format: JSON, Postcard's zigzag numbers, Protocol Buffers' fields.
    let cases: [(&str, &[u8], Status, &[u8]); 9] = [
        ("json", b"{\"a\": 2, \"b\": 40}", Status::Ok, b"42"),
        ("json", b"{\"a\": 9223372036854775807, \"b\": 1}", Status::Failed, b""),
        ("json", b"{\"a\": 2}", Status::Malformed, b""),
        ("postcard", &[4, 80], Status::Ok, &[80, 4]),
        ("postcard", &[4, 80, 0], Status::Malformed, b""),
        ("prost", b"\x0a\x02hi\x10\x02", Status::Ok, b"\x0a\x02HI\x10\x01"),
        ("prost", b"\x0a\x7fhi", Status::Malformed, b""),
        ("nothing", b"", Status::Ok, b""),
        ("nowhere", b"", Status::Unknown, b""),
    ];
    for (method, payload, status, expected) in cases {
        let answer = client.call(Call::new(method, payload)).unwrap();
        let answer = answer.get().unwrap();
        let got = (netpoll::frame::Judged::status(&answer), answer.payload);
        assert_eq!(got, (status, expected), "{method} {payload:?}");
    }
}
