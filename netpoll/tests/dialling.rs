//! Dialling and listening: addresses of all forms, what fails and how it is named, liveness.

mod common;

use std::{
    io::{ErrorKind as IoKind, Read, Write},
    net::{TcpListener, TcpStream},
    os::{
        fd::AsRawFd,
        unix::net::{UnixListener, UnixStream},
    },
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use common::{Echo, call, frame, read_frame, stopwatch::Stopwatch, wait_until};
use netpoll::{
    CloseReason, Connection, Dialer, ErrorKind, EventLoop, EventLoopBuilder, PeerAddress, Runtime,
};

const MS: Duration = Duration::from_millis(1);

fn runtime() -> Runtime {
    Runtime::builder().pollers(2).max_workers(16).build().unwrap()
}

fn echo(runtime: &Runtime) -> EventLoopBuilder<Echo> {
    EventLoop::builder(Echo::default()).runtime(runtime)
}

/// A path for a socket in a directory of this test's own.
fn socket_path(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("netpoll-dialling-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    let _ = std::fs::remove_file(&path);
    path
}

fn call_by(conn: &Connection, payload: &[u8]) -> Vec<u8> {
    conn.write(&frame(payload)).unwrap();
    let mut reader = conn.reader().unwrap();
    let n = u32::from_be_bytes(reader.next(4).unwrap().try_into().unwrap());
    reader.next(n as usize).unwrap().to_vec()
}

#[test]
fn addresses_of_all_forms() {
    let runtime = runtime();
    let path = socket_path("forms");
    let server = echo(&runtime)
        .listen("127.0.0.1:0")
        .listen("[::1]:0")
        .listen(format!("unix:{}", path.display()))
        .listen(format!("unix:@netpoll-forms-{}", std::process::id()))
        .bind()
        .unwrap();
    let dialer = Dialer::new().runtime(&runtime);
    let mut forms: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
    forms.push(format!("tcp://{}", server.addresses()[0]));
    forms.push(format!("localhost:{}", server.addresses()[0].inet().unwrap().port()));
    for form in &forms {
        let conn = dialer.dial(form).unwrap_or_else(|e| panic!("{form}: {e}"));
        assert_eq!(call_by(&conn, form.as_bytes()), form.as_bytes());
        let conn = netpoll::block_on(dialer.dial_async(form)).unwrap();
        assert_eq!(call_by(&conn, b"async"), b"async", "{form}");
        assert!(conn.local().is_ok());
    }
    assert_eq!(runtime.stats().dialled, 2 * forms.len() as u64);
    let report = server.handle().shutdown(1000 * MS);
    assert_eq!(report.cut.len(), 0, "{report}");
    assert!(!path.exists(), "the socket's file is removed");
}

#[test]
fn refused() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let path = socket_path("refused");
    drop(UnixListener::bind(&path).unwrap());
    for address in
        [port.to_string(), format!("unix:{}", path.display()), "unix:@nobody-is-here".into()]
    {
        for error in [
            Dialer::new().dial(&address).unwrap_err(),
            netpoll::block_on(Dialer::new().dial_async(&address)).unwrap_err(),
        ] {
            assert_eq!(error.io_kind(), Some(IoKind::ConnectionRefused), "{error}");
            assert_eq!(error.to_string().matches(&address).count(), 1, "{error}");
        }
    }
    let error = Dialer::new().dial("unix:/no/such/directory/socket").unwrap_err();
    assert_eq!(error.io_kind(), Some(IoKind::NotFound), "{error}");
}

#[test]
fn a_full_queue_times_out() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    // Two fill the queue; the next one's SYN is dropped.
    let fill: Vec<_> =
        (0..2).filter_map(|_| TcpStream::connect_timeout(&address, 300 * MS).ok()).collect();
    let dialer = Dialer::new().connect_timeout(150 * MS);
    for asynchronous in [false, true] {
        let since = Stopwatch::start();
        let error = if asynchronous {
            netpoll::block_on(dialer.dial_async(address.to_string())).unwrap_err()
        } else {
            dialer.dial(address.to_string()).unwrap_err()
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        since.assert_within(149 * MS, 400 * MS);
    }
    drop(fill);
}

#[test]
fn a_full_queue_of_a_unix_socket_times_out_or_is_waited_for() {
    let path = socket_path("full");
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    let first = UnixStream::connect(&path).unwrap();
    let address = format!("unix:{}", path.display());
    let dialer = Dialer::new().connect_timeout(100 * MS);
    let since = Stopwatch::start();
    let late = [dialer.dial(&address), netpoll::block_on(dialer.dial_async(&address))];
    since.assert_within(200 * MS, 500 * MS);
    for error in late.map(Result::unwrap_err) {
        assert_eq!(error.io_kind(), Some(std::io::ErrorKind::TimedOut), "{error}");
    }
    let accepts = thread::spawn(move || {
        thread::sleep(50 * MS);
        (socket.accept().unwrap(), socket.accept().unwrap())
    });
    let conn = Dialer::new().connect_timeout(2000 * MS).dial(&address).expect("there is room soon");
    assert!(conn.is_active());
    accepts.join().unwrap();
    drop(first);
}

#[test]
fn what_is_no_address_is_named() {
    for (address, what) in [
        ("no-such-host.invalid:80", "no-such-host.invalid"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1:99999", "99999"),
        ("::1:80", "::1:80"),
        ("http://x:80", "http://x:80"),
        ("unix:", "unix:"),
    ] {
        let error = Dialer::new().dial(address).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Address, "{error}");
        assert!(error.to_string().contains(what), "{error}");
        let error = netpoll::block_on(Dialer::new().dial_async(address)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Address, "{error}");
    }
}

/// `localhost` has two addresses here, of which one listens.
#[test]
fn several_addresses_of_a_name_are_tried_in_turn() {
    let addresses = "localhost:0".parse::<netpoll::Address>().unwrap().resolve().unwrap();
    if addresses.len() < 2 {
        println!("skipped: localhost has one address here");
        return;
    }
    for listens in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(listens).unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port());
        let conn = Dialer::new().dial(&address).unwrap_or_else(|e| panic!("{listens}: {e}"));
        assert_eq!(conn.peer(), &PeerAddress::Inet(listener.local_addr().unwrap()));
        netpoll::block_on(Dialer::new().dial_async(&address)).unwrap();
    }
}

