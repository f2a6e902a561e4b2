//! Connections that talk to each other: what a turn sends leaves once, nothing holds it back, and no thread is
//! woken on the way. Counted by the library's own counters.

mod common;

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use common::{
    Answer, Bench, Client, call, client, frame, read_frame, runtime, serve_on, wait_until,
};
use netpoll::{
    Call, Connection, Detach, Dialer, Dispatch, Flow, Result, Runtime, ServerHandle, Service,
    Stats, SystemCalls, client::Client as CallClient, copy_bidirectional,
};
use parking_lot::Mutex;

/// Small sends of one turn to another connection.
const SENDS: usize = 20;
const ROUNDS: u64 = 50;

/// The counts of threads that are no workers are the process's: one test runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// The connection that asked to listen.
type Listens = Arc<Mutex<Option<Connection>>>;

/// A server that notes who listens, and does `then` with that connection at other requests.
fn server(
    runtime: &Runtime,
    then: impl Fn(&Connection, &mut Call<'_, u32>, &[u8]) -> Result<()> + Send + Sync + 'static,
) -> ServerHandle {
    let listens = Listens::default();
    let answer = Answer::by(move |call: &mut Call<'_, u32>, request: &[u8]| {
        if request == b"listen" {
            *listens.lock() = Some(call.conn.clone());
        } else {
            let other = listens.lock().clone().expect("somebody listens");
            then(&other, call, request)?;
        }
        call.out.put(&Bench(request))?;
        Ok(Flow::Continue)
    });
    serve_on(runtime, answer, |b| b)
}

fn listener(server: &ServerHandle) -> Client {
    let mut listener = client(server);
    assert_eq!(call(&mut listener, b"listen"), b"listen");
    listener
}

#[test]
fn what_a_turn_sends_to_a_connection_leaves_by_one_call() {
    let _alone = ALONE.lock();
    for calls in [SystemCalls::Plain, SystemCalls::Auto] {
        let runtime = Runtime::builder().pollers(1).system_calls(calls).build().unwrap();
        let server = server(&runtime, |other, call, request| {
            for n in 0..SENDS {
                let text = [request, &[n as u8]].concat();
                other.write(&frame(&text))?;
                // To the turn's own connection too: before the answer, and with it.
                call.conn.write(&frame(&text))?;
            }
            Ok(())
        });
        let (mut listens, mut asks) = (listener(&server), client(&server));
        let before = runtime.stats();
        for round in 0..ROUNDS {
            let request = round.to_be_bytes();
            asks.write_all(&frame(&request)).unwrap();
            for n in 0..SENDS {
                let expected = [&request[..], &[n as u8]].concat();
                assert_eq!(read_frame(&mut listens), expected);
                assert_eq!(read_frame(&mut asks), expected);
            }
            assert_eq!(read_frame(&mut asks), request);
        }
        let after = runtime.stats();
        let writes = after.syscalls.write - before.syscalls.write;
        // A turn that is held up by other programs loses its poller, and gathers no further.
        let held_up = after.handovers_by_monitor - before.handovers_by_monitor;
        // One for each of the two connections.
        let most = 2 * ROUNDS + held_up * (2 * SENDS as u64 + 2);
        assert!(writes <= most, "{writes} calls, {held_up} turns were held up");
        assert_eq!(runtime.stats().panics, 0);
    }
}

/// Whatever a handler does after it has sent something: it arrives meanwhile.
#[test]
fn what_was_sent_leaves_before_the_handler_goes_on() {
    let _alone = ALONE.lock();
    let runtime = runtime(1);
    let (tell, told) = mpsc::channel::<()>();
    let told = Mutex::new(told);
    let wait = Duration::from_secs(20);
    let server = server(&runtime, move |other, _, how| {
        other.write(&frame(how))?;
        match how {
            // In a wait that the library knows nothing of.
            b"blocks" => told.lock().recv_timeout(wait).expect("it did not arrive"),
            b"waits" => netpoll::blocking(|| told.lock().recv_timeout(wait)).unwrap(),
            b"panics" => panic!("as the test wants it"),
            b"closes" => other.close(),
            _ => {}
        }
        Ok(())
    });
    for how in [&b"blocks"[..], b"waits", b"returns", b"panics", b"closes"] {
        let (mut listens, mut asks) = (listener(&server), client(&server));
        asks.write_all(&frame(how)).unwrap();
        assert_eq!(read_frame(&mut listens), how);
        match how {
            b"blocks" | b"waits" => tell.send(()).unwrap(),
            b"closes" => assert_eq!(listens.read(&mut [0]).unwrap(), 0),
            _ => {}
        }
        if how != b"panics" {
            assert_eq!(read_frame(&mut asks), how);
        }
    }
}

