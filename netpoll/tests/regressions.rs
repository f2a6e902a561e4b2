//! What once went wrong: each test is named after what it found.

mod common;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixStream,
    pin::pin,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
        mpsc,
    },
    task::{Context, Waker},
    thread,
    time::{Duration, Instant},
};

use common::{
    Bench, Echo, Log, call, connect, frame, random, read_frame, runtime, serve, serve_on,
    stopwatch::Stopwatch, wait_until,
};
use netpoll::{
    Call, CloseReason, Connection, ConnectionOptions, Dialer, Dispatch, ErrorKind, EventLoop, Flow,
    In, Reader, Result, Runtime, Service, buf::LinkBuffer,
};
use parking_lot::Mutex;

/// A dialled connection and its peer.
fn pair(runtime: &Runtime, options: ConnectionOptions) -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let conn = Dialer::new().runtime(runtime).options(options).dial(&address).unwrap();
    let peer = listener.accept().unwrap().0;
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (conn, peer)
}

/// Options that differ from the defaults in what `change` changes.
fn options(change: impl FnOnce(&mut ConnectionOptions)) -> ConnectionOptions {
    let mut options = ConnectionOptions::default();
    change(&mut options);
    options
}

/// A turn held the receiving half for a moment, and put back what it had taken: nothing, if a reader
/// had come and gone meanwhile.
#[test]
fn a_reader_comes_and_goes_while_bytes_come() {
    let runtime = runtime(2);
    let (conn, mut peer) = pair(&runtime, ConnectionOptions::default());
    let writer = thread::spawn(move || {
        for n in 0..30_000u32 {
            peer.write_all(&n.to_be_bytes()).unwrap();
        }
        peer
    });
    let mut next = 0u32;
    while next < 30_000 {
        let mut reader = conn.reader().unwrap();
        reader.poll_socket().unwrap();
        while reader.len() >= 4 {
            assert_eq!(reader.next(4).unwrap(), next.to_be_bytes());
            next += 1;
        }
    }
    drop(writer.join().unwrap());
}

/// The handler was called again only by the next event.
#[test]
fn a_handler_set_beside_a_reader_gets_what_the_reader_left() {
    let runtime = runtime(2);
    let (conn, mut peer) = pair(&runtime, ConnectionOptions::default());
    let mut reader = conn.reader().unwrap();
    let (tell, told) = mpsc::channel();
    conn.set_on_request(move |_, input| {
        let n = input.len();
        tell.send(input.read_string(n)?).unwrap();
        Ok(())
    })
    .unwrap();
    peer.write_all(b"ab").unwrap();
    assert_eq!(reader.next(1).unwrap(), b"a");
    thread::sleep(Duration::from_millis(20));
    drop(reader);
    assert_eq!(told.recv_timeout(Duration::from_secs(10)).unwrap(), "b");
}

/// A raw handler that runs a closure, asynchronously.
struct Waits {
    sleep: Duration,
    log: Log,
}

impl Service for Waits {
    type Session = ();
    type Request = In<'static>;
    const DISPATCH: Dispatch = Dispatch::Async;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, _: Call<'a, ()>, mut input: In<'a>) -> Result<Flow> {
        self.log.lock().push("request".into());
        if self.sleep.is_zero() {
            input.fill_async(1000).await?;
        }
        netpoll::sleep(self.sleep).await;
        let n = input.len();
        input.skip(n)?;
        Ok(Flow::Continue)
    }

    fn on_disconnect(&self, _: &Connection, _: CloseReason) {
        self.log.lock().push("disconnect".into());
    }

    async fn on_close(&self, _: &Connection, _: (), _: CloseReason) {
        self.log.lock().push("close".into());
    }
}

/// The future had the receiving half, and nobody polled it any more.
#[test]
fn a_close_ends_an_async_handler_that_waits_for_bytes() {
    let log = Log::default();
    let (_runtime, server) = serve(Waits { sleep: Duration::ZERO, log: log.clone() }, |b| b);
    let mut client = connect(&server);
    client.write_all(b"x").unwrap();
    wait_until(|| *log.lock() == ["request"]);
    server.connections()[0].close();
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    wait_until(|| server.live() == 0);
    assert_eq!(*log.lock(), ["request", "close"]);
}

/// The hang-up was told only after the handler, where that handler had the reader.
#[test]
fn a_hang_up_is_told_beside_an_async_handler_that_has_the_reader() {
    let log = Log::default();
    let (_runtime, server) =
        serve(Waits { sleep: Duration::from_millis(300), log: log.clone() }, |b| b);
    let mut client = connect(&server);
    client.write_all(b"x").unwrap();
    wait_until(|| *log.lock() == ["request"]);
    let start = Stopwatch::start();
    drop(client);
    wait_until(|| *log.lock() == ["request", "disconnect"]);
    // It did not wait for the handler.
    start.assert_below(Duration::from_millis(200));
    wait_until(|| server.live() == 0);
    assert_eq!(*log.lock(), ["request", "disconnect", "close"]);
}

