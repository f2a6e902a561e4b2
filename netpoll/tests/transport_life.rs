//! The life of a transport over sockets: handshake, facts, last word, truncation, failures.

mod common;
mod transport_support;

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::Arc,
    task::{Context, Wake},
    time::Duration,
};

use common::{Echo, connect, frame, serve, wait_until};
use netpoll::{Call, CloseReason, Connection, Dialer, Error, ErrorKind, Flow, In, Result, Service};
use parking_lot::Mutex;
use transport_support::{
    ALERT, BYE, CHALLENGE, DATA, FINISH, HELLO, TICKET, Toy, ToyTransport, record,
};

/// The client's side of the handshake, by hand.
fn shake(client: &mut std::net::TcpStream) {
    client.write_all(&record(HELLO, b"hand")).unwrap();
    assert_eq!(next_record(client), (CHALLENGE, b"who?".to_vec()));
    client.write_all(&record(FINISH, b"me")).unwrap();
}

fn next_record(client: &mut std::net::TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 3];
    client.read_exact(&mut head).unwrap();
    let mut bytes = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
    client.read_exact(&mut bytes).unwrap();
    (head[0], bytes.iter().map(|byte| byte ^ 0x55).collect())
}

#[test]
fn a_dial_returns_after_the_handshake_and_both_sides_know_its_facts() {
    struct Facts(Mutex<Vec<String>>);
    impl Service for Facts {
        type Session = ();
        type Request = In<'static>;
        async fn on_connect(&self, conn: &Connection) -> Result<()> {
            let facts = conn.transport_facts().expect("on_connect runs after the handshake");
            self.0.lock().push(format!("{:?} {:?}", facts.server_name, facts.alpn));
            Ok(())
        }
        async fn on_request<'a>(&'a self, call: Call<'a, ()>, mut input: In<'a>) -> Result<Flow> {
            let n = input.len();
            call.out.buf.write(input.next(n)?)?;
            Ok(Flow::Continue)
        }
    }
    let toy = Toy::default();
    let (_runtime, server) = serve(Facts(Mutex::default()), |b| {
        let toy = toy.clone();
        b.transport(move || toy.make())
    });
    let address = server.addresses()[0].to_string();
    let port = address.rsplit(':').next().unwrap().to_owned();
    let dialer = Dialer::new().transport(move || Toy::default().make());
    let conn = dialer.dial(&format!("localhost:{port}")).unwrap();
    let facts = conn.transport_facts().expect("the handshake is complete");
    assert_eq!(facts.peer_certificates, [&b"who?"[..]]);
    conn.write(b"hello").unwrap();
    assert_eq!(conn.reader().unwrap().next(5).unwrap(), b"hello");
    let named = dialer.clone().server_name("example.org").dial(&address).unwrap();
    named.write(b"x").unwrap();
    assert_eq!(named.reader().unwrap().next(1).unwrap(), b"x");
}

#[test]
fn a_client_of_a_server_that_greets_first_reads_the_greeting() {
    struct Greets;
    impl Service for Greets {
        type Session = ();
        type Request = In<'static>;
        async fn on_connect(&self, conn: &Connection) -> Result<()> {
            conn.write(b"220 welcome\r\n")
        }
        async fn on_request<'a>(&'a self, _: Call<'a, ()>, mut input: In<'a>) -> Result<Flow> {
            let n = input.len();
            input.skip(n)?;
            Ok(Flow::Continue)
        }
    }
    for sealed in [false, true] {
        let (_runtime, server) = serve(Greets, |b| match sealed {
            true => b.transport(|| Toy::default().make()),
            false => b,
        });
        let dialer = match sealed {
            true => Dialer::new().transport(|| Toy::default().make()),
            false => Dialer::new(),
        };
        let conn = dialer.dial(&server.addresses()[0].to_string()).unwrap();
        assert_eq!(conn.reader().unwrap().until(b'\n').unwrap(), b"220 welcome\r\n");
    }
}

