//! A client of this library against real servers.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use netpoll::{Dialer, ErrorKind, tls::TlsClient};

use crate::{
    common::wait_until,
    real_clients::have,
    setup::{Certificates, text},
};

/// A server of OpenSSL's that sends back each line, reversed.
struct Reverser(Child, u16);

impl Reverser {
    fn start(pki: &Certificates, version: &str) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-rev", version])
            .args(["-cert", &text(&pki.path("server.pem")), "-key", &text(&pki.path("server.key"))])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        let line = said.lines().map_while(Result::ok).find(|line| line.starts_with("ACCEPT"));
        let line = line.expect("it listens");
        let port = line.rsplit(':').next().and_then(|port| port.parse().ok());
        Self(child, port.expect("it says on which port"))
    }
}

impl Drop for Reverser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn openssl_serves_both_versions() {
    if !have("openssl") {
        return;
    }
    let pki = Certificates::new();
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let server = Reverser::start(&pki, version);
        let conn = Dialer::new().tls(pki.client()).dial(format!("localhost:{}", server.1)).unwrap();
        assert_eq!(conn.transport_facts().unwrap().version, Some(name));
        conn.write(b"olleh\n").unwrap();
        assert_eq!(conn.reader().unwrap().next(6).unwrap(), b"hello\n");
    }
}

#[test]
fn a_server_that_is_killed_has_not_ended_its_stream() {
    if !have("openssl") {
        return;
    }
    let pki = Certificates::new();
    let server = Reverser::start(&pki, "-tls1_3");
    let conn = Dialer::new().tls(pki.client()).dial(format!("localhost:{}", server.1)).unwrap();
    conn.write(b"x\n").unwrap();
    let mut reader = conn.reader().unwrap();
    assert_eq!(reader.next(2).unwrap(), b"x\n");
    drop(server);
    let error = reader.next(1).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Truncated | ErrorKind::Io), "{error:?}");
}

/// Redis with TLS alone, which wants a certificate of its clients; killed at the end.
struct Redis(Child, u16);

impl Redis {
    fn start(pki: &Certificates) -> Self {
        // Its own choice of a port cannot be learnt: one that was free a moment ago.
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("redis-server")
            .args(["--port", "0", "--tls-port", &free.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--tls-auth-clients", "yes"])
            .arg("--tls-cert-file")
            .arg(pki.path("server.pem"))
            .arg("--tls-key-file")
            .arg(pki.path("server.key"))
            .arg("--tls-ca-cert-file")
            .arg(pki.path("ca.pem"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self(child, free)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn redis_serves_a_client_with_a_certificate() {
    if !have("redis-server") {
        return;
    }
    let pki = Certificates::new();
    let redis = Redis::start(&pki);
    let tls = TlsClient::builder()
        .roots_file(pki.path("ca.pem"))
        .certificate_files(pki.path("client.pem"), pki.path("client.key"))
        .build()
        .unwrap();
    let dialer = Dialer::new().tls(tls);
    let mut dialled = None;
    wait_until(|| {
        dialled = dialer.dial(format!("localhost:{}", redis.1)).ok();
        dialled.is_some()
    });
    let conn = dialled.unwrap();
    let mut reader = conn.reader().unwrap();
    let value = "v".repeat(100_000);
    conn.write(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n{value}\r\n").as_bytes()).unwrap();
    assert_eq!(reader.until(b'\n').unwrap(), b"+OK\r\n");
    conn.write(b"GET k\r\n").unwrap();
    assert_eq!(reader.until(b'\n').unwrap(), b"$100000\r\n");
    assert_eq!(reader.next(100_002).unwrap(), (value + "\r\n").as_bytes());
    conn.write(b"QUIT\r\n").unwrap();
    assert_eq!(reader.until(b'\n').unwrap(), b"+OK\r\n");
    let end = reader.next(1).unwrap_err().kind();
    assert!(matches!(end, ErrorKind::Eof | ErrorKind::Truncated), "{end:?}");
}
