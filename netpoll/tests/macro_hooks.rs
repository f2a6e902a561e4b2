//! Hooks and what a request's end can mean, over a socket.

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use common::{call, connect, frame, read_frame, serve, wait_until};
use netpoll::{
    CloseReason, Connection, Deadline, Error, ErrorKind, Flow, Frame, In, Local, Out, Peer, Result,
    State, frame::Auto, service::Free,
};
use parking_lot::Mutex;

#[derive(Debug, Frame)]
struct Message {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: Vec<u8>,
}

fn message(text: impl Into<Vec<u8>>) -> Message {
    Message { n: Auto::default(), body: text.into() }
}

/// What its hooks saw, in order; refuses every second connection if it is asked to.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().push(what.into());
    }

    fn is(&self, wanted: &[&str]) -> bool {
        *self.0.lock() == wanted
    }
}

#[derive(Debug)]
struct Sess(u32);

#[netpoll::server]
impl Seen {
    #[on_prepare]
    fn prepare(&self, peer: Peer) {
        self.note(format!("prepare {}", peer.0.inet().is_some()));
    }

    #[on_connect]
    async fn connect(&self, conn: &Connection, local: Local) -> Result<Sess> {
        netpoll::sleep(Duration::from_millis(20)).await;
        self.note(format!("connect {}", conn.local().is_ok_and(|at| *at == local.0)));
        Ok(Sess(7))
    }

    #[on_request]
    async fn request(
        &self,
        conn: &Connection,
        session: &mut Sess,
        deadline: Deadline,
        request: Message,
    ) -> Result<Flow<Message>> {
        session.0 += 1;
        self.note(format!("request {}", session.0));
        match &*request.body {
            b"close" => Ok(Flow::Close),
            b"close after" => Ok(Flow::CloseAfter(message("bye"))),
            b"nothing" => Ok(Flow::Continue),
            b"detach" => {
                let conn = conn.clone();
                std::thread::spawn(move || raw(&conn));
                Ok(Flow::Detach)
            }
            b"forever" => std::future::pending().await,
            b"panic" => panic!("as asked"),
            _ => Ok(Flow::Reply(message(format!("{}", deadline.at().is_some())))),
        }
    }

    #[on_disconnect]
    fn disconnect(&self, why: CloseReason) {
        self.note(format!("disconnect {why:?}"));
    }

    #[on_close]
    fn close(&self, session: Sess, why: CloseReason) {
        self.note(format!("close {} {why:?}", session.0));
    }

    #[on_error]
    fn error(&self, error: &Error) {
        self.note(format!("error {:?}", error.kind()));
    }
}

