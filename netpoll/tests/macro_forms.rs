//! The three forms of a server, over a socket.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use common::{call, connect, serve, wait_until};
use netpoll::{
    CloseReason, Connection, Deadline, Error, Frame, Peer, Result, ServerHandle, State,
    frame::Auto, service::Free,
};
use parking_lot::Mutex;

#[derive(Debug, Frame)]
struct Bench<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

/// An answer that owns its bytes.
#[derive(Debug, Frame)]
struct Answer {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: Vec<u8>,
}

fn answer(text: impl Into<Vec<u8>>) -> Answer {
    Answer { n: Auto::default(), body: text.into() }
}

#[netpoll::on_request]
fn echo<'a>(request: Bench<'a>) -> Bench<'a> {
    request
}

#[test]
fn a_free_function() {
    let (_runtime, server) = serve(Free::<echo>::new(), |b| b);
    let mut client = connect(&server);
    assert_eq!(call(&mut client, b"hello"), b"hello");
    assert_eq!(call(&mut client, &[7; 70_000]), [7; 70_000]);
}

#[netpoll::on_request]
async fn slowly(peer: Peer, deadline: Deadline, request: Bench<'_>) -> Answer {
    netpoll::sleep(std::time::Duration::from_millis(5)).await;
    let near = peer.0.inet().is_some_and(|peer| peer.ip().is_loopback());
    answer(format!("{near} {:?} {}", deadline.at().is_some(), request.body.len()))
}

#[test]
fn an_async_free_function_with_arguments_from_the_call() {
    let (_runtime, server) = serve(Free::<slowly>::new(), |b| b);
    assert_eq!(call(&mut connect(&server), b"abc"), b"true false 3");
}

/// Counts for each connection; notes its hooks.
#[derive(Default)]
struct Kv {
    log: Mutex<Vec<String>>,
    requests: AtomicUsize,
}

#[derive(Debug, PartialEq)]
struct Sess {
    name: &'static str,
    requests: u32,
}

#[netpoll::server(max_frame = 1 << 10, idle_timeout = "5m", listen = "127.0.0.1:0")]
impl Kv {
    const NAME: &'static str = "kv";

    fn note(&self, what: impl Into<String>) {
        self.log.lock().push(what.into());
    }

    #[on_prepare]
    fn admit(&self, _: &Connection) -> Result<()> {
        self.note("prepare");
        Ok(())
    }

    #[on_connect]
    async fn hello(&self, _: &Connection) -> Result<Sess> {
        netpoll::sleep(std::time::Duration::from_millis(5)).await;
        self.note("connect");
        Ok(Sess { name: Self::NAME, requests: 0 })
    }

    #[on_request]
    fn run(&self, session: &mut Sess, request: Bench<'_>) -> Result<Option<Answer>> {
        self.requests.fetch_add(1, SeqCst);
        session.requests += 1;
        match request.body {
            b"silence" => Ok(None),
            b"panic" => panic!("as asked"),
            b"fail" => Err(Error::new(netpoll::ErrorKind::Limit, "as asked")),
            body => Ok(Some(answer([body, session.requests.to_string().as_bytes()].concat()))),
        }
    }

    #[on_disconnect]
    fn bye(&self, _: &Connection, why: CloseReason) {
        self.note(format!("disconnect {why:?}"));
    }

    #[on_close]
    async fn end(&self, session: Sess, why: CloseReason) {
        self.note(format!("close {} {} {why:?}", session.name, session.requests));
    }

    #[on_error]
    fn fault(&self, error: &Error) {
        self.note(format!("error {:?}", error.kind()));
    }
}

/// The server as the test looks at it: its state is shared with the service.
struct Shared(std::sync::Arc<Kv>);

#[netpoll::server]
impl Shared {
    #[on_connect]
    async fn hello(&self, conn: &Connection) -> Result<Sess> {
        self.0.hello(conn).await
    }

    #[on_request]
    fn run(&self, session: &mut Sess, request: Bench<'_>) -> Result<Option<Answer>> {
        self.0.run(session, request)
    }

    #[on_disconnect]
    fn bye(&self, conn: &Connection, why: CloseReason) {
        self.0.bye(conn, why);
    }

    #[on_close]
    async fn end(&self, session: Sess, why: CloseReason) {
        self.0.end(session, why).await;
    }

    #[on_error]
    fn fault(&self, error: &Error) {
        self.0.fault(error);
    }

    #[on_prepare]
    fn admit(&self, conn: &Connection) -> Result<()> {
        self.0.admit(conn)
    }
}

