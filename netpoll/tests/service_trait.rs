//! `#[netpoll::service]`: a trait whose methods are called over real sockets.

mod common;

use std::{
    fmt,
    time::{Duration, Instant},
};

use common::{runtime, serve_on};
use netpoll::{
    Fault, Runtime, ServerHandle, TraceParent,
    client::{CallOptions, Client},
    frame::{Judged, Status},
    layers::Trace,
    rpc::{Answer, Call},
    service::{CallError, Json, MethodClient, ServiceDescription},
};
use serde::{Deserialize, Serialize};

const MS: Duration = Duration::from_millis(1);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Overflow {
    left: i64,
    right: i64,
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} + {} is too large", self.left, self.right)
    }
}

/// Calculates.
#[netpoll::service]
trait Calculator {
    /// Adds two numbers.
    async fn add(&self, a: i64, b: i64) -> Result<i64, Overflow>;
    async fn slow(&self, millis: u64) -> u64;
    async fn boom(&self, text: String) -> String;
    async fn refuse(&self) -> Result<(), Fault>;
    #[route = "v1.length"]
    fn length(&self, words: Vec<String>) -> usize;
    async fn nothing(&self);
}

/// Tells the trace that its caller is in.
#[netpoll::service]
trait Traced {
    async fn trace(&self) -> Option<String>;
    /// Calls another server's `trace`.
    async fn through(&self) -> Option<String>;
}

/// With a client of the next server, if there is one.
struct Traces(Option<TracedClient>);

impl Traced for Traces {
    async fn trace(&self) -> Option<String> {
        // The second poll of a handler, on any worker, is in the span too.
        netpoll::sleep(5 * MS).await;
        TraceParent::current().map(|current| current.to_string())
    }

    async fn through(&self) -> Option<String> {
        netpoll::sleep(5 * MS).await;
        self.0.as_ref()?.trace_async().await.ok()?
    }
}

/// A caller's trace goes through a server to the next one; a call without one begins a trace of its own.
#[test]
fn a_trace_is_continued_by_layers_and_clients() {
    let runtime = runtime(2);
    let serve = |traces| {
        let builder = netpoll::EventLoop::builder(Traced::serve(traces)).runtime(&runtime);
        let server = builder.layers(Trace).listen("127.0.0.1:0").bind().unwrap();
        let address = server.addresses()[0].to_string();
        (server, TracedClient::mux(address).unwrap())
    };
    let (_last, of_last) = serve(Traces(None));
    let (_first, client) = serve(Traces(Some(of_last.clone())));
    let read = |text: Option<String>| TraceParent::parse(text.unwrap().as_bytes()).unwrap();
    let root = TraceParent::root();
    let (own, next) =
        root.scope(|| (read(client.trace().unwrap()), read(client.through().unwrap())));
    assert_eq!([own.trace_id(), next.trace_id()], [root.trace_id(); 2]);
    assert!(own.span_id() != root.span_id() && next.span_id() != own.span_id());
    let (one, two) = (read(client.trace().unwrap()), read(client.trace().unwrap()));
    assert!(one.trace_id() != two.trace_id() && one.trace_id() != root.trace_id());
    assert_eq!(TraceParent::current(), None);
}

struct Exact;

impl Calculator for Exact {
    async fn add(&self, a: i64, b: i64) -> Result<i64, Overflow> {
        a.checked_add(b).ok_or(Overflow { left: a, right: b })
    }

    async fn slow(&self, millis: u64) -> u64 {
        netpoll::sleep(Duration::from_millis(millis)).await;
        millis
    }

    async fn boom(&self, text: String) -> String {
        panic!("a secret of {text}")
    }

    async fn refuse(&self) -> Result<(), Fault> {
        Err(Fault::new(Status::Denied, "not for you"))
    }

    fn length(&self, words: Vec<String>) -> usize {
        words.iter().map(String::len).sum()
    }

    async fn nothing(&self) {}
}

/// The same by JSON.
#[netpoll::service(payload = Json)]
trait Adder {
    async fn add(&self, a: i64, b: i64) -> i64;
}

struct Sum;