/// A deadline that nobody cleared fired for ever.
#[test]
fn a_raw_connection_ends_by_its_idle_timeout() {
    let runtime = runtime(1);
    let quick = options(|o| o.idle_timeout = Some(Duration::from_millis(50)));
    let (conn, mut peer) = pair(&runtime, quick);
    assert_eq!(netpoll::block_on(conn.closed()), CloseReason::IdleTimeout);
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    assert!(runtime.stats().turns < 20, "{}", runtime.stats().turns);
}

/// As above, beside a handler that has the reader.
#[test]
fn a_deadline_beside_a_busy_handler_fires_once() {
    let waits = Waits { sleep: Duration::from_millis(300), log: Log::default() };
    let (runtime, server) = serve(waits, |b| {
        b.options(options(|o| {
            o.idle_timeout = Some(Duration::from_millis(100));
            o.frame_timeout = Some(Duration::from_millis(50));
        }))
    });
    let mut client = connect(&server);
    client.write_all(b"x").unwrap();
    thread::sleep(Duration::from_millis(250));
    assert!(runtime.stats().turns < 30, "{} turns", runtime.stats().turns);
    assert_eq!(server.live(), 1, "a handler is at work");
}

/// As above, while a closed connection sends its last.
#[test]
fn a_deadline_beside_the_last_output_fires_once() {
    let runtime = runtime(1);
    let quick = options(|o| o.idle_timeout = Some(Duration::from_millis(100)));
    let mut bytes = LinkBuffer::new();
    bytes.write(&vec![7; 32 << 20]).unwrap();
    bytes.flush();
    let (conn, mut peer) = pair(&runtime, quick);
    conn.send(bytes).unwrap();
    conn.close();
    thread::sleep(Duration::from_millis(300));
    assert!(runtime.stats().turns < 50, "{} turns", runtime.stats().turns);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), 32 << 20);
}

/// The poller's time stood still while its driver was parked, and deadlines were counted from it.
#[test]
fn a_timeout_counts_from_now_and_not_from_the_last_event() {
    let runtime = runtime(1);
    thread::sleep(Duration::from_millis(400));
    let quick = options(|o| o.idle_timeout = Some(Duration::from_millis(300)));
    let (conn, _peer) = pair(&runtime, quick);
    thread::sleep(Duration::from_millis(150));
    assert!(conn.is_active(), "{:?}", netpoll::block_on(conn.closed()));
}

/// The deadline of the first partial frame stayed for all that followed without a pause.
#[test]
fn a_frame_timeout_counts_for_each_frame_anew() {
    let (_runtime, server) = serve(Echo::default(), |b| {
        b.options(options(|o| o.frame_timeout = Some(Duration::from_millis(500))))
    });
    let mut client = connect(&server);
    client.set_nodelay(true).unwrap();
    let bytes = frame(b"half and half");
    let (head, tail) = bytes.split_at(7);
    client.write_all(head).unwrap();
    for _ in 0..60 {
        thread::sleep(Duration::from_millis(10));
        client.write_all(&[tail, head].concat()).unwrap();
        assert_eq!(read_frame(&mut client), b"half and half");
    }
    let stopped = Instant::now();
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0, "the last one never comes");
    assert!(stopped.elapsed() >= Duration::from_millis(400));
}

/// A turn that stopped at the high mark was woken by the socket alone, and not by another thread that
/// sent what was pending.
#[test]
fn a_turn_at_the_high_mark_goes_on_whoever_sends_the_rest() {
    let (_runtime, server) = serve(Echo::default(), |b| {
        b.options(options(|o| (o.write_high, o.write_low) = (600, 200)))
    });
    let client = connect(&server);
    wait_until(|| server.live() == 1);
    let conn = server.connections()[0].clone();
    let stop = Arc::new(AtomicBool::new(false));
    let pusher = thread::spawn({
        let stop = stop.clone();
        move || {
            let push = frame(b"push");
            let mut seed = 7;
            while !stop.load(Relaxed) {
                let _ = conn.try_send(LinkBuffer::try_from(&push[..]).unwrap());
                for _ in 0..random(&mut seed, 200) {
                    std::hint::spin_loop();
                }
            }
        }
    });
    let mut reader = client.try_clone().unwrap();
    let mut writer = client;
    let batch: Vec<u8> = (0..8u8).flat_map(|i| frame(&[i; 100])).collect();
    for _ in 0..3000 {
        writer.write_all(&batch).unwrap();
        let mut answers = 0;
        while answers < 8 {
            answers += usize::from(read_frame(&mut reader) != b"push");
        }
    }
    stop.store(true, Relaxed);
    pusher.join().unwrap();
}

