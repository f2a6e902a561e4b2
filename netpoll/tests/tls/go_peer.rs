//! Go's crypto/tls at the other end.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use netpoll::{
    Dialer, ErrorKind,
    tls::{ClientAuth, TlsClient, TlsServer},
};

use crate::{
    common::frame,
    real_clients::have,
    setup::{Certificates, echo, port, text},
};

/// The peer's program, built once; `None` where there is no Go, which under CI there has to be.
fn peer() -> Option<&'static Path> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let build = || {
        have("go").then(|| {
            let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("tls-go");
            let output = Command::new("go")
                .args(["build", "-o"])
                .arg(&program)
                .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/go"))
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            program
        })
    };
    BUILT.get_or_init(build).as_deref()
}

#[test]
fn gos_client_speaks_both_versions_and_resumes() {
    let Some(peer) = peer() else { return };
    let pki = Certificates::new();
    let tls = TlsServer::builder()
        .certificate_files(pki.path("server.pem"), pki.path("server.key"))
        .client_auth(ClientAuth::required_by_files([pki.path("ca.pem")]))
        .alpn(["rpc"])
        .build()
        .unwrap();
    let (_runtime, server, log) = echo(&tls);
    let at = format!("127.0.0.1:{}", port(&server));
    let files = ["ca.pem", "client.pem", "client.key"].map(|file| text(&pki.path(file)));
    for (version, name) in [("1.2", "0x303"), ("1.3", "0x304")] {
        let output = Command::new(peer)
            .args(["client", &at, &files[0], version, &files[1], &files[2]])
            .output()
            .unwrap();
        let (said, why) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}{why}");
        assert_eq!(said, format!("{name} rpc false\n{name} rpc true\n"));
    }
    assert!(!log.lock().iter().any(|line| line.starts_with("error")), "{:?}", log.lock());
    let output = Command::new(peer).args(["client", &at, &files[0], "1.3"]).output().unwrap();
    assert!(!output.status.success(), "a certificate is required");
}

/// Go's server; killed at the end.
struct Serves(Child, String);

impl Serves {
    fn start(peer: &Path, pki: &Certificates) -> Self {
        let files = ["server.pem", "server.key", "ca.pem"].map(|file| pki.path(file));
        let mut child =
            Command::new(peer).arg("server").args(files).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().unwrap();
        Self(child, format!("localhost:{port}"))
    }
}

impl Drop for Serves {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn gos_server_is_called_with_a_certificate_and_resumes() {
    let Some(peer) = peer() else { return };
    let pki = Certificates::new();
    let server = Serves::start(peer, &pki);
    for only_tls13 in [false, true] {
        let mut tls = TlsClient::builder()
            .roots_file(pki.path("ca.pem"))
            .certificate_files(pki.path("client.pem"), pki.path("client.key"))
            .alpn(["rpc"]);
        if only_tls13 {
            tls = tls.only_tls13();
        }
        let dialer = Dialer::new().tls(tls.build().unwrap());
        for resumed in [false, true] {
            let conn = dialer.dial(&server.1).unwrap();
            let mut reader = conn.reader().unwrap();
            for n in [0, 1, 16_384, 300_000] {
                let sent = frame(&vec![n as u8; n]);
                conn.write(&sent).unwrap();
                assert!(reader.next(sent.len()).unwrap() == sent, "{n} bytes");
            }
            let facts = conn.transport_facts().unwrap();
            assert_eq!(facts.alpn.as_deref(), Some(&b"rpc"[..]));
            assert_eq!(facts.resumed, resumed);
            conn.shutdown_write();
            assert_eq!(reader.next(1).unwrap_err().kind(), ErrorKind::Eof, "an orderly end");
        }
    }
    // Without a certificate: by an alert, at the handshake's end or after it.
    let tls = TlsClient::builder().roots_file(pki.path("ca.pem")).build().unwrap();
    let refused = Dialer::new().tls(tls).dial(&server.1).and_then(|conn| {
        conn.write(&frame(b"x"))?;
        conn.reader()?.next(5).map(drop)
    });
    assert!(refused.is_err());
}
