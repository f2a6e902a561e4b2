//! The marks of a service's methods: `oneway`, `idempotent`, `stream`, `timeout`, `concurrent`, and metadata.

mod common;

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    thread,
    time::{Duration, Instant},
};

use common::{runtime, serve_on};
use netpoll::{
    Fault, Runtime, ServerHandle, Stream,
    client::{CallOptions, Client},
    frame::Status,
    layers::BearerToken,
    service::{CallError, MethodClient},
};
use serde::{Deserialize, Serialize};

const MS: Duration = Duration::from_millis(1);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct TooLarge(u64);

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is too large", self.0)
    }
}

#[netpoll::service]
trait Marks {
    /// The numbers below `n`.
    #[stream]
    async fn count(&self, n: u64) -> impl Stream<Item = u64>;
    /// The same, up to an error.
    #[stream]
    fn checked(&self, n: u64) -> impl Stream<Item = Result<u64, TooLarge>>;
    /// Never ends, and has no item.
    #[stream]
    async fn silence(&self) -> impl Stream<Item = u8>;
    #[stream]
    async fn broken(&self) -> impl Stream<Item = u8>;
    /// Large items, as many as are taken.
    #[stream]
    async fn flood(&self) -> impl Stream<Item = Vec<u8>>;
    #[oneway]
    fn log(&self, line: String);
    async fn logged(&self) -> Vec<String>;
    #[idempotent]
    async fn get(&self, key: u8) -> u8;
    #[timeout = "50ms"]
    async fn slow(&self);
    #[concurrent = 1]
    async fn narrow(&self, millis: u64);
}

/// The items of an iterator, which counts those that were asked for and whether it was dropped.
struct Items<I> {
    items: I,
    asked: Arc<AtomicUsize>,
    alive: Arc<AtomicUsize>,
    /// It waits for ever behind the last item.
    waits: bool,
}

impl<I> Drop for Items<I> {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, SeqCst);
    }
}

impl<I: Iterator + Unpin> Stream for Items<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        self.asked.fetch_add(1, SeqCst);
        match self.items.next() {
            None if self.waits => Poll::Pending,
            item => Poll::Ready(item),
        }
    }
}

#[derive(Clone, Default)]
struct Server {
    lines: Arc<parking_lot::Mutex<Vec<String>>>,
    asked: Arc<AtomicUsize>,
    alive: Arc<AtomicUsize>,
}

impl Server {
    fn items<I: Iterator>(&self, items: I) -> Items<I> {
        self.alive.fetch_add(1, SeqCst);
        Items { items, asked: self.asked.clone(), alive: self.alive.clone(), waits: false }
    }
}

impl Marks for Server {
    async fn count(&self, n: u64) -> impl Stream<Item = u64> {
        self.items(0..n)
    }

    fn checked(&self, n: u64) -> impl Stream<Item = Result<u64, TooLarge>> {
        self.items((0..n).map(|n| if n < 3 { Ok(n) } else { Err(TooLarge(n)) }))
    }

    async fn silence(&self) -> impl Stream<Item = u8> {
        let mut items = self.items(std::iter::empty());
        items.waits = true;
        items
    }

    async fn broken(&self) -> impl Stream<Item = u8> {
        self.items((0..9).inspect(|n| assert!(*n < 2, "a secret")))
    }

    async fn flood(&self) -> impl Stream<Item = Vec<u8>> {
        self.items(std::iter::repeat_with(|| vec![7; 64 * 1024]))
    }

    fn log(&self, line: String) {
        self.lines.lock().push(line);
    }

    async fn logged(&self) -> Vec<String> {
        self.lines.lock().clone()
    }

    async fn get(&self, key: u8) -> u8 {
        key
    }

    async fn slow(&self) {
        netpoll::sleep(Duration::from_secs(600)).await;
    }

    async fn narrow(&self, millis: u64) {
        netpoll::sleep(Duration::from_millis(millis)).await;
    }
}

