//! The endpoint for operators: what each path answers, before, during and after a drain.

mod common;

use std::{
    collections::HashSet,
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::Duration,
};

use common::{Echo, call, connect, runtime, wait_until};
use netpoll::{EventLoop, ServerHandle, admin};

/// The status and the body that `admin` answers with.
fn ask(admin: &ServerHandle, request: &str) -> (String, String) {
    let mut client = connect(admin);
    client.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.lines().next().unwrap().split_once(' ').unwrap().1;
    (status.to_owned(), body.to_owned())
}

fn get(admin: &ServerHandle, path: &str) -> (String, String) {
    ask(admin, &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
}

/// An echo server with one client, and its endpoint.
fn bed() -> (EventLoop, TcpStream, EventLoop) {
    let runtime = runtime(2);
    let server = EventLoop::builder(Echo::default()).runtime(&runtime).listen("127.0.0.1:0");
    let server = server.bind().unwrap();
    let mut client = connect(&server.handle());
    assert_eq!(call(&mut client, b"hello"), b"hello");
    let admin = admin::serve("127.0.0.1:0", "echo", &server.handle()).unwrap();
    (server, client, admin)
}

#[test]
fn each_path_answers() {
    let (_server, client, admin) = bed();
    let admin = admin.handle();
    let ok = |path: &str| {
        let (status, body) = get(&admin, path);
        assert_eq!(status, "200 OK", "{path}");
        body
    };
    assert_eq!((&*ok("/healthz"), &*ok("/readyz?verbose")), ("ok\n", "echo ready\n"));
    assert!(ok("/").contains("<!doctype html>"));
    let connections = ok("/connections");
    let peer = client.local_addr().unwrap().to_string();
    assert!(connections.contains(&format!("\"peer\":\"{peer}\"")), "{connections}");
    assert!(ok("/runtime").contains("\"connections\":1,"));
    let metrics = ok("/metrics");
    assert!(metrics.contains("netpoll_server_connections{server=\"echo\"} 1\n"), "{metrics}");
    assert!(metrics.contains("netpoll_connections_accepted_total{runtime=\"0\"} 1\n"), "{metrics}");
}

#[test]
fn other_requests_are_refused() {
    let (_server, _client, admin) = bed();
    let admin = admin.handle();
    assert_eq!(get(&admin, "/nothing").0, "404 Not Found");
    assert_eq!(ask(&admin, "POST /metrics HTTP/1.1\r\n\r\n").0, "405 Method Not Allowed");
    assert_eq!(ask(&admin, "\r\n\r\n").0, "405 Method Not Allowed");
    assert_eq!(ask(&admin, "HEAD /healthz HTTP/1.1\r\n\r\n"), ("200 OK".into(), String::new()));
    // A head beyond the limit ends the connection, and the endpoint goes on.
    let mut client = connect(&admin);
    let _ = client.write_all(&[b'x'; 64 << 10]);
    let _ = client.read_to_end(&mut Vec::new());
    assert_eq!(get(&admin, "/healthz").0, "200 OK");
}

#[test]
fn a_server_that_drains_is_not_ready() {
    let (server, client, admin) = bed();
    let admin = admin.handle();
    server.handle().shutdown(Duration::from_secs(20));
    let not_ready = ("503 Service Unavailable".to_owned(), "echo not ready\n".to_owned());
    assert_eq!(get(&admin, "/readyz"), not_ready);
    assert_eq!(get(&admin, "/healthz").0, "200 OK");
    assert!(get(&admin, "/metrics").1.contains("netpoll_server_ready{server=\"echo\"} 0\n"));
    drop(client);
}

/// Each family has its help and type before its samples, and no series stands twice.
#[test]
fn the_exposition_is_well_formed() {
    let (_server, _client, admin) = bed();
    let text = get(&admin.handle(), "/metrics").1;
    let (mut family, mut families, mut seen) = (String::new(), HashSet::new(), HashSet::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let name = help.split(' ').next().unwrap();
            assert!(families.insert(name.to_owned()), "{name} stands twice");
            family = name.to_owned();
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert_eq!(name, family);
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(series == family || series.starts_with(&format!("{family}{{")), "{line}");
            assert!(seen.insert(series.to_owned()), "{series} stands twice");
            value.parse::<f64>().unwrap();
        }
    }
}

/// `promtool check metrics`, where Debian's package `prometheus` is installed.
#[test]
fn promtool_accepts_the_exposition() {
    let (_server, _client, admin) = bed();
    let text = get(&admin.handle(), "/metrics").1;
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = started else {
        assert!(std::env::var_os("CI").is_none(), "promtool is missing");
        return println!("skipped: promtool is not installed");
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn an_endpoint_that_is_dropped_leaves_its_port() {
    let (_server, _client, admin) = bed();
    let address = admin.addresses()[0].inet().unwrap();
    drop(admin);
    wait_until(|| TcpStream::connect(address).is_err());
}
