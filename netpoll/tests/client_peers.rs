//! Servers that misbehave: what a client's calls are told, and how soon others work again.

mod client_support;
mod common;

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use client_support::{
    Echoes, Kind, NEVER, Tally, assert_quiet,
    by_hand::{ByHand, echo, next_frame, swallow},
    message, serve_slow, serve_slow_at,
};
use common::{runtime, scenario::length, stopwatch::Stopwatch, wait_until};
use netpoll::ErrorKind;

const MS: Duration = Duration::from_millis(1);
/// Longer than any test here may take: what ends at it fails.
const LONG: Duration = Duration::from_secs(30);
const KINDS: [Kind; 2] = [Kind::Pool(8), Kind::Mux(2)];

/// A frame with this number, no delay, and `x`.
fn answer(id: u32) -> Vec<u8> {
    let id = id.to_be_bytes();
    [&[0, 0, 0, 9][..], &id, &[0; 4], b"x"].concat()
}

/// The error of one call, which comes at once, names the address, and leaves nothing under way.
#[track_caller]
fn fails(client: &Echoes, address: &str) -> netpoll::Error {
    let since = Instant::now();
    let error = client.call(message(0, "x")).unwrap_err();
    assert!(since.elapsed() < LONG / 3, "{error} came after {:?}", since.elapsed());
    assert!(error.to_string().contains(address), "{error}");
    assert_quiet(client);
    error
}

#[test]
fn garbage_fails_the_call_at_once_and_the_next_has_a_new_connection() {
    let cases: [(&[u8], ErrorKind); 4] = [
        (&[0xFF; 64], ErrorKind::FrameTooLarge),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ErrorKind::FrameTooLarge),
        (b"\0\0\0\x02\0\0", ErrorKind::Malformed),
        (b"\0\0\0\x09\0\0", ErrorKind::Eof),
    ];
    for kind in KINDS {
        for (garbage, told) in cases {
            let server = ByHand::start(move |mut stream, nth| {
                if nth == 0 {
                    next_frame(&mut stream);
                    stream.write_all(garbage).unwrap();
                    if told == ErrorKind::Eof {
                        return;
                    }
                }
                echo(stream);
            });
            let client = kind.client(&server.address, LONG);
            let error = fails(&client, &server.address);
            assert_eq!(error.kind(), told, "{kind:?}: {error}");
            // A connection without a reply is a failed dial: the address is left alone for a while.
            let mut reply = None;
            wait_until(|| {
                reply = client.call(message(0, "next")).ok();
                reply.is_some()
            });
            assert_eq!(reply.unwrap().get().unwrap().body, b"next");
            assert_eq!(server.accepted(), 2);
        }
    }
}

#[test]
fn garbage_fails_all_calls_of_a_mux_at_once() {
    let server = ByHand::start(|mut stream, nth| {
        if nth > 0 {
            return echo(stream);
        }
        (0..100).for_each(|_| drop(next_frame(&mut stream)));
        stream.write_all(&[0xFF; 16]).unwrap();
        swallow(stream);
    });
    let client = Kind::Mux(1).client(&server.address, LONG);
    let tally = Tally::default();
    let since = Instant::now();
    thread::scope(|scope| {
        for call in 0..100 {
            let (client, tally) = (&client, &tally);
            scope.spawn(move || {
                let body = format!("{call}").into_bytes();
                tally.note(&body, &client.call(message(0, body.clone())));
            });
        }
    });
    assert!(since.elapsed() < LONG / 3, "{:?}", since.elapsed());
    assert_eq!(tally.failed(ErrorKind::FrameTooLarge), 100, "{tally:?}");
    assert_quiet(&client);
    wait_until(|| client.call(message(0, "next")).is_ok());
}

