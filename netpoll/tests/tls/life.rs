//! A connection's life over TLS: handshake, bytes, half-close, last word, truncation, deadlines.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use netpoll::{
    Connection, Dialer, ErrorKind, Frame,
    client::Client,
    frame::Auto,
    tls::{ClientAuth, TlsClient, TlsServer},
};
use parking_lot::Mutex;

use crate::{
    common::{connect, frame, serve_on, wait_until},
    setup::{Certificates, address, echo},
};

#[test]
fn frames_of_all_sizes_pass_and_come_back() {
    let pki = Certificates::new();
    let (_runtime, server, _) = echo(&pki.server());
    let conn = Dialer::new().tls(pki.client()).dial(address(&server)).unwrap();
    let mut reader = conn.reader().unwrap();
    for n in [0usize, 1, 300, 16_380, 16_384, 70_000, 3_000_000] {
        let payload: Vec<u8> = (0..n).map(|i| (i * 3) as u8).collect();
        conn.write(&frame(&payload)).unwrap();
        assert_eq!(reader.next(4).unwrap(), (n as u32).to_be_bytes());
        assert!(reader.next(n).unwrap() == payload, "{n} bytes");
    }
}

#[derive(Clone, Debug, Frame)]
struct Message {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(seq)]
    id: u32,
    #[frame(rest)]
    body: Vec<u8>,
}

/// Answers with what its handshake found out.
struct Facts;

#[netpoll::server]
impl Facts {
    #[on_request]
    fn answer(&self, conn: &Connection, mut message: Message) -> Message {
        let facts = conn.transport_facts().cloned().unwrap_or_default();
        let (name, alpn, subject) = (facts.server_name, facts.alpn, facts.peer_subject);
        message.body = format!("{name:?} {alpn:?} {subject:?} {}", facts.resumed).into_bytes();
        message
    }
}

fn request() -> Message {
    Message { length: Auto::default(), id: 0, body: Vec::new() }
}

fn ask(client: &Client<Message, Message>) -> String {
    let answer = client.call(request()).unwrap();
    String::from_utf8(answer.get().unwrap().body).unwrap()
}

#[test]
fn handlers_see_the_results_of_the_handshake_and_pools_resume_sessions() {
    let pki = Certificates::new();
    let tls = TlsServer::builder()
        .certificate_files(pki.path("server.pem"), pki.path("server.key"))
        .client_auth(ClientAuth::required_by_files([pki.path("ca.pem")]))
        .alpn(["rpc"])
        .build()
        .unwrap();
    let runtime = netpoll::Runtime::builder().pollers(1).build().unwrap();
    let server = serve_on(&runtime, Facts, |b| b.tls(tls));
    let tls = TlsClient::builder()
        .roots_file(pki.path("ca.pem"))
        .certificate_files(pki.path("client.pem"), pki.path("client.key"))
        .alpn(["rpc"])
        .build()
        .unwrap();
    let expected = r#"Some("localhost") Some(b"rpc") Some("CN=alice")"#;
    for resumed in [false, true] {
        let client = Client::pool(address(&server)).tls(tls.clone()).build().unwrap();
        assert_eq!(ask(&client), format!("{expected} {resumed}"));
        let client = Client::mux(address(&server)).tls(tls.clone()).build().unwrap();
        assert_eq!(ask(&client), format!("{expected} true"));
    }
    // Without a certificate the handshake fails, at this side or by the server's alert after it.
    let client =
        Client::<Message, Message>::pool(address(&server)).tls(pki.client()).build().unwrap();
    let error = client.call(request()).unwrap_err();
    assert!(error.to_string().contains("CertificateRequired"), "{error}");
}

#[test]
fn a_dial_fails_where_the_server_is_not_the_one_that_was_dialled() {
    let pki = Certificates::new();
    let (_runtime, server, log) = echo(&pki.server());
    let stranger = Certificates::new();
    let error = Dialer::new().tls(stranger.client()).dial(address(&server)).unwrap_err();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    let tls = pki.client().with_server_name("example.org").unwrap();
    let error = Dialer::new().tls(tls).dial(address(&server)).unwrap_err();
    assert!(error.to_string().contains("not valid for name"), "{error}");
    // An address of the certificate's will do.
    let by_address = server.addresses()[0].to_string();
    Dialer::new().tls(pki.client()).dial(by_address).unwrap();
    wait_until(|| log.lock().iter().filter(|line| line.starts_with("error")).count() == 2);
}

#[test]
fn a_plain_client_and_garbage_end_their_own_connections_alone() {
    let pki = Certificates::new();
    let (_runtime, server, log) = echo(&pki.server());
    for garbage in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], &[0; 600], &[22, 3, 1, 255, 255]] {
        let mut client = connect(&server);
        client.write_all(garbage).unwrap();
        let mut rest = Vec::new();
        let _ = client.read_to_end(&mut rest);
        assert!(rest.len() < 100, "an alert at most");
    }
    wait_until(|| server.live() == 0);
    assert!(!log.lock().iter().any(|line| line == "connect"), "no hook saw them");
    let conn = Dialer::new().tls(pki.client()).dial(address(&server)).unwrap();
    conn.write(&frame(b"x")).unwrap();
    assert_eq!(conn.reader().unwrap().next(5).unwrap(), frame(b"x"));
}

