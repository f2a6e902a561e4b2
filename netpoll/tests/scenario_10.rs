//! Scenario 10: calls that time out before their replies come, on connections that are killed, from a
//! thousand callers on a cold client. NETPOLL_FULL=1 makes it longer.

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

use client_support::{Kind, Tally, assert_quiet, message, serve_slow};
use common::{descriptors, runtime, scenario::length, wait_until};
use netpoll::{ErrorKind, client::CallOptions};

/// Calls of 5 ms whose replies take 6 to 20 ms; one of four is answered at once.
fn storm(kind: Kind, most: usize, pollers: usize, callers: usize, calls: usize) {
    let baseline = descriptors();
    let (server_side, client_side) = (runtime(pollers), runtime(pollers));
    // Every 100th connection; a mux has few of them: every 1,000th call kills one too.
    let resets = |connection: usize, call: usize| connection % 100 == 99 || call % 1_000 == 999;
    let (server, address) = serve_slow(&server_side, resets);
    let client = kind.client_on(&client_side, &address, Duration::from_millis(5));
    let tally = Arc::new(Tally::default());

    let (over, peak) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let looks = thread::spawn({
        let (client, over, peak) = (client.clone(), over.clone(), peak.clone());
        move || {
            while !over.load(SeqCst) {
                let now = client.stats();
                peak.fetch_max(now.connections + now.dialing, SeqCst);
                thread::yield_now();
            }
        }
    });
    let callers_run: Vec<_> = (0..callers)
        .map(|caller| {
            let (client, tally) = (client.clone(), tally.clone());
            client_side.spawn(async move {
                for call in 0..calls {
                    let millis = if call % 4 == caller % 4 { 0 } else { 6 + (caller + call) % 15 };
                    let body = format!("{caller} {call}").into_bytes();
                    let asked = message(millis as u32, body.clone());
                    let told = client.call_async(asked).await;
                    tally.note(&body, &told);
                }
            })
        })
        .collect();
    for caller in callers_run {
        netpoll::block_on(caller).unwrap();
    }
    over.store(true, SeqCst);
    looks.join().unwrap();

    assert_eq!(tally.all(), callers * calls, "each call ends once: {tally:?}");
    assert!(tally.failed(ErrorKind::TimedOut) > 0, "{tally:?}");
    assert!(peak.load(SeqCst) <= most, "{} connections and dials, of {most}", peak.load(SeqCst));
    assert_quiet(&client);
    // Whatever is still on its way, calls with time enough get their own answers.
    let patient = CallOptions::new().timeout(Duration::from_secs(20));
    for call in 0..100 {
        let body = format!("after {call}").into_bytes();
        let told = client.call_with(message(call % 7, body.clone()), patient);
        if !told.as_ref().is_err_and(|error| error.io_kind().is_some()) {
            // Every 1,000th is still killed.
            assert_eq!(told.unwrap().get().unwrap().body, body);
        }
    }
    let stats = client.stats();
    println!("{kind:?}, {pollers} pollers: {tally:?}, peak {}, {stats:?}", peak.load(SeqCst));
    assert_eq!(client.close(Duration::from_secs(20)), 0);
    wait_until(|| server.live() == 0);
    drop(client);
    server.shutdown(Duration::from_secs(1));
    drop((server, server_side, client_side));
    wait_until(|| descriptors() == baseline);
}

#[test]
fn calls_time_out_and_connections_are_killed() {
    for pollers in [1, 2] {
        for (kind, most) in [(Kind::Pool(64), 64), (Kind::Mux(4), 4)] {
            storm(kind, most, pollers, 1_000, length(3, 100));
            // So few that some calls are answered in time.
            storm(kind, most, pollers, 20, length(50, 1_000));
        }
    }
}
