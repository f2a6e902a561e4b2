//! Shutdown: nothing is left behind, and what is cut is told. One test at a time, since threads and
//! descriptors are the process's.

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use common::{
    Answer, Bench, Echo, call, connect, frame, read_frame, serve_on, sleepy, stopwatch::Stopwatch,
    wait_until,
};
use netpoll::{Call, Dialer, ErrorKind, EventLoop, Flow, Runtime, ServerHandle, Service};
use parking_lot::{Mutex, MutexGuard};

const MS: Duration = Duration::from_millis(1);

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Threads and descriptors of this process, as they were before a test; compared at its end.
struct Baseline {
    threads: usize,
    fds: usize,
    _alone: MutexGuard<'static, ()>,
}

fn count(directory: &str) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

impl Baseline {
    fn take() -> Self {
        let alone = ONE_AT_A_TIME.lock();
        // The harness's threads come and go.
        let threads = workers();
        Self { threads, fds: count("/proc/self/fd"), _alone: alone }
    }

    /// Threads at once, since a shutdown joins them; descriptors as soon as the clients' are closed.
    #[track_caller]
    fn check(&self) {
        // The system lists a thread for a moment after it was joined.
        let until = Instant::now() + 50 * MS;
        while workers() != self.threads && Instant::now() < until {
            thread::yield_now();
        }
        assert_eq!(workers(), self.threads, "threads of the runtime");
        assert_eq!(count("/proc/self/fd"), self.fds, "descriptors");
    }
}

/// The runtime's threads, by their names.
fn workers() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with("netpoll-")).count()
}

fn runtime() -> Runtime {
    Runtime::builder().pollers(2).max_workers(64).build().unwrap()
}

fn bind<S: Service>(runtime: &Runtime, service: S) -> EventLoop {
    EventLoop::builder(service).runtime(runtime).listen("127.0.0.1:0").bind().unwrap()
}

#[test]
fn a_runtime_leaves_nothing() {
    let baseline = Baseline::take();
    for _ in 0..20 {
        let runtime = runtime();
        let server = bind(&runtime, Answer::by(sleepy)).handle();
        drop(server);
        assert_eq!(runtime.shutdown(1000 * MS), 0);
        drop(runtime);
        baseline.check();
    }
}

