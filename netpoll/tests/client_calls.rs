//! What a call may be besides one request and one reply: pipelined, one of a batch, one way, idempotent, hedged;
//! the first exchange on a connection; goodbyes.

mod client_support;
mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use client_support::{
    Echoes, Kind, Message,
    by_hand::{ByHand, echo, next_frame, swallow},
    message,
};
use common::wait_until;
use netpoll::{
    Error, ErrorKind, Result, block_on,
    client::{CallOptions, Client},
    rpc::{Answer, Call},
};
use parking_lot::Mutex;

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(20);

fn pipeline(address: &str) -> Echoes {
    Echoes::pipeline(address).timeout(LONG).build().unwrap()
}

fn pool(address: &str) -> Echoes {
    Kind::Pool(4).client(address, LONG)
}

fn mux(address: &str) -> Echoes {
    Kind::Mux(1).client(address, LONG)
}

fn all_kinds(address: &str) -> [Echoes; 3] {
    [pool(address), pipeline(address), mux(address)]
}

#[track_caller]
fn assert_echo(client: &Echoes, body: &[u8]) {
    let reply = client.call(message(0, body)).unwrap();
    assert_eq!(reply.get().unwrap().body, body);
}

#[test]
fn pipelined_calls_get_their_own_replies_over_one_connection() {
    let server = ByHand::start(|stream, _| echo(stream));
    let client = pipeline(&server.address);
    thread::scope(|scope| {
        for caller in 0..32u32 {
            let client = &client;
            scope.spawn(move || {
                for n in 0..200u32 {
                    assert_echo(client, format!("{caller} {n}").as_bytes());
                }
            });
        }
    });
    assert_eq!(server.accepted(), 1);
    let stats = client.stats();
    assert_eq!((stats.in_flight, stats.poisoned, stats.late), (0, 0, 0), "{stats:?}");
}

#[test]
fn pipelined_requests_are_in_flight_together() {
    let server = ByHand::start(|mut stream, _| {
        // Answers when all are there.
        let frames: Vec<_> = (0..100).map_while(|_| next_frame(&mut stream)).collect();
        stream.write_all(&frames.concat()).unwrap();
        swallow(stream);
    });
    let client = pipeline(&server.address);
    let replies = client.batch((0..100).map(|n| message(0, n.to_string())));
    for (n, reply) in replies.into_iter().enumerate() {
        assert_eq!(reply.unwrap().get().unwrap().body, n.to_string().as_bytes());
    }
}

/// Answers a body `slow` when it may, all others at once, in order.
fn slow_at_will() -> (ByHand, mpsc::Sender<()>) {
    let (may, waits) = mpsc::channel::<()>();
    let waits = Mutex::new(waits);
    let server = ByHand::start(move |mut stream, _| {
        while let Some(frame) = next_frame(&mut stream) {
            if frame.ends_with(b"slow") {
                let _ = waits.lock().recv();
            }
            if stream.write_all(&frame).is_err() {
                return;
            }
        }
    });
    (server, may)
}

#[test]
fn a_late_pipelined_call_delays_only_those_behind_it() {
    let (server, may) = slow_at_will();
    let client = pipeline(&server.address);
    assert_echo(&client, b"before");
    thread::scope(|scope| {
        let late = scope
            .spawn(|| client.call_with(message(0, "slow"), CallOptions::new().timeout(100 * MS)));
        wait_until(|| client.stats().in_flight == 1);
        let behind = scope.spawn(|| assert_echo(&client, b"behind"));
        wait_until(|| client.stats().in_flight == 2);
        let error = late.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        // New calls go over another connection.
        assert_echo(&client, b"after");
        assert_eq!(server.accepted(), 2);
        assert!(!behind.is_finished());
        may.send(()).unwrap();
        behind.join().unwrap();
    });
    wait_until(|| client.stats().connections == 1);
    assert_eq!(client.stats().late, 1);
    drop(may);
}

#[test]
fn bytes_that_nobody_asked_for_poison_a_pipeline() {
    let server = ByHand::start(|mut stream, _| {
        let frame = next_frame(&mut stream).unwrap();
        stream.write_all(&[&frame[..], &frame].concat()).unwrap();
        swallow(stream);
    });
    let client = pipeline(&server.address);
    assert_echo(&client, b"x");
    wait_until(|| client.stats().poisoned == 1);
    assert_echo(&client, b"y");
    assert_eq!(server.accepted(), 2);
}