/// Closes while its peer leaves, with a slow `on_disconnect`.
struct Slow(Log);

impl Service for Slow {
    type Session = ();
    type Request = Bench<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, call: Call<'a, ()>, _: Bench<'a>) -> Result<Flow> {
        netpoll::block_on(call.cancel().cancelled());
        Ok(Flow::Close)
    }

    fn on_disconnect(&self, _: &Connection, _: CloseReason) {
        thread::sleep(Duration::from_millis(30));
        self.0.lock().push("disconnect".into());
    }

    async fn on_close(&self, _: &Connection, _: (), _: CloseReason) {
        self.0.lock().push("close".into());
    }
}

/// `on_close` ran beside `on_disconnect`, or before it.
#[test]
fn on_close_waits_for_on_disconnect() {
    let log = Log::default();
    let (_runtime, server) = serve(Slow(log.clone()), |b| b);
    for _ in 0..10 {
        let mut client = connect(&server);
        client.write_all(&frame(b"x")).unwrap();
        thread::sleep(Duration::from_millis(5));
        drop(client);
        wait_until(|| server.live() == 0);
        wait_until(|| log.lock().len() == 2);
        assert_eq!(*log.lock(), ["disconnect", "close"]);
        log.lock().clear();
    }
}

/// A hang-up between a read that found nothing and the look at the marks lost what came before it.
#[test]
fn what_came_before_a_hang_up_is_handled() {
    let path = format!("/tmp/netpoll-regression-{}", std::process::id());
    let log = Log::default();
    let runtime = runtime(2);
    let server = EventLoop::builder(Echo { log: log.clone() })
        .runtime(&runtime)
        .listen(format!("unix:{path}"))
        .bind()
        .unwrap();
    let server = server.handle().clone();
    let mut seed = 99;
    const ROUNDS: usize = 3000;
    for _ in 0..ROUNDS {
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(&frame(b"one")).unwrap();
        for _ in 0..random(&mut seed, 20_000) {
            std::hint::spin_loop();
        }
        client.write_all(&frame(b"two")).unwrap();
        drop(client);
    }
    // The last ones may still wait to be accepted.
    wait_until(|| log.lock().iter().filter(|line| line.starts_with("close")).count() == ROUNDS);
    wait_until(|| server.live() == 0);
    let log = log.lock();
    assert_eq!(log.iter().filter(|line| line.starts_with("close 2")).count(), ROUNDS);
}

/// Sleeps as long as a request says, in milliseconds.
struct Sleeps;

impl Service for Sleeps {
    type Session = ();
    type Request = Bench<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, req: Bench<'a>) -> Result<Flow> {
        netpoll::blocking(|| thread::sleep(Duration::from_micros(u64::from(req.0[0]))));
        call.out.put(&req)?;
        Ok(Flow::Continue)
    }
}

