//! Early data, which may be replayed: refused whatever configuration of rustls' is given.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
};

use netpoll::tls::{
    TlsServer,
    rustls::{
        ClientConfig, ClientConnection, RootCertStore, ServerConfig, Stream,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::{
    common::{frame, read_frame},
    setup::{Certificates, echo},
};

fn chain(pki: &Certificates, file: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(pki.path(file)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// A client that sends early data where its ticket allows it.
fn eager(pki: &Certificates) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    chain(pki, "ca.pem").into_iter().for_each(|root| roots.add(root).unwrap());
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.enable_early_data = true;
    config
}

/// A server's configuration that takes early data.
fn lenient(pki: &Certificates) -> ServerConfig {
    let key = PrivateKeyDer::from_pem_file(pki.path("server.key")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(chain(pki, "server.pem"), key).unwrap();
    config.max_early_data_size = 10_000;
    config.send_half_rtt_data = true;
    config
}

#[test]
fn no_ticket_of_a_server_allows_early_data() {
    let pki = Certificates::new();
    for tls in [TlsServer::from(lenient(&pki)), pki.server()] {
        let replaced = tls.clone();
        let (_runtime, server, _) = echo(&tls);
        let config = Arc::new(eager(&pki));
        for round in 0..3 {
            let name = "localhost".try_into().unwrap();
            let mut tls = ClientConnection::new(config.clone(), name).unwrap();
            assert!(tls.early_data().is_none(), "the ticket of round {round} allows it");
            let mut socket = TcpStream::connect(server.addresses()[0].inet().unwrap()).unwrap();
            let mut stream = Stream::new(&mut tls, &mut socket);
            stream.write_all(&frame(b"late")).unwrap();
            assert_eq!(read_frame(&mut stream), b"late");
            replaced.replace(lenient(&pki));
        }
    }
}

/// Against a server that would take it.
#[test]
fn a_client_sends_no_early_data() {
    let pki = Certificates::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("localhost:{}", listener.local_addr().unwrap().port());
    let config = Arc::new(lenient(&pki));
    let server = std::thread::spawn(move || {
        let mut resumed = Vec::new();
        for _ in 0..3 {
            use netpoll::tls::rustls::{HandshakeKind, ServerConnection};
            let mut socket = listener.accept().unwrap().0;
            let mut tls = ServerConnection::new(config.clone()).unwrap();
            while tls.is_handshaking() {
                tls.complete_io(&mut socket).unwrap();
                assert!(
                    tls.early_data().is_none_or(|mut early| early.read(&mut [0]).unwrap() == 0),
                    "early data came"
                );
            }
            resumed.push(tls.handshake_kind() == Some(HandshakeKind::Resumed));
            assert_eq!(read_frame(&mut Stream::new(&mut tls, &mut socket)), b"late");
            tls.send_close_notify();
            tls.complete_io(&mut socket).unwrap();
        }
        resumed
    });
    let dialer = netpoll::Dialer::new().tls(eager(&pki).into());
    for _ in 0..3 {
        let conn = dialer.dial(&at).unwrap();
        conn.write(&frame(b"late")).unwrap();
        assert!(conn.reader().unwrap().next(1).is_err(), "the stream ends");
    }
    assert_eq!(server.join().unwrap(), [false, true, true], "the tickets were used");
}
