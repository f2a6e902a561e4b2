//! Goodbyes: a server that drains tells its peers, answers what is under way, and loses no call.

mod common;

use std::{
    io::{ErrorKind, Read, Write},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use common::{connect, runtime, serve_on, wait_until};
use netpoll::{
    EventLoop, Runtime, ServerHandle,
    client::Client,
    rpc::{Answer, Call},
    service::Free,
};

type RpcClient = Client<Call<'static>, Answer<'static>>;

const LONG: Duration = Duration::from_secs(20);
const CALLERS: usize = 16;

/// A plain handler: its replies have the mark `goodbye`.
#[netpoll::on_request(concurrent = 256)]
async fn echo<'a>(call: Call<'a>) -> Answer<'a> {
    Answer::new(call.id, call.payload)
}

/// A server with routes.
struct Routed;

#[netpoll::server(frame = Call<'_>, reply = Answer<'_>)]
impl Routed {
    #[on_request("echo")]
    fn echo(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
}

const CALL: &[u8] = b"\0\0\0\x12\x01\0\0\0\0\x07\0\0\0\0\0\x04echo\0!";
const ANSWER: &[u8] = b"\0\0\0\x0a\x01\x01\0\0\0\x07\0\0\0!";
const GOODBYE: &[u8] = b"\0\0\0\x09\x01\x03\0\0\0\0\0\0\0";

fn told(server: ServerHandle) {
    let mut peer = connect(&server);
    peer.write_all(CALL).unwrap();
    let mut answer = [0; ANSWER.len()];
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(answer, ANSWER);
    let drain = thread::spawn(move || server.shutdown(LONG));
    let mut goodbye = [0; GOODBYE.len()];
    peer.read_exact(&mut goodbye).unwrap();
    assert_eq!(goodbye, GOODBYE);
    // What was under way is answered.
    peer.write_all(CALL).unwrap();
    peer.read_exact(&mut answer).unwrap();
    assert_eq!(answer, ANSWER);
    drop(peer);
    let report = drain.join().unwrap();
    assert_eq!((report.drained, report.cut.len()), (1, 0), "{report}");
}

#[test]
fn a_server_that_drains_says_goodbye_and_answers_what_is_under_way() {
    let runtime = runtime(1);
    told(serve_on(&runtime, Free::<echo>::new(), |builder| builder));
    told(serve_on(&runtime, Routed, |builder| builder));
}

#[test]
fn a_peer_that_does_not_obey_a_goodbye_is_closed_after_a_second() {
    let runtime = runtime(1);
    let server = serve_on(&runtime, Routed, |builder| builder);
    let mut peer = connect(&server);
    peer.write_all(CALL).unwrap();
    let began = Instant::now();
    let drain = thread::spawn(move || server.shutdown(LONG));
    let mut all = Vec::new();
    match peer.read_to_end(&mut all) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    assert_eq!(all, [ANSWER, GOODBYE].concat());
    assert_eq!(drain.join().unwrap().cut.len(), 0);
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
}

/// A client of one server that has said goodbye and is gone, and the server's address.
fn left_by_its_server(runtime: &Runtime) -> (RpcClient, String) {
    let server = serve_at(runtime, "127.0.0.1:0");
    let address = server.addresses()[0].to_string();
    let client = RpcClient::mux([address.clone()]).timeout(LONG).build().unwrap();
    client.call(Call::new("echo", b"!")).unwrap();
    server.shutdown(LONG);
    (client, address)
}

#[test]
fn after_a_goodbye_a_call_waits_for_the_server_that_comes_back() {
    let runtime = runtime(2);
    let (client, address) = left_by_its_server(&runtime);
    thread::scope(|scope| {
        let call = scope.spawn(|| client.call(Call::new("echo", b"!")).map(drop));
        wait_until(|| client.stats().failed_dials > 0);
        let server = serve_at(&runtime, &address);
        call.join().unwrap().unwrap();
        server.shutdown(LONG);
    });
}

#[test]
fn after_a_goodbye_a_call_fails_if_the_server_stays_away() {
    let runtime = runtime(2);
    let (client, _) = left_by_its_server(&runtime);
    let began = Instant::now();
    let error = client.call(Call::new("echo", b"!")).map(drop).unwrap_err();
    assert_eq!(error.io_kind(), Some(ErrorKind::ConnectionRefused), "{error}");
    assert!(began.elapsed() < LONG, "{error}");
}

/// Restarts and calls of one run.
fn size() -> (usize, usize) {
    if std::env::var_os("NETPOLL_FULL").is_some() { (20, 100_000) } else { (6, 4_000) }
}

fn serve_at(runtime: &Runtime, address: &str) -> ServerHandle {
    let server = EventLoop::builder(Free::<echo>::new()).runtime(runtime).listen(address);
    let server = server.bind().unwrap();
    let handle = server.handle();
    thread::spawn(move || server.serve());
    handle
}

/// Calls two servers all the while that they are restarted in turn. No call is repeated.
fn restarts(client: impl Fn(Vec<String>) -> RpcClient) {
    let (restarts, least) = size();
    let served = runtime(2);
    let mut servers: Vec<_> = (0..2).map(|_| serve_at(&served, "127.0.0.1:0")).collect();
    let addresses: Vec<_> =
        servers.iter().map(|server| server.addresses()[0].to_string()).collect();
    let client = client(addresses.clone());
    let (made, failed, stop) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    match client.call(Call::new("echo", b"!")) {
                        Ok(reply) => assert_eq!(reply.get().unwrap().payload, b"!"),
                        Err(error) => {
                            println!("{error}");
                            failed.fetch_add(1, SeqCst);
                        }
                    }
                    made.fetch_add(1, SeqCst);
                }
            });
        }
        for restart in 0..restarts {
            let part = least * (restart + 1) / (restarts + 1);
            wait_until(|| made.load(SeqCst) >= part);
            let server = &mut servers[restart % 2];
            server.shutdown(LONG);
            *server = serve_at(&served, &addresses[restart % 2]);
        }
        wait_until(|| made.load(SeqCst) >= least);
        stop.store(true, SeqCst);
    });
    println!("{restarts} restarts: {made:?} calls, {failed:?} failed, {:?}", client.stats());
    assert_eq!(failed.into_inner(), 0, "of {made:?}");
    for server in &servers {
        server.shutdown(LONG);
    }
}

#[test]
fn restarts_with_a_goodbye_fail_no_call_of_a_mux() {
    restarts(|addresses| RpcClient::mux(addresses).connections(2).timeout(LONG).build().unwrap());
}

#[test]
fn restarts_with_a_goodbye_fail_no_call_of_a_pool() {
    restarts(|addresses| {
        RpcClient::pool(addresses).max_connections(32).timeout(LONG).build().unwrap()
    });
}
