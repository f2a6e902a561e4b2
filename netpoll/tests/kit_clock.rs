//! Every timeout of minutes and hours, on a clock that the test turns.

mod common;
mod kit_support;

use std::{
    future::Future,
    io::{
        ErrorKind::{ConnectionReset, TimedOut},
        Read, Write,
    },
    os::unix::net::UnixStream,
    pin::pin,
    sync::mpsc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use common::{Answer, Bench, Echo, Log, call, frame, memory::Memory};
use kit_support::{Bed, MINUTE, MS};
use netpoll::{
    Call, CloseReason, Connection, ConnectionOptions, Dialer, Dispatch, ErrorKind,
    EventLoopBuilder, Flow, In, Result, Service, block_on,
    buf::LinkBuffer,
    testing::{Dials, Link, Listener, MemoryPeer, Server, pair, settle},
};

fn echo(
    bed: &Bed,
    with: impl FnOnce(EventLoopBuilder<Echo>) -> EventLoopBuilder<Echo>,
) -> (Server, Memory, Log) {
    let service = Echo::default();
    let log = service.log.clone();
    let server = bed.serve(service, with);
    let mut peer = Memory::connect(&server);
    assert_eq!(call(&mut peer, b"x"), b"x");
    (server, peer, log)
}

#[test]
fn idle_to_the_millisecond() {
    let bed = Bed::new();
    let (server, mut peer, log) = echo(&bed, |b| b.idle_timeout(Some(10 * MINUTE)));
    bed.pass(9 * MINUTE);
    // A byte puts the end off.
    assert_eq!(call(&mut peer, b"y"), b"y");
    bed.pass(10 * MINUTE - MS);
    assert_eq!(server.handle().live(), 1);
    bed.pass(MS);
    assert_eq!(server.handle().live(), 0);
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    assert_eq!(*log.lock(), ["connect", "close 2 IdleTimeout"]);
}

#[test]
fn a_frame_that_drips_is_cut_by_the_time_since_its_first_byte() {
    let bed = Bed::new();
    let (server, mut peer, log) = echo(&bed, |b| b.frame_timeout(Some(MINUTE)));
    let bytes = frame(&[7; 100]);
    for byte in &bytes[..59] {
        peer.write_all(&[*byte]).unwrap();
        bed.pass(MINUTE / 60);
    }
    assert_eq!(server.handle().live(), 1);
    bed.pass(MINUTE / 60);
    assert_eq!(server.handle().live(), 0);
    assert_eq!(peer.read(&mut [0]).unwrap_err().kind(), ConnectionReset);
    assert_eq!(log.lock()[1..], ["error TimedOut", "close 1 FrameTimeout"]);
}

#[test]
fn a_peer_that_takes_nothing_is_cut_and_one_that_takes_a_byte_a_minute_is_not() {
    let bed = Bed::new();
    let service = Answer::by(|call, _| {
        call.out.put(&Bench(&[9; 5000]))?;
        Ok(Flow::Continue)
    });
    let log = service.log.clone();
    let server = bed.serve(service, |b| b.write_timeout(Some(2 * MINUTE)));
    let mut peer = Memory::connect_by(&server, &Link::default().outbound(100)).unwrap();
    peer.write_all(&frame(b"more")).unwrap();
    for _ in 0..50 {
        settle(&bed.runtime);
        peer.peer.read_exact(&mut [0; 1]).unwrap();
        bed.pass(MINUTE);
    }
    assert_eq!(server.handle().live(), 1);
    bed.pass(MINUTE);
    assert_eq!(server.handle().live(), 0);
    assert_eq!(*log.lock(), ["error TimedOut", "close WriteTimeout"]);
}

/// A handler that waits for the rest of its input: on a thread of its own, and as a future.
#[test]
fn a_reader_that_waits() {
    struct Waits<const ASYNC: bool>;
    impl<const ASYNC: bool> Service for Waits<ASYNC> {
        type Session = ();
        type Request = In<'static>;
        const DISPATCH: Dispatch = if ASYNC { Dispatch::Async } else { Dispatch::Sync };
        async fn on_connect(&self, _: &Connection) -> Result<()> {
            Ok(())
        }
        async fn on_request<'a>(&'a self, call: Call<'a, ()>, mut input: In<'a>) -> Result<Flow> {
            if ASYNC {
                input.fill_async(4).await?;
            }
            call.out.buf.write(input.next(4)?)?;
            Ok(Flow::Continue)
        }
    }
    fn check<S: Service>(service: S) {
        let bed = Bed::new();
        let server = bed.serve(service, |b| b.read_timeout(30 * MINUTE).frame_timeout(30 * MINUTE));
        let mut peer = Memory::connect(&server);
        peer.write_all(b"ab").unwrap();
        bed.pass(30 * MINUTE - MS);
        peer.write_all(b"cd").unwrap();
        let mut answer = [0; 4];
        peer.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"abcd");
        peer.write_all(b"ef").unwrap();
        bed.pass(30 * MINUTE);
        // What it did not read has it linger, so that its last answer is not lost.
        assert_eq!(server.handle().live(), 1);
        bed.pass(Duration::from_secs(1));
        assert_eq!(server.handle().live(), 0);
    }
    check(Waits::<false>);
    check(Waits::<true>);
}

