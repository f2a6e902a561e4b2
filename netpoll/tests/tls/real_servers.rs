//! A client of this library against real servers.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use netpoll::{Dialer, ErrorKind};

use crate::{
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
