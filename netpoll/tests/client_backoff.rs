//! Connections that end before their first reply, and how they are counted; sequence numbers that run out.

mod client_support;
mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use client_support::{
    Kind,
    by_hand::{ByHand, echo, next_frame},
    message,
};
use common::{runtime, wait_until};
use netpoll::{
    ErrorKind, EventLoop, Frame,
    client::{CallOptions, Client},
    frame::Auto,
};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(20);
const KINDS: [Kind; 2] = [Kind::Pool(32), Kind::Mux(2)];

/// Calls from 20 threads for a second; gives how many dials there were, and the last error.
fn storm(kind: Kind, serve: fn(TcpStream, usize)) -> (usize, String) {
    let server = ByHand::start(serve);
    let client = kind.client(&server.address, LONG);
    let until = Instant::now() + Duration::from_secs(1);
    let last = parking_lot::Mutex::new(String::new());
    thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                while Instant::now() < until {
                    *last.lock() = client.call(message(0, "x")).unwrap_err().to_string();
                }
            });
        }
    });
    wait_until(|| client.stats().connections + client.stats().dialing == 0);
    let stats = client.stats();
    assert_eq!(stats.dials, stats.failed_dials, "{stats:?}");
    assert!(stats.stale + stats.poisoned <= stats.dials, "connections, not calls: {stats:?}");
    (server.accepted(), last.into_inner())
}

/// At most one burst of a client's connections, and then a dial at the end of each ejection.
#[track_caller]
fn assert_few(dials: usize) {
    assert!(dials <= 100, "{dials} dials in a second");
}

#[test]
fn a_peer_that_accepts_and_closes_is_left_alone_for_a_while() {
    for kind in KINDS {
        assert_few(storm(kind, |stream, _| drop(stream)).0);
    }
}

#[test]
fn a_peer_that_closes_after_the_request_is_left_alone_for_a_while() {
    for kind in KINDS {
        assert_few(storm(kind, |mut stream, _| drop(next_frame(&mut stream))).0);
    }
}

#[test]
fn a_peer_that_speaks_another_protocol_is_left_alone_for_a_while() {
    for kind in KINDS {
        let greet = |mut stream: TcpStream, _| {
            let _ = stream.write_all(b"\xff\xff\xff\xff220 mail.example.com\r\n");
            let _ = stream.read(&mut [0]);
        };
        assert_few(storm(kind, greet).0);
    }
}

/// It answers one request on each connection: that is no failed dial.
#[test]
fn a_peer_that_closes_after_each_reply_is_dialled_for_each_call() {
    for kind in KINDS {
        let server = ByHand::start(|mut stream, _| {
            if let Some(frame) = next_frame(&mut stream) {
                stream.write_all(&frame).unwrap();
            }
        });
        let client = kind.client(&server.address, LONG);
        for n in 0..50 {
            client.call(message(0, "x")).unwrap();
            wait_until(|| client.stats().connections == 0);
            assert_eq!(server.accepted(), n + 1);
        }
        assert_eq!(client.stats().failed_dials, 0);
    }
}

/// Its only reply comes late, and then it closes: a peer that answers is no failed dial, so that the calls
/// after it need not wait out an ejection.
#[test]
fn a_peer_that_closes_after_a_late_reply_is_dialled_for_the_next_call() {
    let (asked, given_up) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let server = ByHand::start({
        let (asked, given_up) = (asked.clone(), given_up.clone());
        move |mut stream, nth| {
            if nth > 0 {
                return echo(stream);
            }
            let late = next_frame(&mut stream).unwrap();
            asked.store(true, SeqCst);
            wait_until(|| given_up.load(SeqCst));
            stream.write_all(&late).unwrap();
            // Until the call that is lost.
            while next_frame(&mut stream).unwrap().ends_with(b"late") {}
        }
    });
    let client = Kind::Mux(1).client(&server.address, LONG);
    let brief = CallOptions::new().timeout(50 * MS);
    // A call may run out of its time before it is sent.
    while !asked.load(SeqCst) {
        let error = client.call_with(message(0, "late"), brief).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    }
    wait_until(|| client.stats().in_flight == 0);
    given_up.store(true, SeqCst);
    wait_until(|| client.stats().late == 1);
    assert_eq!(client.call(message(0, "lost")).unwrap_err().kind(), ErrorKind::Eof);
    assert_eq!(client.stats().failed_dials, 0);
    client.call(message(0, "x")).unwrap();
}