fn serve() -> (Runtime, ServerHandle, Server, MarksClient) {
    let (runtime, marks) = (runtime(1), Server::default());
    let server = serve_on(&runtime, Marks::serve(marks.clone()), |builder| builder);
    let client = MarksClient::mux(server.addresses()[0].to_string()).unwrap();
    (runtime, server, marks, client)
}

fn until(done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "it never happens");
        thread::sleep(MS);
    }
}

#[test]
fn a_stream_gives_its_items_and_ends() {
    let (_runtime, _server, marks, client) = serve();
    let items: Result<Vec<u64>, _> = client.count(2_000).unwrap().collect();
    assert_eq!(items.unwrap(), (0..2_000).collect::<Vec<_>>());
    assert_eq!(client.count(0).unwrap().count(), 0);
    let asynchronous = netpoll::block_on(async {
        let mut stream = client.count_async(3).await.unwrap();
        let mut sum = 0;
        while let Some(item) = stream.next().await {
            sum += item.unwrap();
        }
        assert!(stream.next().await.is_none(), "it stays at its end");
        sum
    });
    assert_eq!(asynchronous, 3);
    // Over a pool too.
    let pool = MarksClient::pool(_server.addresses()[0].to_string()).unwrap();
    assert_eq!(pool.count(5).unwrap().map(Result::unwrap).sum::<u64>(), 10);
    until(|| marks.alive.load(SeqCst) == 0);
}

#[test]
fn a_stream_ends_by_a_typed_error_or_a_fault() {
    let (_runtime, _server, marks, client) = serve();
    let mut checked = client.checked(9).unwrap();
    let items: Vec<_> = checked.by_ref().take(3).map(Result::unwrap).collect();
    assert_eq!(items, [0, 1, 2]);
    let Some(Err(CallError::Method(error))) = Iterator::next(&mut checked) else { panic!() };
    assert_eq!(error, TooLarge(3));
    assert!(Iterator::next(&mut checked).is_none());

    let mut broken = client.broken().unwrap();
    assert_eq!(broken.by_ref().take(2).filter(Result::is_ok).count(), 2);
    let Some(Err(CallError::Fault(fault))) = Iterator::next(&mut broken) else { panic!() };
    assert_eq!(fault, Fault::panic());
    until(|| marks.alive.load(SeqCst) == 0);
}

#[test]
fn a_stream_that_is_dropped_is_cancelled_at_the_server() {
    let (_runtime, _server, marks, client) = serve();
    let silence = client.silence().unwrap();
    until(|| marks.alive.load(SeqCst) == 1);
    drop(silence);
    until(|| marks.alive.load(SeqCst) == 0);
    let mut flood = client.flood().unwrap();
    assert_eq!(Iterator::next(&mut flood).unwrap().unwrap().len(), 64 * 1024);
    drop(flood);
    until(|| marks.alive.load(SeqCst) == 0);
}

#[test]
fn a_stream_ends_at_its_deadline() {
    let (_runtime, _server, marks, client) = serve();
    let began = Instant::now();
    let mut silence = client.with(CallOptions::new().timeout(200 * MS)).silence().unwrap();
    let Some(Err(error)) = Iterator::next(&mut silence) else { panic!() };
    assert!(matches!(&error, CallError::Fault(fault) if *fault == Fault::timeout()), "{error:?}");
    assert!(began.elapsed() >= 170 * MS);
    until(|| marks.alive.load(SeqCst) == 0);
}

#[test]
fn a_reader_that_is_slow_holds_the_server_back() {
    let (_runtime, _server, marks, client) = serve();
    let mut flood = client.flood().unwrap();
    let mut before = usize::MAX;
    // Until the socket's buffers are full.
    until(|| {
        let asked = marks.asked.load(SeqCst);
        thread::sleep(100 * MS);
        asked > 0 && asked == marks.asked.load(SeqCst)
    });
    let held = marks.asked.load(SeqCst);
    assert!(held < 1_000, "{held} items of 64 KiB for a reader that takes none");
    for _ in 0..held + 10 {
        assert_eq!(Iterator::next(&mut flood).unwrap().unwrap().len(), 64 * 1024);
        before = marks.asked.load(SeqCst);
    }
    assert!(before >= held, "it goes on");
    // Others are not held up.
    assert_eq!(client.get(3).unwrap(), 3);
}

