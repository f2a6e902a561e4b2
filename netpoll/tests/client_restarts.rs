//! Rolling restarts: servers that drain and come back under load cost idempotent calls nothing.

mod client_support;
mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use client_support::{Echoes, Kind, Message, NEVER, message, serve_slow_at};
use common::{runtime, wait_until};
use netpoll::{EventLoop, ServerHandle, client::CallOptions};
use parking_lot::Mutex;

const LONG: Duration = Duration::from_secs(20);
const CALLERS: usize = 16;

/// Restarts and calls of one run.
fn size() -> (usize, usize) {
    if std::env::var_os("NETPOLL_FULL").is_some() { (20, 100_000) } else { (6, 4_000) }
}

struct Run {
    calls: usize,
    failed: Vec<String>,
    retries: u64,
}

/// Calls two servers all the while that they are restarted in turn.
fn run(kind: Kind, idempotent: bool) -> Run {
    let (restarts, least) = size();
    let served = runtime(2);
    let mut servers: Vec<(ServerHandle, String)> =
        (0..2).map(|_| serve_slow_at(&served, "127.0.0.1:0", NEVER)).collect();
    let addresses: Vec<_> = servers.iter().map(|(_, address)| address.clone()).collect();
    let calls_on = runtime(2);
    let client: Echoes = match kind {
        Kind::Pool(most) => Echoes::pool(addresses)
            .max_connections(most)
            .runtime(&calls_on)
            .timeout(LONG)
            .build()
            .unwrap(),
        Kind::Mux(connections) => Echoes::mux(addresses)
            .connections(connections)
            .runtime(&calls_on)
            .timeout(LONG)
            .build()
            .unwrap(),
    };
    let (made, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (client, made, stop, failed) = (&client, &made, &stop, &failed);
            scope.spawn(move || {
                for n in 0.. {
                    if stop.load(SeqCst) {
                        return;
                    }
                    let body = format!("{caller} {n}").into_bytes();
                    let options = CallOptions::new().idempotent(idempotent);
                    match client.call_with(message(n % 2, body.clone()), options) {
                        Ok(reply) => assert_eq!(reply.get().unwrap().body, body),
                        Err(error) => failed.lock().push(error.to_string()),
                    }
                    made.fetch_add(1, SeqCst);
                }
            });
        }
        for restart in 0..restarts {
            let part = least * (restart + 1) / (restarts + 1);
            wait_until(|| made.load(SeqCst) >= part);
            let (server, address) = &mut servers[restart % 2];
            server.shutdown(LONG);
            *server = serve_slow_at(&served, address, NEVER).0;
        }
        let after = made.load(SeqCst).max(least) + 10 * CALLERS;
        wait_until(|| made.load(SeqCst) >= after);
        stop.store(true, SeqCst);
    });
    for (server, _) in &servers {
        server.shutdown(LONG);
    }
    Run { calls: made.into_inner(), failed: failed.into_inner(), retries: client.stats().retries }
}

const KINDS: [Kind; 2] = [Kind::Pool(32), Kind::Mux(2)];

#[test]
fn graceful_restarts_fail_no_idempotent_call() {
    for kind in KINDS {
        let Run { calls, failed, retries } = run(kind, true);
        println!("{kind:?}: {calls} calls, {retries} repeated, {} failed", failed.len());
        assert_eq!(failed, [""; 0], "of {calls}");
    }
}

/// Without the mark no call is sent twice: those whose connection was lost fail, at most the calls in flight
/// at each restart.
#[test]
fn graceful_restarts_fail_only_calls_in_flight() {
    for kind in KINDS {
        let Run { calls, failed, .. } = run(kind, false);
        println!("{kind:?}: {calls} calls, {} failed", failed.len());
        assert!(failed.len() <= size().0 * CALLERS, "{} of {calls}: {failed:?}", failed.len());
    }
}

/// Answers what begins with `held` once that is let go, and all else at once.
#[derive(Clone, Default)]
struct Holding(Arc<Held>);

#[derive(Default)]
struct Held {
    /// The bodies that came.
    came: Mutex<Vec<String>>,
    let_go: AtomicBool,
}