impl Adder for Sum {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

fn calculator() -> (Runtime, ServerHandle, String) {
    let runtime = runtime(1);
    let server = serve_on(&runtime, Calculator::serve(Exact), |builder| builder);
    let address = server.addresses()[0].to_string();
    (runtime, server, address)
}

#[test]
fn methods_are_called_over_a_mux_and_a_pool() {
    let (_runtime, _server, address) = calculator();
    for client in [CalculatorClient::mux(&*address), CalculatorClient::pool(&*address)] {
        let client = client.unwrap();
        assert_eq!(client.add(2, 40).unwrap(), 42);
        assert_eq!(netpoll::block_on(client.add_async(-1, 1)).unwrap(), 0);
        assert_eq!(client.length(vec!["one".into(), "three".into()]).unwrap(), 8);
        client.nothing().unwrap();
        let Err(CallError::Method(overflow)) = client.add(i64::MAX, 1) else { panic!() };
        assert_eq!(overflow, Overflow { left: i64::MAX, right: 1 });
    }
}

fn fault<T: fmt::Debug, E: fmt::Debug>(result: Result<T, CallError<E>>) -> Fault {
    match result {
        Err(CallError::Fault(fault)) => fault,
        other => panic!("no fault: {other:?}"),
    }
}

#[test]
fn faults_are_typed_and_show_nothing_of_the_server() {
    let (_runtime, _server, address) = calculator();
    let client = CalculatorClient::mux(&*address).unwrap();
    let panicked = fault(client.boom("mine".into()));
    assert_eq!(panicked, Fault::panic());
    assert!(!panicked.to_string().contains("secret"));
    assert_eq!(fault(client.refuse()), Fault::new(Status::Denied, "not for you"));
    assert_eq!(client.add(1, 1).unwrap(), 2, "the connection goes on");

    // Whoever sends other bytes, or calls what is not there.
    let raw = Client::<Call<'static>, Answer<'static>>::mux(&*address).build().unwrap();
    for (method, payload, status) in [
        ("add", &b"\x02"[..], Status::Malformed),
        ("add", &b"\x02\x04\x06"[..], Status::Malformed),
        ("divide", &b""[..], Status::Unknown),
        ("length", &b"\0"[..], Status::Unknown),
        ("v1.length", &b"\0"[..], Status::Ok),
    ] {
        let answer = raw.call(Call::new(method, payload)).unwrap();
        assert_eq!(answer.get().unwrap().status(), status, "{method}");
    }
}

#[test]
fn a_deadline_is_answered_before_the_caller_gives_up() {
    let (_runtime, _server, address) = calculator();
    let raw = Client::<Call<'static>, Answer<'static>>::mux(&*address).build().unwrap();
    let began = Instant::now();
    let call = Call { deadline: 200, ..Call::new("slow", b"\xe0\xd4\x03") };
    let answer = raw.call_with(call, CallOptions::new().timeout(20_000 * MS)).unwrap();
    assert_eq!(answer.get().unwrap().status(), Status::Timeout);
    assert!(began.elapsed() >= 170 * MS, "{:?}", began.elapsed());
}

#[test]
fn three_faults_among_64_calls_leave_61_right_answers() {
    let (_runtime, _server, address) = calculator();
    let raw = Client::<Call<'static>, Answer<'static>>::mux(&*address).connections(1);
    let raw = raw.build().unwrap();
    let client = CalculatorClient::new(MethodClient::new(raw.clone()));
    std::thread::scope(|scope| {
        for n in 0..64_i64 {
            let (client, raw) = (&client, &raw);
            scope.spawn(move || match n {
                7 => assert_eq!(fault(client.boom(String::new())), Fault::panic()),
                21 => {
                    let answer = raw.call(Call::new("add", b"")).unwrap();
                    assert_eq!(answer.get().unwrap().status(), Status::Malformed);
                }
                42 => {
                    let late = Call { deadline: 50, ..Call::new("slow", b"\xe0\xd4\x03") };
                    let answer = raw.call(late).unwrap();
                    assert_eq!(answer.get().unwrap().status(), Status::Timeout);
                }
                _ => {
                    assert_eq!(client.slow(100).unwrap(), 100);
                    assert_eq!(client.add(n, n).unwrap(), 2 * n);
                }
            });
        }
    });
    assert_eq!(raw.stats().connections, 1);
}

#[test]
fn payloads_are_in_the_format_that_the_service_names() {
    let runtime = runtime(1);
    let server = serve_on(&runtime, Adder::serve(Sum), |builder| builder);
    let address = server.addresses()[0].to_string();
    assert_eq!(AdderClient::mux(&*address).unwrap().add(1, 2).unwrap(), 3);
    let raw = Client::<Call<'static>, Answer<'static>>::pool(address).build().unwrap();
    let answer = raw.call(Call::new("add", b"[20, 22]")).unwrap();
    assert_eq!(answer.get().unwrap().payload, b"42");
}

#[test]
fn a_service_describes_itself() {
    let description: ServiceDescription = Calculator::serve(Exact).description();
    assert_eq!((description.name, description.methods.len()), ("Calculator", 6));
    let add = description.methods[0];
    assert_eq!((add.route, add.result), ("add", "Result<i64, Overflow>"));
    assert_eq!(add.arguments, [("a", "i64"), ("b", "i64")]);
    assert_eq!(description.methods[4].route, "v1.length");
}