#[test]
fn a_close_and_a_half_close_say_the_last_word() {
    let (_runtime, server) = serve(Echo::default(), |b| b.transport(|| Toy::default().make()));
    let mut client = connect(&server);
    shake(&mut client);
    client.write_all(&record(DATA, &frame(b"x"))).unwrap();
    assert_eq!(next_record(&mut client), (DATA, frame(b"x")));
    client.write_all(&record(BYE, b"")).unwrap();
    assert_eq!(next_record(&mut client).0, BYE);
    assert_eq!(client.read(&mut [0; 9]).unwrap(), 0);

    let (_runtime, server) = serve(Echo::default(), |b| b.transport(|| Toy::default().make()));
    let dialer = Dialer::new().transport(|| Toy::default().make());
    let conn = dialer.dial(&server.addresses()[0].to_string()).unwrap();
    conn.write(&frame(b"last")).unwrap();
    conn.shutdown_write();
    let mut reader = conn.reader().unwrap();
    assert_eq!(reader.next(8).unwrap(), frame(b"last"));
    assert_eq!(reader.next(1).unwrap_err().kind(), ErrorKind::Eof);
}

#[test]
fn a_stream_without_its_last_word_is_truncated() {
    let echo = Echo::default();
    let log = echo.log.clone();
    let (_runtime, server) = serve(echo, |b| b.transport(|| Toy::default().make()));
    let mut client = connect(&server);
    shake(&mut client);
    client.write_all(&record(DATA, &frame(b"x"))).unwrap();
    assert_eq!(next_record(&mut client), (DATA, frame(b"x")));
    drop(client);
    wait_until(|| server.live() == 0);
    let log = log.lock().clone();
    assert!(log.contains(&"error Truncated".to_owned()), "{log:?}");
    assert!(log.contains(&"close 1 Truncated".to_owned()), "{log:?}");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let peer = std::thread::spawn(move || {
        let mut peer = listener.accept().unwrap().0;
        assert_eq!(next_record(&mut peer).0, HELLO);
        peer.write_all(&record(CHALLENGE, b"who?")).unwrap();
        assert_eq!(next_record(&mut peer).0, FINISH);
        peer.write_all(&record(DATA, b"half")).unwrap();
    });
    let conn = Dialer::new().transport(|| Toy::default().make()).dial(&address).unwrap();
    let mut reader = conn.reader().unwrap();
    assert_eq!(reader.next(4).unwrap(), b"half");
    assert_eq!(reader.next(1).unwrap_err().kind(), ErrorKind::Truncated);
    peer.join().unwrap();
}

#[test]
fn a_handshake_that_fails_sends_its_alert_and_tells_both_sides() {
    let echo = Echo::default();
    let log = echo.log.clone();
    let (_runtime, server) = serve(echo, |b| b.transport(|| Toy::default().make()));
    let address = server.addresses()[0].to_string();
    let mut client = connect(&server);
    client.write_all(&record(HELLO, b"forbidden")).unwrap();
    assert_eq!(next_record(&mut client).0, ALERT);
    assert_eq!(client.read(&mut [0; 9]).unwrap(), 0);
    wait_until(|| server.live() == 0);
    assert_eq!(*log.lock(), ["error Handshake"]);

    let dialer = Dialer::new().transport(|| Toy::default().make());
    for name in ["forbidden", "impossible"] {
        let error = dialer.clone().server_name(name).dial(&address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Handshake, "{error}");
    }
}

