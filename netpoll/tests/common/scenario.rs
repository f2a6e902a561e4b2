//! How long a scenario takes, and what it did.
//!
//! | variable | meaning |
//! | --- | --- |
//! | none | short, as in CI |
//! | `NETPOLL_FULL=1` | at full length |
//! | `NETPOLL_SECONDS=n` | the short one, again and again for so long |
//! | `NETPOLL_SEED=n` | where random numbers begin |
//! | `NETPOLL_TLS=1` | over TLS (see `over_tls.rs`) |
//!
//! At its end it prints a line of figures, which the program `soak` of the examples reads.

use std::{
    env,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    time::{Duration, Instant},
};

use netpoll::{Runtime, mem};

use super::{descriptors, wait_until};

static CONNECTIONS: AtomicU64 = AtomicU64::new(0);
static FAULTS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|n| n.parse().unwrap_or_else(|e| panic!("{variable}={n}: {e}")))
}

/// `short`, or `full` where NETPOLL_FULL=1 asks for the lengths of the scenarios.
pub fn length(short: usize, full: usize) -> usize {
    if number("NETPOLL_FULL") == Some(1) { full } else { short }
}

/// As [`length`], for one of the `parts` of a scenario, unless NETPOLL_SECONDS says how long all are.
pub fn lasting(short: Duration, full: Duration, parts: u32) -> Duration {
    match number("NETPOLL_SECONDS") {
        Some(all) => Duration::from_secs(all) / parts,
        None if length(0, 1) == 1 => full,
        None => short,
    }
}

/// The rounds of one of the `parts` of a scenario: one at least.
pub fn rounds(short: usize, full: usize, parts: u32) -> impl Iterator<Item = usize> {
    let until = number("NETPOLL_SECONDS")
        .map(|_| Instant::now() + lasting(Duration::ZERO, Duration::ZERO, parts));
    let most = length(short, full);
    (0..).take_while(move |&round| match until {
        Some(until) => round == 0 || Instant::now() < until,
        None => round < most,
    })
}

/// Where random numbers begin: not zero.
pub fn seed() -> u64 {
    number("NETPOLL_SEED").unwrap_or(1).max(1)
}

/// So many times the other end, this end or the system did what it should not.
pub fn faults(n: usize) {
    FAULTS.fetch_add(n as u64, SeqCst);
}

/// Connections of another process.
pub fn connections(n: usize) {
    CONNECTIONS.fetch_add(n as u64, SeqCst);
}

/// Bytes that were compared with those that were sent.
pub fn compared(n: usize) {
    BYTES.fetch_add(n as u64, SeqCst);
}

/// What `left` and `right` hold is the same, and counts as compared.
#[track_caller]
pub fn same(left: &[u8], right: &[u8]) {
    assert!(left == right, "{} bytes differ from {} others", left.len(), right.len());
    compared(left.len());
}

/// The end of a part: no connection lives, nobody panicked, and what the runtime had is given back.
#[track_caller]
pub fn ends(runtime: Runtime, baseline: usize) {
    wait_until(|| runtime.stats().connections == 0);
    let stats = runtime.stats();
    assert_eq!(stats.panics, 0);
    connections((stats.accepted + stats.dialled) as usize);
    assert_eq!(runtime.shutdown(Duration::from_secs(1)), 0);
    drop(runtime);
    wait_until(|| descriptors() == baseline);
    wait_until(|| mem::stats().out == 0);
}

/// What all parts did. Nothing leaked, or [`ends`] would have failed.
pub fn tell() {
    let [connections, faults, bytes] = [&CONNECTIONS, &FAULTS, &BYTES].map(|n| n.load(SeqCst));
    let (seed, out) = (seed(), mem::stats().out);
    // The harness writes to stdout too, so that the line has one to itself.
    println!("\nfigures: {connections} {faults} {bytes} {out} (seed {seed})");
}