#[test]
fn connections_end_and_threads_are_joined() {
    let baseline = Baseline::take();
    for pollers in [1, 2, 3] {
        let runtime = Runtime::builder().pollers(pollers).build().unwrap();
        let server = bind(&runtime, Answer::by(sleepy));
        let handle = server.handle();
        let address = handle.addresses()[0].inet().unwrap();
        let mut clients: Vec<_> = (0..50).map(|_| connect(&handle)).collect();
        for client in &mut clients {
            call(client, b"hello");
        }
        call(&mut clients[0], b"sleep 30");
        let dialled = Dialer::new().runtime(&runtime).dial(&address.to_string()).unwrap();
        let since = Stopwatch::start();
        assert_eq!(runtime.shutdown(5000 * MS), 0);
        since.assert_below(1500 * MS);
        assert_eq!(runtime.stats().connections, 0);
        assert!(!dialled.is_active());
        assert!(TcpStream::connect(address).is_err());
        for client in &mut clients {
            assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
        }
        let error = Dialer::new().runtime(&runtime).dial(&address.to_string()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
        drop((clients, server, handle, dialled, runtime));
        baseline.check();
    }
}

#[test]
fn many_connections_end_quickly() {
    let baseline = Baseline::take();
    let runtime = runtime();
    let server = bind(&runtime, Echo::default());
    let handle = server.handle();
    let clients: Vec<_> = (0..2000).map(|_| connect(&handle)).collect();
    wait_until(|| handle.live() == 2000);
    let since = Stopwatch::start();
    assert_eq!(runtime.shutdown(10_000 * MS), 0);
    println!("2000 connections ended in {:?}", since.elapsed());
    since.assert_below(3000 * MS);
    drop((clients, server));
    assert_eq!(handle.live(), 0);
    drop((handle, runtime));
    baseline.check();
}

#[test]
fn a_stuck_handler_is_left_behind_and_counted() {
    let baseline = Baseline::take();
    let runtime = runtime();
    let server = bind(&runtime, Answer::by(sleepy));
    let handle = server.handle();
    let mut stuck: Vec<_> = (0..3).map(|_| connect(&handle)).collect();
    for client in &mut stuck {
        client.write_all(&frame(b"sleep 1200")).unwrap();
    }
    call(&mut connect(&handle), b"hello");
    wait_until(|| runtime.stats().late == 3);
    let since = Stopwatch::start();
    let left = runtime.shutdown(300 * MS);
    // A thread that does not get a core in time to leave counts too.
    assert!((3..=5).contains(&left), "{left} workers");
    since.assert_within(300 * MS, 900 * MS);
    // They end when their handlers return.
    wait_until(|| workers() == baseline.threads);
    drop((stuck, server, handle, runtime));
    wait_until(|| count("/proc/self/fd") == baseline.fds);
    baseline.check();
}

fn ends(client: &mut TcpStream) -> bool {
    client.read(&mut [0]).unwrap_or(0) == 0
}

#[test]
fn a_drain_answers_what_is_in_flight_and_reports_what_it_cuts() {
    let baseline = Baseline::take();
    let runtime = runtime();
    let handle: ServerHandle = serve_on(&runtime, Answer::by(sleepy), |b| b);
    let mut idle: Vec<_> = (0..5).map(|_| connect(&handle)).collect();
    idle.iter_mut().for_each(|client| drop(call(client, b"hello")));
    let mut soon = connect(&handle);
    soon.write_all(&[frame(b"sleep 150"), frame(b"and this")].concat()).unwrap();
    let mut late: Vec<_> = (0..2).map(|_| connect(&handle)).collect();
    late.iter_mut().for_each(|client| client.write_all(&frame(b"sleep 900")).unwrap());
    let mut half = connect(&handle);
    half.write_all(&frame(b"a frame that stays half")[..9]).unwrap();
    wait_until(|| runtime.stats().late == 3);
    let since = Stopwatch::start();
    // A second caller waits for the first and is told the same.
    let (told, second) = mpsc::channel();
    let again = handle.clone();
    let other = thread::spawn(move || {
        second.recv().unwrap();
        again.shutdown(Duration::ZERO)
    });
    let tells = thread::spawn(move || {
        thread::sleep(50 * MS);
        told.send(()).unwrap();
    });
    let report = handle.shutdown(400 * MS);
    since.assert_within(400 * MS, 850 * MS);
    assert_eq!((report.drained, report.cut.len()), (6, 3), "{report}");
    assert!(report.cut.iter().all(|cut| cut.pending == 0));
    assert_eq!(other.join().unwrap(), report);
    tells.join().unwrap();
    assert!(idle.iter_mut().all(ends));
    assert_eq!(read_frame(&mut soon), b"sleep 150");
    assert_eq!(read_frame(&mut soon), b"and this");
    assert!(ends(&mut soon) && ends(&mut half));
    assert!(late.iter_mut().all(ends), "cut, not answered");
    assert_eq!(handle.wait(), report);
    drop((idle, soon, late, half, handle));
    assert_eq!(runtime.shutdown(2000 * MS), 0);
    drop(runtime);
    // The thread that served has dropped its handle, or is about to.
    wait_until(|| count("/proc/self/fd") == baseline.fds);
    baseline.check();
}

#[test]
fn what_a_slow_client_has_not_taken_is_reported() {
    let baseline = Baseline::take();
    let runtime = runtime();
    let service = Answer::by(|call: &mut Call<'_, u32>, _: &[u8]| {
        call.out.put(&Bench(&vec![1; 16 << 20]))?;
        Ok(Flow::Continue)
    });
    let handle = serve_on(&runtime, service, |b| b);
    let mut slow = connect(&handle);
    slow.write_all(&frame(b"x")).unwrap();
    wait_until(|| handle.connections().iter().any(|conn| conn.pending() > 0));
    let report = handle.shutdown(100 * MS);
    assert_eq!((report.drained, report.cut.len()), (0, 1));
    assert!(report.cut[0].pending > 1 << 20, "{report}");
    drop((slow, handle));
    assert_eq!(runtime.shutdown(1000 * MS), 0);
    drop(runtime);
    wait_until(|| count("/proc/self/fd") == baseline.fds);
    baseline.check();
}