#[test]
fn a_one_way_call_is_handled_and_not_answered() {
    let (_runtime, _server, _marks, client) = serve();
    client.log("one".into()).unwrap();
    netpoll::block_on(client.log_async("two".into())).unwrap();
    until(|| client.logged().unwrap().len() == 2);
    assert_eq!(client.logged().unwrap(), ["one", "two"]);
}

#[test]
fn a_method_has_a_timeout_and_a_limit_of_its_own() {
    let (_runtime, _server, _marks, client) = serve();
    let Err(CallError::Fault(late)) = client.slow() else { panic!() };
    assert_eq!(late, Fault::timeout());
    let statuses: Vec<_> = thread::scope(|scope| {
        let call = || match client.narrow(300) {
            Ok(()) => Status::Ok,
            Err(CallError::Fault(fault)) => fault.status(),
            Err(other) => panic!("{other}"),
        };
        let calls: Vec<_> = (0..4).map(|_| scope.spawn(call)).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let count = |status| statuses.iter().filter(|seen| **seen == status).count();
    assert!(count(Status::Ok) >= 1 && count(Status::Limit) >= 1, "{statuses:?}");
    client.narrow(0).unwrap();
}

/// A server whose connections end at their second call: a method with the mark is called again.
#[test]
fn only_idempotent_methods_are_called_again() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            for answers in [true, false] {
                let mut head = [0; 4];
                if stream.read_exact(&mut head).is_err() {
                    break;
                }
                let mut call = vec![0; u32::from_be_bytes(head) as usize];
                stream.read_exact(&mut call).unwrap();
                seen.fetch_add(1, SeqCst);
                if answers {
                    let answer = [&[0, 0, 0, 10, 1, 1][..], &call[2..6], &[0, 0, 0, 42]].concat();
                    stream.write_all(&answer).unwrap();
                }
            }
        }
    });
    let client = MarksClient::mux(address.to_string()).unwrap();
    assert_eq!(client.get(1).unwrap(), 42);
    let Err(CallError::Connection(_)) = client.logged() else { panic!("it was sent once") };
    assert_eq!(calls.load(SeqCst), 2);
    assert_eq!(client.get(1).unwrap(), 42);
    assert_eq!(client.get(1).unwrap(), 42);
    assert_eq!(calls.load(SeqCst), 5, "the last one was sent twice");
}

#[test]
fn calls_carry_metadata_for_layers() {
    #[derive(Clone)]
    struct User;
    let (runtime, marks) = (runtime(1), Server::default());
    let layer = BearerToken::new(|token: &[u8]| (token == b"s3cret").then_some(User));
    let server = netpoll::EventLoop::builder(Marks::serve(marks)).layers(layer);
    let server = server.runtime(&runtime).listen("127.0.0.1:0").bind().unwrap();
    let address = server.addresses()[0].to_string();
    thread::spawn(move || server.serve());
    let client = MarksClient::new(MethodClient::new(Client::mux(address).build().unwrap()));
    let Err(CallError::Fault(denied)) = client.get(1) else { panic!() };
    assert_eq!(denied, Fault::new(Status::Denied, "no valid token"));
    let Err(CallError::Fault(denied)) = client.count(1).unwrap().next_item() else { panic!() };
    assert_eq!(denied.status(), Status::Denied);
    let client = client.metadata("authorization", "Bearer s3cret");
    assert_eq!(client.get(1).unwrap(), 1);
    assert_eq!(client.count(4).unwrap().count(), 4);
}

/// The first item of a stream that has one.
trait NextItem<T> {
    fn next_item(self) -> T;
}

impl<T, I: Iterator<Item = T>> NextItem<T> for I {
    fn next_item(mut self) -> T {
        Iterator::next(&mut self).expect("an item")
    }
}

#[test]
fn a_stream_describes_itself() {
    let description = Marks::serve(Server::default()).description();
    assert_eq!(description.methods[0].result, "Stream<u64>");
    assert_eq!(description.methods[1].result, "Stream<Result<u64, TooLarge>>");
}