/// Answers one byte with itself, on a connection that was let go.
fn raw(conn: &Connection) {
    let mut reader = loop {
        match conn.reader() {
            Ok(reader) => break reader,
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let byte = reader.read_byte().unwrap();
    conn.write(&[byte]).unwrap();
    conn.close();
}

fn ends(client: &mut TcpStream) {
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn the_order_of_hooks_under_a_reset_at_once() {
    let seen = Seen::default();
    let (_runtime, server) = serve(seen.clone(), |b| b);
    let client = connect(&server);
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    wait_until(|| seen.0.lock().len() == 4);
    assert!(
        seen.is(&["prepare true", "connect true", "disconnect Reset", "close 7 Reset"])
            // The system may tell the address of a connection that is gone, or not.
            || seen.is(&["prepare true", "connect false", "disconnect Reset", "close 7 Reset"]),
        "{seen:?}",
        seen = seen.0.lock()
    );
    wait_until(|| server.live() == 0);
}

#[test]
fn what_a_flow_does() {
    let seen = Seen::default();
    let (_runtime, server) = serve(seen.clone(), |b| b);
    let mut client = connect(&server);
    client.write_all(&frame(b"nothing")).unwrap();
    assert_eq!(call(&mut client, b""), b"false");
    client.write_all(&[frame(b"close after"), frame(b"never")].concat()).unwrap();
    assert_eq!(read_frame(&mut client), b"bye");
    ends(&mut client);
    wait_until(|| seen.0.lock().last().is_some_and(|last| last == "close 10 Local"));

    let mut client = connect(&server);
    client.write_all(&frame(b"close")).unwrap();
    ends(&mut client);
    wait_until(|| seen.0.lock().last().is_some_and(|last| last == "close 8 Local"));
    wait_until(|| server.live() == 0);
}

#[test]
fn a_detached_connection_goes_on_without_its_service() {
    let seen = Seen::default();
    let (_runtime, server) = serve(seen.clone(), |b| b);
    let mut client = connect(&server);
    client.write_all(&frame(b"detach")).unwrap();
    wait_until(|| seen.0.lock().last().is_some_and(|last| last == "close 8 Detached"));
    client.write_all(b"x").unwrap();
    let mut byte = [0];
    client.read_exact(&mut byte).unwrap();
    assert_eq!(&byte, b"x");
    ends(&mut client);
}

#[test]
fn an_async_handler_is_dropped_at_its_deadline() {
    let seen = Seen::default();
    let timeout = Some(Duration::from_millis(100));
    let (_runtime, server) = serve(seen.clone(), |b| b.request_timeout(timeout));
    let mut client = connect(&server);
    assert_eq!(call(&mut client, b""), b"true");
    let start = Instant::now();
    client.write_all(&frame(b"forever")).unwrap();
    ends(&mut client);
    assert!(start.elapsed() >= Duration::from_millis(100));
    wait_until(|| seen.0.lock().len() == 6);
    assert_eq!(seen.0.lock()[4..], ["error TimedOut", "close 9 HandlerTimeout"]);
}

#[test]
fn a_panic_in_each_hook_closes_its_connection_alone() {
    let (runtime, server) = serve(Panics, |b| b);
    for (i, at) in [&b"request"[..], b"disconnect", b"close"].into_iter().enumerate() {
        let mut client = connect(&server);
        assert_eq!(call(&mut client, b"fine"), b"fine");
        client.write_all(&frame(at)).unwrap();
        if at != b"request" {
            read_frame(&mut client);
        }
        drop(client);
        wait_until(|| runtime.stats().panics == i as u64 + 1);
    }
    wait_until(|| server.live() == 0 && runtime.stats().connections == 0);
    assert_eq!(call(&mut connect(&server), b"on"), b"on");
}

/// Panics in the hook that its last request named.
struct Panics;

#[netpoll::server]
impl Panics {
    #[on_connect]
    fn connect(&self) -> Arc<Mutex<Vec<u8>>> {
        Arc::default()
    }

    #[on_request]
    fn request(
        &self,
        conn: &Connection,
        session: &mut Arc<Mutex<Vec<u8>>>,
        request: Message,
    ) -> Message {
        *session.lock() = request.body.clone();
        assert_ne!(request.body, b"request", "as asked");
        if request.body == b"disconnect" {
            DISCONNECTS.lock().push(conn.id());
        }
        request
    }

    #[on_disconnect]
    fn disconnect(&self, conn: &Connection) {
        assert!(!DISCONNECTS.lock().contains(&conn.id()), "as asked");
    }

    #[on_close]
    fn close(&self, session: Arc<Mutex<Vec<u8>>>) {
        assert_ne!(*session.lock(), b"close", "as asked");
    }
}

static DISCONNECTS: Mutex<Vec<netpoll::ConnectionId>> = Mutex::new(Vec::new());

/// Refuses connections while it is told to, and lets the idle go after the second look.
#[netpoll::server(
    on_prepare = refuse, on_request = echo, on_idle = look_twice, idle_timeout = "50ms"
)]
struct Choosy {
    refuses: std::sync::atomic::AtomicBool,
    looks: std::sync::atomic::AtomicU32,
}

#[netpoll::on_prepare]
fn refuse(server: State<'_, Choosy>) -> Result<()> {
    match server.refuses.swap(false, std::sync::atomic::Ordering::SeqCst) {
        true => Err(Error::new(ErrorKind::Limit, "refused")),
        false => Ok(()),
    }
}

#[netpoll::on_request]
fn echo(request: Message) -> Message {
    request
}

#[netpoll::on_idle]
fn look_twice(server: State<'_, Choosy>) -> bool {
    server.looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1
}

#[test]
fn on_prepare_refuses_and_on_idle_decides() {
    let choosy = Choosy { refuses: true.into(), looks: 0.into() };
    let (runtime, server) = serve(choosy, |b| b.idle_timeout(Some(Duration::from_millis(50))));
    let mut refused = connect(&server);
    // Closed without a word: the end, or a reset.
    assert!(matches!(refused.read(&mut [0]), Ok(0) | Err(_)));
    assert_eq!(runtime.stats().refused, 1);
    let mut client = connect(&server);
    assert_eq!(call(&mut client, b"x"), b"x");
    let start = Instant::now();
    ends(&mut client);
    assert!(start.elapsed() >= Duration::from_millis(90), "{:?}", start.elapsed());
}

#[netpoll::on_request]
fn bytes(mut out: Out<'_>, mut input: In<'_>) -> Result<()> {
    let n = usize::from(input.read_byte()?);
    out.buf.write(input.next(n)?)?;
    out.flush()
}

#[test]
fn a_reader_instead_of_a_frame() {
    let (_runtime, server) = serve(Free::<bytes>::new(), |b| b);
    let mut client = connect(&server);
    client.write_all(b"\x03ab").unwrap();
    std::thread::sleep(Duration::from_millis(10));
    client.write_all(b"c\x01d").unwrap();
    let mut got = [0; 4];
    client.read_exact(&mut got).unwrap();
    assert_eq!(&got, b"abcd");
}

#[netpoll::on_request(inline)]
fn inline(request: Message) -> Message {
    request
}

#[test]
fn an_inline_handler() {
    use netpoll::{Dispatch, Service};
    assert_eq!(<Free<inline> as Service>::DISPATCH, Dispatch::Inline);
    let (_runtime, server) = serve(Free::<inline>::new(), |b| b);
    assert_eq!(call(&mut connect(&server), b"now"), b"now");
}