impl Holding {
    fn came(&self, start: &str) -> Vec<String> {
        self.0.came.lock().iter().filter(|body| body.starts_with(start)).cloned().collect()
    }
}

#[netpoll::server]
impl Holding {
    #[on_request(concurrent = 1024)]
    async fn answer(&self, message: Message) -> Message {
        let body = String::from_utf8(message.body.clone()).unwrap();
        let is_held = body.starts_with("held");
        self.0.came.lock().push(body);
        while is_held && !self.0.let_go.load(SeqCst) {
            netpoll::sleep(Duration::from_millis(1)).await;
        }
        message
    }
}

/// A server that is cut off costs exactly the calls that it was handling, once each; all others, before, beside
/// and after them, are answered. The client counts the same.
#[test]
fn without_the_mark_exactly_the_calls_in_flight_fail() {
    const HELD: usize = 16;
    for kind in [Kind::Pool(HELD), Kind::Mux(1)] {
        let (served, calls_on) = (runtime(2), runtime(2));
        let services = [Holding::default(), Holding::default()];
        let serve = |service: &Holding, address: &str| {
            let server = EventLoop::builder(service.clone()).runtime(&served);
            let server = server.listen(address).bind().unwrap();
            let (handle, address) = (server.handle(), server.addresses()[0].to_string());
            thread::spawn(|| server.serve());
            (handle, address)
        };
        let mut servers = services.each_ref().map(|service| serve(service, "127.0.0.1:0"));
        let addresses: Vec<_> = servers.iter().map(|(_, address)| address.clone()).collect();
        let client = match kind {
            Kind::Pool(most) => Echoes::pool(addresses)
                .max_connections(most)
                .runtime(&calls_on)
                .timeout(LONG)
                .build(),
            Kind::Mux(most) => {
                Echoes::mux(addresses).connections(most).runtime(&calls_on).timeout(LONG).build()
            }
        };
        let client = client.unwrap();
        let mut failed_in_all = 0;
        for round in 0..3 {
            let [cut, other] = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            // Until both are in use: one that failed is left out for a while.
            let mut n = 0;
            wait_until(|| {
                n += 1;
                let body = format!("free {round} {n}");
                assert_eq!(
                    client.call(message(0, body.clone())).unwrap().get().unwrap().body,
                    body.as_bytes()
                );
                services.iter().all(|service| !service.came(&format!("free {round} ")).is_empty())
            });
            let held = format!("held {round} ");
            let came = |service: usize| services[service].came(&held);
            let failed: Vec<String> = thread::scope(|scope| {
                let calls: Vec<_> = (0..HELD)
                    .map(|n| {
                        let (client, body) = (&client, format!("{held}{n}"));
                        scope.spawn(move || {
                            client.call(message(0, body.clone())).err().map(|_| body)
                        })
                    })
                    .collect();
                wait_until(|| came(cut).len() + came(other).len() == HELD);
                servers[cut].0.shutdown(Duration::ZERO);
                wait_until(|| client.stats().in_flight == came(other).len());
                services[other].0.let_go.store(true, SeqCst);
                calls.into_iter().filter_map(|call| call.join().unwrap()).collect()
            });
            services[other].0.let_go.store(false, SeqCst);
            let sorted = |mut bodies: Vec<String>| {
                bodies.sort();
                bodies
            };
            println!("{kind:?}: {} of {HELD} in flight failed", failed.len());
            assert_eq!(sorted(failed.clone()), sorted(came(cut)), "those in flight, and no others");
            let all = sorted([came(cut), came(other)].concat());
            assert!(all.windows(2).all(|two| two[0] != two[1]), "no request comes twice: {all:?}");
            failed_in_all += failed.len() as u64;
            assert_eq!(client.stats().lost, failed_in_all);
            servers[cut].0 = serve(&services[cut], &servers[cut].1).0;
        }
        assert!(failed_in_all > 0, "both servers were in use each time");
        for (server, _) in &servers {
            server.shutdown(LONG);
        }
    }
}
