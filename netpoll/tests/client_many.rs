//! Many callers at once: a thousand threads, and ten thousand futures over four connections under
//! three executors.

mod client_support;
mod common;

use std::{
    collections::VecDeque,
    io::Write,
    net::TcpStream,
    pin::Pin,
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use client_support::{
    Echoes, Kind, NEVER, Tally, assert_quiet,
    by_hand::{ByHand, next_frame},
    message, serve_slow,
};
use common::{runtime, scenario::length, wait_until};
use netpoll::ErrorKind;
use parking_lot::Mutex;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_thousand_threads() {
    const THREADS: usize = 1_000;
    let calls = length(5, 200);
    let (server_side, client_side) = (runtime(2), runtime(2));
    let (_server, address) = serve_slow(&server_side, NEVER);
    for kind in [Kind::Pool(64), Kind::Mux(2)] {
        let client = kind.client_on(&client_side, &address, LONG);
        let (tally, together) = (Tally::default(), Barrier::new(THREADS));
        thread::scope(|scope| {
            for caller in 0..THREADS {
                let (client, tally, together) = (&client, &tally, &together);
                let calls = move || {
                    together.wait();
                    for call in 0..calls {
                        let body = format!("{caller} {call}").repeat(1 + caller % 9).into_bytes();
                        tally.note(&body, &client.call(message(0, body.clone())));
                    }
                };
                thread::Builder::new().stack_size(256 << 10).spawn_scoped(scope, calls).unwrap();
            }
        });
        assert_eq!(
            (tally.answered(), tally.all()),
            (THREADS * calls, THREADS * calls),
            "{tally:?}"
        );
        let stats = client.stats();
        println!("{kind:?}: {stats:?}");
        let most = match kind {
            Kind::Pool(most) | Kind::Mux(most) => most,
        };
        assert!(stats.dials as usize <= most && stats.connections <= most, "{stats:?}");
        assert_quiet(&client);
    }
}

const FUTURES: usize = 10_000;

/// Answers when all requests have come, those of each connection in reverse.
struct AllAtOnce {
    server: ByHand,
    came: Arc<AtomicUsize>,
}

impl AllAtOnce {
    fn start() -> Self {
        let came = Arc::new(AtomicUsize::new(0));
        let counts = came.clone();
        let server = ByHand::start(move |stream, _| {
            let (mut reads, mut writes) = (stream.try_clone().unwrap(), stream);
            let frames = Mutex::new(Vec::new());
            thread::scope(|scope| {
                scope.spawn(|| {
                    while let Some(frame) = next_frame(&mut reads) {
                        frames.lock().push(frame);
                        counts.fetch_add(1, SeqCst);
                    }
                });
                wait_until(|| counts.load(SeqCst) == FUTURES);
                frames.lock().reverse();
                // The client's end is seen by who reads.
                let _ = write_all(&mut writes, &frames.lock());
            });
        });
        Self { server, came }
    }
}

fn write_all(stream: &mut TcpStream, frames: &[Vec<u8>]) -> std::io::Result<()> {
    frames.chunks(100).try_for_each(|some| stream.write_all(&some.concat()))
}

/// Has `run` run all of these calls side by side, and checks that they were in flight together.
fn ten_thousand(run: impl FnOnce(Vec<Pin<Box<dyn Future<Output = ()> + Send>>>)) {
    let all = AllAtOnce::start();
    let runtime = runtime(2);
    let client = Echoes::mux(&*all.server.address)
        .connections(4)
        .max_in_flight(FUTURES / 4)
        .runtime(&runtime)
        .timeout(LONG)
        .build()
        .unwrap();
    client.warm_up(4).unwrap();
    let tally = Arc::new(Tally::default());
    let calls = (0..FUTURES).map(|call| {
        let (client, tally) = (client.clone(), tally.clone());
        Box::pin(async move {
            let body = format!("{call}").into_bytes();
            let told = client.call_async(message(0, body.clone())).await;
            tally.note(&body, &told);
        }) as _
    });
    run(calls.collect());
    assert_eq!((tally.answered(), tally.all()), (FUTURES, FUTURES), "{tally:?}");
    assert_eq!(all.came.load(SeqCst), FUTURES, "none was sent twice");
    assert_eq!((all.server.accepted(), client.stats().connections), (4, 4));
    assert_quiet(&client);
}

#[test]
fn ten_thousand_futures_under_the_own_executor() {
    ten_thousand(|calls| {
        let runtime = runtime(2);
        let calls: Vec<_> = calls.into_iter().map(|call| runtime.spawn(call)).collect();
        calls.into_iter().for_each(|call| netpoll::block_on(call).unwrap());
    });
}

#[test]
fn ten_thousand_futures_under_tokio() {
    ten_thousand(|calls| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let calls: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
            for call in calls {
                call.await.unwrap();
            }
        });
    });
}

#[test]
fn ten_thousand_futures_on_one_thread() {
    ten_thousand(block_on_all);
}

/// Which futures were woken, and the thread that polls them.
struct Woken {
    list: Mutex<VecDeque<usize>>,
    thread: thread::Thread,
}

struct Wakes {
    index: usize,
    woken: Arc<Woken>,
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.woken.list.lock().push_back(self.index);
        self.woken.thread.unpark();
    }
}

/// The smallest executor that there can be: this thread polls whatever was woken.
fn block_on_all(mut futures: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>) {
    let list = Mutex::new((0..futures.len()).collect());
    let woken = Arc::new(Woken { list, thread: thread::current() });
    let mut done = vec![false; futures.len()];
    while !done.iter().all(|done| *done) {
        let next = woken.list.lock().pop_front();
        let Some(index) = next else {
            thread::park();
            continue;
        };
        if !done[index] {
            let waker = Waker::from(Arc::new(Wakes { index, woken: woken.clone() }));
            let polled = futures[index].as_mut().poll(&mut Context::from_waker(&waker));
            done[index] = polled == Poll::Ready(());
        }
    }
}

/// Calls that wait past the limit are told so at once; those before it are not harmed.
#[test]
fn there_is_a_limit_of_waiting_calls() {
    let server_side = runtime(1);
    let (_server, address) = serve_slow(&server_side, NEVER);
    let client = Echoes::pool(&*address).max_connections(2).max_waiters(10).build().unwrap();
    client.warm_up(2).unwrap();
    let tally = Tally::default();
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| tally.note(b"x", &client.call(message(300, "x"))));
        }
    });
    assert_eq!(tally.all(), 50);
    let limited = tally.failed(ErrorKind::Limit);
    assert!(limited > 0 && tally.answered() >= 12, "{tally:?}");
    assert_eq!(tally.answered() + limited, 50, "{tally:?}");
}