/// A future under an executor that knows nothing of this library.
#[test]
fn a_foreign_executor() {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    fn run<F: Future>(future: F) -> F::Output {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut future = std::pin::pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park(),
            }
        }
    }
    let runtime = runtime();
    let server = echo(&runtime).listen("127.0.0.1:0").bind().unwrap();
    let address = server.addresses()[0].to_string();
    run(async {
        let conn = Dialer::new().runtime(&runtime).dial_async(&address).await.unwrap();
        let big = vec![5; 3 << 20];
        let message = frame(&big);
        conn.send_async(message[..].try_into().unwrap()).await.unwrap();
        let mut reader = conn.reader().unwrap();
        reader.fill_async(message.len()).await.unwrap();
        assert!(reader.next(message.len()).unwrap() == message);
        drop(reader);
        conn.close();
        assert_eq!(conn.closed().await, CloseReason::Local);
    });
}

#[test]
fn liveness() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let conn = Dialer::new().dial(&address).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let told = Arc::new(AtomicUsize::new(0));
    let count = told.clone();
    conn.on_closed(move |_, _| {
        count.fetch_add(1, SeqCst);
    });
    assert!(conn.is_active() && conn.probe());
    // Bytes that nobody asked for: alive, but not for a pool.
    peer.write_all(b"?").unwrap();
    wait_until(|| !conn.probe());
    assert!(conn.is_active());
    conn.reader().unwrap().skip(1).unwrap();
    assert!(conn.probe());
    drop(peer);
    wait_until(|| !conn.is_active());
    assert!(!conn.probe());
    assert_eq!(told.load(SeqCst), 0, "its owner has not closed it");
    conn.close();
    netpoll::block_on(conn.closed());
    wait_until(|| told.load(SeqCst) == 1);
    let late = told.clone();
    conn.on_closed(move |_, _| {
        late.fetch_add(1, SeqCst);
    });
    assert_eq!(told.load(SeqCst), 2, "at once");
    assert_eq!(conn.write(b"x").unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn half_close() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let conn = Dialer::new().dial(listener.local_addr().unwrap().to_string()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let sent = vec![1; 8 << 20];
    let much = sent.clone();
    let writes = conn.clone();
    let writer = thread::spawn(move || {
        writes.write(&much).unwrap();
        writes.shutdown_write();
        assert_eq!(writes.write(b"more").unwrap_err().kind(), ErrorKind::Closed);
    });
    let mut got = Vec::new();
    peer.read_to_end(&mut got).unwrap();
    assert!(got == sent, "all of it, then the end");
    writer.join().unwrap();
    peer.write_all(b"and back").unwrap();
    assert_eq!(conn.reader().unwrap().next(8).unwrap(), b"and back");
}

#[test]
fn unix_socket_files() {
    let runtime = runtime();
    let path = socket_path("file");
    let address = format!("unix:{}", path.display());
    // A dead process left it.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = echo(&runtime).listen(&address).bind().unwrap();
    let conn = Dialer::new().runtime(&runtime).dial(&address).unwrap();
    assert_eq!(call_by(&conn, b"replaced"), b"replaced");
    // A live one is not.
    let error = echo(&runtime).listen(&address).bind().unwrap_err();
    assert_eq!(error.io_kind(), Some(IoKind::AddrInUse));
    assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    assert_eq!(call_by(&conn, b"unharmed"), b"unharmed");
    drop(server);
    assert!(!path.exists());
    // Nor is a file that is no socket.
    std::fs::write(&path, "precious").unwrap();
    let error = echo(&runtime).listen(&address).bind().unwrap_err();
    assert!(error.to_string().contains("not a socket"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    let error = echo(&runtime).listen("unix:/no/such/directory/socket").bind().unwrap_err();
    assert!(error.to_string().contains("/no/such/directory/socket"), "{error}");
    assert!(error.to_string().contains("directory does not exist"), "{error}");
}

#[test]
fn a_port_in_use_is_named() {
    let runtime = runtime();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = echo(&runtime).listen(&address).bind().unwrap_err();
    assert_eq!((error.kind(), error.io_kind()), (ErrorKind::Io, Some(IoKind::AddrInUse)));
    assert!(error.to_string().contains(&address), "{error}");
    let error = echo(&runtime).bind().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}

#[test]
fn two_servers_on_one_port() {
    let runtime = runtime();
    let first = echo(&runtime).listen("127.0.0.1:0").reuse_port(true).bind().unwrap();
    let address = first.addresses()[0].inet().unwrap();
    let second = echo(&runtime).listen(address.to_string()).reuse_port(true).bind().unwrap();
    let mut clients: Vec<_> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(call(client, b"either"), b"either"));
    let (a, b) = (first.handle().live(), second.handle().live());
    assert_eq!(a + b, 200);
    assert!(a > 20 && b > 20, "{a} and {b}");
}

/// As systemd starts a server: descriptor 3 listens, and the environment says so.
#[test]
fn an_inherited_listener() {
    const CHILD: &str = "NETPOLL_INHERITS";
    if std::env::var_os(CHILD).is_some() {
        let server = EventLoop::builder(Echo::default()).inherit().bind().unwrap();
        // Until the parent goes.
        let _ = std::io::stdin().read(&mut [0]);
        server.handle().shutdown(Duration::ZERO);
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "exec 3<&{}; export LISTEN_PID=$$ LISTEN_FDS=1; \
             exec \"$0\" --exact an_inherited_listener",
            duplicate(&listener)
        ))
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    drop(listener);
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(&frame(b"inherited")).unwrap();
    assert_eq!(read_frame(&mut client), b"inherited");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// A copy of the descriptor that children inherit, below 10 so that every shell can name it.
fn duplicate(listener: &TcpListener) -> i32 {
    let socket = socket2::SockRef::from(listener);
    socket.set_cloexec(false).unwrap();
    listener.as_raw_fd()
}

/// A user's function that panics is named, and is not taken for a shutdown.
#[test]
fn a_transports_maker_that_panics_is_told_by_dials_and_calls() {
    use common::Bench;
    use netpoll::{Transport, buf::LinkBuffer, client::Client};

    struct Never;

    impl Transport for Never {
        fn open(
            &mut self,
            _: &mut LinkBuffer,
            _: &mut LinkBuffer,
            _: &mut LinkBuffer,
        ) -> netpoll::Result<()> {
            unreachable!("none is made")
        }

        fn seal(&mut self, _: &mut LinkBuffer, _: &mut LinkBuffer) -> netpoll::Result<()> {
            unreachable!("none is made")
        }
    }

    let runtime = runtime();
    let server = echo(&runtime).listen("127.0.0.1:0").bind().unwrap();
    let address = server.addresses()[0].to_string();
    let make = || -> Never { panic!("as the test wants it") };
    let dialer = Dialer::new().runtime(&runtime).transport(make);
    let pool = Client::<Bench<'static>, Bench<'static>>::pool(&*address).dialer(dialer.clone());
    let client = pool.runtime(&runtime).build().unwrap();
    for error in [
        dialer.dial(&*address).unwrap_err(),
        netpoll::block_on(dialer.dial_async(&*address)).unwrap_err(),
        client.call(Bench(b"x")).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Panic, "{error}");
        assert!(error.to_string().contains("panicked: as the test wants it"), "{error}");
    }
}