/// A turn that was deferred as the last handler ended stayed there.
#[test]
fn what_waits_for_a_worker_is_not_forgotten() {
    let runtime = Runtime::builder().pollers(1).max_workers(1).build().unwrap();
    let server = serve_on(&runtime, Sleeps, |b| b);
    let clients: Vec<_> = (0..4)
        .map(|i| {
            let mut client = connect(&server);
            thread::spawn(move || {
                let mut seed = 1 + i;
                for _ in 0..4000 {
                    let pause = random(&mut seed, 60) as u8;
                    assert_eq!(call(&mut client, &[pause]), [pause]);
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
}

/// It killed the worker, whose poller was then late for ever.
#[test]
fn a_panic_in_a_close_callback_ends_nothing_else() {
    let (runtime, server) = serve(Echo::default(), |b| b);
    for _ in 0..3 {
        let mut client = connect(&server);
        call(&mut client, b"x");
        server.connections()[0].on_closed(|_, _| panic!("a test's panic"));
        drop(client);
        wait_until(|| runtime.stats().connections == 0);
    }
    let stats = runtime.stats();
    assert_eq!((stats.panics, stats.late, stats.connections), (3, 0, 0), "{stats:?}");
}

/// The local address was not to be had while another thread wrote.
#[test]
fn the_local_address_is_there_while_others_write() {
    let runtime = runtime(2);
    for _ in 0..50 {
        let (conn, mut peer) = pair(&runtime, ConnectionOptions::default());
        let writer = thread::spawn({
            let conn = conn.clone();
            move || {
                for _ in 0..200 {
                    conn.write(&[1; 100]).unwrap();
                }
            }
        });
        thread::sleep(Duration::from_micros(100));
        assert_eq!(conn.local().unwrap().inet(), Some(peer.peer_addr().unwrap()));
        peer.read_exact(&mut vec![0; 20_000]).unwrap();
        writer.join().unwrap();
    }
}

/// A dial that was given up left its socket behind.
#[test]
fn a_dial_that_is_dropped_leaves_nothing() {
    let runtime = runtime(1);
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    // These fill the queue: the next one gets no answer.
    let _fill: Vec<_> =
        (0..3).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(50))).collect();
    let dialer = Dialer::new().runtime(&runtime);
    for _ in 0..5 {
        let text = address.to_string();
        let mut dial = pin!(dialer.dial_async(&text));
        let until = Instant::now() + Duration::from_millis(20);
        while Instant::now() < until {
            assert!(dial.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            thread::sleep(Duration::from_millis(1));
        }
    }
    wait_until(|| runtime.stats().connections == 0);
    let late = Dialer::new().runtime(&runtime).connect_timeout(Duration::from_millis(20));
    assert_eq!(late.dial(address.to_string()).unwrap_err().kind(), ErrorKind::TimedOut);
    wait_until(|| runtime.stats().connections == 0);
}

/// A handler that outlived its runtime's deadline left its connection open for ever.
#[test]
fn a_handler_that_outlives_the_runtime_ends_with_its_connection() {
    struct Stuck(Arc<AtomicUsize>, Mutex<mpsc::Receiver<()>>);
    impl Service for Stuck {
        type Session = ();
        type Request = Bench<'static>;
        async fn on_connect(&self, _: &Connection) -> Result<()> {
            Ok(())
        }
        async fn on_request<'a>(&'a self, _: Call<'a, ()>, _: Bench<'a>) -> Result<Flow> {
            self.0.fetch_add(1, SeqCst);
            let _ = self.1.lock().recv();
            Ok(Flow::Continue)
        }
        async fn on_close(&self, _: &Connection, _: (), _: CloseReason) {
            self.0.fetch_add(10, SeqCst);
        }
    }
    let (release, stuck) = mpsc::channel();
    let count = Arc::new(AtomicUsize::new(0));
    let (runtime, server) = serve(Stuck(count.clone(), Mutex::new(stuck)), |b| b);
    let mut client = connect(&server);
    client.write_all(&frame(b"x")).unwrap();
    wait_until(|| count.load(SeqCst) == 1);
    assert_eq!(runtime.shutdown(Duration::from_millis(50)), 1);
    release.send(()).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    wait_until(|| count.load(SeqCst) == 11);
}

/// `reader()` failed within `on_close` after a detach.
#[test]
fn a_detached_connection_can_be_read_from_its_on_close_on() {
    struct Lets(Mutex<mpsc::Sender<Result<Reader>>>);
    impl Service for Lets {
        type Session = ();
        type Request = Bench<'static>;
        async fn on_connect(&self, _: &Connection) -> Result<()> {
            Ok(())
        }
        async fn on_request<'a>(&'a self, _: Call<'a, ()>, _: Bench<'a>) -> Result<Flow> {
            Ok(Flow::Detach)
        }
        async fn on_close(&self, conn: &Connection, _: (), _: CloseReason) {
            self.0.lock().send(conn.reader()).unwrap();
        }
    }
    let (tell, told) = mpsc::channel();
    let (_runtime, server) = serve(Lets(Mutex::new(tell)), |b| b);
    let mut client = connect(&server);
    client.write_all(&[&frame(b"x")[..], b"raw"].concat()).unwrap();
    let mut reader = told.recv_timeout(Duration::from_secs(10)).unwrap().unwrap();
    assert_eq!(reader.next(3).unwrap(), b"raw");
}

/// The error of a reset was followed by a clean end.
#[test]
fn a_reset_is_never_taken_for_an_end() {
    let runtime = runtime(1);
    for _ in 0..50 {
        let (conn, peer) = pair(&runtime, ConnectionOptions::default());
        let mut reader = conn.reader().unwrap();
        common::reset(peer);
        for _ in 0..3 {
            let kind = reader.next(1).unwrap_err().kind();
            assert!(matches!(kind, ErrorKind::Io | ErrorKind::Closed), "{kind:?}");
        }
    }
}

/// A reader that was asked for while its connection ended was told of a handler that there is not.
#[test]
fn a_reader_of_a_closed_connection_is_told_so() {
    let runtime = runtime(2);
    for _ in 0..300 {
        let (conn, mut peer) = pair(&runtime, ConnectionOptions::default());
        peer.write_all(&[1; 1000]).unwrap();
        let closer = thread::spawn({
            let conn = conn.clone();
            move || conn.close()
        });
        let error = loop {
            match conn.reader() {
                Ok(reader) => drop(reader),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}");
        closer.join().unwrap();
    }
}
