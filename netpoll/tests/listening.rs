//! Listeners: names with several addresses, binds that fail half-way, accepts that fail, and the ends that
//! whoever waits for a server learns of.

mod common;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use common::{Bench, Echo, call, connect, frame, read_frame, runtime, wait_until};
use netpoll::{
    Call, Connection, Dispatch, ErrorKind, EventLoop, EventLoopBuilder, Flow, Result, Runtime,
    ServerHandle, Service,
};
use parking_lot::Mutex;

const MS: Duration = Duration::from_millis(1);

fn echo(runtime: &Runtime) -> EventLoopBuilder<Echo> {
    EventLoop::builder(Echo::default()).runtime(runtime)
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_bind_that_fails_leaves_no_listener_behind() {
    let runtime = runtime(1);
    let (port, taken) = (free_port(), TcpListener::bind("127.0.0.1:0").unwrap());
    let server = echo(&runtime).listen(("127.0.0.1", port)).listen(taken.local_addr().unwrap());
    server.bind().unwrap_err();
    wait_until(|| TcpListener::bind(("127.0.0.1", port)).is_ok());
    assert!(echo(&runtime).listen(("127.0.0.1", port)).bind().is_ok());
}

#[test]
fn all_addresses_of_a_name_have_one_port() {
    let runtime = runtime(1);
    for _ in 0..10 {
        let server = echo(&runtime).listen("localhost:0").bind().unwrap();
        let ports: Vec<_> = server.addresses().iter().map(|a| a.port().unwrap()).collect();
        assert!(ports.windows(2).all(|pair| pair[0] == pair[1]), "{:?}", server.addresses());
    }
}

#[test]
fn ipv4_and_ipv6_wildcards_are_listened_on_at_one_port() {
    let runtime = runtime(1);
    let Ok(v6) = TcpListener::bind("[::1]:0") else { return };
    drop(v6);
    for order in [["0.0.0.0", "::"], ["::", "0.0.0.0"]] {
        let bound =
            |port| order.iter().fold(echo(&runtime), |b, host| b.listen((*host, port))).bind();
        // A port that is free on one address may be taken on another by the tests beside this one.
        let taken = Some(std::io::ErrorKind::AddrInUse);
        let server = (0..20)
            .map(|_| bound(free_port()))
            .find(|bound| bound.as_ref().map_or_else(|e| e.io_kind() != taken, |_| true))
            .expect("one of 20 ports is free")
            .unwrap();
        assert_eq!(server.addresses().len(), 2);
        let port = server.addresses()[0].port().unwrap();
        for host in ["127.0.0.1", "::1"] {
            let mut client = TcpStream::connect((host, port)).unwrap();
            assert_eq!(call(&mut client, b"both"), b"both");
        }
    }
    let server = echo(&runtime).listen("[::]:0").ipv6_only(true).bind().unwrap();
    let port = server.addresses()[0].port().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(TcpStream::connect(("::1", port)).is_ok());
}

#[test]
fn serve_returns_when_the_last_listener_fails() {
    let runtime = runtime(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Another process that shares the listener shuts it down.
    let shared = listener.try_clone().unwrap();
    let server = echo(&runtime).adopt(listener).bind().unwrap();
    let handle = server.handle();
    let mut client = connect(&handle);
    assert_eq!(call(&mut client, b"before"), b"before");
    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(server.serve()));
    socket2::SockRef::from(&shared).shutdown(std::net::Shutdown::Both).unwrap();
    let error = end.recv_timeout(20_000 * MS).expect("serve returns").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains(&handle.addresses()[0].to_string()), "{error}");
    // Those who are there are served, until somebody shuts down.
    assert_eq!(call(&mut client, b"after"), b"after");
    assert_eq!(handle.shutdown(20_000 * MS).drained, 1);
}

#[test]
fn serve_and_wait_return_when_the_runtime_is_shut_down() {
    let runtime = runtime(1);
    let server = echo(&runtime).listen("127.0.0.1:0").bind().unwrap();
    let handle = server.handle();
    let mut client = connect(&handle);
    assert_eq!(call(&mut client, b"there"), b"there");
    let (ended, end) = mpsc::channel();
    let (waits, told) = (handle.clone(), ended.clone());
    thread::spawn(move || ended.send(server.serve().unwrap()));
    thread::spawn(move || told.send(waits.wait()));
    assert_eq!(runtime.shutdown(20_000 * MS), 0);
    for _ in 0..2 {
        end.recv_timeout(20_000 * MS).expect("the wait ends");
    }
    handle.shutdown(MS);
}

#[test]
fn a_second_shutdown_of_a_runtime_ends_with_the_first() {
    let runtime = runtime(1);
    let (begun, begins) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    runtime.spawn(async move {
        begun.send(()).unwrap();
        let _ = released.recv();
    });
    begins.recv().unwrap();
    let first = {
        let runtime = runtime.clone();
        thread::spawn(move || runtime.shutdown(20_000 * MS))
    };
    // The first has begun once nothing can be spawned any more.
    wait_until(|| netpoll::block_on(runtime.spawn(async {})).is_err());
    let second = {
        let runtime = runtime.clone();
        thread::spawn(move || runtime.shutdown(20_000 * MS))
    };
    thread::sleep(50 * MS);
    assert!(!first.is_finished() && !second.is_finished());
    assert_eq!(runtime.shutdown(10 * MS), 1, "at its own deadline it says who is left");
    release.send(()).unwrap();
    assert_eq!((first.join().unwrap(), second.join().unwrap()), (0, 0));
}