#[test]
fn who_never_answers_costs_each_call_its_timeout() {
    const CALLS: usize = 30;
    for kind in KINDS {
        let server = ByHand::start(|stream, _| swallow(stream));
        let client = kind.client(&server.address, 150 * MS);
        let tally = Tally::default();
        thread::scope(|scope| {
            for _ in 0..CALLS {
                scope.spawn(|| {
                    let since = Instant::now();
                    let told = client.call(message(0, "x"));
                    let took = since.elapsed();
                    assert!(took >= 150 * MS && took < LONG / 3, "{took:?}");
                    let error = told.as_ref().unwrap_err().to_string();
                    assert!(error.contains(&server.address) && error.contains("150ms"), "{error}");
                    tally.note(b"x", &told);
                });
            }
        });
        assert_eq!(tally.failed(ErrorKind::TimedOut), CALLS, "{kind:?}: {tally:?}");
        assert_quiet(&client);
        let stats = client.stats();
        assert_eq!(stats.timeouts as usize, CALLS);
        match kind {
            // What was sent and not answered is never used again.
            Kind::Pool(_) => {
                assert!(stats.poisoned >= 8, "{stats:?}");
                wait_until(|| client.stats().idle == client.stats().connections);
            }
            Kind::Mux(_) => {
                assert_eq!(stats.poisoned, 0, "others' calls are not harmed: {stats:?}")
            }
        }
    }
}

#[test]
fn who_closes_after_each_reply_is_dialled_for_each_call() {
    for kind in KINDS {
        let server = ByHand::start(|mut stream, _| {
            if let Some(frame) = next_frame(&mut stream) {
                stream.write_all(&frame).unwrap();
            }
        });
        let client = kind.client(&server.address, LONG);
        for call in 0..50 {
            let body = format!("{call}").into_bytes();
            let reply = client.call(message(0, body.clone())).unwrap();
            assert_eq!(reply.get().unwrap().body, body);
            wait_until(|| client.stats().connections == 0);
        }
        assert_eq!(server.accepted(), 50);
        // Without a pause a call may be written to a connection that is closing: then its error says
        // so, and nothing hangs.
        let tally = Tally::default();
        thread::scope(|scope| {
            for caller in 0..8 {
                let (client, tally) = (&client, &tally);
                scope.spawn(move || {
                    for call in 0..25 {
                        let body = format!("{caller} {call}").into_bytes();
                        tally.note(&body, &client.call(message(0, body.clone())));
                    }
                });
            }
        });
        println!("{kind:?}: {tally:?}");
        assert_eq!(tally.all(), 200);
        assert!(tally.answered() >= 20, "{tally:?}");
        let closed = tally.failed(ErrorKind::Eof) + tally.failed(ErrorKind::Io);
        assert_eq!(tally.answered() + closed, 200, "{tally:?}");
        assert_quiet(&client);
    }
}

#[test]
fn a_pool_gives_up_connections_on_which_unasked_bytes_come() {
    // Behind the reply, then some time after it.
    for at_once in [true, false] {
        let go = Arc::new(AtomicBool::new(false));
        let may = go.clone();
        let server = ByHand::start(move |mut stream, nth| {
            if nth > 0 {
                return echo(stream);
            }
            let frame = next_frame(&mut stream).unwrap();
            let more = if at_once { answer(0) } else { Vec::new() };
            stream.write_all(&[frame, more].concat()).unwrap();
            wait_until(|| may.load(SeqCst));
            // The client may have closed it.
            let _ = stream.write_all(&answer(0));
            echo(stream);
        });
        let client = Kind::Pool(1).client(&server.address, LONG);
        let first = client.call(message(0, "first")).unwrap();
        assert_eq!(first.get().unwrap().body, b"first");
        go.store(true, SeqCst);
        wait_until(|| client.stats().poisoned == 1);
        wait_until(|| client.stats().connections == 0);
        for _ in 0..20 {
            let reply = client.call(message(0, "then")).unwrap();
            assert_eq!(reply.get().unwrap().body, b"then");
        }
        assert_eq!((server.accepted(), client.stats().poisoned), (2, 1));
    }
}

#[test]
fn a_mux_passes_pushes_on_and_drops_late_replies() {
    let server = ByHand::start(|mut stream, _| {
        while let Some(frame) = next_frame(&mut stream) {
            // A push without a number, one under a number of nobody's, the reply, and it again.
            let all = [answer(0), answer(1 << 30), frame.clone(), frame].concat();
            if stream.write_all(&all).is_err() {
                return;
            }
        }
    });
    let pushed = Arc::new(AtomicUsize::new(0));
    let counts = pushed.clone();
    let client = Echoes::mux(&*server.address)
        .on_push(move |push| {
            assert_eq!(push.get().unwrap().body, b"x");
            counts.fetch_add(1, SeqCst);
        })
        .build()
        .unwrap();
    for call in 0..20 {
        let body = format!("{call}").into_bytes();
        let reply = client.call(message(0, body.clone())).unwrap();
        assert_eq!(reply.get().unwrap().body, body);
    }
    wait_until(|| client.stats().late == 20 && pushed.load(SeqCst) == 40);
    let stats = client.stats();
    assert_eq!((stats.pushes, stats.connections), (40, 1), "{stats:?}");
}

