//! Whom clients trust: the system's authorities, those of the web, and named ones.

use std::process::Command;

use netpoll::{Dialer, ErrorKind, tls::TlsClient};

use crate::setup::{Certificates, address, echo, text};

/// Set in the child process: where it dials.
const DIALS: &str = "NETPOLL_TEST_DIALS";

/// The system's authorities are read once in a process, so that they are another process's: those of the file
/// that `SSL_CERT_FILE` names.
#[test]
fn the_systems_authorities_are_trusted_by_default() {
    if let Ok(at) = std::env::var(DIALS) {
        let trusting = TlsClient::builder().webpki_roots().platform_roots().build().unwrap();
        for tls in [TlsClient::new().unwrap(), trusting] {
            Dialer::new().tls(tls).dial(&at).unwrap();
        }
        println!("both were dialled");
        return;
    }
    let pki = Certificates::new();
    let (_runtime, server, _) = echo(&pki.server());
    let run = |file: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "roots::the_systems_authorities_are_trusted_by_default"])
            .args(["--nocapture", "--test-threads", "1"])
            .env(DIALS, address(&server))
            .env("SSL_CERT_FILE", text(&pki.path(file)))
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let said = run("ca.pem");
    assert!(said.contains("both were dialled"), "{said}");
    // Another authority, which is none of the server's.
    let said = run("client.pem");
    assert!(
        said.contains("invalid peer certificate") && !said.contains("both were dialled"),
        "{said}"
    );
    // A system without any says what to do.
    std::fs::write(pki.path("none.pem"), "").unwrap();
    let said = run("none.pem");
    assert!(said.contains("no authorities to trust"), "{said}");
}

#[test]
fn the_webs_authorities_are_trusted_where_asked_for_and_named_ones_beside_them() {
    let pki = Certificates::new();
    let (_runtime, server, _) = echo(&pki.server());
    let web = TlsClient::builder().webpki_roots();
    let error = Dialer::new().tls(web.clone().build().unwrap()).dial(address(&server)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Malformed);
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    let both = web.roots_file(pki.path("ca.pem")).build().unwrap();
    Dialer::new().tls(both).dial(address(&server)).unwrap();
}
