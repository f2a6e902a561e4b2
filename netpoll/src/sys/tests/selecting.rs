//! What a selector reports, and when.

use std::{
    os::fd::AsFd,
    thread,
    time::{Duration, Instant},
};

use super::{dial, listener, tcp_pair, unix_pair};
use crate::sys::{Interest, RawEvents, Readiness, Selector, Waker, socket::Socket};

const SHORT: Option<Duration> = Some(Duration::from_millis(20));
const LONG: Option<Duration> = Some(Duration::from_secs(5));

/// All that one wait says about `token`.
fn wait(selector: &Selector, token: u64, timeout: Option<Duration>) -> Readiness {
    let mut events = RawEvents::with_capacity(16);
    selector.wait(&mut events, timeout).unwrap();
    events
        .iter()
        .filter(|event| event.token == token)
        .fold(Readiness::NONE, |all, event| all | event.readiness)
}

/// What waits say about `token`, until it includes `what`.
fn wait_for(selector: &Selector, token: u64, what: Readiness) -> Readiness {
    let (start, mut all) = (Instant::now(), Readiness::NONE);
    while !all.contains(what) {
        assert!(start.elapsed() < Duration::from_secs(5), "{what:?} never came, but {all:?}");
        all = all | wait(selector, token, SHORT);
    }
    all
}

fn watch(socket: &Socket, token: u64) -> Selector {
    let selector = Selector::new().unwrap();
    selector.add(socket.fd().unwrap(), token, Interest::Stream).unwrap();
    selector
}

#[test]
fn a_stream_is_reported_once_for_each_change() {
    let (a, b) = tcp_pair();
    let selector = watch(&b, 7);
    assert_eq!(wait(&selector, 7, LONG), Readiness::WRITABLE);
    assert_eq!(wait(&selector, 7, SHORT), Readiness::NONE);
    a.write(b"x").unwrap();
    assert!(wait(&selector, 7, LONG).is_readable());
    assert_eq!(wait(&selector, 7, SHORT), Readiness::NONE, "unread, but reported");
    a.write(b"y").unwrap();
    assert!(wait(&selector, 7, LONG).is_readable(), "more came");
    selector.remove(b.fd().unwrap()).unwrap();
    a.write(b"z").unwrap();
    assert_eq!(wait(&selector, 7, SHORT), Readiness::NONE);
}

#[test]
fn the_ends_of_a_stream_are_told_apart() {
    for (a, b) in [tcp_pair(), unix_pair()] {
        let selector = watch(&b, 1);
        a.shutdown_write().unwrap();
        let half = wait_for(&selector, 1, Readiness::READ_CLOSED | Readiness::READABLE);
        assert!(!half.is_hung_up(), "it may still be written to: {half:?}");
    }
    let (a, b) = tcp_pair();
    let selector = watch(&b, 1);
    a.reset_on_close().unwrap();
    a.close();
    wait_for(&selector, 1, Readiness::HUNG_UP);
}

#[test]
fn a_listener_is_reported_while_connections_wait() {
    let listener = listener();
    let selector = Selector::new().unwrap();
    selector.add(listener.fd().unwrap(), 3, Interest::Listener).unwrap();
    assert!(!selector.is_ready());
    let _client = dial(listener.address()).unwrap();
    for _ in 0..3 {
        assert_eq!(wait(&selector, 3, LONG), Readiness::READABLE);
        assert!(selector.is_ready());
    }
    listener.accept().unwrap();
    assert!(!selector.is_ready());
    assert_eq!(wait(&selector, 3, SHORT), Readiness::NONE);
}

#[test]
fn a_wait_ends_no_sooner_than_asked() {
    let selector = Selector::new().unwrap();
    let start = Instant::now();
    let limit = Duration::from_micros(1_700);
    assert_eq!(wait(&selector, 0, Some(limit)), Readiness::NONE);
    assert!(start.elapsed() >= limit);
}

#[test]
fn each_wake_ends_a_wait() {
    let selector = Selector::new().unwrap();
    let waker = Waker::new(&selector, u64::MAX).unwrap();
    let mut events = RawEvents::with_capacity(4);
    for _ in 0..100 {
        waker.wake().unwrap();
        assert!(selector.is_ready());
        assert_eq!(selector.wait(&mut events, LONG).unwrap(), 1);
        assert_eq!(events.iter().next().unwrap().token, u64::MAX);
        assert!(!selector.is_ready(), "nothing is left to read");
    }
    thread::scope(|scope| {
        let wait = scope.spawn(|| selector.wait(&mut events, None).unwrap());
        thread::sleep(Duration::from_millis(10));
        waker.wake().unwrap();
        assert_eq!(wait.join().unwrap(), 1);
    });
}

#[test]
fn descriptors_that_are_no_sockets_are_an_error() {
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let selector = Selector::new().unwrap();
    assert!(selector.add(file.as_fd(), 0, Interest::Stream).is_err());
}
