//! Layers: what sees requests before their handlers, and their outcomes after, over real sockets.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::runtime;
use netpoll::{
    Call as ServiceCall, Connection, Dispatch, Fault, Flow, Result, Runtime, ServerHandle, Service,
    client::Client,
    frame::{Judged, Status},
    layers::{
        AccessLog, BearerToken, ConcurrencyLimit, Ext, Incoming, Layer, LoadShed, Outcome,
        RateLimit, RequestMetrics, Trace,
    },
    rpc::{Answer, Call, Metadata},
};
use parking_lot::Mutex;

type Log = Arc<Mutex<Vec<String>>>;
type RpcClient = Client<Call<'static>, Answer<'static>>;

/// Notes what it sees, and refuses the route `refuse` + its name.
#[derive(Clone)]
struct Noted(&'static str, Log);

#[derive(Clone, Debug, PartialEq)]
struct Seen(&'static str);

impl Layer for Noted {
    type State = String;

    fn before(&self, request: &mut Incoming<'_>) -> Result<String, Fault> {
        let route = request.route().expect("a call has a route").to_string();
        self.1.lock().push(format!("{} before {route}", self.0));
        if route == format!("refuse {}", self.0) {
            return Err(Fault::new(Status::Denied, "no"));
        }
        request.attach(Seen(self.0));
        Ok(route)
    }

    fn after(&self, route: String, outcome: &Outcome) {
        self.1.lock().push(format!("{} after {route}: {}", self.0, outcome.status()));
    }
}

struct Server {
    log: Log,
}

#[netpoll::server(
    frame = Call<'_>,
    reply = Answer<'_>,
    concurrent = 64,
    layers = [Noted("first", self.log.clone()), Noted("second", self.log.clone())],
)]
impl Server {
    #[on_request("seen")]
    fn seen(&self, Ext(seen): Ext<Seen>, _bytes: Vec<u8>) -> Vec<u8> {
        seen.0.as_bytes().to_vec()
    }

    #[on_request("boom")]
    async fn boom(&self) -> Vec<u8> {
        panic!("a secret")
    }

    #[on_request("late", timeout = "30ms")]
    async fn late(&self) {
        netpoll::sleep(Duration::from_secs(600)).await;
    }
}

fn client(server: &ServerHandle) -> RpcClient {
    Client::mux(server.addresses()[0].to_string()).connections(1).build().unwrap()
}

fn status(client: &RpcClient, route: &str) -> Status {
    client.call(Call::new(route, &[])).unwrap().get().unwrap().status()
}

/// Waits until `done`.
fn until(done: impl Fn() -> bool) {
    let stopwatch = std::time::Instant::now();
    while !done() {
        assert!(stopwatch.elapsed() < Duration::from_secs(20), "it never happens");
        thread::yield_now();
    }
}

fn noting() -> (Runtime, ServerHandle, RpcClient, Log) {
    let (runtime, log) = (runtime(1), Log::default());
    let server = Server { log: log.clone() }.builder().runtime(&runtime).listen("127.0.0.1:0");
    let server = server.bind().unwrap();
    let handle = server.handle();
    thread::spawn(move || server.serve());
    let client = client(&handle);
    (runtime, handle, client, log)
}

#[test]
fn layers_run_in_the_order_in_which_they_are_written() {
    let (_runtime, _server, client, log) = noting();
    let answer = client.call(Call::new("seen", &[])).unwrap();
    assert_eq!(answer.get().unwrap().payload, b"second", "the later layer's value counts");
    let seen = [
        "first before seen",
        "second before seen",
        "second after seen: ok",
        "first after seen: ok",
    ];
    assert_eq!(*log.lock(), seen);
}

#[test]
fn a_refused_request_is_answered_and_seen_by_the_layers_before() {
    let (_runtime, _server, client, log) = noting();
    assert_eq!(status(&client, "refuse second"), Status::Denied);
    let seen = [
        "first before refuse second",
        "second before refuse second",
        "first after refuse second: denied",
    ];
    assert_eq!(*log.lock(), seen);
    log.lock().clear();
    assert_eq!(status(&client, "refuse first"), Status::Denied);
    assert_eq!(*log.lock(), ["first before refuse first"]);
    assert_eq!(client.stats().connections, 1, "the connection goes on");
}