#[test]
fn a_batch_of_each_kind_gives_its_results_in_order() {
    let server = ByHand::start(|stream, _| echo(stream));
    for client in all_kinds(&server.address) {
        let requests = || (0..50).map(|n| message(0, n.to_string()));
        let replies =
            [client.batch(requests()), block_on(client.batch_async(requests()))].concat_results();
        for (n, reply) in replies.into_iter().enumerate() {
            assert_eq!(reply.unwrap(), (n % 50).to_string().as_bytes());
        }
        assert_eq!(client.batch(std::iter::empty()).len(), 0);
    }
}

trait Bodies {
    fn concat_results(self) -> Vec<Result<Vec<u8>>>;
}

impl<const N: usize> Bodies for [Vec<Result<netpoll::client::Received<Message>>>; N] {
    fn concat_results(self) -> Vec<Result<Vec<u8>>> {
        self.into_iter().flatten().map(|reply| Ok(reply?.get()?.body)).collect()
    }
}

#[test]
fn one_way_requests_arrive_and_hold_nothing() {
    for kind in 0..3 {
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let seen = bodies.clone();
        let server = ByHand::start(move |mut stream, _| {
            while let Some(frame) = next_frame(&mut stream) {
                seen.lock().push(frame[12..].to_vec());
                if frame.ends_with(b"call") && stream.write_all(&frame).is_err() {
                    return;
                }
            }
        });
        let client = all_kinds(&server.address).swap_remove_at(kind);
        for n in 0..100 {
            if n % 2 == 0 {
                client.send(message(0, format!("{n}"))).unwrap();
            } else {
                block_on(client.send_async(message(0, format!("{n}")))).unwrap();
            }
        }
        assert_echo(&client, b"call");
        wait_until(|| bodies.lock().len() == 101);
        let stats = client.stats();
        assert_eq!((stats.in_flight, stats.connections, stats.poisoned), (0, 1, 0), "{stats:?}");
    }
}

trait SwapRemove<T> {
    fn swap_remove_at(self, at: usize) -> T;
}

impl<T, const N: usize> SwapRemove<T> for [T; N] {
    fn swap_remove_at(self, at: usize) -> T {
        Vec::from(self).swap_remove(at)
    }
}

/// A one-way request says nothing of an endpoint on trial, whose next call is the trial.
#[test]
fn one_way_requests_do_not_keep_an_endpoint_on_trial() {
    fn answer_calls(mut stream: TcpStream, answered: &AtomicUsize) {
        while let Some(frame) = next_frame(&mut stream) {
            if frame.ends_with(b"call") {
                answered.fetch_add(1, SeqCst);
                if stream.write_all(&frame).is_err() {
                    return;
                }
            }
        }
    }
    let (answered, others) = (Arc::<AtomicUsize>::default(), AtomicUsize::new(0));
    let counts = answered.clone();
    let fails_first = ByHand::start(move |stream, nth| match nth {
        0 => drop(stream),
        _ => answer_calls(stream, &counts),
    });
    let sound = ByHand::start(move |stream, _| answer_calls(stream, &others));
    let addresses = [&fails_first.address, &sound.address];
    let client = Echoes::pool(addresses).timeout(LONG).build().unwrap();
    wait_until(|| client.call(message(0, "call")).is_err() || client.stats().failed_dials > 0);
    // One of these is the first on the new connection.
    wait_until(|| {
        client.send(message(0, "one way")).unwrap();
        fails_first.accepted() > 1
    });
    for _ in 0..20 {
        client.send(message(0, "one way")).unwrap();
    }
    wait_until(|| {
        assert_echo(&client, b"call");
        answered.load(SeqCst) > 0
    });
}

/// Loses the first connection after it has read a request.
fn loses_the_first() -> ByHand {
    ByHand::start(|mut stream, nth| {
        if nth == 0 {
            let first = next_frame(&mut stream).unwrap();
            stream.write_all(&first).unwrap();
            drop(next_frame(&mut stream));
        } else {
            echo(stream);
        }
    })
}

#[test]
fn an_idempotent_call_is_repeated_after_its_connection_was_lost() {
    for kind in 0..3 {
        for idempotent in [true, false] {
            let server = loses_the_first();
            let client = all_kinds(&server.address).swap_remove_at(kind);
            assert_echo(&client, b"first");
            let options = CallOptions::new().idempotent(idempotent);
            let told = client.call_with(message(0, "second"), options);
            if idempotent {
                assert_eq!(told.unwrap().get().unwrap().body, b"second");
                assert_eq!(client.stats().retries, 1);
            } else {
                assert_eq!(told.unwrap_err().kind(), ErrorKind::Eof);
                assert_eq!(client.stats().retries, 0);
            }
        }
    }
}