#[test]
fn spawned_futures_are_dropped() {
    struct Dropped(Arc<AtomicUsize>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let baseline = Baseline::take();
    let runtime = runtime();
    let dropped = Arc::new(AtomicUsize::new(0));
    let handles: Vec<_> = (0..10)
        .map(|i| {
            let guard = Dropped(dropped.clone());
            runtime.spawn(async move {
                let _guard = guard;
                match i % 2 {
                    0 => std::future::pending::<()>().await,
                    _ => netpoll::sleep(3_600_000 * MS).await,
                }
            })
        })
        .collect();
    wait_until(|| runtime.stats().timers >= 5);
    assert_eq!(runtime.shutdown(1000 * MS), 0);
    assert_eq!(dropped.load(SeqCst), 10);
    for handle in handles {
        assert_eq!(netpoll::block_on(handle).unwrap_err().kind(), ErrorKind::Cancelled);
    }
    let late = runtime.spawn(async {});
    assert_eq!(netpoll::block_on(late).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(runtime.stats().tasks, 0);
    drop(runtime);
    baseline.check();
}

/// The last handle dropped by a worker, in a handler and in a future.
#[test]
fn a_runtime_dropped_by_its_own_worker() {
    let baseline = Baseline::take();
    for pollers in [1, 2] {
        let runtime = Runtime::builder().pollers(pollers).build().unwrap();
        let last = Arc::new(Mutex::new(Some(runtime.clone())));
        let took = Arc::new(Mutex::new(None));
        let done = runtime.spawn({
            let took = took.clone();
            async move {
                // Until the other handle is gone.
                netpoll::sleep(30 * MS).await;
                let since = Instant::now();
                drop(last.lock().take());
                *took.lock() = Some(since.elapsed());
            }
        });
        drop((runtime, done));
        wait_until(|| took.lock().is_some());
        assert!(took.lock().unwrap() < 1300 * MS, "{took:?}");
        wait_until(|| workers() == baseline.threads);
    }
    baseline.check();
}

#[test]
fn a_handler_shuts_its_own_server_down() {
    let baseline = Baseline::take();
    let runtime = Runtime::builder().pollers(1).build().unwrap();
    let own: Arc<Mutex<Option<ServerHandle>>> = Arc::default();
    let asked = Arc::new(AtomicBool::new(false));
    let service = {
        let (own, asked) = (own.clone(), asked.clone());
        Answer::by(move |call: &mut Call<'_, u32>, frame: &[u8]| {
            let handle = own.lock().clone().unwrap();
            let report = handle.shutdown(20_000 * MS);
            assert_eq!((report.drained, report.cut.len()), (4, 0), "its own connection is not cut");
            asked.store(true, SeqCst);
            call.out.put(&Bench(frame))?;
            Ok(Flow::Continue)
        })
    };
    let handle = serve_on(&runtime, service, |b| b);
    *own.lock() = Some(handle.clone());
    let idle: Vec<_> = (0..3).map(|_| connect(&handle)).collect();
    let mut client = connect(&handle);
    wait_until(|| handle.live() == 4);
    client.write_all(&frame(b"stop")).unwrap();
    assert_eq!(read_frame(&mut client), b"stop");
    assert!(ends(&mut client));
    handle.wait();
    wait_until(|| asked.load(SeqCst));
    own.lock().take();
    drop((idle, client, handle));
    assert_eq!(runtime.shutdown(1000 * MS), 0);
    drop(runtime);
    wait_until(|| count("/proc/self/fd") == baseline.fds);
    baseline.check();
}
