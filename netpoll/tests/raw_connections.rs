//! Connections without handlers: accepted by hand, adopted, detached, and half-open ones.

mod common;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::net::{UnixListener, UnixStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{connect, frame, read_frame, wait_until};
use netpoll::{
    CloseReason, Connection, Detach, Dialer, ErrorKind, Frame, Listener, Result, Runtime, block_on,
    frame::Auto,
};
use parking_lot::Mutex;

/// Sends "hello" on `client`, and has it answered by whoever accepts at `listener`.
fn exchange(listener: &Listener, mut client: impl Read + Write) {
    client.write_all(b"hello").unwrap();
    let conn = listener.accept().unwrap();
    assert_eq!(conn.reader().unwrap().next(5).unwrap(), b"hello");
    conn.write(b"world").unwrap();
    drop(conn);
    let mut said = String::new();
    client.read_to_string(&mut said).unwrap();
    assert_eq!(said, "world");
}

#[test]
fn every_kind_of_address_is_accepted_from() {
    let listener = Listener::bind("127.0.0.1:0").unwrap();
    exchange(&listener, TcpStream::connect(listener.addresses()[0].inet().unwrap()).unwrap());

    let path = std::env::temp_dir().join(format!("netpoll-raw-{}", std::process::id()));
    let listener = Listener::bind(&path).unwrap();
    exchange(&listener, UnixStream::connect(&path).unwrap());
    drop(listener);
    assert!(!path.exists(), "the socket's file is left");

    let theirs = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = theirs.local_addr().unwrap();
    exchange(&Listener::adopt(theirs).unwrap(), TcpStream::connect(at).unwrap());
    let theirs = UnixListener::bind(&path).unwrap();
    exchange(&Listener::adopt(theirs).unwrap(), UnixStream::connect(&path).unwrap());
    std::fs::remove_file(&path).unwrap();

    assert_eq!(Listener::bind("udp://127.0.0.1:0").unwrap_err().kind(), ErrorKind::Address);
    let stream = UnixStream::pair().unwrap().0;
    assert_eq!(Listener::adopt(stream).unwrap_err().kind(), ErrorKind::Io);
}

#[test]
#[cfg(target_os = "linux")]
fn streams_in_shared_memory_are_accepted() {
    let path = std::env::temp_dir().join(format!("netpoll-raw-shm-{}", std::process::id()));
    let address = format!("shm:{}", path.display());
    let listener = Listener::bind(&*address).unwrap();
    // A stream is accepted with its first bytes.
    let dialled = thread::spawn(move || {
        let conn = Dialer::new().dial(&*address).unwrap();
        conn.write(b"hello").unwrap();
        conn
    });
    let accepted = listener.accept().unwrap();
    let dialled = dialled.join().unwrap();
    assert_eq!(accepted.reader().unwrap().next(5).unwrap(), b"hello");
    accepted.write(b"world").unwrap();
    assert_eq!(dialled.reader().unwrap().next(5).unwrap(), b"world");
}

#[test]
fn many_accept_at_once_and_no_client_is_lost() {
    const CLIENTS: usize = 200;
    let listener = Arc::new(Listener::bind("127.0.0.1:0").unwrap());
    let at = listener.addresses()[0].inet().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (listener, accepted) = (listener.clone(), accepted.clone());
            netpoll::spawn(async move {
                while accepted.load(SeqCst) < CLIENTS {
                    let conn =
                        netpoll::timeout(Duration::from_millis(100), listener.accept_async()).await;
                    if let Ok(conn) = conn {
                        conn.unwrap().write(b"x").unwrap();
                        accepted.fetch_add(1, SeqCst);
                    }
                }
            })
        })
        .collect();
    for _ in 0..CLIENTS {
        let mut said = [0];
        TcpStream::connect(at).unwrap().read_exact(&mut said).unwrap();
    }
    for thread in threads {
        block_on(thread).unwrap();
    }
    assert_eq!(accepted.load(SeqCst), CLIENTS);
}

#[test]
fn a_shutdown_of_the_runtime_ends_an_accept() {
    let runtime = Runtime::builder().pollers(1).build().unwrap();
    let listener = Listener::builder().runtime(&runtime).bind("127.0.0.1:0").unwrap();
    let waits = thread::spawn(move || listener.accept().unwrap_err().kind());
    thread::sleep(Duration::from_millis(20));
    runtime.shutdown(Duration::from_secs(5));
    assert_eq!(waits.join().unwrap(), ErrorKind::Closed);
}

#[test]
fn streams_of_std_are_adopted() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let conn = Dialer::new().adopt(ours).unwrap();
    theirs.write_all(b"hello").unwrap();
    assert_eq!(conn.reader().unwrap().next(5).unwrap(), b"hello");
    conn.write(b"world").unwrap();
    drop(conn);
    let mut said = String::new();
    theirs.read_to_string(&mut said).unwrap();
    assert_eq!(said, "world");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let conn = Dialer::new().adopt(client).unwrap();
    assert_eq!(conn.peer().inet(), Some(listener.local_addr().unwrap()));
    assert_eq!(Dialer::new().adopt(listener).unwrap_err().kind(), ErrorKind::Io);
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(Dialer::new().adopt(datagrams).unwrap_err().kind(), ErrorKind::Io);
}

