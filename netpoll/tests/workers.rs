//! Workers and shards: none is lost, whatever users' code does and the system refuses.

mod common;

use std::{
    future::Future,
    io::{Read, Write},
    net::TcpStream,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use common::wait_until;
use netpoll::{
    CloseReason, Connection, ErrorKind, EventLoop, Frame, Replies, Runtime, block_on,
    client::Client, frame::Auto, service::Free, timeout,
};

#[derive(Frame)]
struct Message<'a> {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

/// A value whose destructor panics.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(thread::panicking(), "a destructor panics as asked");
    }
}

/// A future that is ready at once and panics when it is dropped.
struct ReadyBomb(#[allow(dead_code)] Bomb);

impl Future for ReadyBomb {
    type Output = u8;
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<u8> {
        Poll::Ready(1)
    }
}

fn runtime(pollers: usize, workers: usize) -> Runtime {
    Runtime::builder().pollers(pollers).max_workers(workers).build().unwrap()
}

fn works(runtime: &Runtime) {
    let answer = timeout(Duration::from_secs(10), runtime.spawn(async { 6 * 7 }));
    assert_eq!(block_on(answer).expect("the runtime is alive").unwrap(), 42);
}

fn talk(address: &netpoll::Address, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut peer = TcpStream::connect(address.inet().unwrap())?;
    peer.set_read_timeout(Some(Duration::from_secs(10)))?;
    peer.write_all(&(body.len() as u32).to_be_bytes())?;
    peer.write_all(body)?;
    let mut answer = vec![0; 4 + body.len()];
    peer.read_exact(&mut answer)?;
    Ok(answer.split_off(4))
}

#[test]
fn a_future_that_panics_when_it_is_dropped_costs_no_worker() {
    let runtime = runtime(1, 2);
    for _ in 0..4 {
        assert_eq!(block_on(runtime.spawn(ReadyBomb(Bomb))).unwrap(), 1);
        // Of a result that nobody awaits.
        drop(runtime.spawn(async { Bomb }));
    }
    wait_until(|| runtime.stats().panics >= 8 && runtime.stats().tasks == 0);
    works(&runtime);
    assert_eq!(runtime.stats().workers, runtime.stats().standbys + 1);
    assert_eq!(runtime.shutdown(Duration::from_secs(5)), 0);
}

#[test]
fn a_shutdown_drops_futures_that_panic_then_and_ends_all_others() {
    let runtime = runtime(1, 2);
    let pending = || async {
        let _bomb = Bomb;
        std::future::pending::<()>().await;
    };
    let bombs = [runtime.spawn(pending()), runtime.spawn(pending())];
    let other = runtime.spawn(std::future::pending::<()>());
    wait_until(|| runtime.stats().turns >= 3);
    assert_eq!(runtime.shutdown(Duration::from_secs(5)), 0);
    for task in bombs.into_iter().chain([other]) {
        assert_eq!(block_on(task).unwrap_err().kind(), ErrorKind::Cancelled);
    }
    assert_eq!(runtime.stats().tasks, 0);
}

#[test]
fn a_foreign_waker_that_panics_costs_no_worker() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("a waker panics as asked");
        }
    }
    let runtime = runtime(1, 2);
    let open = Arc::new(AtomicBool::new(false));
    let gate = open.clone();
    let mut task = Box::pin(runtime.spawn(async move {
        while !gate.load(SeqCst) {
            netpoll::sleep(Duration::from_millis(1)).await;
        }
    }));
    let waker = Waker::from(Arc::new(Bad));
    assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    // An alarm rings for such a waker too.
    let mut sleep = Box::pin(block_on(runtime.spawn(async { netpoll::sleep(Duration::from_millis(5)) })).unwrap());
    let _ = sleep.as_mut().poll(&mut Context::from_waker(&waker));
    open.store(true, SeqCst);
    wait_until(|| runtime.stats().panics >= 2);
    works(&runtime);
    assert_eq!(runtime.shutdown(Duration::from_secs(5)), 0);
}

#[test]
fn a_task_that_was_aborted_is_dropped_also_while_it_runs() {
    let runtime = runtime(1, 2);
    let (began, dropped) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let count = Count(dropped.clone());
    let begins = began.clone();
    let task = runtime.spawn(async move {
        let _count = count;
        begins.store(true, SeqCst);
        thread::sleep(Duration::from_millis(20));
        std::future::pending::<()>().await;
    });
    wait_until(|| began.load(SeqCst));
    task.abort();
    assert_eq!(block_on(task).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(dropped.load(SeqCst), 1);
    assert_eq!(runtime.stats().tasks, 0);
    let done = runtime.spawn(async { 1 });
    wait_until(|| done.is_finished());
    done.abort();
    assert_eq!(block_on(done).unwrap(), 1);
}

#[netpoll::on_request]
fn spawns<'a>(message: Message<'a>) -> Message<'a> {
    let twice = block_on(Runtime::current().spawn(async { 2 })).unwrap();
    assert_eq!(twice, 2);
    message
}

/// Every place of `max_workers` waits for a task of the same runtime.
#[test]
fn tasks_run_while_all_handlers_wait_for_tasks() {
    let runtime = runtime(1, 2);
    let server =
        EventLoop::builder(Free::<spawns>::new()).runtime(&runtime).listen("127.0.0.1:0").bind().unwrap();
    let address = server.addresses()[0].clone();
    let peers: Vec<_> = (0..8)
        .map(|_| {
            let address = address.clone();
            thread::spawn(move || talk(&address, b"task").unwrap())
        })
        .collect();
    for peer in peers {
        assert_eq!(peer.join().unwrap(), b"task");
    }
}
