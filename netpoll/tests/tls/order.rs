//! The order of hooks about the handshake, and whose connections shake hands at all.

use std::sync::Arc;

use netpoll::{
    Call, Connection, Dialer, EventLoop, Flow, Frame, Result, Service, client::Client, frame::Auto,
};
use parking_lot::Mutex;

use crate::{
    common::{Bench, Echo, call, connect, frame, runtime, serve_on, wait_until},
    setup::{Certificates, address},
};

/// Notes what each hook knows of the handshake; refuses connections as long as it is told to.
#[derive(Clone, Default)]
struct Notes {
    notes: Arc<Mutex<Vec<String>>>,
    refuses: Arc<Mutex<bool>>,
}

impl Notes {
    fn note(&self, hook: &str, conn: &Connection) {
        let version = conn.transport_facts().and_then(|facts| facts.version);
        let has_read = conn.received() > 0;
        self.notes.lock().push(format!("{hook} {version:?} {has_read}"));
    }
}

impl Service for Notes {
    type Session = ();
    type Request = Bench<'static>;

    fn on_prepare(&self, conn: &Connection) -> Result<()> {
        self.note("prepare", conn);
        match *self.refuses.lock() {
            true => Err(netpoll::Error::other("not you")),
            false => Ok(()),
        }
    }

    async fn on_connect(&self, conn: &Connection) -> Result<()> {
        self.note("connect", conn);
        Ok(())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, request: Bench<'a>) -> Result<Flow> {
        call.out.put(&request)?;
        Ok(Flow::Continue)
    }
}

#[test]
fn a_connection_is_prepared_before_its_handshake_and_connects_after_it() {
    let pki = Certificates::new();
    let (runtime, service) = (runtime(1), Notes::default());
    let server = serve_on(&runtime, service.clone(), |b| b.tls(pki.server()));
    // One that says nothing is prepared, and no more.
    let silent = connect(&server);
    wait_until(|| *service.notes.lock() == ["prepare None false"]);
    drop(silent);
    wait_until(|| server.live() == 0);
    service.notes.lock().clear();
    let conn = Dialer::new().tls(pki.client()).dial(address(&server)).unwrap();
    conn.write(&frame(b"x")).unwrap();
    assert_eq!(conn.reader().unwrap().next(5).unwrap(), frame(b"x"));
    assert_eq!(*service.notes.lock(), ["prepare None false", "connect Some(\"TLSv1.3\") true"]);
    // What is refused before costs no handshake.
    *service.refuses.lock() = true;
    service.notes.lock().clear();
    assert!(Dialer::new().tls(pki.client()).dial(address(&server)).is_err());
    assert_eq!(*service.notes.lock(), ["prepare None false"]);
}

#[test]
fn a_plain_and_a_tls_listener_stand_side_by_side_on_one_loop() {
    let pki = Certificates::new();
    let (runtime, echo) = (runtime(1), Echo::default());
    let log = echo.log.clone();
    let server = EventLoop::builder(echo).runtime(&runtime).tls(pki.server()).max_connections(2);
    let server = server.listen_plain("127.0.0.1:0").listen("127.0.0.1:0").bind().unwrap();
    let handle = server.handle();
    std::thread::spawn(|| server.serve());
    let [secret, plain] = handle.addresses() else { panic!("two addresses") };
    let conn = Dialer::new().tls(pki.client()).dial(secret.clone()).unwrap();
    conn.write(&frame(b"secret")).unwrap();
    assert_eq!(conn.reader().unwrap().next(10).unwrap(), frame(b"secret"));
    let mut client = std::net::TcpStream::connect(plain.inet().unwrap()).unwrap();
    assert_eq!(call(&mut client, b"plain"), b"plain");
    // The limits are of both together.
    assert_eq!(handle.live(), 2);
    let third = Dialer::new().dial(plain.clone()).unwrap();
    assert!(third.reader().unwrap().next(1).is_err());
    // And so is the end.
    let report = handle.shutdown(std::time::Duration::from_secs(20));
    assert_eq!((report.drained, report.cut.len()), (2, 0), "{report}");
    assert_eq!(log.lock().iter().filter(|line| *line == "connect").count(), 2);
}

#[test]
fn a_client_that_closes_has_ended_its_stream() {
    let pki = Certificates::new();
    let (_runtime, server, log) = crate::setup::echo(&pki.server());
    let conn = Dialer::new().tls(pki.client()).dial(address(&server)).unwrap();
    conn.write(&frame(b"x")).unwrap();
    assert_eq!(conn.reader().unwrap().next(5).unwrap(), frame(b"x"));
    conn.close();
    wait_until(|| server.live() == 0);
    assert_eq!(*log.lock(), ["connect", "disconnect Eof", "close 1 Eof"]);
}

#[derive(Clone, Debug, Frame)]
struct Message {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(rest)]
    body: Vec<u8>,
}

/// Answers once so many calls wait, each on a connection of its own; counts handshakes, full and resumed.
struct Counts {
    met: std::sync::Barrier,
    shaken: Arc<Mutex<[usize; 2]>>,
}

#[netpoll::server]
impl Counts {
    #[on_connect]
    fn enter(&self, conn: &Connection) {
        let resumed = conn.transport_facts().is_some_and(|facts| facts.resumed);
        self.shaken.lock()[usize::from(resumed)] += 1;
    }

    #[on_request]
    fn answer(&self, message: Message) -> Message {
        if message.body == b"meet" {
            self.met.wait();
        }
        message
    }
}

/// By TLS 1.3, whose servers give two tickets with each connection, of which each is used once: the first
/// connection's are enough for the two others, and those for another pool by the same `TlsClient`.
#[test]
fn all_connections_of_pools_but_the_first_resume_a_session() {
    const CALLERS: usize = 3;
    let pki = Certificates::new();
    let (runtime, shaken) = (runtime(2), Arc::default());
    let counts = Counts { met: std::sync::Barrier::new(CALLERS), shaken: Arc::clone(&shaken) };
    let server = counts.builder().runtime(&runtime).tls(pki.server()).listen("127.0.0.1:0");
    let server = server.bind().unwrap();
    let handle = server.handle();
    std::thread::spawn(|| server.serve());
    let tls = pki.client();
    let ask = |client: &Client<Message, Message>, body: &[u8]| {
        let message = Message { length: Auto::default(), body: body.to_vec() };
        assert_eq!(client.call(message).unwrap().get().unwrap().body, body);
    };
    for pool in 1..=2 {
        let client = Client::<Message, Message>::pool(address(&handle)).tls(tls.clone());
        let client = client.max_connections(CALLERS).build().unwrap();
        ask(&client, b"first");
        std::thread::scope(|scope| {
            for _ in 0..CALLERS {
                scope.spawn(|| ask(&client, b"meet"));
            }
        });
        assert_eq!(client.stats().dials as usize, CALLERS);
        assert_eq!(*shaken.lock(), [1, pool * CALLERS - 1], "full and resumed handshakes");
    }
}
