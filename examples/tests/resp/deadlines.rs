//! Keys go away at their deadline, for every command.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering::Relaxed},
};

use netpoll_examples::resp::Store;

use crate::client::{InMemory, Target};

/// A store and the time that it sees, in milliseconds.
fn store() -> (InMemory, Arc<AtomicI64>) {
    let time = Arc::new(AtomicI64::new(1_000_000));
    let clock = time.clone();
    (InMemory::with(Store::with_clock(move || clock.load(Relaxed))), time)
}

#[test]
fn a_key_is_gone_at_its_deadline_and_not_before() {
    let (mut store, time) = store();
    store.command("SET a 1 PX 100");
    time.fetch_add(99, Relaxed);
    assert_eq!(store.command("GET a"), ["$1", "1"]);
    assert_eq!(store.command("PTTL a"), [":1"]);
    time.fetch_add(1, Relaxed);
    assert_eq!(store.command("GET a"), ["$-1"]);
    assert_eq!(store.command("TTL a"), [":-2"]);
}

#[test]
fn every_command_takes_a_key_that_is_due_for_absent() {
    for (command, wanted) in [
        ("GET k", "$-1"),
        ("EXISTS k", ":0"),
        ("DEL k", ":0"),
        ("TYPE k", "+none"),
        ("INCR k", ":1"),
        ("APPEND k x", ":1"),
        ("STRLEN k", ":0"),
        ("LPUSH k x", ":1"),
        ("LLEN k", ":0"),
        ("SADD k x", ":1"),
        ("HSET k f v", ":1"),
        ("SET k 2 XX", "$-1"),
        ("SET k 2 NX", "+OK"),
        ("EXPIRE k 10", ":0"),
        ("PERSIST k", ":0"),
        ("KEYS *", "*0"),
        ("DBSIZE", ":0"),
    ] {
        let (mut store, time) = store();
        store.command("SET k 5 PX 100");
        time.fetch_add(100, Relaxed);
        assert_eq!(store.command(command), [wanted], "{command}");
    }
}

#[test]
fn a_new_value_does_not_inherit_a_deadline_that_passed() {
    let (mut store, time) = store();
    store.command("SET k 5 PX 100");
    time.fetch_add(100, Relaxed);
    store.command("INCR k");
    assert_eq!(store.command("TTL k"), [":-1"]);
}

#[test]
fn time_to_live_is_rounded_to_the_nearest_second() {
    let (mut store, _) = store();
    for (millis, seconds) in [(1, ":0"), (499, ":0"), (500, ":1"), (1499, ":1"), (1500, ":2")] {
        store.command(&format!("SET k v PX {millis}"));
        assert_eq!(store.command("TTL k"), [seconds], "{millis}");
    }
}

/// Commands on other keys free what is due, a few at a time.
#[test]
fn memory_is_freed_without_a_visit_to_the_key() {
    let (mut store, time) = store();
    for n in 0..1000 {
        store.command(&format!("SET key:{n} v PX 10"));
    }
    time.fetch_add(10, Relaxed);
    for n in 0..1000 {
        store.command(&format!("GET other:{n}"));
    }
    assert_eq!(store.command("DBSIZE"), [":0"]);
}
