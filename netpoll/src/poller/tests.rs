//! Tests over socket pairs: stale events, changing drivers, wakes.

use std::{
    io::{Read, Write},
    os::{
        fd::{AsFd, AsRawFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use super::{Event, Events, Interest, Poller, Token};

const SHORT: Option<Duration> = Some(Duration::from_millis(20));

fn pair() -> (UnixStream, UnixStream) {
    let (a, b) = UnixStream::pair().unwrap();
    a.set_nonblocking(true).unwrap();
    b.set_nonblocking(true).unwrap();
    (a, b)
}

/// The sources that one poll says are readable.
fn readable<S: Clone>(poller: &Poller<S>) -> Vec<S> {
    let mut events = Events::with_capacity(64);
    poller.poll(&mut events, SHORT).unwrap();
    let ready = |event: &Event| matches!(event, Event::Ready(r) if r.is_readable());
    events.drain().filter(|(_, event)| ready(event)).map(|(source, _)| source).collect()
}

#[test]
fn sources_of_a_long_batch_are_told_of_before_they_are_given() {
    let poller = Poller::new().unwrap();
    let pairs: Vec<_> = (0..super::AHEAD + 3).map(|_| pair()).collect();
    for (n, (ours, theirs)) in pairs.iter().enumerate() {
        poller.register(ours.as_fd(), Interest::Listener, n).unwrap();
        (&*theirs).write_all(b"x").unwrap();
    }
    let told = std::cell::RefCell::new(Vec::new());
    let mut events = Events::with_capacity(64);
    poller.poll_ahead(&mut events, SHORT, |&n| told.borrow_mut().push(n)).unwrap();
    let given: Vec<_> = events.drain().map(|(n, _)| n).collect();
    assert_eq!(given.len(), pairs.len());
    assert_eq!(told.into_inner(), given[super::AHEAD..]);
}

#[test]
fn an_event_of_a_closed_descriptor_never_reaches_the_next_one_of_its_number() {
    let poller = Poller::new().unwrap();
    let (mut old_peer, old) = pair();
    let old_token = poller.register(old.as_fd(), Interest::Stream, "old").unwrap();
    // A copy keeps the system's entry alive, as a fork between two calls would.
    let copy = old.try_clone().unwrap();
    let number = old.as_raw_fd();
    old_peer.write_all(b"x").unwrap();
    assert_eq!(poller.forget(old_token), Some("old"));
    drop(old);

    let mut candidates = Vec::new();
    let new = loop {
        let (peer, socket) = pair();
        match socket.as_raw_fd() == number {
            true => break Some((peer, socket)),
            false if candidates.len() == 64 => break None,
            false => candidates.push((peer, socket)),
        }
    };
    // Another test may have been faster to the number; the token is what counts.
    let (mut new_peer, new) = new.unwrap_or_else(pair);
    let new_token = poller.register(new.as_fd(), Interest::Stream, "new").unwrap();
    assert_eq!(u64::from(new_token) as u32, u64::from(old_token) as u32, "the index is used again");
    assert_ne!(new_token, old_token);
    assert!(readable(&poller).is_empty(), "only the old one is readable");
    old_peer.write_all(b"y").unwrap();
    assert!(readable(&poller).is_empty());
    new_peer.write_all(b"z").unwrap();
    assert_eq!(readable(&poller), ["new"]);
    drop(copy);
}

#[test]
fn a_registration_ends_once() {
    let poller = Poller::new().unwrap();
    let (mut peer, socket) = pair();
    let token = poller.register(socket.as_fd(), Interest::Stream, 'a').unwrap();
    assert_eq!(poller.len(), 1);
    assert_eq!(poller.deregister(token, socket.as_fd()).unwrap(), Some('a'));
    assert_eq!(poller.deregister(token, socket.as_fd()).unwrap(), None);
    assert!(poller.is_empty());
    peer.write_all(b"x").unwrap();
    assert!(!poller.has_events());
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    poller.register(file.as_fd(), Interest::Stream, 'b').unwrap_err();
    assert!(poller.is_empty(), "what could not be registered is not");
}

#[test]
fn the_source_knows_its_token_before_an_event_can_come() {
    let poller = Poller::<Token>::new().unwrap();
    let (mut peer, socket) = pair();
    peer.write_all(b"x").unwrap();
    let token = poller.register_with(socket.as_fd(), Interest::Stream, |token| token).unwrap();
    assert_eq!(readable(&poller), [token]);
}

/// Threads register, close and register again at the same numbers, while the driver changes.
#[test]
fn sources_come_and_go_under_a_changing_driver() {
    const SOURCES: usize = 4;
    const ROUNDS: u64 = if cfg!(debug_assertions) { 1_000 } else { 10_000 };

    /// One registration: it must hear of its own bytes, and of nothing once it ended.
    struct Source {
        heard: AtomicBool,
        ended_at: AtomicU64,
    }
    let poller = Poller::<Arc<Source>>::new().unwrap();
    let (polls, busy) = (AtomicU64::new(1), AtomicUsize::new(SOURCES));
    let driver = std::sync::Mutex::new(Events::with_capacity(16));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while busy.load(SeqCst) > 0 {
                    let mut events = driver.lock().unwrap();
                    let this_poll = polls.fetch_add(1, SeqCst);
                    poller.poll(&mut events, Some(Duration::from_millis(1))).unwrap();
                    for (source, event) in events.drain() {
                        assert!(source.ended_at.load(SeqCst) >= this_poll, "a stale event");
                        if matches!(event, Event::Ready(r) if r.is_readable()) {
                            source.heard.store(true, SeqCst);
                        }
                    }
                }
            });
        }
        for thread in 0..SOURCES {
            let (poller, polls, busy) = (&poller, &polls, &busy);
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let (mut peer, mut socket) = pair();
                    let source = Arc::new(Source {
                        heard: AtomicBool::new(false),
                        ended_at: AtomicU64::new(u64::MAX),
                    });
                    let token =
                        poller.register(socket.as_fd(), Interest::Stream, source.clone()).unwrap();
                    peer.write_all(b"x").unwrap();
                    let start = Instant::now();
                    // Every fourth goes at once, with its events on their way.
                    while !(round + thread as u64).is_multiple_of(4) && !source.heard.load(SeqCst) {
                        assert!(start.elapsed() < Duration::from_secs(10), "it never heard");
                        thread::yield_now();
                    }
                    let ended = match round % 2 {
                        0 => poller.deregister(token, socket.as_fd()).unwrap(),
                        _ => poller.forget(token),
                    };
                    assert!(ended.is_some());
                    // The poll that runs now may have looked before; a later one may not.
                    source.ended_at.store(polls.load(SeqCst), SeqCst);
                    assert_eq!(socket.read(&mut [0; 2]).unwrap(), 1);
                }
                busy.fetch_sub(1, SeqCst);
            });
        }
    });
    assert!(poller.is_empty());
}

