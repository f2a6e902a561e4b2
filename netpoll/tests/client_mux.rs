//! The client with many calls on each connection.

mod common;

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use common::wait_until;
use netpoll::{
    ErrorKind, EventLoop, Frame, Runtime, ServerHandle, State,
    client::{CallOptions, Client},
    frame::Auto,
};

#[derive(Frame)]
struct Message<'a> {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(seq)]
    id: u32,
    #[frame(rest)]
    body: &'a [u8],
}

fn message(body: &[u8]) -> Message<'_> {
    Message { length: Auto::default(), id: 0, body }
}

/// Counts the requests that have come.
#[netpoll::server(on_request = answer)]
struct Sleepy(Arc<AtomicUsize>);

/// Answers after so many milliseconds as the body says.
#[netpoll::on_request(concurrent = 1024)]
async fn answer<'a>(sleepy: State<'_, Sleepy>, request: Message<'a>) -> Message<'a> {
    sleepy.0.0.fetch_add(1, SeqCst);
    let text = std::str::from_utf8(request.body).unwrap();
    if let Some(millis) = text.strip_prefix("sleep ") {
        netpoll::sleep(Duration::from_millis(millis.parse().unwrap())).await;
    }
    request
}

type MuxClient = Client<Message<'static>, Message<'static>>;

struct Serving {
    runtime: Runtime,
    server: ServerHandle,
    address: String,
    begun: Arc<AtomicUsize>,
}

fn serve() -> Serving {
    let (runtime, begun) = (common::runtime(2), Arc::<AtomicUsize>::default());
    let service = Sleepy(begun.clone());
    let server = EventLoop::builder(service).runtime(&runtime).listen("127.0.0.1:0");
    let server = server.bind().unwrap();
    let handle = server.handle();
    thread::spawn(|| server.serve());
    let address = handle.addresses()[0].to_string();
    Serving { runtime, server: handle, address, begun }
}

#[test]
fn calls_of_many_threads_share_a_connection() {
    let Serving { runtime, address, .. } = serve();
    let client = MuxClient::mux(address).runtime(&runtime).build().unwrap();
    thread::scope(|scope| {
        for caller in 0..32 {
            let client = &client;
            scope.spawn(move || {
                for n in 0..50 {
                    let text = format!("{caller} calls {n}");
                    let reply = client.call(message(text.as_bytes())).unwrap();
                    assert_eq!(reply.get().unwrap().body, text.as_bytes());
                }
            });
        }
    });
    let stats = client.stats();
    assert_eq!((stats.dials, stats.in_flight, stats.waiters), (1, 0, 0), "{stats:?}");
}

#[test]
fn async_calls_overtake_each_other() {
    let Serving { runtime, address, .. } = serve();
    let client = MuxClient::mux(address).runtime(&runtime).connections(2).build().unwrap();
    let done = Arc::new(AtomicUsize::new(0));
    for n in 0..200u32 {
        let (client, done) = (client.clone(), done.clone());
        runtime.spawn(async move {
            let text = format!("sleep {}", n % 20);
            let reply = client.call_async(message(text.as_bytes())).await.unwrap();
            assert_eq!(reply.get().unwrap().body, text.as_bytes());
            done.fetch_add(1, SeqCst);
        });
    }
    wait_until(|| done.load(SeqCst) == 200);
    assert_eq!(client.stats().in_flight, 0);
}

#[test]
fn a_late_reply_is_dropped_and_counted() {
    let Serving { runtime, address, .. } = serve();
    let client = MuxClient::mux(address.as_str()).runtime(&runtime).build().unwrap();
    let soon = CallOptions::new().timeout(Duration::from_millis(20));
    let late = client.call_with(message(b"sleep 100"), soon).unwrap_err();
    assert_eq!(late.to_string(), format!("calling {address}: no reply within 20ms"));
    let late = netpoll::block_on(client.call_async_with(message(b"sleep 100"), soon)).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::TimedOut);
    assert_eq!(client.call(message(b"next")).unwrap().get().unwrap().body, b"next");
    wait_until(|| client.stats().late == 2);
    let stats = client.stats();
    assert_eq!((stats.dials, stats.poisoned, stats.in_flight), (1, 0, 0), "{stats:?}");
}

#[test]
fn calls_past_the_limit_wait_in_order() {
    let Serving { runtime, address, .. } = serve();
    let client = MuxClient::mux(address).runtime(&runtime).max_in_flight(2).build().unwrap();
    thread::scope(|scope| {
        for _ in 0..16 {
            let client = &client;
            scope.spawn(move || client.call(message(b"sleep 5")).map(drop).unwrap());
        }
        while client.stats().in_flight > 0 {
            assert!(client.stats().in_flight <= 2);
        }
    });
    assert_eq!(client.stats().dials, 1);
}