#[test]
fn layers_see_panics_deadlines_and_unknown_routes() {
    let (_runtime, _server, client, log) = noting();
    for (route, outcome) in
        [("boom", Status::Panic), ("late", Status::Timeout), ("none", Status::Unknown)]
    {
        assert_eq!(status(&client, route), outcome);
        assert_eq!(log.lock().last().unwrap(), &format!("first after {route}: {outcome}"));
    }
}

/// A service by hand, for each kind of dispatch.
struct ByHand<const KIND: u8>;

impl<const KIND: u8> Service for ByHand<KIND> {
    type Session = u8;
    type Request = Call<'static>;
    const DISPATCH: Dispatch = match KIND {
        0 => Dispatch::Sync,
        1 => Dispatch::Inline,
        2 => Dispatch::Async,
        _ => Dispatch::Concurrent { max: 8, ordered: false },
    };

    async fn on_connect(&self, _: &Connection) -> Result<u8> {
        Ok(KIND)
    }

    fn share(session: &u8) -> Option<u8> {
        Some(*session)
    }

    async fn on_request<'a>(
        &'a self,
        call: ServiceCall<'a, u8>,
        request: Call<'a>,
    ) -> Result<Flow> {
        let mut out = call.out;
        if request.method == "hang" {
            netpoll::sleep(Duration::from_secs(600)).await;
        }
        out.put(&Answer::new(request.id, request.payload))?;
        Ok(Flow::Continue)
    }
}

/// Checks the facts of requests, and counts those that have not ended.
struct Facts(Arc<AtomicUsize>, Log);

impl Layer for Facts {
    type State = ();
    const TIMED: bool = true;

    fn before(&self, request: &mut Incoming<'_>) -> Result<(), Fault> {
        assert!(request.peer().inet().unwrap().ip().is_loopback());
        assert!(request.session::<u8>().is_some() && request.session::<u16>().is_none());
        assert_eq!(request.metadata("token"), Some(&b"abc"[..]));
        assert_eq!(request.metadata("none"), None);
        assert_eq!(request.size(), request.size().max(20));
        assert!(request.deadline().left().is_some(), "the caller's");
        self.0.fetch_add(1, SeqCst);
        Ok(())
    }

    fn after(&self, (): (), outcome: &Outcome) {
        self.1.lock().push(format!("{} {}", outcome.status(), outcome.bytes()));
        self.0.fetch_sub(1, SeqCst);
    }
}

fn facts<const KIND: u8>() {
    let (left, log) = (Arc::new(AtomicUsize::new(0)), Log::default());
    let runtime = runtime(1);
    let server = netpoll::EventLoop::builder(ByHand::<KIND>)
        .layers(Facts(left.clone(), log.clone()))
        .runtime(&runtime)
        .listen("127.0.0.1:0")
        .bind()
        .unwrap();
    let handle = server.handle();
    let serving = thread::spawn(move || server.serve());
    let client = client(&handle);
    let call = |method| {
        let metadata = vec![Metadata { name: "token", value: b"abc" }];
        Call { metadata, ..Call::new(method, b"four") }
    };
    assert_eq!(client.call(call("echo")).unwrap().get().unwrap().payload, b"four");
    until(|| left.load(SeqCst) == 0);
    assert_eq!(log.lock().pop().unwrap(), "ok 17");
    if KIND >= 2 {
        // A request that is dropped with its connection has an outcome too.
        let hanging = client.clone();
        let hanging = thread::spawn(move || hanging.call(call("hang")).is_err());
        until(|| left.load(SeqCst) == 1);
        handle.shutdown(Duration::ZERO);
        assert!(hanging.join().unwrap());
        until(|| left.load(SeqCst) == 0);
        assert_eq!(log.lock().pop().unwrap(), "cancelled 0");
    } else {
        handle.shutdown(Duration::ZERO);
    }
    serving.join().unwrap().unwrap();
}

#[test]
fn layers_see_facts_and_outcomes_of_each_kind_of_dispatch() {
    facts::<0>();
    facts::<1>();
    facts::<2>();
    facts::<3>();
}

#[derive(Clone)]
struct User(&'static str);

/// Shipped layers.
struct Guarded;

fn user(token: &[u8]) -> Option<User> {
    (token == b"s3cret").then_some(User("ann"))
}

#[netpoll::server(
    frame = Call<'_>,
    reply = Answer<'_>,
    layers = [Trace, AccessLog, BearerToken::new(user), RateLimit::new(3, Duration::from_secs(3600))],
)]
impl Guarded {
    #[on_request("who")]
    fn who(&self, Ext(user): Ext<User>, _bytes: Vec<u8>) -> Vec<u8> {
        user.0.as_bytes().to_vec()
    }
}

