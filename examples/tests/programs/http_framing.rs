//! Requests on whose end two readers could disagree: the web server answers none of them as one reader
//! and frames it as another.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    thread,
};

use crate::server::Server;

fn start() -> Server {
    Server::start(env!("CARGO_BIN_EXE_http"))
}

/// All that is answered to these bytes, until the server closes. The client ends its side at once: what
/// is no whole request then is not waited for.
pub(crate) fn answers(server: &Server, bytes: &[u8]) -> String {
    let mut client = server.connect();
    client.write_all(bytes).unwrap();
    // The server may have closed already.
    let _ = client.shutdown(Shutdown::Write);
    read_all(client)
}

fn read_all(mut client: TcpStream) -> String {
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    String::from_utf8(all).unwrap()
}

/// The statuses of the answers to these bytes.
fn statuses(server: &Server, bytes: &[u8]) -> Vec<u16> {
    let all = answers(server, bytes);
    all.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().unwrap()).collect()
}

const ECHO: &str = "POST /echo HTTP/1.1\r\nHost: a\r\n";
const CHUNKED: &str = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
/// A second request, which shows where the first one ended.
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: b\r\n\r\n";

#[test]
fn a_line_ends_by_cr_lf_alone() {
    let server = start();
    for head in [
        "GET / HTTP/1.1\r\nHost: a\n\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\nContent-Length: 30\r\n\r\n",
        "POST /echo HTTP/1.1\nContent-Length: 5\n\nhello",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\rHost: a\r\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(statuses(&server, format!("{head}{NEXT}").as_bytes()), [400], "{head:?}");
    }
}

