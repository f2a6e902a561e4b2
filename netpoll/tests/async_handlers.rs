//! Async handlers: they wait without a thread, wake from anywhere, and keep the order of requests.

mod common;

use std::{
    future::poll_fn,
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use common::{
    Bench, Log, call, connect, frame, random, read_frame, reset, serve_on, stopwatch::Stopwatch,
    wait_until,
};
use netpoll::{
    Call, CloseReason, Connection, ConnectionOptions, Dispatch, Error, ErrorKind, Flow, In, Result,
    Runtime, Service,
};

/// Pollers 1 and 2, and few workers: what waits must not need one.
fn runtimes() -> [Runtime; 2] {
    [1, 2].map(|n| Runtime::builder().pollers(n).max_workers(2).build().unwrap())
}

/// Sleeps as many milliseconds as a request's first byte says; its session counts.
struct Sleepy;

impl Service for Sleepy {
    type Session = u8;
    type Request = Bench<'static>;
    const DISPATCH: Dispatch = Dispatch::Async;

    async fn on_connect(&self, _: &Connection) -> Result<u8> {
        netpoll::sleep(Duration::from_millis(1)).await;
        Ok(0)
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, u8>, req: Bench<'a>) -> Result<Flow> {
        netpoll::sleep(Duration::from_millis(req.0[0].into())).await;
        *call.session = call.session.wrapping_add(1);
        call.out.put(&Bench(&[*call.session, req.0[1]]))?;
        Ok(Flow::Continue)
    }
}

#[test]
fn many_wait_at_once_on_few_threads() {
    for runtime in runtimes() {
        let server = serve_on(&runtime, Sleepy, |b| b);
        let mut clients: Vec<_> = (0..200).map(|_| connect(&server)).collect();
        let start = Stopwatch::start();
        for client in &mut clients {
            client.write_all(&frame(&[100, 7])).unwrap();
        }
        for client in &mut clients {
            assert_eq!(read_frame(client), [1, 7]);
        }
        start.assert_within(Duration::from_millis(100), Duration::from_secs(2));
        assert!(runtime.stats().workers <= 4, "{} workers", runtime.stats().workers);
        drop(clients);
        wait_until(|| runtime.stats().connections == 0);
    }
}

#[test]
fn requests_are_answered_in_order() {
    for runtime in runtimes() {
        let server = serve_on(&runtime, Sleepy, |b| b);
        let mut client = connect(&server);
        let mut seed = 3;
        let requests: Vec<u8> =
            (0..100u8).flat_map(|i| frame(&[random(&mut seed, 4) as u8, i])).collect();
        client.write_all(&requests).unwrap();
        for i in 0..100u8 {
            assert_eq!(read_frame(&mut client), [i + 1, i]);
        }
    }
}

/// Waits for a thread of its own that wakes it: at once, later, or several times.
struct Woken;

impl Service for Woken {
    type Session = ();
    type Request = Bench<'static>;
    const DISPATCH: Dispatch = Dispatch::Async;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, req: Bench<'a>) -> Result<Flow> {
        let done = Arc::new(AtomicBool::new(false));
        let mut started = false;
        let pause = u64::from(req.0[0]);
        poll_fn(|cx| {
            if done.load(SeqCst) {
                return Poll::Ready(());
            }
            if !started {
                started = true;
                let (done, waker) = (done.clone(), cx.waker().clone());
                thread::spawn(move || {
                    waker.wake_by_ref();
                    thread::sleep(Duration::from_micros(pause));
                    done.store(true, SeqCst);
                    waker.wake_by_ref();
                    waker.wake();
                });
            }
            Poll::Pending
        })
        .await;
        call.out.put(&req)?;
        Ok(Flow::Continue)
    }
}