#[test]
fn a_request_that_takes_too_long_is_dropped_and_sees_its_deadline() {
    struct Slow;
    impl Service for Slow {
        type Session = ();
        type Request = Bench<'static>;
        const DISPATCH: Dispatch = Dispatch::Async;
        async fn on_connect(&self, _: &Connection) -> Result<()> {
            Ok(())
        }
        async fn on_request<'a>(&'a self, call: Call<'a, ()>, _: Bench<'a>) -> Result<Flow> {
            assert_eq!(call.deadline.left(), Some(5 * MINUTE));
            netpoll::sleep(2 * MINUTE).await;
            assert_eq!(call.deadline.left(), Some(3 * MINUTE));
            call.cancel().cancelled().await;
            assert_eq!(call.deadline.left(), Some(Duration::ZERO));
            std::future::pending().await
        }
    }
    let bed = Bed::new();
    let server = bed.serve(Slow, |b| b.request_timeout(Some(5 * MINUTE)));
    let mut peer = Memory::connect(&server);
    peer.write_all(&frame(b"")).unwrap();
    bed.pass(2 * MINUTE);
    bed.pass(3 * MINUTE - MS);
    assert_eq!(server.handle().live(), 1);
    bed.pass(MS);
    assert_eq!(server.handle().live(), 0);
    assert_eq!(bed.runtime.stats().panics, 0);
}

/// A connection without room for output, whose peer takes nothing.
fn full(bed: &Bed) -> (Connection, MemoryPeer) {
    let mut options = ConnectionOptions::default();
    options.write_timeout = Some(MINUTE);
    let (conn, peer) = pair(&bed.runtime, options, &Link::default().outbound(10)).unwrap();
    while conn.pending() < conn.options().write_high {
        conn.write(&[1; 100_000]).unwrap();
    }
    (conn, peer)
}

