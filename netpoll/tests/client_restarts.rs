//! Rolling restarts: servers that drain and come back under load cost idempotent calls nothing.

mod client_support;
mod common;

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
    time::Duration,
};

use client_support::{Echoes, Kind, NEVER, message, serve_slow_at};
use common::{runtime, wait_until};
use netpoll::{ServerHandle, client::CallOptions};
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
