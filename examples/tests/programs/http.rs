//! The web server, asked by hand, by `curl` and by `wrk`.

use std::{
    io::{Read, Write},
    process::Command,
};

use netpoll_examples::testing::real_client;

use crate::{http_framing::answers, server::Server};

fn start() -> Server {
    Server::start(env!("CARGO_BIN_EXE_http"))
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = start();
    let asked = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n\
                 POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
                 POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                 4\r\nwiki\r\n5;x=y\r\npedia\r\n0\r\nt: v\r\n\r\n\
                 HEAD / HTTP/1.1\r\nHost: a\r\n\r\n\
                 GET / HTTP/1.1\r\nHost: a\r\nconnection: close\r\n\r\n\
                 GET /never HTTP/1.1\r\nHost: a\r\n\r\n";
    let all = answers(&server, asked.as_bytes());
    let parts: Vec<_> = all.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(parts.len(), 5, "{all}");
    assert!(parts[0].starts_with("404 ") && parts[0].ends_with("\r\n\r\nnot here\n"), "{all}");
    assert!(parts[1].ends_with("content-length: 3\r\n\r\nabc"), "{all}");
    assert!(parts[2].ends_with("\r\n\r\nwikipedia"), "{all}");
    assert!(parts[3].ends_with("content-length: 6\r\n\r\n"), "{all}");
    assert!(parts[4].contains("connection: close") && parts[4].ends_with("hello\n"), "{all}");
}

#[test]
fn a_request_in_single_bytes() {
    let server = start();
    let mut client = server.connect();
    client.set_nodelay(true).unwrap();
    let asked =
        b"PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                  3\r\nabc\r\n0\r\n\r\n";
    for byte in asked {
        client.write_all(&[*byte]).unwrap();
    }
    let mut all = String::new();
    client.read_to_string(&mut all).unwrap();
    assert!(all.ends_with("\r\n\r\nabc"), "{all}");
}

#[test]
fn what_is_no_request_is_answered_and_closed() {
    let server = start();
    for asked in [
        "GE T / HTTP/1.1 x\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    ] {
        let all = answers(&server, asked.as_bytes());
        assert!(all.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{asked:?}: {all:?}");
    }
}

#[test]
fn curl_uses_it() {
    let Some(curl) = real_client("curl") else { return };
    let server = start();
    let url = |path: &str| format!("http://{}{path}", server.address);
    let run = |args: &[&str]| {
        let output =
            Command::new(&curl).args(["-sS", "--max-time", "20"]).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run(&[&url("/")]), "hello\n");
    assert_eq!(run(&["--http1.0", &url("/")]), "hello\n");
    assert_eq!(run(&["-d", "by length", &url("/echo")]), "by length");
    let chunked = ["-H", "Transfer-Encoding: chunked", "-d", "in chunks", &url("/echo")];
    assert_eq!(run(&chunked), "in chunks");
    let lines: String = (0..5000).map(|i| format!("{i}\n")).collect();
    assert_eq!(run(&[&url("/count/5000")]), lines);
    // Several on one connection.
    let reused = run(&["-w", "%{num_connects} ", &url("/"), &url("/"), &url("/")]);
    assert_eq!(reused, "hello\n1 hello\n0 hello\n0 ");
}

#[test]
fn wrk_uses_it() {
    let Some(wrk) = real_client("wrk") else { return };
    let server = start();
    let url = format!("http://{}/", server.address);
    let output = Command::new(wrk).args(["-t1", "-c8", "-d1s", &url]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("Requests/sec:"), "{said}");
    assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
}
