//! Real clients against a server of this library.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use netpoll::tls::{ClientAuth, TlsServer};

use crate::setup::{Certificates, echo, port, text};

/// Whether `program` is there; under CI it has to be.
pub(crate) fn have(program: &str) -> bool {
    let mut command = Command::new(program);
    // Each program knows one of them; that it runs is what counts.
    command
        .arg(if program == "openssl" || program == "go" { "version" } else { "--version" })
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let found = command.status().is_ok();
    assert!(found || std::env::var_os("CI").is_none(), "`{program}` is missing");
    if !found {
        eprintln!("skipped: `{program}` is missing");
    }
    found
}

/// Runs `openssl s_client` with `arguments`, sends it a frame, and gives what it printed.
fn s_client(port: u16, pki: &Certificates, arguments: &[&str]) -> Output {
    let mut child = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", "localhost"])
        .args(["-CAfile", &text(&pki.path("ca.pem")), "-verify_return_error", "-ign_eof"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A frame, and then one that no server takes: it closes, and so the client ends.
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"\0\0\0\x05hello").unwrap();
    input.flush().unwrap();
    input.write_all(&[255; 4]).unwrap();
    drop(input);
    child.wait_with_output().unwrap()
}

fn printed(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn openssl_speaks_both_versions() {
    if !have("openssl") {
        return;
    }
    let pki = Certificates::new();
    let (_runtime, server, _) = echo(&pki.server());
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = printed(&s_client(port(&server), &pki, &[version]));
        assert!(said.contains(name) && said.contains("hello"), "{said}");
        assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    }
}

#[test]
fn openssl_agrees_on_a_protocol_and_shows_a_certificate() {
    if !have("openssl") {
        return;
    }
    let pki = Certificates::new();
    let tls = TlsServer::builder()
        .certificate_files(pki.path("server.pem"), pki.path("server.key"))
        .client_auth(ClientAuth::required_by_files([pki.path("ca.pem")]))
        .alpn(["rpc", "h2"])
        .build()
        .unwrap();
    let (_runtime, server, _) = echo(&tls);
    let (chain, key) = (text(&pki.path("client.pem")), text(&pki.path("client.key")));
    let shown = ["-alpn", "h2", "-cert", &chain, "-key", &key];
    let said = printed(&s_client(port(&server), &pki, &shown));
    assert!(said.contains("ALPN protocol: h2") && said.contains("hello"), "{said}");
    let said = printed(&s_client(port(&server), &pki, &["-alpn", "h2"]));
    assert!(said.contains("certificate required") && !said.contains("hello"), "{said}");
}

#[test]
fn openssl_resumes_its_session() {
    if !have("openssl") {
        return;
    }
    let pki = Certificates::new();
    let (_runtime, server, _) = echo(&pki.server());
    for version in ["-tls1_2", "-tls1_3"] {
        let ticket = text(&pki.path("ticket.pem"));
        let said = printed(&s_client(port(&server), &pki, &[version, "-sess_out", &ticket]));
        assert!(said.contains("New, TLSv1"), "{said}");
        let said = printed(&s_client(port(&server), &pki, &[version, "-sess_in", &ticket]));
        assert!(said.contains("Reused, TLSv1"), "{said}");
    }
}

/// TLS 1.2 has renegotiation, which OpenSSL begins at a line with an R.
#[test]
fn openssl_is_refused_a_renegotiation() {
    if !have("openssl") {
        return;
    }
    let pki = Certificates::new();
    let (_runtime, server, _) = echo(&pki.server());
    // Bounded, since nothing is said about how it ends but that it does.
    let mut child = Command::new("timeout")
        .args(["20", "openssl", "s_client", "-tls1_2"])
        .args(["-connect", &format!("127.0.0.1:{}", port(&server))])
        .args(["-CAfile", &text(&pki.path("ca.pem")), "-verify_return_error"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"R\n").unwrap();
    // It ends by itself, its input still open.
    let said = printed(&child.wait_with_output().unwrap());
    drop(input);
    assert!(said.contains("Verify return code: 0 (ok)"), "{said}");
    assert!(said.contains("RENEGOTIATING") && said.contains("no renegotiation"), "{said}");
}

/// A client that fails where the stream ends without a close_notify.
const PYTHON: &str = r#"
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[2])
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as plain:
    with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as tls:
        for size in (0, 1, 20000, 300000):
            body = bytes(i % 251 for i in range(size))
            frame = len(body).to_bytes(4, "big") + body
            tls.sendall(frame)
            got = b""
            while len(got) < len(frame):
                part = tls.recv(65536)
                assert part, "the stream ended early"
                got += part
            assert got == frame, size
        tls.sendall(b"\xff\xff\xff\xff")
        assert tls.recv(1) == b"", "an orderly end"
print("done", tls.version() or "closed")
"#;

#[test]
fn python_sees_an_orderly_end() {
    if !have("python3") {
        return;
    }
    let pki = Certificates::new();
    let (_runtime, server, _) = echo(&pki.server());
    let output = Command::new("python3")
        .args(["-c", PYTHON, &port(&server).to_string(), &text(&pki.path("ca.pem"))])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", printed(&output));
}