#[test]
fn a_token_and_a_rate_let_requests_in() {
    let runtime = runtime(1);
    let server = Guarded.builder().runtime(&runtime).listen("127.0.0.1:0").bind().unwrap();
    let handle = server.handle();
    thread::spawn(move || server.serve());
    let client = client(&handle);
    let call = |token: Option<&'static [u8]>| {
        let entry = token.map(|value| Metadata { name: "authorization", value });
        let call = Call { metadata: entry.into_iter().collect(), ..Call::new("who", &[]) };
        let answer = client.call(call).unwrap();
        let answer = answer.get().unwrap();
        (answer.status(), answer.payload.to_vec())
    };
    assert_eq!(call(None).0, Status::Denied);
    assert_eq!(call(Some(b"guess")).0, Status::Denied);
    assert_eq!(call(Some(b"Bearer s3cret")), (Status::Ok, b"ann".to_vec()));
    assert_eq!(call(Some(b"s3cret")), (Status::Ok, b"ann".to_vec()));
    assert_eq!(call(Some(b"s3cret")).0, Status::Ok);
    assert_eq!(call(Some(b"s3cret")).0, Status::Limit, "three in an hour");
}

struct Slow;

#[netpoll::server(frame = Call<'_>, reply = Answer<'_>, concurrent = 64)]
impl Slow {
    #[on_request("wait")]
    async fn wait(&self) {
        netpoll::sleep(Duration::from_millis(200)).await;
    }

    #[on_request("block")]
    fn block(&self) {
        thread::sleep(Duration::from_millis(300));
    }
}

fn layered(layers: impl Layer + 'static, workers: usize) -> (Runtime, ServerHandle, RpcClient) {
    let runtime = Runtime::builder().pollers(1).max_workers(workers).build().unwrap();
    let builder = netpoll::EventLoop::builder(Slow).layers(layers).runtime(&runtime);
    let server = builder.listen("127.0.0.1:0").bind().unwrap();
    let handle = server.handle();
    thread::spawn(move || server.serve());
    let client = client(&handle);
    (runtime, handle, client)
}

fn statuses(client: &RpcClient, route: &str, calls: usize) -> Vec<Status> {
    let calls = (0..calls).map(|_| Call::new(route, &[]));
    let status = |answer: Result<netpoll::client::Received<_>>| {
        answer.unwrap().get().map(|answer: Answer<'_>| answer.status()).unwrap()
    };
    client.batch(calls).into_iter().map(status).collect()
}

#[test]
fn a_concurrency_limit_refuses_what_is_too_much_and_gives_places_back() {
    let (_runtime, _server, client) = layered(ConcurrencyLimit::new(2), 8);
    let seen = statuses(&client, "wait", 8);
    let fine = seen.iter().filter(|status| **status == Status::Ok).count();
    assert!(fine >= 2 && seen.contains(&Status::Limit), "{seen:?}");
    until(|| statuses(&client, "wait", 1) == [Status::Ok]);
}

#[test]
fn requests_that_waited_too_long_are_shed() {
    // One worker, and handlers that block it: later requests wait for the earlier ones.
    let (_runtime, _server, client) = layered(LoadShed::after(Duration::from_millis(500)), 1);
    let seen = statuses(&client, "block", 6);
    assert_eq!(seen[0], Status::Ok);
    assert!(seen.contains(&Status::Unavailable), "{seen:?}");
    assert_eq!(status(&client, "block"), Status::Ok, "it has caught up");
}

#[test]
fn metrics_count_by_route() {
    let metrics = RequestMetrics::default();
    let (_runtime, _server, client) = layered((metrics.clone(), LoadShed::after(Duration::MAX)), 8);
    assert_eq!(statuses(&client, "wait", 3), [Status::Ok; 3]);
    assert_eq!(status(&client, "none"), Status::Unknown);
    until(|| metrics.snapshot().values().all(|counts| counts.in_progress == 0));
    let counts = metrics.snapshot();
    assert_eq!((counts["wait"].requests, counts["wait"].faults), (3, 0));
    assert!(counts["wait"].longest >= Duration::from_millis(190), "{counts:?}");
    assert!(counts["wait"].took >= counts["wait"].longest * 2, "{counts:?}");
    assert_eq!((counts["none"].requests, counts["none"].faults), (1, 1));
    assert!(counts["wait"].received > 0 && counts["wait"].sent > 0);
}