#[test]
fn a_writer_that_waits_for_room() {
    let bed = Bed::new();
    let (conn, _peer) = full(&bed);
    let writes = conn.clone();
    let waits = bed.runtime.spawn(async move { writes.write(b"x") });
    bed.pass(MINUTE);
    assert_eq!(block_on(waits).unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(block_on(conn.closed()), CloseReason::WriteTimeout);
}

/// The waiter's time and the connection's are over at once; who waited was told "closed" where the
/// connection was quicker.
#[test]
fn a_writer_whose_connection_ends_by_the_same_timeout_is_told_so() {
    let bed = Bed::new();
    let (conn, _peer) = full(&bed);
    let bytes = LinkBuffer::try_from(&b"x"[..]).unwrap();
    let mut waits = pin!(conn.send_async(bytes));
    let mut context = Context::from_waker(Waker::noop());
    assert!(waits.as_mut().poll(&mut context).is_pending());
    bed.pass(MINUTE);
    assert_eq!(block_on(conn.closed()), CloseReason::WriteTimeout);
    assert_eq!(block_on(waits).unwrap_err().kind(), ErrorKind::TimedOut);
}

#[test]
fn a_reader_of_a_dialled_connection_on_a_thread_of_the_tests() {
    let bed = Bed::new();
    let (conn, _peer) = pair(&bed.runtime, ConnectionOptions::default(), &Link::default()).unwrap();
    let reads = std::thread::spawn(move || {
        let mut reader = conn.reader().unwrap();
        reader.next(1).unwrap_err().kind()
    });
    // It is no worker, so that nobody knows when it waits.
    let until = Instant::now() + Duration::from_secs(20);
    while !reads.is_finished() && Instant::now() < until {
        bed.clock.advance(MINUTE);
        std::thread::yield_now();
    }
    assert_eq!(reads.join().unwrap(), ErrorKind::TimedOut);
}

#[test]
fn a_dial_that_nobody_answers() {
    // A listener whose queue is full drops what comes: no answer, by the system's own rules.
    let listener =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let bed = Bed::new();
    let dialer = Dialer::new().runtime(&bed.runtime).connect_timeout(60 * MINUTE);
    let mut fillers = Vec::new();
    let error = loop {
        let (told, result) = mpsc::channel();
        let (dialer, address) = (dialer.clone(), address.to_string());
        bed.runtime.spawn(async move { told.send(dialer.dial_async(&address).await) });
        let dialled = loop {
            match result.recv_timeout(MS) {
                Ok(dialled) => break dialled,
                Err(_) => bed.clock.advance(MINUTE),
            }
        };
        match dialled {
            Ok(conn) => fillers.push(conn),
            Err(error) => break error,
        }
        assert!(fillers.len() < 100, "the queue takes all");
    };
    assert_eq!(error.io_kind(), Some(TimedOut), "{error}");
    assert!(bed.clock.elapsed() >= 60 * MINUTE);
}

/// Until then it is tried again and again, by the clock too.
#[test]
fn a_dial_of_a_listener_whose_queue_is_full() {
    let path = std::env::temp_dir().join(format!("netpoll-kit-full-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    let _first = UnixStream::connect(&path).unwrap();
    let bed = Bed::new();
    let dialer = Dialer::new().runtime(&bed.runtime).connect_timeout(60 * MINUTE);
    let address = format!("unix:{}", path.display());
    for blocks in [true, false] {
        let (dialer, address) = (dialer.clone(), address.clone());
        let told = bed.start(async move {
            if blocks { dialer.dial(&address) } else { dialer.dial_async(&address).await }.map(drop)
        });
        for _ in 0..60 {
            assert!(told.try_recv().is_err(), "{blocks}");
            bed.pass(MINUTE);
        }
        let error = told.try_recv().unwrap().unwrap_err();
        assert_eq!(error.io_kind(), Some(TimedOut), "{blocks}: {error}");
    }
    std::fs::remove_file(&path).unwrap();
}

/// The connection's idle time ran while it was dialled, and cut the dial short: "not connected".
#[test]
fn an_idle_time_does_not_cut_a_dial_short() {
    let bed = Bed::new();
    let listener = Listener::bind(&Link::default());
    listener.port().set(Dials::Ignored);
    let address = listener.port().address();
    let mut options = ConnectionOptions::default();
    options.idle_timeout = Some(MINUTE);
    let dialer = Dialer::new().runtime(&bed.runtime).connect_timeout(5 * MINUTE).options(options);
    let dials = dialer.clone();
    let told = bed.start(async move { dials.dial_async(&address).await.map(drop) });
    bed.pass(5 * MINUTE - MS);
    assert!(told.try_recv().is_err());
    bed.pass(MS);
    let error = told.try_recv().unwrap().unwrap_err();
    assert_eq!(error.io_kind(), Some(TimedOut), "{error}");
    // Once it is connected it counts.
    listener.port().set(Dials::Answered);
    let conn = dialer.dial(listener.port().address()).unwrap();
    bed.pass(MINUTE - MS);
    assert!(conn.is_active());
    bed.pass(MS);
    assert_eq!(block_on(conn.closed()), CloseReason::IdleTimeout);
}

#[test]
fn sleeps_end_in_their_order() {
    let bed = Bed::new();
    let (told, seen) = mpsc::channel();
    for hours in [3, 1, 2] {
        let told = told.clone();
        bed.runtime.spawn(async move {
            netpoll::sleep(60 * hours * MINUTE).await;
            told.send(hours).unwrap();
        });
    }
    for hour in 1..=3 {
        bed.pass(60 * MINUTE);
        assert_eq!(seen.try_iter().collect::<Vec<_>>(), [hour]);
    }
    let late = bed.runtime.spawn(async {
        netpoll::timeout(MINUTE, std::future::pending::<()>()).await.unwrap_err().kind()
    });
    bed.pass(MINUTE);
    assert_eq!(block_on(late).unwrap(), ErrorKind::TimedOut);
}
