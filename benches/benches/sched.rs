//! What the poller and the scheduler cost by themselves.
//!
//! - `poll`: one look at a selector in which so many sockets are ready, with `netpoll::poller` and with
//!   plain epoll.
//! - `task`: a task's trip: spawned by another task, queued, run, and awaited; 1,000 at a time.
//! - `hand-over`: a task tells that it will block; another worker takes its poller over, which runs the
//!   next task. tokio's `block_in_place` beside it.

use std::hint::black_box;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use netpoll::poller::{Events, Interest, Poller};
use netpoll::{Runtime, block_on};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

const SOURCES: [usize; 3] = [1, 16, 256];
const TASKS: usize = 1_000;

/// A socket with a byte to read, which nobody reads.
fn ready_socket() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().expect("descriptors");
    std::io::Write::write_all(&mut &theirs, b"x").expect("room for a byte");
    (ours, theirs)
}

fn poll(c: &mut Criterion) {
    let mut group = c.benchmark_group("poll");
    for count in SOURCES {
        let sockets: Vec<_> = (0..count).map(|_| ready_socket()).collect();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("netpoll", count), |b| {
            let poller = Poller::new().expect("a descriptor");
            for (index, (socket, _)) in sockets.iter().enumerate() {
                // A listener's events come as long as there is something to accept.
                poller.register(socket.as_fd(), Interest::Listener, index).expect("room");
            }
            let mut events = Events::with_capacity(count);
            b.iter(|| {
                let seen = poller.poll(&mut events, Some(Duration::ZERO)).expect("a poller");
                assert_eq!(seen, count);
                events.drain().for_each(|event| {
                    let _ = black_box(event);
                });
            });
        });
        group.bench_function(BenchmarkId::new("epoll", count), |b| {
            let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).expect("a descriptor");
            for (index, (socket, _)) in sockets.iter().enumerate() {
                let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
                epoll.add(socket.as_fd(), event).expect("room");
            }
            let mut events = vec![EpollEvent::empty(); count];
            b.iter(|| {
                let seen = epoll.wait(&mut events, EpollTimeout::ZERO).expect("an instance");
                assert_eq!(seen, count);
                events.iter().for_each(|event| _ = black_box(event.data()));
            });
        });
    }
    group.finish();
}

/// A runtime of one poller, kept for good: its workers must not be hired within a measurement.
fn netpoll_runtime() -> &'static Runtime {
    Box::leak(Box::new(Runtime::builder().pollers(1).build().expect("threads")))
}

fn tokio_runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).build().expect("threads")
}

fn task(c: &mut Criterion) {
    let mut group = c.benchmark_group("task");
    group.throughput(Throughput::Elements(TASKS as u64));
    group.bench_function("netpoll", |b| {
        let runtime = netpoll_runtime();
        b.iter(|| {
            block_on(runtime.spawn(async {
                let tasks: Vec<_> = (0..TASKS).map(|i| runtime.spawn(async move { i })).collect();
                for task in tasks {
                    black_box(task.await.expect("it runs to its end"));
                }
            }))
            .expect("it runs to its end");
        });
    });
    group.bench_function("tokio", |b| {
        let runtime = tokio_runtime();
        b.iter(|| {
            let all = runtime.spawn(async {
                let tasks: Vec<_> = (0..TASKS).map(|i| tokio::spawn(async move { i })).collect();
                for task in tasks {
                    black_box(task.await.expect("it runs to its end"));
                }
            });
            runtime.block_on(all).expect("it runs to its end");
        });
    });
    group.finish();
}

fn hand_over(c: &mut Criterion) {
    let mut group = c.benchmark_group("hand-over");
    // Each task that blocks starts the next, which the worker that takes over runs.
    group.bench_function("netpoll", |b| {
        let runtime = netpoll_runtime();
        b.iter_custom(|count| {
            let start = Instant::now();
            for _ in 0..count {
                let next = block_on(runtime.spawn(async {
                    let next = runtime.spawn(async {});
                    netpoll::blocking(|| block_on(next))
                }));
                next.expect("it runs to its end").expect("it runs to its end");
            }
            start.elapsed()
        });
    });
    group.bench_function("tokio", |b| {
        let runtime = tokio_runtime();
        b.iter_custom(|count| {
            let start = Instant::now();
            for _ in 0..count {
                let task = runtime.spawn(async {
                    let next = tokio::spawn(async {});
                    let handle = tokio::runtime::Handle::current();
                    tokio::task::block_in_place(|| handle.block_on(next))
                });
                runtime.block_on(task).expect("it runs to its end").expect("it runs to its end");
            }
            start.elapsed()
        });
    });
    group.finish();
}

criterion_group!(benches, poll, task, hand_over);
criterion_main!(benches);
