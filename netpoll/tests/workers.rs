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

fn talk(address: &netpoll::PeerAddress, body: &[u8]) -> std::io::Result<Vec<u8>> {
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
    let mut sleep = Box::pin(block_on(runtime.spawn(unpolled(5))).unwrap());
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
    let server = EventLoop::builder(Free::<spawns>::new())
        .runtime(&runtime)
        .listen("127.0.0.1:0")
        .bind()
        .unwrap();
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

static CLIENT: std::sync::OnceLock<Client<Message<'static>, Message<'static>>> =
    std::sync::OnceLock::new();

#[netpoll::on_request]
fn echo<'a>(message: Message<'a>) -> Message<'a> {
    message
}

#[netpoll::on_request]
fn calls<'a>(message: Message<'a>) -> Message<'a> {
    let inner = Message { length: Auto::default(), body: b"inner" };
    CLIENT.get().unwrap().call(inner).unwrap();
    message
}

/// All places of `max_workers` wait for replies, and for dials, of a client on the same runtime.
#[test]
fn replies_to_calls_and_dials_come_while_all_handlers_wait_for_them() {
    let (back, front) = (runtime(1, 8), runtime(1, 2));
    let serve = EventLoop::builder(Free::<echo>::new()).runtime(&back);
    let backend = serve.listen("127.0.0.1:0").bind().unwrap();
    let client = Client::pool(backend.addresses()[0].to_string())
        .runtime(&front)
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    assert!(CLIENT.set(client).is_ok());
    let serve = EventLoop::builder(Free::<calls>::new()).runtime(&front);
    let server = serve.listen("127.0.0.1:0").bind().unwrap();
    let began = Instant::now();
    let peers: Vec<_> = (0..16)
        .map(|_| {
            let address = server.addresses()[0].clone();
            thread::spawn(move || talk(&address, b"outer").unwrap())
        })
        .collect();
    for peer in peers {
        assert_eq!(peer.join().unwrap(), b"outer");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "the calls waited for each other");
}

struct Waits(fn());

#[netpoll::server]
impl Waits {
    #[on_request]
    fn handle<'a>(&self, message: Message<'a>) -> Message<'a> {
        if message.body == b"slow" {
            thread::sleep(Duration::from_millis(300));
        }
        message
    }

    #[on_disconnect]
    fn gone(&self, _: &Connection, _: CloseReason) {
        (self.0)();
    }
}

/// Of the library's own waits, and of others.
#[test]
fn on_disconnect_beside_a_request_may_wait() {
    let long = Duration::from_secs(60);
    for waits in [
        || block_on(netpoll::sleep(Duration::from_secs(60))),
        || netpoll::blocking(|| thread::sleep(Duration::from_secs(60))),
        || thread::sleep(Duration::from_secs(60)),
    ] as [fn(); 3]
    {
        let runtime = runtime(1, 8);
        let server = Waits(waits).builder().runtime(&runtime).listen("127.0.0.1:0").bind().unwrap();
        let address = server.addresses()[0].clone();
        let mut peer = TcpStream::connect(address.inet().unwrap()).unwrap();
        peer.write_all(b"\0\0\0\x04slow").unwrap();
        wait_until(|| runtime.stats().late == 1);
        drop(peer);
        // The hook begins beside the handler, or after it.
        thread::sleep(Duration::from_millis(20));
        let began = Instant::now();
        assert_eq!(talk(&address, b"fast").unwrap(), b"fast");
        assert!(began.elapsed() < long / 4);
        // Leave the hook behind: it ends in a minute.
        std::mem::forget((server, runtime));
    }
}

#[derive(Frame)]
struct Ask {
    n: u32,
}

static BODY: [u8; 65536] = [7; 65536];

#[netpoll::on_request(inline)]
fn many(ask: Ask) -> Replies<impl Iterator<Item = Message<'static>>> {
    Replies((0..ask.n).map(|_| Message { length: Auto::default(), body: &BODY }))
}

