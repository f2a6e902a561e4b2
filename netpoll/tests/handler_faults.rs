//! Faults of plain handlers: typed replies where the type of replies can say so.

mod common;

use std::{
    io::{Read, Write},
    thread,
    time::Duration,
};

use common::{connect, runtime, serve_on};
use netpoll::frame::Carries;
use netpoll::{
    Connection, Dispatch, EventLoop, Fault, Flow, Frame, IntoErrorReply, Result, Runtime,
    ServerHandle, Service,
    client::{CallOptions, Client},
    frame::{Judged, Status},
    rpc::{Answer, Call},
    service::{Free, FromPayload, Json},
};

type RpcClient = Client<Call<'static>, Answer<'static>>;

const MS: Duration = Duration::from_millis(1);

/// One handler for all methods, and nothing but it.
#[netpoll::on_request(concurrent = 256, timeout = "150ms")]
async fn handle(call: Call<'_>) -> Result<Answer<'static>, Fault> {
    match call.method {
        "boom" => panic!("a secret"),
        "hang" => netpoll::sleep(Duration::from_secs(600)).await,
        _ => {}
    }
    let Json(n) = Json::<u64>::from_payload(&call.payload())?;
    netpoll::sleep(20 * MS).await;
    Ok(Answer::new(0, if n % 2 == 0 { b"even" } else { b"odd" }))
}

fn serve<S: Service>(service: S) -> (Runtime, ServerHandle, RpcClient) {
    let runtime = runtime(1);
    let server = serve_on(&runtime, service, |builder| builder);
    let client = Client::mux(server.addresses()[0].to_string()).connections(1).build().unwrap();
    (runtime, server, client)
}

#[test]
fn a_panic_a_timeout_and_a_bad_payload_among_64_calls_leave_61_right_answers() {
    let (_runtime, _server, client) = serve(Free::<handle>::new());
    let numbers: Vec<String> = (0..64).map(|n: u32| n.to_string()).collect();
    let calls = numbers.iter().enumerate().map(|(n, text)| match n {
        7 => Call::new("boom", text.as_bytes()),
        21 => Call::new("hang", text.as_bytes()),
        42 => Call::new("parity", b"no number"),
        _ => Call::new("parity", text.as_bytes()),
    });
    let answers = client.batch(calls);
    assert_eq!(answers.len(), 64);
    for (n, answer) in answers.into_iter().enumerate() {
        let answer = answer.unwrap();
        let answer = answer.get().unwrap();
        let expected = match n {
            7 => (Status::Panic, &b""[..]),
            21 => (Status::Timeout, &b""[..]),
            42 => (Status::Malformed, &b""[..]),
            n if n % 2 == 0 => (Status::Ok, &b"even"[..]),
            _ => (Status::Ok, &b"odd"[..]),
        };
        assert_eq!((answer.status(), answer.payload), expected, "call {n}");
    }
    assert_eq!((client.stats().connections, client.stats().poisoned), (1, 0));
}

/// In order: a reply takes its request's number there too, if the handler did not set it.
struct InOrder;

#[netpoll::server]
impl InOrder {
    #[on_request(timeout = "50ms")]
    async fn handle(&self, calls: &mut u8, call: Call<'_>) -> Option<Answer<'static>> {
        *calls += 1;
        match call.method {
            "boom" => panic!("a secret"),
            "hang" => netpoll::sleep(Duration::from_secs(600)).await,
            _ => {}
        }
        Some(Answer::new(call.id, if *calls == 3 { b"third" } else { b"other" }))
    }
}

#[test]
fn faults_of_requests_in_order_carry_their_numbers_and_the_session_goes_on() {
    let (_runtime, _server, client) = serve(InOrder);
    for (method, expected) in
        [("boom", Status::Panic), ("hang", Status::Timeout), ("count", Status::Ok)]
    {
        let answer = client.call(Call::new(method, b"")).unwrap();
        assert_eq!(answer.get().unwrap().status(), expected);
    }
    assert_eq!(client.stats().connections, 1);
}

struct Sync;

#[netpoll::server]
impl Sync {
    #[on_request]
    fn handle(&self, call: Call<'_>) -> Answer<'static> {
        assert_ne!(call.method, "boom", "a secret");
        Answer::new(call.id, b"fine")
    }
}

#[test]
fn a_panic_of_a_handler_that_is_not_async_is_answered() {
    let (_runtime, _server, client) = serve(Sync);
    for (method, expected) in [("boom", Status::Panic), ("fine", Status::Ok)] {
        let answer = client.call(Call::new(method, b"")).unwrap();
        assert_eq!(answer.get().unwrap().status(), expected);
    }
    assert_eq!(client.stats().connections, 1);
}

/// A protocol without the mark: its author says how faults are told.
#[derive(Frame)]
struct Ask {
    n: u8,
}

#[derive(Frame)]
struct Told {
    code: u8,
}

impl IntoErrorReply<Told> for Fault {
    fn into_error_reply(self) -> Result<Told> {
        Ok(Told { code: if self.status() == Status::Panic { 0xee } else { 0xff } })
    }
}

#[netpoll::on_request]
fn told(ask: Ask) -> Told {
    assert!(ask.n < 9, "a secret");
    Told { code: ask.n }
}

/// A protocol that cannot say it.
#[derive(Frame)]
struct Mute {
    n: u8,
}

#[netpoll::on_request]
fn mute(ask: Ask) -> Mute {
    assert!(ask.n < 9, "a secret");
    Mute { n: ask.n }
}

#[test]
fn the_author_of_a_protocol_says_how_faults_are_told() {
    let runtime = runtime(1);
    let server = serve_on(&runtime, Free::<told>::new(), |builder| builder);
    let mut client = connect(&server);
    client.write_all(&[1, 9, 2]).unwrap();
    let mut codes = [0; 3];
    client.read_exact(&mut codes).unwrap();
    assert_eq!(codes, [1, 0xee, 2]);

    let server = serve_on(&runtime, Free::<mute>::new(), |builder| builder);
    let mut client = connect(&server);
    client.write_all(&[1, 9, 2]).unwrap();
    let mut codes = Vec::new();
    client.read_to_end(&mut codes).unwrap();
    assert_eq!(codes, [1], "without a word for it the connection closes");
}

/// By hand: the deadline that a request carries is its handler's.
struct ByHand;

impl Service for ByHand {
    type Session = ();
    type Request = Call<'static>;
    const DISPATCH: Dispatch = Dispatch::Async;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(
        &'a self,
        mut call: netpoll::Call<'a, ()>,
        request: Call<'a>,
    ) -> Result<Flow> {
        let left = call.deadline.left().map_or(0, |left| left.as_millis());
        call.out.put(&Answer::new(request.id, left.to_string().as_bytes()))?;
        Ok(Flow::Continue)
    }
}

#[test]
fn a_service_by_hand_inherits_its_callers_deadline() {
    let (_runtime, server, client) = serve(ByHand);
    let left = |options| {
        let answer = client.call_with(Call::new("left", b""), options).unwrap();
        let answer = answer.get().unwrap();
        std::str::from_utf8(answer.payload).unwrap().parse::<u64>().unwrap()
    };
    let ten = left(CallOptions::new().timeout(10_000 * MS));
    assert!((1..=9_980).contains(&ten), "{ten}: 10 s less the time for the answer");

    // The server's own counts where it is sooner.
    let runtime = runtime(1);
    let own = EventLoop::builder(ByHand).request_timeout(100 * MS).runtime(&runtime);
    let own = own.listen("127.0.0.1:0").bind().unwrap();
    let address = own.addresses()[0].to_string();
    thread::spawn(move || own.serve());
    let client = RpcClient::mux(address).build().unwrap();
    let answer = client.call_with(Call::new("left", b""), CallOptions::new().timeout(10_000 * MS));
    let answer = answer.unwrap();
    let left: u64 = std::str::from_utf8(answer.get().unwrap().payload).unwrap().parse().unwrap();
    assert!(left <= 100, "{left}");
    drop(server);
}