/// Holds its poller in an inline handler until it is released.
struct Held(Mutex<mpsc::Receiver<()>>);

impl Service for Held {
    type Session = ();
    type Request = Bench<'static>;
    const DISPATCH: Dispatch = Dispatch::Inline;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, request: Bench<'a>) -> Result<Flow> {
        if request.0 == b"hold" {
            let _ = self.0.lock().recv();
        }
        call.out.put(&request)?;
        Ok(Flow::Continue)
    }
}

#[test]
fn requests_in_the_accept_queue_are_answered_by_a_graceful_shutdown() {
    let runtime = runtime(1);
    let (release, held) = mpsc::channel();
    let server = EventLoop::builder(Held(Mutex::new(held))).runtime(&runtime);
    let server = server.listen("127.0.0.1:0").bind().unwrap();
    let handle = server.handle();
    let mut first = connect(&handle);
    assert_eq!(call(&mut first, b"before"), b"before");
    first.write_all(&frame(b"hold")).unwrap();
    // While the only poller is held, nobody accepts: the system takes them.
    let mut late: Vec<_> = (0..10).map(|_| connect(&handle)).collect();
    late.iter_mut().for_each(|client| client.write_all(&frame(b"late")).unwrap());
    let shutdown = {
        let handle = handle.clone();
        thread::spawn(move || handle.shutdown(20_000 * MS))
    };
    release.send(()).unwrap();
    for client in &mut late {
        assert_eq!(read_frame(client), b"late");
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    assert_eq!(read_frame(&mut first), b"hold");
    let report = shutdown.join().unwrap();
    assert!(report.cut.is_empty(), "{report}");
}

/// Shuts its server down when it is asked to.
struct Stops(Mutex<Option<ServerHandle>>);

impl Service for Stops {
    type Session = ();
    type Request = Bench<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, request: Bench<'a>) -> Result<Flow> {
        let handle = self.0.lock().take().unwrap();
        let report = handle.shutdown(20_000 * MS);
        call.out.put(&Bench(report.drained.to_string().as_bytes()))?;
        let _ = request;
        Ok(Flow::Continue)
    }
}

#[test]
fn a_handler_that_shuts_down_does_not_wait_for_its_own_request() {
    let runtime = runtime(2);
    let service = std::sync::Arc::new(Stops(Mutex::new(None)));
    struct Shared(std::sync::Arc<Stops>);
    impl Service for Shared {
        type Session = ();
        type Request = Bench<'static>;
        async fn on_connect(&self, _: &Connection) -> Result<()> {
            Ok(())
        }
        async fn on_request<'a>(&'a self, call: Call<'a, ()>, request: Bench<'a>) -> Result<Flow> {
            self.0.on_request(call, request).await
        }
    }
    let server = EventLoop::builder(Shared(service.clone())).runtime(&runtime);
    let server = server.listen("127.0.0.1:0").bind().unwrap();
    *service.0.lock() = Some(server.handle());
    let (mut asks, mut idle) = (connect(&server.handle()), connect(&server.handle()));
    wait_until(|| server.handle().live() == 2);
    let since = std::time::Instant::now();
    assert_eq!(call(&mut asks, b"stop"), b"2");
    assert!(since.elapsed() < 15_000 * MS, "it waited for itself");
    assert_eq!((idle.read(&mut [0]).unwrap(), asks.read(&mut [0]).unwrap()), (0, 0));
    assert!(server.serve().unwrap().cut.is_empty());
}

#[test]
fn inherit_without_a_parent_that_left_listeners_says_what_is_missing() {
    let error = echo(&runtime(1)).inherit().bind().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("LISTEN_FDS"), "{error}");
}

#[test]
fn a_second_listener_in_one_process_is_told_of_as_such() {
    let runtime = runtime(1);
    let server = echo(&runtime).listen("127.0.0.1:0").bind().unwrap();
    let error = echo(&runtime).listen(&server.addresses()[0]).bind().unwrap_err();
    assert!(error.to_string().contains("this process already listens there"), "{error}");
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = echo(&runtime).listen(other.local_addr().unwrap()).bind().unwrap_err();
    assert!(error.to_string().contains("another program listens there"), "{error}");
}

#[test]
fn a_unix_path_that_is_too_long_is_told_of_with_the_number() {
    let path = format!("/tmp/{}", "x".repeat(195));
    let error = echo(&runtime(1)).listen(std::path::Path::new(&path)).bind().unwrap_err();
    assert!(error.to_string().contains("the path has 200 bytes: at most"), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn an_abstract_name_that_is_too_long_is_told_of_with_the_number() {
    let address = format!("unix:@{}", "x".repeat(108));
    let error = echo(&runtime(1)).listen(address).bind().unwrap_err();
    assert!(error.to_string().contains("the abstract name has 108 bytes: at most"), "{error}");
}