/// More than a turn may gather, to more connections than it may gather for, while a thread sends too.
#[test]
fn gathered_output_keeps_its_order_at_every_size() {
    let _alone = ALONE.lock();
    let runtime = runtime(2);
    let everybody: Arc<Mutex<Vec<Connection>>> = Arc::default();
    let all = everybody.clone();
    let answer = Answer::by(move |call: &mut Call<'_, u32>, request: &[u8]| {
        if request == b"listen" {
            all.lock().push(call.conn.clone());
        } else {
            let all = all.lock().clone();
            for n in 0..SENDS as u8 {
                // 20 times up to 9.5 KB.
                let text = vec![n; 1 + 500 * usize::from(n)];
                all.iter().try_for_each(|other| other.write(&frame(&text)))?;
            }
        }
        call.out.put(&Bench(request))?;
        Ok(Flow::Continue)
    });
    let server = serve_on(&runtime, answer, |b| b);
    let mut listeners: Vec<_> = (0..40).map(|_| listener(&server)).collect();
    let mut asks = client(&server);
    let beside = everybody.lock().clone();
    let thread = thread::spawn(move || {
        for n in 0..SENDS as u8 {
            beside.iter().for_each(|other| other.write(&frame(&[200 + n])).unwrap());
        }
    });
    assert_eq!(call(&mut asks, b"all"), b"all");
    thread.join().unwrap();
    for listener in &mut listeners {
        let (mut turns, mut threads) = (0, 200);
        while (turns, threads) != (SENDS as u8, 200 + SENDS as u8) {
            let came = read_frame(listener);
            let (next, len) = match came[0] {
                200.. => (&mut threads, 1),
                n => (&mut turns, 1 + 500 * usize::from(n)),
            };
            assert_eq!((came[0], came.len()), (*next, len));
            *next += 1;
        }
    }
}

struct Proxy {
    to: String,
}

#[netpoll::server]
impl Proxy {
    #[on_connect]
    async fn enter(&self, client: &Connection) -> Result<Detach> {
        let server = Dialer::new().beside(client).dial_async(&self.to).await?;
        let client = client.clone();
        Ok(Detach::then(async move {
            copy_bidirectional(&client, &server).await.expect("both end in order");
        }))
    }
}

/// Round trips, and how many of them may wake a thread: the monitor wakes drivers now and then.
const TRIPS: u64 = 400;
const WAKES: u64 = TRIPS / 10;

/// Wake-ups between the two, but for those of turns that other programs held up: they lose their poller.
fn wakes(before: &Stats, after: &Stats) -> u64 {
    let held_up = after.handovers_by_monitor - before.handovers_by_monitor;
    (after.wakeups - before.wakeups).saturating_sub(4 * held_up)
}

#[test]
fn a_proxys_round_trip_is_two_writes_and_wakes_nobody() {
    let _alone = ALONE.lock();
    let runtime = runtime(2);
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = backend.local_addr().unwrap().to_string();
    let proxy = serve_on(&runtime, Proxy { to }, |b| b);
    let mut ends: Vec<_> =
        (0..4).map(|_| (common::connect(&proxy), backend.accept().unwrap().0)).collect();
    let mut trips = |rounds| {
        for _ in 0..rounds {
            for (asks, answers) in &mut ends {
                let mut bytes = [0; 4];
                asks.write_all(b"ping").unwrap();
                answers.read_exact(&mut bytes).unwrap();
                answers.write_all(b"pong").unwrap();
                asks.read_exact(&mut bytes).unwrap();
                assert_eq!(&bytes, b"pong");
            }
        }
    };
    trips(5);
    let before = runtime.stats();
    trips(TRIPS / 4);
    let after = runtime.stats();
    let wakes = wakes(&before, &after);
    assert!(wakes <= WAKES, "{wakes} of {TRIPS} round trips woke a thread");
    assert_eq!(after.syscalls.write - before.syscalls.write, 2 * TRIPS);
}

/// Passes each request on to another server.
struct Front(CallClient<Bench<'static>, Bench<'static>>);

impl Service for Front {
    type Session = ();
    type Request = Bench<'static>;
    // A thread that waits would be woken in any case.
    const DISPATCH: Dispatch = Dispatch::Async;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, request: Bench<'a>) -> Result<Flow> {
        let reply = self.0.call_async(request).await.expect("the server answers");
        call.out.put(&reply.get()?)?;
        Ok(Flow::Continue)
    }
}

/// A pool has connections on both pollers: each handler's calls go by one of its own.
#[test]
fn a_handlers_calls_wake_nobody() {
    let _alone = ALONE.lock();
    let backend = common::serve(common::Echo::default(), |b| b);
    let runtime = runtime(2);
    let address = backend.1.addresses()[0].to_string();
    let pool = CallClient::pool(address).runtime(&runtime).max_connections(16).build().unwrap();
    pool.warm_up(16).unwrap();
    let front = serve_on(&runtime, Front(pool), |b| b);
    let mut callers: Vec<_> = (0..4).map(|_| client(&front)).collect();
    let mut calls = |rounds| {
        for _ in 0..rounds {
            for caller in &mut callers {
                assert_eq!(call(caller, b"ping"), b"ping");
            }
        }
    };
    calls(5);
    let before = runtime.stats();
    calls(TRIPS / 4);
    let wakes = wakes(&before, &runtime.stats());
    assert!(wakes <= WAKES, "{wakes} of {TRIPS} calls woke a thread");
    wait_until(|| backend.1.live() == 16);
}
