//! This library's runtime beside one of tokio's, and its servers and clients inside one.

mod client_support;
mod common;

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use client_support::{Kind, NEVER, message, serve_slow};
use common::{Bench, call, connect, serve_on};
use netpoll::{Call, Connection, Dispatch, ErrorKind, Flow, Result, Runtime, Service, block_on};
use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;

fn tokio() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap()
}

/// Answers after a sleep of tokio's: `ASYNC` says by which kind of handler.
struct Sleeps<const ASYNC: bool>;

impl<const ASYNC: bool> Service for Sleeps<ASYNC> {
    type Session = ();
    type Request = Bench<'static>;
    const DISPATCH: Dispatch = if ASYNC { Dispatch::Async } else { Dispatch::Sync };

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, req: Bench<'a>) -> Result<Flow> {
        let work = async { tokio::time::sleep(Duration::from_millis(5)).await };
        if ASYNC {
            tokio::spawn(work).await.map_err(netpoll::Error::other)?;
        } else {
            block_on(async { tokio::time::timeout(Duration::from_secs(20), work).await })
                .map_err(netpoll::Error::other)?;
            tokio::runtime::Handle::current()
                .block_on(tokio::time::sleep(Duration::from_millis(1)));
        }
        call.out.put(&req)?;
        Ok(Flow::Continue)
    }
}

#[test]
fn handlers_of_both_kinds_and_tasks_use_tokios_timers() {
    let tokio = tokio();
    let runtime =
        Runtime::builder().pollers(1).max_workers(64).tokio(tokio.handle()).build().unwrap();
    let servers =
        (serve_on(&runtime, Sleeps::<true>, |b| b), serve_on(&runtime, Sleeps::<false>, |b| b));
    for server in [&servers.0, &servers.1] {
        // Many at a time, so that workers change.
        let mut clients: Vec<_> = (0..20).map(|_| connect(server)).collect();
        for client in &mut clients {
            client.write_all(&common::frame(b"first")).unwrap();
        }
        for client in &mut clients {
            assert_eq!(common::read_frame(client), b"first");
            assert_eq!(call(client, b"second"), b"second");
        }
    }
    let task = runtime.spawn(async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        tokio::spawn(async { 42 }).await.unwrap()
    });
    assert_eq!(block_on(task).unwrap(), 42);
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;
    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[test]
fn a_handler_that_misses_tokio_is_told_what_to_set() {
    let lines = Lines::default();
    tracing_subscriber::fmt().with_ansi(false).with_writer(lines.clone()).init();
    let runtime = Runtime::builder().pollers(1).build().unwrap();
    let task = runtime.spawn(async { tokio::time::sleep(Duration::from_millis(1)).await });
    let error = block_on(task).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panic);
    let said = String::from_utf8(lines.0.lock().clone()).unwrap();
    let told: Vec<_> = said.lines().collect();
    assert!(told[0].contains("a task panicked: there is no reactor running"), "{said}");
    assert!(told[1].contains("`Runtime::builder().tokio(handle)`"), "{said}");
    // Other panics say what they say.
    let task = runtime.spawn(async { panic!("something else") });
    block_on(task).unwrap_err();
    let said = String::from_utf8(lines.0.lock().clone()).unwrap();
    assert_eq!(said.lines().count(), 3, "{said}");
}

/// A server and clients under tokio, of either flavour, with nothing that blocks its threads.
async fn serves_and_calls() {
    let runtime = Runtime::builder().pollers(1).build().unwrap();
    let server = netpoll::EventLoop::builder(common::Echo::default())
        .runtime(&runtime)
        .listen("127.0.0.1:0")
        .bind()
        .unwrap();
    let (handle, address) = (server.handle(), server.addresses()[0].clone());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve_until_async(stopped));

    let dialer = netpoll::Dialer::new().runtime(&runtime);
    let conn = dialer.dial_async(address.clone()).await.unwrap();
    conn.send_async(netpoll::buf::LinkBuffer::try_from(&common::frame(b"hello")[..]).unwrap())
        .await
        .unwrap();
    let mut reader = conn.reader().unwrap();
    reader.fill_async(9).await.unwrap();
    assert_eq!(reader.next(9).unwrap(), common::frame(b"hello"));
    drop((reader, conn));

    stop.send(()).unwrap();
    let report = serving.await.unwrap().unwrap();
    assert_eq!(report.cut.len(), 0);
    assert!(!handle.is_ready());
    handle.wait_async().await;
}

#[tokio::test]
async fn inside_a_tokio_of_one_thread() {
    serves_and_calls().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn inside_a_tokio_of_many_threads() {
    serves_and_calls().await;
}

#[tokio::test]
async fn clients_are_called_inside_a_tokio_of_one_thread() {
    let runtime = common::runtime(1);
    let (_server, address) = serve_slow(&runtime, NEVER);
    for kind in [Kind::Pool(2), Kind::Mux(1)] {
        let client = kind.client(&address, Duration::from_secs(20));
        for n in 0..50 {
            let reply = client.call_async(message(0, format!("{n}").as_bytes())).await.unwrap();
            assert_eq!(reply.get().unwrap().body, format!("{n}").as_bytes());
        }
    }
}

/// What serves can be awaited in more ways than one: a shutdown elsewhere ends it, and so does its drop.
#[tokio::test]
async fn a_server_that_is_awaited_ends_by_a_shutdown_or_by_its_drop() {
    let bind = || {
        netpoll::EventLoop::builder(common::Echo::default()).listen("127.0.0.1:0").bind().unwrap()
    };
    let server = bind();
    let handle = server.handle();
    let serving = tokio::spawn(server.serve_async());
    let report = handle.shutdown_async(Duration::from_secs(5)).await;
    assert_eq!(report.cut.len(), 0);
    assert_eq!(serving.await.unwrap().unwrap().cut.len(), 0);

    let server = bind();
    let handle = server.handle();
    tokio::select! {
        _ = server.serve_async() => unreachable!("nobody ends it"),
        () = tokio::time::sleep(Duration::from_millis(10)) => {}
    }
    assert!(!handle.is_ready(), "the drop has shut it down");
    handle.wait_async().await;
}