#[test]
fn what_cannot_be_reached_is_told_apart_and_named() {
    let refuses = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    // A queue that is full: its SYNs are dropped.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    full.listen(0).unwrap();
    let deaf = full.local_addr().unwrap().as_socket().unwrap();
    let fill: Vec<_> =
        (0..2).filter_map(|_| TcpStream::connect_timeout(&deaf, 300 * MS).ok()).collect();
    for kind in KINDS {
        let client = kind.client(&refuses, LONG);
        for _ in 0..5 {
            let error = fails(&client, &refuses);
            assert_eq!(error.io_kind(), Some(std::io::ErrorKind::ConnectionRefused), "{error}");
        }
        let unknown = "no-such-host.invalid:80";
        let client = kind.client(unknown, LONG);
        assert_eq!(fails(&client, unknown).kind(), ErrorKind::Address);

        let client = kind.client(&deaf.to_string(), 100 * MS);
        let error = fails(&client, &deaf.to_string());
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        assert!(error.to_string().contains("100ms"), "{error}");

        let server = ByHand::start(|stream, _| echo(stream));
        let client = kind.client(&server.address, LONG);
        client.call(message(0, "x")).unwrap();
        client.close(Duration::ZERO);
        assert_eq!(fails(&client, &server.address).kind(), ErrorKind::Closed);
    }
    drop(fill);
}

/// A server that stops and comes back on its port while calls are made.
#[test]
fn a_restart_under_load_hangs_no_call_and_heals_within_a_second() {
    let rounds = length(2, 20);
    for kind in [Kind::Pool(16), Kind::Mux(2)] {
        let server_side = runtime(2);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let serve = || serve_slow_at(&server_side, &address, NEVER).0;
        let client = kind.client(&address, LONG);
        let (tally, over) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
        let begun = Arc::new(AtomicUsize::new(0));
        let mut server = serve();
        let callers: Vec<_> = (0..32)
            .map(|caller| {
                let (client, tally, over) = (client.clone(), tally.clone(), over.clone());
                let begun = begun.clone();
                thread::spawn(move || {
                    while !over.load(SeqCst) {
                        let body = format!("{caller} {}", begun.fetch_add(1, SeqCst)).into_bytes();
                        let told = client.call(message(caller % 4, body.clone()));
                        tally.note(&body, &told);
                        if told.is_err() {
                            // As a caller would, that does not try again at once.
                            thread::sleep(MS);
                        }
                    }
                })
            })
            .collect();
        let mut slowest = Duration::ZERO;
        for _ in 0..rounds {
            let answered = tally.answered();
            wait_until(|| tally.answered() > answered + 500);
            server.shutdown(Duration::ZERO);
            let failed = tally.all() - tally.answered();
            wait_until(|| tally.all() - tally.answered() > failed + 50);
            server = serve();
            let (healing, answered) = (Stopwatch::start(), tally.answered());
            wait_until(|| tally.answered() > answered);
            slowest = slowest.max(healing.elapsed());
            healing.assert_below(1_000 * MS);
        }
        over.store(true, SeqCst);
        callers.into_iter().for_each(|caller| caller.join().unwrap());
        println!("{kind:?}: {tally:?}, healed after {slowest:?} at most, {:?}", client.stats());
        assert_eq!(tally.all(), begun.load(SeqCst), "each call ends, and once");
        assert_eq!(tally.failed(ErrorKind::TimedOut), 0, "none hangs: {tally:?}");
        assert_quiet(&client);
        assert_eq!(client.close(Duration::from_secs(20)), 0);
        server.shutdown(Duration::from_secs(1));
    }
}

/// The kernel's answer to bytes that come after a reset is an error like any other.
#[test]
fn connections_that_are_reset_fail_their_calls() {
    let (runtime, calls) = (runtime(1), 300);
    let (_server, address) = serve_slow(&runtime, |_, call| call % 10 == 9);
    for kind in KINDS {
        let (client, tally) = (kind.client(&address, LONG), Tally::default());
        for call in 0..calls {
            let body = format!("{call}").into_bytes();
            tally.note(&body, &client.call(message(0, body.clone())));
        }
        assert_eq!((tally.answered(), tally.failed(ErrorKind::Io)), (270, 30), "{tally:?}");
    }
}
