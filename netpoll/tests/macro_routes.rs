//! Handlers with routes: each takes the requests that name its key, or those of its variant.

mod common;

use std::{
    io::{Read, Write},
    sync::Arc,
    thread,
    time::Duration,
};

use common::{connect, runtime, serve_on};
use netpoll::{
    Connection, Fault, Frame, IntoErrorReply, Peer, Result, ServerHandle,
    client::Client,
    frame::{Auto, Judged, Status},
    rpc::{Answer, Call},
};
use parking_lot::Mutex;

const MS: Duration = Duration::from_millis(1);

#[derive(Default)]
struct Calculator {
    inside: Mutex<Vec<&'static str>>,
}

/// What a connection has asked so far.
#[derive(Default)]
struct Session(Mutex<Vec<u8>>);

#[netpoll::server(frame = Call<'_>, reply = Answer<'_>, concurrent = 64)]
impl Calculator {
    #[on_request("double")]
    fn double(&self, _conn: &Connection, session: &Session, bytes: Vec<u8>) -> Vec<u8> {
        session.0.lock().extend_from_slice(&bytes);
        bytes.iter().map(|byte| byte * 2).collect()
    }

    #[on_request("history")]
    async fn history(&self, _conn: &Connection, session: &Session) -> Vec<u8> {
        session.0.lock().clone()
    }

    #[on_request("slow", timeout = "50ms")]
    async fn slow(&self, _peer: Peer, _bytes: Vec<u8>) {
        netpoll::sleep(Duration::from_secs(600)).await;
    }

    #[on_request("boom")]
    async fn boom(&self) -> Vec<u8> {
        panic!("a secret")
    }

    #[on_request("refuse")]
    fn refuse(&self) -> std::result::Result<Vec<u8>, Fault> {
        Err(Fault::new(Status::Denied, "no"))
    }

    #[on_request("narrow", concurrent = 1)]
    async fn narrow(&self) {
        self.inside.lock().push("narrow");
        netpoll::sleep(200 * MS).await;
    }
}

fn calculator() -> (netpoll::Runtime, ServerHandle, Client<Call<'static>, Answer<'static>>) {
    let runtime = runtime(1);
    let server = serve_on(&runtime, Calculator::default(), |builder| builder);
    let address = server.addresses()[0].to_string();
    let client = Client::mux(address).connections(1).build().unwrap();
    (runtime, server, client)
}

#[test]
fn a_key_finds_its_handler() {
    let (_runtime, _server, client) = calculator();
    let doubled = client.call(Call::new("double", &[1, 2])).unwrap();
    assert_eq!(doubled.get().unwrap().payload, [2, 4]);
    client.call(Call::new("double", &[3])).unwrap();
    let history = client.call(Call::new("history", &[])).unwrap();
    assert_eq!(history.get().unwrap().payload, [1, 2, 3]);
}

#[test]
fn faults_are_answered_on_their_request_alone() {
    let (_runtime, _server, client) = calculator();
    thread::scope(|scope| {
        for (route, status) in [
            ("slow", Status::Timeout),
            ("boom", Status::Panic),
            ("refuse", Status::Denied),
            ("divide", Status::Unknown),
            ("double", Status::Ok),
        ] {
            let client = &client;
            scope.spawn(move || {
                let answer = client.call(Call::new(route, &[7])).unwrap();
                assert_eq!(answer.get().unwrap().status(), status, "{route}");
            });
        }
    });
    assert_eq!(client.stats().connections, 1);
    assert_eq!(client.stats().poisoned, 0);
}

#[test]
fn a_route_has_a_limit_of_its_own() {
    let (_runtime, _server, client) = calculator();
    let statuses: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> = (0..4)
            .map(|_| {
                let client = &client;
                scope.spawn(move || {
                    let answer = client.call(Call::new("narrow", &[])).unwrap();
                    answer.get().unwrap().status()
                })
            })
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let fine = statuses.iter().filter(|status| **status == Status::Ok).count();
    let refused = statuses.iter().filter(|status| **status == Status::Limit).count();
    assert!(fine >= 1 && fine + refused == 4, "{statuses:?}");
}

#[derive(Frame)]
struct Get {
    key: u8,
}

#[derive(Frame)]
struct Set {
    key: u8,
    value: u8,
}

#[derive(Frame)]
#[frame(tag = u8)]
enum Command {
    #[frame(tag = 1)]
    Get(Get),
    #[frame(tag = 2)]
    Set(Set),
    #[frame(tag = 3)]
    Ping(Get),
}

#[derive(Frame)]
struct Value {
    value: u8,
}

struct Missing;

impl IntoErrorReply<Value> for Missing {
    fn into_error_reply(self) -> Result<Value> {
        Ok(Value { value: 0xff })
    }
}

#[derive(Default)]
struct Store(Arc<Mutex<[Option<u8>; 8]>>);

#[netpoll::server(frame = Command)]
impl Store {
    #[on_request(Command::Get)]
    fn get(&self, get: Get) -> std::result::Result<Value, Missing> {
        let value = self.0.lock()[usize::from(get.key)].ok_or(Missing)?;
        Ok(Value { value })
    }

    #[on_request(Command::Set)]
    async fn set(&self, changes: &mut u8, set: Set) -> Value {
        self.0.lock()[usize::from(set.key)] = Some(set.value);
        *changes += 1;
        Value { value: *changes }
    }

    #[on_request]
    fn other(&self, _command: Command) -> Value {
        Value { value: 0xee }
    }
}

#[test]
fn a_variant_finds_its_handler() {
    let runtime = runtime(1);
    let server = serve_on(&runtime, Store::default(), |builder| builder);
    let mut client = connect(&server);
    client.write_all(&[1, 3, 2, 3, 42, 1, 3, 2, 4, 7, 3, 0]).unwrap();
    let mut values = [0; 5];
    client.read_exact(&mut values).unwrap();
    assert_eq!(values, [0xff, 1, 42, 2, 0xee]);
}

/// A number that is `Auto` and a route that is an integer.
#[derive(Frame)]
struct Ask<'a> {
    #[frame(len(of = rest))]
    length: Auto<u16>,
    #[frame(seq)]
    id: u16,
    #[frame(route)]
    method: u8,
    #[frame(payload, rest)]
    body: &'a [u8],
}

#[derive(Default, Frame)]
struct Told<'a> {
    #[frame(len(of = rest))]
    length: Auto<u16>,
    #[frame(seq)]
    id: u16,
    #[frame(status(ok = 0, unknown = 1))]
    status: u8,
    #[frame(payload, rest)]
    body: &'a [u8],
}

struct Numbers;

#[netpoll::server(frame = Ask<'_>, reply = Told<'_>)]
impl Numbers {
    #[on_request(7)]
    fn seven(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes.into_iter().rev().collect()
    }
}

#[test]
fn a_route_may_be_a_number_of_any_protocol() {
    let runtime = runtime(1);
    let server = serve_on(&runtime, Numbers, |builder| builder);
    let client = Client::<Ask<'static>, Told<'static>>::mux(server.addresses()[0].to_string());
    let client = client.build().unwrap();
    let ask = |method| Ask { length: Auto::default(), id: 0, method, body: b"abc" };
    let told = client.call(ask(7)).unwrap();
    assert_eq!(told.get().unwrap().body, b"cba");
    assert_eq!(client.call(ask(8)).unwrap().get().unwrap().status(), Status::Unknown);
}
