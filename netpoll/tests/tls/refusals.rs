//! Handshakes that fail: the alert tells the peer, and the log the operator, what was wrong.

use netpoll::{
    Dialer, ServerHandle,
    tls::{
        ClientAuth, TlsClient, TlsServer,
        rustls::{ClientConfig, RootCertStore, version::TLS12},
    },
};

use crate::{
    common::{
        Echo, frame,
        logged::{lines, log},
        runtime, serve_on, wait_until,
    },
    setup::{Certificates, address},
};

/// Dials a server of that name, and gives what the client was told.
fn refused(name: &str, server: TlsServer, dial: impl FnOnce(&ServerHandle) -> String) -> String {
    log();
    let runtime = runtime(1);
    let server = serve_on(&runtime, Echo::default(), |b| b.tls(server).name(name));
    let told = dial(&server);
    wait_until(|| server.live() == 0);
    told
}

/// Dials as that client, and says something: a client may learn only then that it was refused.
fn dial_by(tls: TlsClient) -> impl FnOnce(&ServerHandle) -> String {
    move |server| {
        let dialled = Dialer::new().tls(tls).dial(address(server)).and_then(|conn| {
            conn.write(&frame(b"x"))?;
            conn.reader()?.next(5).map(drop)
        });
        dialled.unwrap_err().to_string()
    }
}

#[track_caller]
fn logged(name: &str, cause: &str) {
    let named = format!("server=\"{name}\"");
    wait_until(|| !lines(&["WARN", "netpoll::server", &named, "TLS: ", cause]).is_empty());
}

#[test]
fn an_alert_of_the_peers_names_its_cause_in_the_log() {
    let (pki, stranger) = (Certificates::new(), Certificates::new());
    let told = refused("unknown-ca", pki.server(), dial_by(stranger.client()));
    assert!(told.contains("invalid peer certificate"), "{told}");
    logged("unknown-ca", "received fatal alert: ");
}

#[test]
fn a_client_without_a_certificate_and_the_log_learn_the_cause() {
    let pki = Certificates::new();
    let server = TlsServer::builder()
        .certificate_files(pki.path("server.pem"), pki.path("server.key"))
        .client_auth(ClientAuth::required_by_files([pki.path("ca.pem")]))
        .build()
        .unwrap();
    let told = refused("no-certificate", server, dial_by(pki.client()));
    assert!(told.contains("CertificateRequired"), "{told}");
    logged("no-certificate", "peer sent no certificates");
}

#[test]
fn a_client_without_a_common_protocol_and_the_log_learn_the_cause() {
    let pki = Certificates::new();
    let server = TlsServer::builder()
        .certificate_files(pki.path("server.pem"), pki.path("server.key"))
        .alpn(["h2"])
        .build()
        .unwrap();
    let client = TlsClient::builder().roots_file(pki.path("ca.pem")).alpn(["rpc"]).build();
    let told = refused("no-protocol", server, dial_by(client.unwrap()));
    assert!(told.contains("NoApplicationProtocol"), "{told}");
    logged("no-protocol", "peer doesn't support any known protocol");
}

#[test]
fn a_client_of_an_older_version_and_the_log_learn_the_cause() {
    let pki = Certificates::new();
    let files = (pki.path("server.pem"), pki.path("server.key"));
    let server = TlsServer::builder().certificate_files(files.0, files.1).only_tls13();
    let told = refused("old-version", server.build().unwrap(), dial_by(old().into()));
    assert!(told.contains("ProtocolVersion"), "{told}");
    logged("old-version", "peer is incompatible");
}

/// A client of TLS 1.2 alone, which trusts nobody.
fn old() -> ClientConfig {
    ClientConfig::builder_with_protocol_versions(&[&TLS12])
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}
