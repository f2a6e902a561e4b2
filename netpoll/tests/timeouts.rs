//! Timeouts fire without traffic and without a handler's help: never early, and soon after their time.

mod common;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
    time::Duration,
};

use common::{
    Answer, Bench, Echo, Log, call, connect, frame, read_frame, serve, stopwatch::Stopwatch,
    wait_until,
};
use netpoll::{
    Call, CloseReason, Connection, ConnectionOptions, Dialer, Dispatch, ErrorKind, Flow, In,
    Result, Service,
};

const MS: Duration = Duration::from_millis(1);

/// Waits for the end of the stream: since when.
fn until_end(client: &mut TcpStream, since: Stopwatch) -> Stopwatch {
    // A reset is an end too.
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    since
}

/// Not early; late by what a loaded machine with two cores takes to run a thread.
#[track_caller]
fn assert_on_time(since: Stopwatch, timeout: Duration) {
    since.assert_within(timeout - MS, timeout + 200 * MS);
}

#[test]
fn idle() {
    let service = Echo::default();
    let log = service.log.clone();
    let (_runtime, server) = serve(service, |b| b.idle_timeout(Some(120 * MS)));
    let mut client = connect(&server);
    let mut since = Stopwatch::start();
    // Each byte received puts the end off.
    for _ in 0..4 {
        thread::sleep(60 * MS);
        since = Stopwatch::start();
        call(&mut client, b"x");
    }
    assert_on_time(until_end(&mut client, since), 120 * MS);
    wait_until(|| server.live() == 0);
    assert_eq!(log.lock().last().unwrap(), "close 4 IdleTimeout");
}

#[test]
fn idle_that_the_handler_puts_off() {
    struct Patient(AtomicUsize);
    impl Service for Patient {
        type Session = ();
        type Request = In<'static>;
        async fn on_connect(&self, _: &Connection) -> Result<()> {
            Ok(())
        }
        async fn on_request<'a>(&'a self, _: Call<'a, ()>, _: In<'a>) -> Result<Flow> {
            Ok(Flow::Continue)
        }
        fn on_idle(&self, _: &Connection) -> bool {
            self.0.fetch_add(1, SeqCst) == 2
        }
    }
    let (_runtime, server) = serve(Patient(AtomicUsize::new(0)), |b| b.idle_timeout(Some(60 * MS)));
    let since = Stopwatch::start();
    let mut client = connect(&server);
    assert_on_time(until_end(&mut client, since), 180 * MS);
}

#[test]
fn a_frame_that_stays_unfinished() {
    let service = Echo::default();
    let log = service.log.clone();
    let (_runtime, server) = serve(service, |b| b.frame_timeout(Some(100 * MS)));
    let mut client = connect(&server);
    call(&mut client, b"whole");
    thread::sleep(150 * MS);
    assert_eq!(
        call(&mut client, b"an idle connection has no frame"),
        b"an idle connection has no frame"
    );
    let since = Stopwatch::start();
    client.write_all(&frame(b"half of it")[..7]).unwrap();
    assert_on_time(until_end(&mut client, since), 100 * MS);
    wait_until(|| server.live() == 0);
    assert_eq!(log.lock()[1..], ["error TimedOut", "close 2 FrameTimeout"]);
}

#[test]
fn a_peer_that_takes_nothing() {
    let service = Answer::by(|call: &mut Call<'_, u32>, _: &[u8]| {
        call.out.put(&Bench(&vec![1; 16 << 20]))?;
        Ok(Flow::Continue)
    });
    let log = service.log.clone();
    let (_runtime, server) = serve(service, |b| b.write_timeout(Some(150 * MS)));
    let mut client = connect(&server);
    wait_until(|| server.live() == 1);
    let since = Stopwatch::start();
    client.write_all(&frame(b"much")).unwrap();
    wait_until(|| server.live() == 0);
    assert_on_time(since, 150 * MS);
    assert_eq!(*log.lock(), ["error TimedOut", "close WriteTimeout"]);
}

#[test]
fn a_peer_that_takes_little_by_little_is_not_cut() {
    let service = Answer::by(|call: &mut Call<'_, u32>, _: &[u8]| {
        call.out.put(&Bench(&vec![1; 12 << 20]))?;
        Ok(Flow::Continue)
    });
    let (_runtime, server) = serve(service, |b| b.write_timeout(Some(400 * MS)));
    let mut client = connect(&server);
    client.write_all(&frame(b"much")).unwrap();
    let mut left = 4 + (12 << 20);
    let mut part = vec![0; 1 << 20];
    while left > 0 {
        thread::sleep(60 * MS);
        let want = left.min(part.len());
        client.read_exact(&mut part[..want]).expect("it took some in time");
        left -= want;
    }
}