/// The replies pass the high mark, so that the handler waits for room, which the poller tells of.
#[test]
fn an_inline_handler_that_waits_for_room_does_not_stop_its_poller() {
    const REPLIES: usize = 400;
    let runtime = runtime(1, 8);
    let server = EventLoop::builder(Free::<many>::new())
        .runtime(&runtime)
        .listen("127.0.0.1:0")
        .bind()
        .unwrap();
    let address = server.addresses()[0].inet().unwrap();
    let mut peer = TcpStream::connect(address).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    peer.write_all(&(REPLIES as u32).to_be_bytes()).unwrap();
    wait_until(|| runtime.stats().handovers_by_wait > 0);
    // Another connection is served meanwhile.
    let mut other = TcpStream::connect(address).unwrap();
    other.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    other.write_all(&1u32.to_be_bytes()).unwrap();
    let mut frame = vec![0; 4 + BODY.len()];
    other.read_exact(&mut frame).unwrap();
    for _ in 0..REPLIES {
        peer.read_exact(&mut frame).unwrap();
        assert_eq!(&frame[4..], BODY);
    }
}

#[test]
fn a_sleep_of_a_runtime_that_was_shut_down_ends() {
    let runtime = runtime(1, 2);
    let began = Instant::now();
    let sleep = block_on(runtime.spawn(unpolled(50))).unwrap();
    runtime.shutdown(Duration::from_secs(1));
    block_on(sleep);
    assert!(began.elapsed() >= Duration::from_millis(50));
}

#[test]
fn a_second_shutdown_waits_for_the_first() {
    let runtime = runtime(1, 2);
    let (began, ends) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (begins, end) = (began.clone(), ends.clone());
    let task = runtime.spawn(async move {
        begins.store(true, SeqCst);
        while !end.load(SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
    });
    wait_until(|| began.load(SeqCst));
    let shutdown = |runtime: Runtime| {
        let ends = ends.clone();
        thread::spawn(move || (runtime.shutdown(Duration::from_secs(20)), ends.load(SeqCst)))
    };
    let both = [shutdown(runtime.clone()), shutdown(runtime.clone())];
    thread::sleep(Duration::from_millis(50));
    // One whose deadline comes first says who is left.
    assert_eq!(runtime.shutdown(Duration::from_millis(1)), 1);
    ends.store(true, SeqCst);
    for one in both {
        assert_eq!(one.join().unwrap(), (0, true));
    }
    drop(task);
}

/// Tracers and loggers make their last call in a thread-local's destructor.
#[test]
fn a_thread_locals_destructor_may_wait_spawn_and_end_a_runtime() {
    struct Last(Runtime);
    impl Drop for Last {
        fn drop(&mut self) {
            let task = self.0.spawn(async { netpoll::sleep(Duration::from_millis(1)).await });
            block_on(task).unwrap();
            block_on(netpoll::sleep(Duration::from_millis(1)));
            assert_eq!(netpoll::blocking(|| 7), 7);
            ENDED.store(true, SeqCst);
        }
    }
    static ENDED: AtomicBool = AtomicBool::new(false);
    thread_local! {
        static LAST: std::cell::OnceCell<Last> = const { std::cell::OnceCell::new() };
    }
    // Registered before the library's own, and so destroyed after them, and the other way round.
    for first in [true, false] {
        ENDED.store(false, SeqCst);
        thread::spawn(move || {
            let own = runtime(1, 2);
            if !first {
                block_on(netpoll::sleep(Duration::from_millis(1)));
            }
            LAST.with(|last| {
                last.get_or_init(|| Last(own.clone()));
            });
            block_on(own.spawn(async {})).unwrap();
            drop(netpoll::mem::alloc(4096));
        })
        .join()
        .unwrap();
        assert!(ENDED.load(SeqCst));
    }
}

#[test]
fn code_on_a_worker_finds_its_own_runtime() {
    let runtime = runtime(1, 3);
    let task = runtime.spawn(async {
        let own = Runtime::current();
        own.spawn(async { netpoll::spawn(async { Runtime::current().stats().pollers }).await })
            .await
    });
    assert_eq!(block_on(task).unwrap().unwrap().unwrap(), 1);
    wait_until(|| runtime.stats().tasks == 0);
}

/// A sleep that belongs to the runtime whose task makes it, and that nobody has polled.
#[allow(clippy::async_yields_async, reason = "who awaits it is the point of the tests")]
async fn unpolled(millis: u64) -> netpoll::Sleep {
    netpoll::sleep(Duration::from_millis(millis))
}
