//! Scenario 10: calls that time out before their replies come, on connections that are killed, from a
//! thousand callers on a cold client.

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
use common::{
    descriptors, runtime,
    scenario::{self, rounds},
    wait_until,
};
use netpoll::{ErrorKind, client::CallOptions};

const PARTS: u32 = 8;

/// Waves of `callers`, each of whom makes four calls of 5 ms. One of four replies comes at once, the
/// others after 6 to 20 ms. `most` is how many connections there may be.
fn storm(kind: Kind, most: usize, pollers: usize, callers: usize, full: usize) {
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
    let mut begun = 0;
    for _ in rounds(1, full, PARTS) {
        let wave: Vec<_> = (0..callers)
            .map(|caller| {
                let (client, tally) = (client.clone(), tally.clone());
                client_side.spawn(async move {
                    for call in 0..4 {
                        let late = 6 + (caller + call) % 15;
                        let millis = if call == caller % 4 { 0 } else { late as u32 };
                        let body = format!("{caller} {call}").into_bytes();
                        let told = client.call_async(message(millis, body.clone())).await;
                        tally.note(&body, &told);
                    }
                })
            })
            .collect();
        begun += 4 * callers;
        wave.into_iter().for_each(|caller| netpoll::block_on(caller).unwrap());
    }
    over.store(true, SeqCst);
    looks.join().unwrap();

    assert_eq!(tally.all(), begun, "each call ends once: {tally:?}");
    scenario::faults(tally.all() - tally.answered());
    assert!(tally.failed(ErrorKind::TimedOut) > 0, "{tally:?}");
    assert!(peak.load(SeqCst) <= most, "{} connections and dials, of {most}", peak.load(SeqCst));
    assert_quiet(&client);
    // Calls with time enough are answered, but those that are killed. A connection that was killed before
    // its first reply has its endpoint left alone for a moment.
    let patient = CallOptions::new().timeout(Duration::from_secs(20));
    wait_until(|| client.call_with(message(0, b"first".to_vec()), patient).is_ok());
    let after = Tally::default();
    for call in 0..100 {
        let body = format!("after {call}").into_bytes();
        after.note(&body, &client.call_with(message(call % 7, body.clone()), patient));
    }
    assert_eq!((after.all(), after.failed(ErrorKind::TimedOut)), (100, 0), "{after:?}");
    assert!(after.answered() >= 90, "{after:?}");
    println!(
        "{kind:?}, {pollers} pollers, {callers} callers: {tally:?}, at most {} connections, {:?}",
        peak.load(SeqCst),
        client.stats()
    );
    assert_eq!(client.close(Duration::from_secs(20)), 0);
    drop(client);
    wait_until(|| server.live() == 0);
    server.shutdown(Duration::from_secs(1));
    drop(server);
    for runtime in [client_side, server_side] {
        assert_eq!(runtime.stats().panics, 0);
        scenario::connections(runtime.stats().accepted as usize);
        assert_eq!(runtime.shutdown(Duration::from_secs(1)), 0);
    }
    wait_until(|| descriptors() == baseline);
    wait_until(|| netpoll::mem::stats().out == 0);
}

#[test]
fn calls_time_out_and_connections_are_killed() {
    for pollers in [1, 2] {
        for (kind, most) in [(Kind::Pool(64), 64), (Kind::Mux(4), 4)] {
            storm(kind, most, pollers, 1_000, 25);
            // So few that some calls are answered in time.
            storm(kind, most, pollers, 20, 250);
        }
    }
    scenario::tell();
}