/// No byte that tells the end is awaited where the beginning is wrong already.
#[test]
fn a_malformed_start_is_answered_before_the_rest_arrives() {
    let server = start();
    for start in [
        "GET / HTTP/1.1\n",
        "GET / HTTP/1.1\r\nHost: a\n",
        "\x16\x03\x01\x02",
        "\r\n\r\n",
        &format!("{CHUNKED}x"),
        &format!("{CHUNKED}3\r\nabcXX"),
        &format!("{CHUNKED}0\r\nx\n"),
    ] {
        let mut client = server.connect();
        client.write_all(start.as_bytes()).unwrap();
        let all = read_all(client);
        assert!(all.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{start:?}: {all:?}");
        assert!(all.contains("\r\nconnection: close\r\n"), "{start:?}: {all:?}");
    }
}

#[test]
fn chunks_are_framed_exactly() {
    let server = start();
    for (body, expected) in [
        ("5\r\nhello\r\n0\r\n\r\n", &[200, 404][..]),
        ("5;a=b;c=\"d;e\"\r\nhello\r\n0;f\r\n\r\n", &[200, 404]),
        ("5\r\nhello\r\n0\r\nContent-Length: 9\r\nHost: x\r\nt: v\r\n\r\n", &[200, 404]),
        ("000000000000000A\r\n0123456789\r\n000\r\n\r\n", &[200, 404]),
        ("5\r\nhelloXX0\r\n\r\n", &[400]),
        ("5\r\nhello\n00\r\n\r\n", &[400]),
        ("5\r\nhello\r0\r\n\r\n", &[400]),
        ("5\r\nhello0\r\n\r\n", &[400]),
        ("6\r\nhello\r\n0\r\n\r\n", &[400]),
        ("5;a\nhello\r\nhello\r\n0\r\n\r\n", &[400]),
        ("5;a\rb\r\nhello\r\n0\r\n\r\n", &[400]),
        ("5;\0\r\nhello\r\n0\r\n\r\n", &[400]),
        ("5\nhello\r\n0\r\n\r\n", &[400]),
        (" 5\r\nhello\r\n0\r\n\r\n", &[400]),
        ("\t5\r\nhello\r\n0\r\n\r\n", &[400]),
        ("\x0c5\r\nhello\r\n0\r\n\r\n", &[400]),
        ("5 \r\nhello\r\n0\r\n\r\n", &[400]),
        ("5\x0c\r\nhello\r\n0\r\n\r\n", &[400]),
        ("5 5\r\nhello\r\n0\r\n\r\n", &[400]),
        ("+5\r\nhello\r\n0\r\n\r\n", &[400]),
        ("-5\r\nhello\r\n0\r\n\r\n", &[400]),
        ("0x5\r\nhello\r\n0\r\n\r\n", &[400]),
        ("5_\r\nhello\r\n0\r\n\r\n", &[400]),
        ("\r\nhello\r\n0\r\n\r\n", &[400]),
        (";a\r\nhello\r\n0\r\n\r\n", &[400]),
        ("10000000000000005\r\nhello\r\n0\r\n\r\n", &[400]),
        ("00000000000000005\r\nhello\r\n0\r\n\r\n", &[400]),
        ("ffffffffffffffff\r\nhello\r\n0\r\n\r\n", &[413]),
        ("fffffffffffffffe\r\nhello\r\n0\r\n\r\n", &[413]),
        ("8000000000000000\r\nhello\r\n0\r\n\r\n", &[413]),
        ("7fffffff\r\nhello\r\n0\r\n\r\n", &[413]),
        ("0\r\nno field\r\n\r\n", &[400]),
        ("0\r\nt : v\r\n\r\n", &[400]),
        ("0\r\n: v\r\n\r\n", &[400]),
        ("0\r\nt: v\r\n folded\r\n\r\n", &[400]),
        ("0\r\nt: a\0b\r\n\r\n", &[400]),
        ("0\r\nt: a\rb\r\n\r\n", &[400]),
        ("0\r\nt: v\n\r\n", &[400]),
        ("0\r\n\n", &[400]),
        ("0\r\n\rX", &[400]),
    ] {
        let wire = format!("{CHUNKED}{body}{NEXT}");
        assert_eq!(statuses(&server, wire.as_bytes()), expected, "{body:?}");
    }
    let many = "t: v\r\n".repeat(101);
    assert_eq!(statuses(&server, format!("{CHUNKED}0\r\n{many}\r\n").as_bytes()), [431]);
    let long = format!("{CHUNKED}5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(17 << 10));
    assert_eq!(statuses(&server, long.as_bytes()), [400]);
    let each = format!("1;{}\r\nx\r\n", "x".repeat(1000));
    let together = format!("{CHUNKED}{}0\r\n\r\n", each.repeat(17));
    assert_eq!(statuses(&server, together.as_bytes()), [400]);
}

#[test]
fn a_length_is_one_number() {
    let server = start();
    for (fields, expected) in [
        ("Content-Length: 3\r\n", &[200, 404][..]),
        ("Content-Length:3\r\n", &[200, 404]),
        ("Content-Length: \t003 \t\r\n", &[200, 404]),
        ("Content-Length: 3\r\nContent-Length: 4\r\n", &[400]),
        ("Content-Length: 3\r\nContent-Length: 3\r\n", &[400]),
        ("Content-Length: 3, 3\r\n", &[400]),
        ("Content-Length: 3,\r\n", &[400]),
        ("Content-Length: +3\r\n", &[400]),
        ("Content-Length: -1\r\n", &[400]),
        ("Content-Length: -0\r\n", &[400]),
        ("Content-Length: 0x3\r\n", &[400]),
        ("Content-Length: 3 0\r\n", &[400]),
        ("Content-Length: 3.0\r\n", &[400]),
        ("Content-Length: 3e0\r\n", &[400]),
        ("Content-Length: 1_0\r\n", &[400]),
        ("Content-Length: \"3\"\r\n", &[400]),
        ("Content-Length:\r\n", &[400]),
        ("Content-Length: \x0b3\r\n", &[400]),
        ("Content-Length: \x0c3\r\n", &[400]),
        ("Content-Length: \u{663}\r\n", &[400]),
        ("Content-Length: 18446744073709551619\r\n", &[413]),
        ("Content-Length: 99999999999999999999999999999999\r\n", &[413]),
        ("Content-Length: 18446744073709551615\r\n", &[413]),
        ("Content-Length: 50000000\r\n", &[413]),
        ("Content-Length : 3\r\n", &[400]),
        ("Content-Length\t: 3\r\n", &[400]),
        (" Content-Length: 3\r\n", &[400]),
        ("Content-Length\r\n", &[400]),
        (": 3\r\n", &[400]),
        ("X: y\r\n Content-Length: 3\r\n", &[400]),
        ("X: y\r\n\tz\r\nContent-Length: 3\r\n", &[400]),
        ("Content\0-Length: 3\r\n", &[400]),
        ("Content-Length\0: 3\r\n", &[400]),
        ("Content-Length: 3\0\r\n", &[400]),
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", &[400]),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", &[400]),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", &[400]),
    ] {
        let wire = format!("{ECHO}{fields}\r\nabc{NEXT}");
        assert_eq!(statuses(&server, wire.as_bytes()), expected, "{fields:?}");
    }
}

#[test]
fn chunked_is_the_only_transfer_coding() {
    let server = start();
    for (fields, expected) in [
        ("Transfer-Encoding: chunked\r\n", &[200, 404][..]),
        ("transfer-encoding:CHUNKED \r\n", &[200, 404]),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", &[400]),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", &[400]),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", &[501]),
        ("Transfer-Encoding: xchunked\r\n", &[501]),
        ("Transfer-Encoding: gzip, chunked\r\n", &[501]),
        ("Transfer-Encoding: chunked, chunked\r\n", &[501]),
        ("Transfer-Encoding: chunked, identity\r\n", &[501]),
        ("Transfer-Encoding: ,chunked\r\n", &[501]),
        ("Transfer-Encoding: chunked,\r\n", &[501]),
        ("Transfer-Encoding: chunked;a=b\r\n", &[501]),
        ("Transfer-Encoding: \"chunked\"\r\n", &[501]),
        ("Transfer-Encoding: identity\r\n", &[501]),
        ("Transfer-Encoding:\r\n", &[501]),
        ("Transfer-Encoding:\r\n chunked\r\n", &[400]),
        ("Transfer-Encoding : chunked\r\n", &[400]),
        ("Transfer-Encoding: \x0bchunked\r\n", &[400]),
        ("Transfer-Encoding: chunked\x0c\r\n", &[400]),
        ("Transfer-Encoding: chunked\0\r\n", &[400]),
    ] {
        let wire = format!("{ECHO}{fields}\r\n0\r\n\r\n{NEXT}");
        assert_eq!(statuses(&server, wire.as_bytes()), expected, "{fields:?}");
    }
    let old = format!("POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{NEXT}");
    assert_eq!(statuses(&server, old.as_bytes()), [400]);
}