/// A peer that ends each connection: no call is repeated for ever.
#[test]
fn repeats_of_one_call_are_few() {
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = requests.clone();
    let servers = [(); 8].map(|()| {
        let seen = seen.clone();
        ByHand::start(move |mut stream, _| {
            if next_frame(&mut stream).is_some() {
                seen.fetch_add(1, SeqCst);
            }
        })
    });
    let addresses = servers.each_ref().map(|server| server.address.clone());
    let client = Echoes::pool(addresses).timeout(LONG).build().unwrap();
    let error = client.call_with(message(0, "x"), CallOptions::new().idempotent(true)).unwrap_err();
    assert_ne!(error.kind(), ErrorKind::TimedOut, "{error}");
    assert!((1..=4).contains(&requests.load(SeqCst)), "{requests:?}");
}

#[test]
fn a_hedged_call_takes_the_first_reply() {
    for kind in 0..3 {
        let server = ByHand::start(|stream, nth| match nth {
            0 => swallow(stream),
            _ => echo(stream),
        });
        let silent = server.address.clone();
        let quick = ByHand::start(|stream, _| echo(stream));
        let both = [silent, quick.address.clone()];
        let client: Echoes = match kind {
            0 => Echoes::pool(both).build().unwrap(),
            1 => Echoes::pipeline(both).build().unwrap(),
            _ => Echoes::mux(both).build().unwrap(),
        };
        client.warm_up(2).unwrap();
        let options = CallOptions::new().idempotent(true).hedge(20 * MS).timeout(LONG);
        let since = Instant::now();
        for n in 0..20 {
            let body = format!("{n}");
            let reply = if n % 2 == 0 {
                client.call_with(message(0, body.clone()), options)
            } else {
                block_on(client.call_async_with(message(0, body.clone()), options))
            };
            assert_eq!(reply.unwrap().get().unwrap().body, body.as_bytes());
        }
        assert!(since.elapsed() < LONG / 2, "{:?}", since.elapsed());
        drop((server, quick));
    }
}

#[test]
fn the_first_exchange_comes_before_all_calls() {
    for kind in 0..3 {
        let server = ByHand::start(|mut stream, _| {
            // A dial that is not needed any more ends at the client's drop.
            let Some(login) = next_frame(&mut stream) else { return };
            assert!(login.ends_with(b"AUTH secret"), "{login:?}");
            if stream.write_all(&login).is_ok() {
                echo(stream);
            }
        });
        let first = |mut hello: netpoll::client::Hello<Message, Message>| async move {
            let reply = hello.call(message(0, "AUTH secret")).await?;
            assert_eq!(reply.get()?.body, b"AUTH secret");
            Ok(())
        };
        let client = match kind {
            0 => Echoes::pool(&*server.address).on_connect(first).build().unwrap(),
            1 => Echoes::pipeline(&*server.address).on_connect(first).build().unwrap(),
            _ => Echoes::mux(&*server.address).on_connect(first).build().unwrap(),
        };
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_echo(&client, b"call"));
            }
        });
    }
}