/// Speaks first, then answers what comes, without a handler of requests.
#[derive(Clone, Default)]
struct Greeter(Arc<Mutex<Vec<CloseReason>>>);

#[netpoll::server]
impl Greeter {
    #[on_connect]
    async fn enter(&self, conn: &Connection) -> Result<Detach> {
        let conn = conn.clone();
        conn.write(b"greetings\n")?;
        Ok(Detach::then(async move {
            let mut reader = conn.reader().expect("the reader is there at once");
            while let Ok(line) = reader.until_async(b'\n').await {
                conn.write(line).unwrap();
            }
            conn.write(b"bye\n").unwrap();
        }))
    }

    #[on_close]
    fn closed(&self, _: Detach, reason: CloseReason) {
        self.0.lock().push(reason);
    }
}

#[test]
fn on_connect_detaches_and_its_task_has_the_reader() {
    let greeter = Greeter::default();
    let (_runtime, server) = common::serve(greeter.clone(), |server| server);
    let mut client = connect(&server);
    client.write_all(b"one\ntwo\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut said = String::new();
    client.read_to_string(&mut said).unwrap();
    assert_eq!(said, "greetings\none\ntwo\nbye\n");
    assert_eq!(*greeter.0.lock(), [CloseReason::Detached]);
    // A detached connection is still its server's, and ends with its last handle.
    wait_until(|| server.connections().is_empty());
}

#[derive(Debug, Frame)]
struct Message {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: Vec<u8>,
}

/// Answers requests, and goes on speaking after its peer's end.
#[derive(Clone, Default)]
struct Late {
    seen: Arc<Mutex<Vec<String>>>,
    conns: Arc<Mutex<Vec<Connection>>>,
}

impl Late {
    fn saw(&self, wanted: &[&str]) -> bool {
        *self.seen.lock() == wanted
    }
}

#[netpoll::server(keep_half_open, idle_timeout = "1m")]
impl Late {
    #[on_request]
    fn echo(&self, message: Message) -> Message {
        message
    }

    #[on_half_close]
    fn half_closed(&self, conn: &Connection) {
        self.seen.lock().push("half-closed".into());
        self.conns.lock().push(conn.clone());
    }

    #[on_disconnect]
    fn gone(&self, _: &Connection, reason: CloseReason) {
        self.seen.lock().push(format!("gone {reason:?}"));
    }

    #[on_close]
    fn closed(&self, _: (), reason: CloseReason) {
        self.seen.lock().push(format!("closed {reason:?}"));
    }
}

/// A client that has sent a request and its end, and has read the answer.
fn half_closed(late: &Late) -> (netpoll::ServerHandle, TcpStream, Connection) {
    let server = late.clone().builder().listen("127.0.0.1:0").bind().unwrap();
    let handle = server.handle();
    thread::spawn(move || server.serve().unwrap());
    let mut client = TcpStream::connect(handle.addresses()[0].inet().unwrap()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(&frame(b"hello")).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_frame(&mut client), b"hello");
    wait_until(|| late.saw(&["half-closed"]));
    let conn = late.conns.lock().pop().unwrap();
    (handle, client, conn)
}

#[test]
fn what_is_sent_after_the_peers_end_arrives() {
    let late = Late::default();
    let (server, mut client, conn) = half_closed(&late);
    let cancel = conn.cancel();
    assert!(conn.is_active() && !cancel.is_cancelled());
    for text in ["later", "and later"] {
        conn.write(text.as_bytes()).unwrap();
    }
    assert!(!cancel.is_cancelled());
    let waits = thread::spawn(move || block_on(cancel.cancelled()));
    conn.shutdown_write();
    let mut said = String::new();
    client.read_to_string(&mut said).unwrap();
    assert_eq!(said, "laterand later");
    waits.join().unwrap();
    wait_until(|| late.saw(&["half-closed", "gone Eof", "closed Eof"]));
    assert!(server.connections().is_empty());
}

#[test]
fn a_reset_ends_a_half_open_connection() {
    let late = Late::default();
    let (_server, client, conn) = half_closed(&late);
    let cancel = conn.cancel();
    common::reset(client);
    block_on(async { netpoll::timeout(Duration::from_secs(20), cancel.cancelled()).await })
        .unwrap();
    wait_until(|| late.saw(&["half-closed", "gone Reset", "closed Reset"]));
}

#[test]
fn a_half_open_connection_that_is_closed_has_sent_all() {
    let late = Late::default();
    let (_server, mut client, conn) = half_closed(&late);
    conn.write(b"last").unwrap();
    conn.close();
    let mut said = String::new();
    client.read_to_string(&mut said).unwrap();
    assert_eq!(said, "last");
    // The peer was the first to end its direction.
    wait_until(|| late.saw(&["half-closed", "gone Eof", "closed Local"]));
}

#[test]
fn a_dialled_connection_keeps_half_open_too() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let conn = Dialer::new().keep_half_open(true).dial(listener.local_addr().unwrap()).unwrap();
    let mut peer = listener.accept().unwrap().0;
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(conn.reader().unwrap().next(1).unwrap_err().kind(), ErrorKind::Eof);
    assert!(conn.is_active());
    conn.write(b"still here").unwrap();
    conn.shutdown_write();
    let mut said = String::new();
    peer.read_to_string(&mut said).unwrap();
    assert_eq!(said, "still here");
    wait_until(|| !conn.is_active());
}