#[test]
fn a_request_says_its_host_once() {
    let server = start();
    for (head, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n", 200),
        ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n", 200),
        ("GET / HTTP/1.1\r\nHost:\r\n", 200),
        ("GET / HTTP/1.0\r\n", 200),
        ("GET / HTTP/1.1\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a, b\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: me@a\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a?b\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\0b\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\x7fb\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : a\r\n", 400),
        ("GET http://a/ HTTP/1.1\r\nHost: a\r\n", 200),
        ("GET HTTP://a:80?q HTTP/1.1\r\nHost: b\r\n", 200),
        ("GET http://a HTTP/1.1\r\nHost: b\r\n", 200),
        ("GET http://a/ HTTP/1.1\r\n", 400),
        ("GET http:///x HTTP/1.1\r\nHost: a\r\n", 400),
        ("GET http://me@a/ HTTP/1.1\r\nHost: a\r\n", 400),
        ("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n", 400),
        ("GET a HTTP/1.1\r\nHost: a\r\n", 400),
        ("GET /#x HTTP/1.1\r\nHost: a\r\n", 400),
        ("GET / x HTTP/1.1\r\nHost: a\r\n", 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n", 400),
        ("GET /  HTTP/1.1\r\nHost: a\r\n", 400),
        ("GET\t/ HTTP/1.1\r\nHost: a\r\n", 400),
        ("GET /\0 HTTP/1.1\r\nHost: a\r\n", 400),
        ("GET /\x7f HTTP/1.1\r\nHost: a\r\n", 400),
        ("G(T / HTTP/1.1\r\nHost: a\r\n", 400),
        ("GET /\r\nHost: a\r\n", 400),
        ("GET / HTTP/1.1 \r\nHost: a\r\n", 400),
        ("GET / http/1.1\r\nHost: a\r\n", 400),
        ("GET / HTTP/11\r\nHost: a\r\n", 400),
        ("GET / HTTP/1.2\r\nHost: a\r\n", 505),
        ("GET / HTTP/0.9\r\nHost: a\r\n", 505),
        ("PRI * HTTP/2.0\r\n", 505),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n", 501),
    ] {
        let all = statuses(&server, format!("{head}\r\n").as_bytes());
        assert_eq!(all, [expected], "{head:?}");
    }
}

#[test]
fn a_refusal_comes_in_its_turn_and_is_the_last_answer() {
    let server = start();
    for (bad, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n", 413),
        ("GET / HTTP/9.9\r\n\r\n", 505),
        ("\r\n\r\n", 400),
    ] {
        let wire = format!("{NEXT}{CHUNKED}1\r\nx\r\n0\r\n\r\n{bad}{NEXT}{NEXT}");
        assert_eq!(statuses(&server, wire.as_bytes()), [404, 200, status], "{bad:?}");
    }
}

#[test]
fn what_is_too_large_is_answered() {
    let server = start();
    let fields = |n: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(n));
    assert_eq!(statuses(&server, fields(99).as_bytes()), [200]);
    assert_eq!(statuses(&server, fields(100).as_bytes()), [431]);
    let long = "x".repeat(70_000);
    for (wire, status) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("{long} / HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nx: {long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{long}: x\r\n\r\n"), 431),
        (format!("{CHUNKED}0\r\nx: {long}\r\n\r\n"), 431),
    ] {
        assert_eq!(statuses(&server, wire.as_bytes()), [status], "{}", &wire[..40]);
    }
    // In chunks, of which no one is too long. The server may close before all is sent.
    let mut client = server.connect();
    let mut sender = client.try_clone().unwrap();
    let sends = thread::spawn(move || {
        let chunk = [b"100000\r\n", &[b'x'; 1 << 20][..], b"\r\n"].concat();
        let _ = sender.write_all(CHUNKED.as_bytes());
        (0..20).all(|_| sender.write_all(&chunk).is_ok())
    });
    let mut start = [0; 12];
    client.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 413");
    sends.join().unwrap();
}

