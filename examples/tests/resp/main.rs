//! The key-value store does what Redis does.

mod atomic;
mod client;
mod deadlines;
mod edges;
mod over_tcp;
mod real_clients;
mod replies;
mod requests;
mod server;
mod transcript;

use client::{InMemory, Target, Wire};

/// What Redis 7.0.15 answered, this store answers.
#[test]
fn transcripts_hold_in_memory() {
    for transcript in transcript::all() {
        transcript.check(&mut InMemory::new());
    }
}

/// Checks the transcripts and the edges themselves, against the server at `NETPOLL_TEST_REDIS` (`host:port`),
/// which must be a Redis of version 7.0 whose keys may all be removed.
#[test]
fn transcripts_hold_on_a_real_server() {
    let Ok(address) = std::env::var("NETPOLL_TEST_REDIS") else {
        eprintln!("skipped: NETPOLL_TEST_REDIS is not set");
        return;
    };
    for transcript in transcript::all() {
        let mut server = Wire::connect(&address);
        server.command("FLUSHALL");
        transcript.check(&mut server);
    }
    edges::check(&address);
}
