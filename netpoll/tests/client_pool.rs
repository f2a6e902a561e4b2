//! The client with one call at a time on each connection.

mod common;

use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use common::{Answer, Bench, Echo, serve, sleepy, wait_until};
use netpoll::{
    ErrorKind, Runtime, ServerHandle,
    client::{CallOptions, Client},
};

type BenchClient = Client<Bench<'static>, Bench<'static>>;

fn client(runtime: &Runtime, server: &ServerHandle, max: usize) -> BenchClient {
    Client::pool(server.addresses()[0].to_string())
        .runtime(runtime)
        .max_connections(max)
        .build()
        .unwrap()
}

#[test]
fn a_call_gets_its_reply_on_a_connection_that_is_used_again() {
    let (runtime, server) = serve(Echo::default(), |b| b);
    let client = client(&runtime, &server, 4);
    for n in 0..200 {
        let text = format!("call {n}");
        let reply = client.call(Bench(text.as_bytes())).unwrap();
        assert_eq!(reply.get().unwrap().0, text.as_bytes());
    }
    let stats = client.stats();
    assert_eq!((stats.dials, stats.connections, stats.idle), (1, 1, 1), "{stats:?}");
}

#[test]
fn more_callers_than_connections_all_get_their_own_reply() {
    let (runtime, server) = serve(Echo::default(), |b| b);
    let client = client(&runtime, &server, 3);
    thread::scope(|scope| {
        for caller in 0..32 {
            let client = &client;
            scope.spawn(move || {
                for n in 0..50 {
                    let text = format!("{caller} calls {n}");
                    let reply = client.call(Bench(text.as_bytes())).unwrap();
                    assert_eq!(reply.get().unwrap().0, text.as_bytes());
                }
            });
        }
    });
    let stats = client.stats();
    assert!(stats.dials <= 3, "{stats:?}");
    assert_eq!((stats.in_flight, stats.waiters), (0, 0));
}

#[test]
fn async_calls_run_under_any_executor() {
    let (runtime, server) = serve(Echo::default(), |b| b);
    let client = client(&runtime, &server, 8);
    let done = Arc::new(AtomicUsize::new(0));
    for n in 0..100u32 {
        let (client, done) = (client.clone(), done.clone());
        runtime.spawn(async move {
            let text = n.to_string();
            let reply = client.call_async(Bench(text.as_bytes())).await.unwrap();
            assert_eq!(reply.get().unwrap().0, text.as_bytes());
            done.fetch_add(1, SeqCst);
        });
    }
    wait_until(|| done.load(SeqCst) == 100);
    let reply = netpoll::block_on(client.call_async(Bench(b"here"))).unwrap();
    assert_eq!(reply.get().unwrap().0, b"here");
}

#[test]
fn a_call_that_is_late_poisons_its_connection() {
    let (runtime, server) = serve(Answer::by(sleepy), |b| b);
    let client = client(&runtime, &server, 1);
    let soon = CallOptions::new().timeout(Duration::from_millis(30));
    let late = client.call_with(Bench(b"sleep 200"), soon).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::TimedOut);
    let address = server.addresses()[0].to_string();
    assert_eq!(late.to_string(), format!("calling {address}: no reply within 30ms"));
    let late = netpoll::block_on(client.call_async_with(Bench(b"sleep 200"), soon)).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::TimedOut);
    // The next is not given the late reply.
    assert_eq!(client.call(Bench(b"next")).unwrap().get().unwrap().0, b"next");
    let stats = client.stats();
    assert_eq!((stats.poisoned, stats.timeouts, stats.dials), (2, 2, 3), "{stats:?}");
}

#[test]
fn waiting_for_a_connection_is_part_of_the_time() {
    let (runtime, server) = serve(Answer::by(sleepy), |b| b);
    let client = client(&runtime, &server, 1);
    thread::scope(|scope| {
        let long = scope.spawn(|| client.call(Bench(b"sleep 300")).map(drop));
        wait_until(|| client.stats().in_flight == 1);
        let soon = CallOptions::new().timeout(Duration::from_millis(30));
        let late = client.call_with(Bench(b"other"), soon).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::TimedOut);
        assert!(late.to_string().contains("no connection within 30ms (1 in use"), "{late}");
        long.join().unwrap().unwrap();
    });
    assert_eq!(client.stats().poisoned, 0);
}

#[test]
fn a_dropped_future_cancels_its_call() {
    let (runtime, server) = serve(Answer::by(sleepy), |b| b);
    let client = client(&runtime, &server, 1);
    let call = client.call_async(Bench(b"sleep 200"));
    let given_up = netpoll::block_on(netpoll::timeout(Duration::from_millis(50), call));
    assert_eq!(given_up.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(client.call(Bench(b"next")).unwrap().get().unwrap().0, b"next");
    assert_eq!(client.stats().poisoned, 1);
}

#[test]
fn who_refuses_and_who_is_unknown_are_different_errors() {
    let runtime = common::runtime(1);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let client = BenchClient::pool(free.as_str()).runtime(&runtime).build().unwrap();
    let start = Instant::now();
    for _ in 0..3 {
        let refused = client.call(Bench(b"")).unwrap_err();
        assert_eq!(refused.io_kind(), Some(std::io::ErrorKind::ConnectionRefused));
        assert!(refused.to_string().contains(&free), "{refused}");
    }
    assert!(start.elapsed() < Duration::from_secs(5));
    let client = BenchClient::pool("no-such-host.invalid:1").runtime(&runtime).build().unwrap();
    let unknown = client.call(Bench(b"")).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Address);
    assert!(unknown.to_string().contains("no-such-host.invalid"), "{unknown}");
}

#[test]
fn close_waits_for_calls_and_refuses_new_ones() {
    let (runtime, server) = serve(Answer::by(sleepy), |b| b);
    let client = client(&runtime, &server, 2);
    client.warm_up(2).unwrap();
    assert_eq!(client.stats().connections, 2);
    thread::scope(|scope| {
        let calls: Vec<_> =
            (0..4).map(|_| scope.spawn(|| client.call(Bench(b"sleep 50")).map(drop))).collect();
        wait_until(|| client.stats().in_flight + client.stats().waiters == 4);
        assert_eq!(client.close(Duration::from_secs(20)), 0);
        for call in calls {
            call.join().unwrap().unwrap();
        }
    });
    assert_eq!(client.call(Bench(b"")).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(client.stats().connections, 0);
}

#[test]
fn close_cuts_calls_short_at_its_deadline() {
    let (runtime, server) = serve(Answer::by(sleepy), |b| b);
    let client = client(&runtime, &server, 1);
    thread::scope(|scope| {
        let calls: Vec<_> =
            (0..2).map(|_| scope.spawn(|| client.call(Bench(b"sleep 5000")).map(drop))).collect();
        wait_until(|| client.stats().in_flight + client.stats().waiters == 2);
        let start = Instant::now();
        assert_eq!(client.close(Duration::from_millis(50)), 2);
        for call in calls {
            assert_eq!(call.join().unwrap().unwrap_err().kind(), ErrorKind::Closed);
        }
        assert!(start.elapsed() < Duration::from_secs(4));
    });
}

#[test]
fn idle_connections_are_closed() {
    let (runtime, server) = serve(Echo::default(), |b| b);
    let client = BenchClient::pool(server.addresses()[0].to_string())
        .runtime(&runtime)
        .idle_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    client.warm_up(3).unwrap();
    wait_until(|| client.stats().connections == 0);
    client.call(Bench(b"again")).unwrap();
    drop(client);
    wait_until(|| runtime.stats().connections == 0);
}