fn kv() -> (std::sync::Arc<Kv>, netpoll::Runtime, ServerHandle) {
    let kv = std::sync::Arc::new(Kv::default());
    let (runtime, server) = serve(Shared(kv.clone()), |b| b);
    (kv, runtime, server)
}

#[test]
fn an_impl_block_and_the_order_of_its_hooks() {
    let (kv, _runtime, server) = kv();
    let mut client = connect(&server);
    assert_eq!(call(&mut client, b"a"), b"a1");
    assert_eq!(call(&mut client, b"b"), b"b2");
    drop(client);
    wait_until(|| kv.log.lock().len() == 4);
    assert_eq!(*kv.log.lock(), ["prepare", "connect", "disconnect Eof", "close kv 2 Eof"]);
    wait_until(|| server.live() == 0);
}

#[test]
fn an_error_and_a_panic_close_one_connection() {
    use std::io::{Read, Write};
    let (kv, runtime, server) = kv();
    let mut other = connect(&server);
    assert_eq!(call(&mut other, b"x"), b"x1");
    for (asks, kind) in [(&b"panic"[..], "Panic"), (b"fail", "Limit")] {
        let mut client = connect(&server);
        assert_eq!(call(&mut client, b"y"), b"y1");
        client.write_all(&common::frame(asks)).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        wait_until(|| kv.log.lock().contains(&format!("error {kind}")));
    }
    assert_eq!(call(&mut other, b"z"), b"z2");
    wait_until(|| server.live() == 1);
    assert_eq!(runtime.stats().panics, 1);
}

#[test]
fn options_are_defaults_of_the_builder() {
    use std::io::{Read, Write};
    let runtime = netpoll::Runtime::builder().pollers(1).build().unwrap();
    let builder = Kv::default().builder().runtime(&runtime);
    let server = builder.max_frame(16).bind().unwrap();
    let mut client = connect(&server.handle());
    assert_eq!(call(&mut client, b"12 bytes fit"), b"12 bytes fit1");
    client.write_all(&common::frame(b"13 bytes  not")).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);

    let server = Kv::default().builder().runtime(&runtime).bind().unwrap();
    let mut client = connect(&server.handle());
    assert_eq!(call(&mut client, &[b'-'; 1000]).len(), 1001);
    client.write_all(&common::frame(&[0; 1021])).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

/// A struct, and free functions that it names.
#[netpoll::server(on_request = count, on_error = fault, on_connect = greet, on_close = part)]
struct Rpc {
    requests: AtomicUsize,
    log: std::sync::Arc<Mutex<Vec<String>>>,
}

#[netpoll::on_connect]
fn greet(server: State<'_, Rpc>, peer: Peer) -> Sess {
    server.log.lock().push(format!("greet {}", peer.0.inet().is_some()));
    Sess { name: "rpc", requests: 0 }
}

#[netpoll::on_request(timeout = "1s")]
async fn count(
    server: State<'_, Rpc>,
    session: &mut Sess,
    deadline: Deadline,
    request: Bench<'_>,
) -> Result<Answer, Error> {
    session.requests += 1;
    if request.body == b"fail" {
        return Err(Error::new(netpoll::ErrorKind::Cancelled, "as asked"));
    }
    let all = server.requests.fetch_add(1, SeqCst) + 1;
    Ok(answer(format!("{all} {} {}", session.requests, deadline.at().is_some())))
}

#[netpoll::on_error]
fn fault(server: State<'_, Rpc>, error: &Error) {
    server.log.lock().push(format!("fault {:?}", error.kind()));
}

#[netpoll::on_close]
fn part(session: Sess, server: State<'_, Rpc>, why: CloseReason) {
    server.log.lock().push(format!("part {} {why:?}", session.requests));
}

#[test]
fn a_struct_with_free_functions() {
    use std::io::{Read, Write};
    let log = std::sync::Arc::<Mutex<Vec<String>>>::default();
    let (_runtime, server) = serve(Rpc { requests: AtomicUsize::new(0), log: log.clone() }, |b| b);
    let (mut one, mut two) = (connect(&server), connect(&server));
    assert_eq!(call(&mut one, b""), b"1 1 true");
    assert_eq!(call(&mut two, b""), b"2 1 true");
    assert_eq!(call(&mut one, b""), b"3 2 true");
    one.write_all(&common::frame(b"fail")).unwrap();
    assert_eq!(one.read(&mut [0]).unwrap(), 0);
    wait_until(|| log.lock().len() == 4);
    let log = log.lock();
    assert_eq!(*log, ["greet true", "greet true", "fault Cancelled", "part 3 HandlerError"]);
}