#[test]
fn many_pushers_wake_a_parked_driver_and_no_push_is_slept_through() {
    const PUSHERS: usize = 4;
    const PUSHES: usize = 5_000;
    let poller = Poller::<()>::new().unwrap();
    let pushed = AtomicUsize::new(0);
    let wakes = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..PUSHERS {
            scope.spawn(|| {
                for n in 0..PUSHES {
                    pushed.fetch_add(1, SeqCst);
                    if poller.wake_if_parked() {
                        wakes.fetch_add(1, SeqCst);
                    }
                    if n % 64 == 0 {
                        thread::sleep(Duration::from_micros(50));
                    }
                }
            });
        }
        let (mut seen, mut parks, mut events) = (0, 0, Events::with_capacity(4));
        while seen < PUSHERS * PUSHES {
            poller.park_begin();
            if pushed.load(SeqCst) == seen {
                parks += 1;
                let start = Instant::now();
                poller.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
                assert!(start.elapsed() < Duration::from_secs(9), "a push was slept through");
            }
            poller.park_end();
            seen = pushed.load(SeqCst);
        }
        assert!(parks > 0);
    });
    assert!(!poller.is_parked() && !poller.wake_if_parked());
    assert!(wakes.into_inner() <= PUSHERS * PUSHES);
}