#[test]
fn a_reader_that_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = ConnectionOptions::default();
    options.read_timeout = Some(100 * MS);
    let dialer = Dialer::new().options(options);
    let conn = dialer.dial(listener.local_addr().unwrap().to_string()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let mut reader = conn.reader().unwrap();
    peer.write_all(b"ab").unwrap();
    let since = Stopwatch::start();
    assert_eq!(reader.next(3).unwrap_err().kind(), ErrorKind::TimedOut);
    assert_on_time(since, 100 * MS);
    let since = Stopwatch::start();
    let error = netpoll::block_on(reader.fill_async(3)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_on_time(since, 100 * MS);
    peer.write_all(b"c").unwrap();
    assert_eq!(reader.next(3).unwrap(), b"abc", "nothing was lost");
}

#[test]
fn a_handler_that_reads() {
    struct Three(Log);
    impl Service for Three {
        type Session = ();
        type Request = In<'static>;
        async fn on_connect(&self, _: &Connection) -> Result<()> {
            Ok(())
        }
        async fn on_request<'a>(&'a self, call: Call<'a, ()>, mut input: In<'a>) -> Result<Flow> {
            let three = input.next(3)?;
            call.out.buf.write(three)?;
            Ok(Flow::Continue)
        }
        fn on_error(&self, _: &Connection, error: &netpoll::Error) {
            self.0.lock().push(format!("{:?}", error.kind()));
        }
    }
    let log = Log::default();
    let (_runtime, server) = serve(Three(log.clone()), |b| b.read_timeout(Some(100 * MS)));
    let mut client = connect(&server);
    client.write_all(b"abc").unwrap();
    client.read_exact(&mut [0; 3]).unwrap();
    let since = Stopwatch::start();
    client.write_all(b"d").unwrap();
    assert_on_time(until_end(&mut client, since), 100 * MS);
    assert_eq!(*log.lock(), ["TimedOut"]);
}

/// Sync handlers see their deadline, async ones are dropped at it.
#[test]
fn a_request() {
    let service = Answer::by(|call: &mut Call<'_, u32>, _: &[u8]| {
        let cancel = call.cancel();
        let since = Stopwatch::start();
        netpoll::block_on(cancel.cancelled());
        assert_on_time(since, 80 * MS);
        assert!(call.deadline.has_passed());
        call.out.put(&Bench(b"gave up"))?;
        Ok(Flow::Continue)
    });
    let (_runtime, server) = serve(service, |b| b.request_timeout(Some(80 * MS)));
    let mut client = connect(&server);
    for _ in 0..3 {
        assert_eq!(call(&mut client, b"x"), b"gave up");
    }
}

#[test]
fn an_async_request() {
    struct Slow(Log);
    struct Dropped(Log);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.lock().push("dropped".into());
        }
    }
    impl Service for Slow {
        type Session = ();
        type Request = Bench<'static>;
        const DISPATCH: Dispatch = Dispatch::Async;
        const TIMEOUT: Option<Duration> = Some(Duration::from_millis(80));
        async fn on_connect(&self, _: &Connection) -> Result<()> {
            Ok(())
        }
        async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, req: Bench<'a>) -> Result<Flow> {
            let _dropped = Dropped(self.0.clone());
            netpoll::sleep(Duration::from_millis(req.0[0].into())).await;
            call.out.put(&req)?;
            Ok(Flow::Continue)
        }
        fn on_error(&self, _: &Connection, error: &netpoll::Error) {
            self.0.lock().push(format!("{:?}", error.kind()));
        }
        async fn on_close(&self, _: &Connection, (): (), reason: CloseReason) {
            self.0.lock().push(format!("{reason:?}"));
        }
    }
    let log = Log::default();
    let (runtime, server) = serve(Slow(log.clone()), |b| b);
    let mut client = connect(&server);
    assert_eq!(call(&mut client, &[50]), [50], "in time");
    log.lock().clear();
    let since = Stopwatch::start();
    client.write_all(&frame(&[250])).unwrap();
    assert_on_time(until_end(&mut client, since), 80 * MS);
    wait_until(|| server.live() == 0);
    assert_eq!(*log.lock(), ["dropped", "TimedOut", "HandlerTimeout"]);
    wait_until(|| runtime.stats().timers <= 1);
}

/// Many at once, each at its time.
#[test]
fn many_idle_connections_end_each_at_its_time() {
    let (_runtime, server) = serve(Echo::default(), |b| b.idle_timeout(Some(200 * MS)));
    let mut clients = Vec::new();
    for i in 0..100u64 {
        let mut client = connect(&server);
        thread::sleep(MS);
        let since = Stopwatch::start();
        call(&mut client, &i.to_be_bytes());
        clients.push((client, since));
    }
    let waits: Vec<_> = clients
        .into_iter()
        .map(|(mut client, since)| {
            thread::spawn(move || {
                until_end(&mut client, since).assert_within(199 * MS, 700 * MS);
            })
        })
        .collect();
    waits.into_iter().for_each(|wait| wait.join().unwrap());
}

#[test]
fn a_sleep_is_not_early() {
    let (runtime, _server) = serve(Echo::default(), |b| b);
    thread::sleep(200 * MS);
    for ms in [1, 2, 5, 20] {
        let slept = netpoll::block_on(runtime.spawn(async move {
            let since = Stopwatch::start();
            netpoll::sleep(Duration::from_millis(ms)).await;
            since.elapsed()
        }));
        let slept = slept.unwrap();
        assert!(slept >= Duration::from_millis(ms), "{slept:?} of {ms} ms");
    }
}

/// Frames that come whole are never late, whatever the timeout of an unfinished one.
#[test]
fn a_frame_timeout_spares_who_sends_whole_frames() {
    let (_runtime, server) = serve(Echo::default(), |b| b.frame_timeout(Some(50 * MS)));
    let mut client = connect(&server);
    for _ in 0..5 {
        thread::sleep(40 * MS);
        client.write_all(&frame(b"one")).unwrap();
        assert_eq!(read_frame(&mut client), b"one");
    }
}