#[test]
fn no_wake_of_another_thread_is_lost() {
    for runtime in runtimes() {
        let server = serve_on(&runtime, Woken, |b| b);
        let clients: Vec<_> = (0..4u64)
            .map(|i| {
                let mut client = connect(&server);
                thread::spawn(move || {
                    let mut seed = i + 1;
                    for _ in 0..400 {
                        let pause = [random(&mut seed, 200) as u8];
                        assert_eq!(call(&mut client, &pause), pause);
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        wait_until(|| runtime.stats().connections == 0);
    }
}

#[test]
fn clients_that_leave_meanwhile_leave_nothing() {
    for runtime in runtimes() {
        let server = serve_on(&runtime, Sleepy, |b| b);
        let mut seed = 5;
        for i in 0..300 {
            let mut client = connect(&server);
            client.write_all(&frame(&[random(&mut seed, 5) as u8, 0])).unwrap();
            if i % 2 == 0 { drop(client) } else { reset(client) }
        }
        wait_until(|| runtime.stats().connections == 0);
        wait_until(|| runtime.stats().tasks == 0);
        assert_eq!(runtime.stats().panics, 0);
    }
}

/// Reads lines of the form: two bytes of length, then so many, in as many waits as it takes.
struct Lines(Log);

impl Service for Lines {
    type Session = ();
    type Request = In<'static>;
    const DISPATCH: Dispatch = Dispatch::Async;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, call: Call<'a, ()>, mut input: In<'a>) -> Result<Flow> {
        input.fill_async(2).await?;
        let n = u16::from_be_bytes(input.next(2)?.try_into().unwrap());
        input.fill_async(n.into()).await?;
        let line = input.next(n.into())?;
        call.out.buf.write(line)?;
        Ok(Flow::Continue)
    }

    fn on_error(&self, _: &Connection, error: &Error) {
        self.0.lock().push(format!("error {:?}", error.kind()));
    }

    async fn on_close(&self, _: &Connection, _: (), reason: CloseReason) {
        self.0.lock().push(format!("close {reason:?}"));
    }
}

#[test]
fn a_raw_reader_waits_for_what_it_asked_for() {
    for runtime in runtimes() {
        let log = Log::default();
        let server = serve_on(&runtime, Lines(log.clone()), |b| b);
        let mut client = connect(&server);
        client.set_nodelay(true).unwrap();
        for n in [0u16, 1, 100, 60_000] {
            let payload: Vec<u8> = (0..n).map(|i| i as u8).collect();
            let bytes = [&n.to_be_bytes()[..], &payload].concat();
            let (head, tail) = bytes.split_at(bytes.len() / 2);
            client.write_all(head).unwrap();
            thread::sleep(Duration::from_millis(5));
            client.write_all(tail).unwrap();
            let mut answer = vec![0; n.into()];
            client.read_exact(&mut answer).unwrap();
            assert!(answer == payload);
        }
        // It leaves in the middle of a line.
        client.write_all(&[0, 9, 1]).unwrap();
        drop(client);
        wait_until(|| runtime.stats().connections == 0);
        assert_eq!(*log.lock(), ["error Eof", "close HandlerError"]);
    }
}

#[test]
fn a_raw_reader_gives_up_after_its_read_timeout() {
    for runtime in runtimes() {
        let log = Log::default();
        let server = serve_on(&runtime, Lines(log.clone()), |b| {
            let mut options = ConnectionOptions::default();
            options.read_timeout = Some(Duration::from_millis(60));
            b.options(options)
        });
        let mut client = connect(&server);
        let start = Instant::now();
        client.write_all(&[0, 9, 1]).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
        assert!(start.elapsed() >= Duration::from_millis(60));
        wait_until(|| runtime.stats().connections == 0);
        assert_eq!(*log.lock(), ["error TimedOut", "close HandlerTimeout"]);
    }
}

/// Spawned futures, and blocking work within them, beside connections.
#[test]
fn spawned_futures_end_with_their_value_or_error() {
    for runtime in runtimes() {
        let count = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..100u64)
            .map(|i| {
                let count = count.clone();
                runtime.spawn(async move {
                    netpoll::sleep(Duration::from_millis(i % 5)).await;
                    assert!(i != 50, "a test's panic");
                    count.fetch_add(1, SeqCst);
                    i
                })
            })
            .collect();
        for (i, task) in (0..100u64).zip(tasks) {
            match netpoll::block_on(task) {
                Ok(n) => assert_eq!(n, i),
                Err(error) => assert_eq!((i, error.kind()), (50, ErrorKind::Panic)),
            }
        }
        assert_eq!(count.load(SeqCst), 99);
        let waits = runtime.spawn(std::future::pending::<()>());
        assert_eq!(runtime.shutdown(Duration::from_secs(1)), 0);
        assert_eq!(netpoll::block_on(waits).unwrap_err().kind(), ErrorKind::Cancelled);
    }
}