#[test]
fn a_connection_that_ends_fails_its_calls_with_the_reason() {
    let Serving { runtime, server, address, begun } = serve();
    let client = MuxClient::mux(address.as_str()).runtime(&runtime).build().unwrap();
    thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| client.call(message(b"sleep 10000")).map(drop)))
            .collect();
        wait_until(|| begun.load(SeqCst) == 8);
        server.shutdown(Duration::ZERO);
        for call in calls {
            let error = call.join().unwrap().unwrap_err();
            assert!(error.to_string().starts_with(&format!("calling {address}: ")), "{error}");
        }
    });
    assert_eq!(client.stats().in_flight, 0);
}

/// A number of one byte.
#[derive(Frame)]
struct Short {
    #[frame(seq)]
    id: u8,
    value: u32,
}

/// A peer that answers `Short` frames as `answer` says: with which, in which order.
fn short_peer(answer: impl Fn(u8, u32) -> Vec<(u8, u32)> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = Arc::new(answer);
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let answer = answer.clone();
            thread::spawn(move || {
                let mut frame = [0; 5];
                while stream.read_exact(&mut frame).is_ok() {
                    let value = u32::from_be_bytes(frame[1..].try_into().unwrap());
                    let mut out = Vec::new();
                    for (id, value) in answer(frame[0], value) {
                        out.push(id);
                        out.extend(value.to_be_bytes());
                    }
                    if stream.write_all(&out).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn few_numbers_are_enough_for_many_calls() {
    let runtime = common::runtime(1);
    let address = short_peer(|id, value| vec![(id, value + 1)]);
    let client = Client::<Short, Short>::mux(address).runtime(&runtime).build().unwrap();
    thread::scope(|scope| {
        for caller in 0..200u32 {
            let client = &client;
            scope.spawn(move || {
                for n in 0..20 {
                    let value = caller << 16 | n;
                    let reply = client.call(Short { id: 0, value }).unwrap();
                    assert_eq!(reply.into_owned().unwrap().value, value + 1);
                }
            });
        }
    });
    assert_eq!(client.stats().dials, 1);
}

#[test]
fn a_peer_that_leaves_too_many_unanswered_is_dialled_anew() {
    let runtime = common::runtime(1);
    let address = short_peer(|id, value| if value == 0 { vec![] } else { vec![(id, value)] });
    let client = Client::<Short, Short>::mux(address).runtime(&runtime).build().unwrap();
    let soon = CallOptions::new().timeout(Duration::from_millis(1));
    for _ in 0..200 {
        let error = client.call_with(Short { id: 0, value: 0 }, soon).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    }
    let reply = client.call(Short { id: 0, value: 7 }).unwrap().into_owned().unwrap();
    assert_eq!(reply.value, 7);
    let stats = client.stats();
    assert_eq!((stats.dials, stats.poisoned), (2, 0), "{stats:?}");
}

#[test]
fn frames_that_answer_no_call_are_pushes() {
    let runtime = common::runtime(1);
    // Under zero, under a number that was never handed out, the answer, and the answer once more.
    let address = short_peer(|id, value| vec![(0, 1), (200, 2), (id, value), (id, 3)]);
    let (tell, told) = mpsc::channel();
    let client = Client::<Short, Short>::mux(address)
        .runtime(&runtime)
        .on_push(move |push| tell.send(push.into_owned().unwrap().value).unwrap())
        .build()
        .unwrap();
    let reply = client.call(Short { id: 0, value: 9 }).unwrap().into_owned().unwrap();
    assert_eq!(reply.value, 9);
    assert_eq!([told.recv().unwrap(), told.recv().unwrap()], [1, 2]);
    wait_until(|| client.stats().late == 1);
    assert_eq!(client.stats().pushes, 2);
}

#[test]
fn who_takes_pushes_is_connected_again_without_a_call() {
    const CONNECTIONS: usize = 5;
    let runtime = common::runtime(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let pushed = Arc::new(AtomicUsize::new(0));
    let count = pushed.clone();
    let client = Client::<Short, Short>::mux(address)
        .runtime(&runtime)
        .on_push(move |_| {
            count.fetch_add(1, SeqCst);
        })
        .build()
        .unwrap();
    let (go, warm) = mpsc::channel();
    let peer = thread::spawn(move || {
        for nth in 0..CONNECTIONS {
            let mut stream = listener.accept().unwrap().0;
            stream.write_all(&[0; 5]).unwrap();
            if nth == 0 {
                warm.recv().unwrap();
            }
        }
    });
    client.warm_up(1).unwrap();
    go.send(()).unwrap();
    peer.join().unwrap();
    wait_until(|| pushed.load(SeqCst) == CONNECTIONS);
    drop(client);
    wait_until(|| runtime.stats().connections == 0);
}