/// A server's limit of connections, as a client sees it: the error says what is known.
#[test]
fn the_error_of_a_lost_connection_says_how_when_and_after_how_many_bytes() {
    let server = ByHand::start(|mut stream, nth| {
        if nth == 0 {
            // Takes the request, and closes.
            drop(next_frame(&mut stream));
        } else {
            let frame = next_frame(&mut stream).unwrap();
            stream.write_all(&frame).unwrap();
            drop(next_frame(&mut stream));
        }
    });
    let client = Kind::Pool(1).client(&server.address, LONG);
    let error = client.call(message(0, "x")).unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Eof);
    for part in
        [&*server.address, "the peer closed", "after it was made", "13 bytes sent", "no reply"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    wait_until(|| client.call(message(0, "x")).is_ok());
    let text = client.call(message(0, "xy")).unwrap_err().to_string();
    assert!(text.contains("27 bytes sent, 13 received"), "{text}");
}

#[derive(Frame)]
struct Tagged<'a> {
    #[frame(len(of = rest))]
    length: Auto<u16>,
    #[frame(seq)]
    id: u8,
    millis: u16,
    #[frame(rest)]
    body: &'a [u8],
}

#[netpoll::on_request(concurrent = 1024)]
async fn answer(request: Tagged<'_>) -> Tagged<'_> {
    if request.millis > 0 {
        netpoll::sleep(Duration::from_millis(request.millis.into())).await;
    }
    request
}

#[netpoll::server(on_request = answer)]
struct Slow;

/// More than half of the numbers wait for late replies: the connection takes no new calls, those in flight
/// get their replies, and another connection takes over at once.
#[test]
fn a_connection_without_free_numbers_drains() {
    let runtime = runtime(2);
    let server = EventLoop::builder(Slow).runtime(&runtime).listen("127.0.0.1:0").bind().unwrap();
    let address = server.addresses()[0].to_string();
    thread::spawn(|| server.serve());
    let client: Client<Tagged<'static>, Tagged<'static>> =
        Client::mux(address).runtime(&runtime).timeout(LONG).build().unwrap();
    let call = |millis, body: &[u8], timeout| -> netpoll::Result<()> {
        let request = Tagged { length: Auto::default(), id: 0, millis, body };
        let reply = client.call_with(request, CallOptions::new().timeout(timeout))?;
        assert_eq!(reply.get()?.body, body);
        Ok(())
    };
    let given_up = AtomicUsize::new(0);
    thread::scope(|scope| {
        let patient: Vec<_> = (0..20u8)
            .map(|n| {
                scope.spawn({
                    let call = &call;
                    move || call(2_000, &[n], LONG)
                })
            })
            .collect();
        wait_until(|| client.stats().in_flight == 20);
        while given_up.load(SeqCst) < 200 {
            let callers: Vec<_> =
                (0..50).map(|_| scope.spawn(|| call(10_000, b"late", 5 * MS))).collect();
            for caller in callers {
                let error = caller.join().unwrap().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
                given_up.fetch_add(1, SeqCst);
            }
        }
        // The one connection of this client is drained, and does not stand in the way of another.
        call(0, b"prompt", 1_000 * MS).unwrap();
        patient.into_iter().for_each(|call| call.join().unwrap().unwrap());
    });
    wait_until(|| client.stats().connections == 1);
    assert_eq!(client.stats().poisoned, 0);
}

#[test]
fn an_endpoint_is_sound_again_at_its_first_reply() {
    let server = ByHand::start(|stream, nth| {
        if nth >= 3 {
            echo(stream);
        }
    });
    let client = Kind::Mux(1).client(&server.address, LONG);
    wait_until(|| client.call(message(0, "x")).is_ok());
    assert_eq!(client.stats().failed_dials, 3);
    let before = client.stats().dials;
    for _ in 0..20 {
        client.call(message(0, "x")).unwrap();
    }
    assert_eq!(client.stats().dials, before);
}