#[test]
fn a_handshake_that_does_not_end_is_cut_off() {
    let pki = Certificates::new();
    let runtime = netpoll::Runtime::builder().pollers(1).build().unwrap();
    let timeout = Duration::from_secs(1);
    let server = serve_on(&runtime, crate::common::Echo::default(), |b| {
        b.tls(pki.server()).handshake_timeout(timeout)
    });
    let conn = Dialer::new().tls(pki.client()).dial(address(&server)).unwrap();
    let begun = Instant::now();
    let mut silent: Vec<TcpStream> = (0..50).map(|_| connect(&server)).collect();
    // Others are served meanwhile.
    conn.write(&frame(b"x")).unwrap();
    assert_eq!(conn.reader().unwrap().next(5).unwrap(), frame(b"x"));
    for client in &mut silent {
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    }
    assert!(begun.elapsed() >= timeout);
    wait_until(|| server.live() == 1);
}

#[test]
fn both_sides_say_their_last_word() {
    let pki = Certificates::new();
    let (_runtime, server, log) = echo(&pki.server());
    let conn = Dialer::new().tls(pki.client()).dial(address(&server)).unwrap();
    conn.write(&frame(b"last")).unwrap();
    // This side's end: what was sent before is answered, and then the server's end comes.
    conn.shutdown_write();
    let mut reader = conn.reader().unwrap();
    assert_eq!(reader.next(8).unwrap(), frame(b"last"));
    assert_eq!(reader.next(1).unwrap_err().kind(), ErrorKind::Eof);
    wait_until(|| server.live() == 0);
    assert!(!log.lock().iter().any(|line| line.starts_with("error")), "{:?}", log.lock());
}

/// Passes bytes between a client and a server, and closes without TLS' knowing when told to.
struct Cutter {
    address: String,
    cut: std::sync::mpsc::Sender<()>,
}

impl Cutter {
    fn before(server: std::net::SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let (cut, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            let server = TcpStream::connect(server).unwrap();
            let pass = |mut from: TcpStream, mut to: TcpStream| {
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            };
            pass(client.try_clone().unwrap(), server.try_clone().unwrap());
            pass(server.try_clone().unwrap(), client.try_clone().unwrap());
            let _ = told.recv();
            for socket in [client, server] {
                socket.shutdown(std::net::Shutdown::Both).unwrap();
            }
        });
        Self { address, cut }
    }
}

#[test]
fn a_stream_that_is_cut_off_is_told_from_one_that_ended() {
    let pki = Certificates::new();
    let (_runtime, server, log) = echo(&pki.server());
    let cutter = Cutter::before(server.addresses()[0].inet().unwrap());
    let conn = Dialer::new().tls(pki.client()).dial(cutter.address.as_str()).unwrap();
    conn.write(&frame(b"x")).unwrap();
    let mut reader = conn.reader().unwrap();
    assert_eq!(reader.next(5).unwrap(), frame(b"x"));
    cutter.cut.send(()).unwrap();
    assert_eq!(reader.next(1).unwrap_err().kind(), ErrorKind::Truncated);
    wait_until(|| server.live() == 0);
    assert!(log.lock().contains(&"error Truncated".to_owned()), "{:?}", log.lock());
}

#[test]
fn reloaded_certificates_are_for_new_handshakes() {
    let (old, new) = (Certificates::new(), Certificates::new());
    let tls = old.server();
    let (_runtime, server, _) = echo(&tls);
    let conn = Dialer::new().tls(old.client()).dial(address(&server)).unwrap();
    for file in ["server.pem", "server.key"] {
        std::fs::copy(new.path(file), old.path(file)).unwrap();
    }
    tls.reload().unwrap();
    Dialer::new().tls(new.client()).dial(address(&server)).unwrap();
    conn.write(&frame(b"still")).unwrap();
    assert_eq!(conn.reader().unwrap().next(9).unwrap(), frame(b"still"));
    // Files that cannot be used change nothing.
    std::fs::write(old.path("server.pem"), "nonsense").unwrap();
    assert_eq!(tls.reload().unwrap_err().kind(), ErrorKind::Config);
    Dialer::new().tls(new.client()).dial(address(&server)).unwrap();
}

#[test]
fn watched_certificates_are_read_anew_when_they_change() {
    let (old, new) = (Certificates::new(), Certificates::new());
    let tls = TlsServer::builder()
        .certificate_files(old.path("server.pem"), old.path("server.key"))
        .watch_files(Duration::ZERO)
        .build()
        .unwrap();
    let (_runtime, server, _) = echo(&tls);
    Dialer::new().tls(old.client()).dial(address(&server)).unwrap();
    // The key first: for a moment the two do not fit, which changes nothing.
    for file in ["server.key", "server.pem"] {
        std::fs::copy(new.path(file), old.path(file)).unwrap();
    }
    wait_until(|| Dialer::new().tls(new.client()).dial(address(&server)).is_ok());
}

#[test]
fn slow_handshakes_by_the_hundred_hold_nobody_up() {
    let pki = Certificates::new();
    let (_runtime, server, _) = echo(&pki.server());
    let at = server.addresses()[0].inet().unwrap();
    let clients = Mutex::new(Vec::new());
    for _ in 0..300 {
        let mut client = TcpStream::connect(at).unwrap();
        // The beginning of a hello, and then silence.
        client.write_all(&[22, 3, 1, 1, 0, 1, 0]).unwrap();
        clients.lock().push(client);
    }
    let conn = Dialer::new().tls(pki.client()).dial(address(&server)).unwrap();
    let mut reader = conn.reader().unwrap();
    for _ in 0..100 {
        conn.write(&frame(b"x")).unwrap();
        assert_eq!(reader.next(5).unwrap(), frame(b"x"));
    }
}
