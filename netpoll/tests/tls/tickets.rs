//! Session tickets, which servers send unasked: they are no data of the peer's.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use netpoll::{
    Dialer,
    client::Client,
    tls::rustls::{
        ServerConfig, ServerConnection, Stream,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use crate::{
    common::{Bench, frame, read_frame},
    setup::{Certificates, address, echo},
};

/// By a server that sends many, some of them when the handshake is long over.
#[test]
fn a_connection_with_tickets_to_read_is_alive_and_stays_in_its_pool() {
    let pki = Certificates::new();
    let (_runtime, server, _) = echo(&pki.server());
    let client = Client::<Bench<'static>, Bench<'static>>::pool(address(&server))
        .tls(pki.client())
        .max_connections(1)
        .build()
        .unwrap();
    for _ in 0..20 {
        client.call(Bench(b"call")).unwrap();
        thread::sleep(Duration::from_millis(5));
    }
    let stats = client.stats();
    assert_eq!((stats.dials, stats.connections), (1, 1), "{stats:?}");

    let chain = CertificateDer::pem_file_iter(pki.path("server.pem")).unwrap();
    let chain = chain.collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(pki.path("server.key")).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let mut config = config.with_single_cert(chain, key).unwrap();
    config.send_tls13_tickets = 20;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("localhost:{}", listener.local_addr().unwrap().port());
    let (sent, tickets) = mpsc::channel();
    let peer = thread::spawn(move || {
        let mut socket = listener.accept().unwrap().0;
        let mut tls = ServerConnection::new(Arc::new(config)).unwrap();
        tls.complete_io(&mut socket).unwrap();
        while tls.wants_write() {
            tls.write_tls(&mut socket).unwrap();
        }
        sent.send(()).unwrap();
        let body = read_frame(&mut Stream::new(&mut tls, &mut socket));
        std::io::Write::write_all(&mut Stream::new(&mut tls, &mut socket), &frame(&body)).unwrap();
        std::io::Write::flush(&mut Stream::new(&mut tls, &mut socket)).unwrap();
        // Until the client has looked.
        let _ = std::io::Read::read(&mut socket, &mut [0]);
    });
    let conn = Dialer::new().tls(pki.client()).dial(at).unwrap();
    tickets.recv().unwrap();
    for _ in 0..10 {
        assert!(conn.probe(), "tickets are nobody's bytes");
        thread::sleep(Duration::from_millis(1));
    }
    conn.write(&frame(b"x")).unwrap();
    assert_eq!(conn.reader().unwrap().next(5).unwrap(), frame(b"x"));
    assert!(conn.probe());
    conn.close();
    peer.join().unwrap();
}