#[test]
fn a_first_exchange_that_fails_is_a_failed_dial() {
    let server = ByHand::start(|stream, _| swallow(stream));
    let client = |first: fn() -> Result<()>, waits: bool| {
        let pool = Echoes::pool(&*server.address).connect_timeout(200 * MS).timeout(LONG);
        pool.on_connect(move |mut hello| async move {
            if waits {
                hello.receive().await?;
            }
            first()
        })
    };
    let refused = || Err(Error::new(ErrorKind::Io, "wrong password"));
    let error = client(refused, false).build().unwrap().call(message(0, "x")).unwrap_err();
    assert!(error.to_string().contains("wrong password"), "{error}");
    assert!(error.to_string().contains(&server.address), "{error}");
    let panics = client(|| panic!("as the test wants it"), false).build().unwrap();
    assert_eq!(panics.call(message(0, "x")).unwrap_err().kind(), ErrorKind::Panic);
    let silent = client(|| Ok(()), true).build().unwrap();
    let error = silent.call(message(0, "x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    let stats = silent.stats();
    assert_eq!((stats.dials, stats.failed_dials, stats.connections), (1, 1, 0), "{stats:?}");
}

/// A server of the ready protocol: echoes payloads, and says goodbye before the reply to `bye`.
fn says_goodbye(mut stream: TcpStream) {
    use netpoll::frame::{Arena, decode};
    while let Some(frame) = next_frame(&mut stream) {
        let arena = Arena::new();
        let call = decode::<Call<'_>>(&*frame, frame.len(), &arena).unwrap();
        let mut out = Vec::new();
        if call.payload == b"bye" {
            let goodbye = <Answer<'_> as netpoll::frame::Frame>::new_goodbye().unwrap();
            out.extend(encoded(&goodbye));
        }
        out.extend(encoded(&Answer::new(call.id, call.payload)));
        if stream.write_all(&out).is_err() {
            return;
        }
    }
}

fn encoded(frame: &impl netpoll::frame::Encode) -> Vec<u8> {
    let mut out = netpoll::buf::LinkBuffer::new();
    netpoll::frame::encode(frame, &mut out).unwrap();
    out.to_vec()
}

#[test]
fn a_goodbye_retires_the_connection_and_costs_no_call() {
    type Rpc = Client<Call<'static>, Answer<'static>>;
    let server = ByHand::start(|stream, _| says_goodbye(stream));
    let address = &*server.address;
    for client in [
        Rpc::pool(address).build().unwrap(),
        Rpc::pipeline(address).build().unwrap(),
        Rpc::mux(address).build().unwrap(),
    ] {
        let before = server.accepted();
        for round in 1..=5 {
            for payload in [&b"a"[..], b"b", b"bye"] {
                let reply = client.call(Call::new("echo", payload)).unwrap();
                assert_eq!(reply.get().unwrap().payload, payload);
            }
            wait_until(|| client.stats().connections == 0);
            assert_eq!(server.accepted(), before + round);
        }
        let stats = client.stats();
        assert_eq!((stats.poisoned, stats.stale, stats.failed_dials), (0, 0, 0), "{stats:?}");
    }
}

#[test]
fn a_request_carries_the_time_that_its_caller_has_left() {
    let left = Arc::new(Mutex::new(Vec::new()));
    let seen = left.clone();
    let server = ByHand::start(move |mut stream, _| {
        use netpoll::frame::{Arena, decode};
        while let Some(frame) = next_frame(&mut stream) {
            let arena = Arena::new();
            let call = decode::<Call<'_>>(&*frame, frame.len(), &arena).unwrap();
            seen.lock().push(call.deadline);
            if stream.write_all(&encoded(&Answer::new(call.id, b""))).is_err() {
                return;
            }
        }
    });
    type Rpc = Client<Call<'static>, Answer<'static>>;
    let address = &*server.address;
    for client in [
        Rpc::pool(address).timeout(3 * LONG).build().unwrap(),
        Rpc::mux(address).timeout(3 * LONG).build().unwrap(),
    ] {
        client.call(Call::new("a", b"")).unwrap();
        let options = CallOptions::new().timeout(LONG);
        client.call_with(Call::new("a", b""), options).unwrap();
    }
    let left = left.lock();
    for (n, left) in left.iter().enumerate() {
        let most = if n % 2 == 0 { 60_000 } else { 20_000 };
        assert!((1..=most).contains(left), "{left} of {most}");
        assert!(*left > most / 2, "{left} of {most}");
    }
}

/// The last handle of a client, and of its runtime, goes in the client's own callback.
#[test]
fn the_last_client_may_be_dropped_by_its_own_callback() {
    let server = ByHand::start(|mut stream, _| {
        let mut first = next_frame(&mut stream).unwrap();
        stream.write_all(&first).unwrap();
        first[4..8].fill(0);
        stream.write_all(&first).unwrap();
        let _ = stream.read(&mut [0]);
    });
    let held = Arc::new(Mutex::new(None::<(Echoes, netpoll::Runtime)>));
    let dropped = Arc::new(AtomicBool::new(false));
    let (holds, drops) = (held.clone(), dropped.clone());
    let runtime = netpoll::Runtime::builder().pollers(1).build().unwrap();
    let client = Echoes::mux(&*server.address)
        .runtime(&runtime)
        .on_push(move |_| {
            wait_until(|| holds.lock().is_some());
            drop(holds.lock().take());
            drops.store(true, SeqCst);
        })
        .build()
        .unwrap();
    client.call(message(0, "x")).unwrap();
    *held.lock() = Some((client, runtime));
    wait_until(|| dropped.load(SeqCst));
}