#[test]
fn a_request_that_is_late_is_answered() {
    let server = Server::start_with(env!("CARGO_BIN_EXE_http"), &["--request-timeout", "0.3"]);
    for part in
        ["GET / HT".to_owned(), format!("{ECHO}Content-Length: 9\r\n\r\nabc"), CHUNKED.to_owned()]
    {
        let mut client = server.connect();
        client.write_all(part.as_bytes()).unwrap();
        let all = read_all(client);
        assert!(all.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{part:?}: {all:?}");
        assert!(all.contains("\r\nconnection: close\r\n"), "{all:?}");
    }
}

#[test]
fn an_expectation_is_answered_before_the_body_comes() {
    let server = start();
    let mut client = server.connect();
    let read = |client: &mut TcpStream, wanted: &str| {
        let mut got = vec![0; wanted.len()];
        client.read_exact(&mut got).unwrap();
        assert_eq!(String::from_utf8(got).unwrap(), wanted);
    };
    // Twice on one connection: by length, and in chunks.
    for (fields, body) in
        [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")]
    {
        write!(client, "{ECHO}Expect: 100-continue\r\n{fields}\r\n\r\n").unwrap();
        read(&mut client, "HTTP/1.1 100 Continue\r\n\r\n");
        client.write_all(body.as_bytes()).unwrap();
        read(&mut client, "HTTP/1.1 200 OK\r\n");
        let mut rest = Vec::new();
        while !rest.ends_with(b"\r\n\r\nhello") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            rest.push(byte[0]);
        }
    }
    for (fields, expected) in [
        // Nothing is expected without a body, or by HTTP/1.0.
        ("Expect: 100-continue\r\n", &[200][..]),
        ("Expect: 100-Continue\r\nContent-Length: 0\r\n", &[200]),
        ("Expect: something\r\nContent-Length: 5\r\n", &[417]),
        ("Expect: 100-continue\r\nContent-Length: 50000000\r\n", &[413]),
        ("Expect: 100-continue\r\nContent-Length: +5\r\n", &[400]),
    ] {
        let wire = format!("{ECHO}{fields}\r\n");
        assert_eq!(statuses(&server, wire.as_bytes()), expected, "{fields}");
    }
    let nowhere =
        "POST /nowhere HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(statuses(&server, nowhere.as_bytes()), [404]);
    let old = "POST /echo HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi";
    assert_eq!(statuses(&server, old.as_bytes()), [200]);
}

#[test]
fn http_1_0_is_answered_in_its_own_terms() {
    let server = start();
    let all = answers(
        &server,
        b"GET /count/3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET / HTTP/1.0\r\n\r\n",
    );
    let parts: Vec<_> = all.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(parts.len(), 2, "{all}");
    assert!(parts[0].contains("\r\nconnection: keep-alive\r\n"), "{all}");
    assert!(parts[0].contains("\r\ncontent-length: 6\r\n"), "{all}");
    assert!(parts[0].ends_with("\r\n\r\n0\n1\n2\n"), "{all}");
    assert!(parts[1].contains("\r\nconnection: close\r\n"), "{all}");
    let new = answers(&server, b"GET /count/3 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(new.contains("\r\ntransfer-encoding: chunked\r\n"), "{new}");
    assert!(!new.contains("\r\nconnection:"), "{new}");
    let head = answers(&server, b"HEAD /count/3 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(head.ends_with("\r\ntransfer-encoding: chunked\r\n\r\n"), "{head}");
}

#[test]
fn answers_are_dated() {
    let server = start();
    let all = answers(&server, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let date = all.lines().find_map(|line| line.strip_prefix("date: ")).unwrap();
    assert!(date.len() == 29 && date.ends_with(" GMT") && date.contains(" 20"), "{date}");
}