#[test]
fn a_maker_that_fails_or_panics_ends_its_connection_alone() {
    fn fails() -> Result<ToyTransport> {
        Err(Error::new(ErrorKind::Config, "no certificate"))
    }
    fn panics() -> Result<ToyTransport> {
        panic!("the maker of a transport")
    }
    for (make, kind) in
        [(fails as fn() -> Result<ToyTransport>, ErrorKind::Config), (panics, ErrorKind::Panic)]
    {
        let echo = Echo::default();
        let log = echo.log.clone();
        let (_runtime, server) = serve(echo, |b| b.try_transport(make));
        let mut client = connect(&server);
        assert_eq!(client.read(&mut [0; 9]).unwrap(), 0);
        wait_until(|| server.live() == 0);
        assert_eq!(*log.lock(), [format!("error {kind:?}")]);
        let address = server.addresses()[0].to_string();
        let error = Dialer::new().try_transport(make).dial(&address).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[test]
fn a_transport_sends_without_input() {
    let toy = Toy::default();
    let (_runtime, server) = serve(Echo::default(), |b| {
        let toy = toy.clone();
        b.transport(move || toy.make())
    });
    let mut client = connect(&server);
    shake(&mut client);
    client.write_all(&record(DATA, &frame(b"x"))).unwrap();
    assert_eq!(next_record(&mut client), (DATA, frame(b"x")));
    toy.send_ticket();
    assert_eq!(next_record(&mut client).0, TICKET);
    toy.send_ticket();
    assert_eq!(next_record(&mut client).0, TICKET);
}

/// Bytes of the transport's own wait on the wire: the connection is quiet nevertheless.
#[test]
fn a_probe_goes_through_the_transport() {
    let ours = Toy::default();
    let theirs = Toy::default();
    let (_runtime, server) = serve(Echo::default(), |b| {
        let theirs = theirs.clone();
        b.transport(move || theirs.make())
    });
    let toy = ours.clone();
    let dialer = Dialer::new().transport(move || toy.make());
    let conn = dialer.dial(&server.addresses()[0].to_string()).unwrap();
    conn.write(&frame(b"x")).unwrap();
    conn.reader().unwrap().skip(5).unwrap();
    theirs.send_ticket();
    wait_until(|| {
        assert!(conn.probe(), "a ticket is not what nobody asked for");
        ours.came.load(std::sync::atomic::Ordering::SeqCst) == 1
    });
    conn.write(&frame(b"unasked")).unwrap();
    wait_until(|| !conn.probe());
}

#[test]
fn what_nobody_opened_is_bounded_by_max_frame() {
    let echo = Echo::default();
    let log = echo.log.clone();
    struct Hoards;
    impl netpoll::Transport for Hoards {
        fn open(
            &mut self,
            _: &mut netpoll::buf::LinkBuffer,
            _: &mut netpoll::buf::LinkBuffer,
            _: &mut netpoll::buf::LinkBuffer,
        ) -> Result<()> {
            Ok(())
        }
        fn seal(
            &mut self,
            plain: &mut netpoll::buf::LinkBuffer,
            wire: &mut netpoll::buf::LinkBuffer,
        ) -> Result<()> {
            wire.append(std::mem::take(plain));
            Ok(())
        }
    }
    let (_runtime, server) = serve(echo, |b| b.transport(|| Hoards).max_frame(1000));
    let mut client = connect(&server);
    // It ends before all of it was taken.
    let _ = client.write_all(&vec![7; 1 << 20]);
    let _ = client.read(&mut [0; 9]);
    wait_until(|| server.live() == 0);
    let log = log.lock().clone();
    assert!(log.contains(&"close 0 FrameTooLarge".to_owned()), "{log:?}");
}

#[test]
fn a_waker_may_send_on_a_connection_with_a_transport() {
    struct Sends(Connection);
    impl Wake for Sends {
        fn wake(self: Arc<Self>) {
            self.0.write(&frame(b"woken")).unwrap();
        }
    }
    let (_runtime, server) = serve(Echo::default(), |b| b.transport(|| Toy::default().make()));
    let dialer = Dialer::new().transport(|| Toy::default().make());
    let conn = dialer.dial(&server.addresses()[0].to_string()).unwrap();
    let cancel = conn.cancel();
    let mut cancelled = Box::pin(cancel.cancelled());
    let waker = Arc::new(Sends(conn.clone())).into();
    assert!(cancelled.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    conn.write(&frame(b"first")).unwrap();
    let mut reader = conn.reader().unwrap();
    assert_eq!(reader.next(9).unwrap(), frame(b"first"));
    // The peer's half-close wakes it at the latest.
    conn.shutdown_write();
    assert_eq!(conn.options().handshake_timeout, Some(Duration::from_secs(10)));
    drop(cancelled);
    let _ = CloseReason::Eof;
}
