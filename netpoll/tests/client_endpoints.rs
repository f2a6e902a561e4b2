//! Clients of several endpoints: who gets how many calls, who fails, who comes and goes.

mod client_support;
mod common;

use std::{
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Barrier,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use client_support::{
    Echoes, NEVER, Tally, assert_quiet,
    by_hand::{ByHand, next_frame, swallow},
    message, serve_slow,
};
use common::{runtime, wait_until};
use netpoll::{
    Address, Error, ErrorKind, Result,
    client::{IntoEndpoints, Resolve, SystemDns},
};
use parking_lot::Mutex;

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(30);

/// An echo that takes a millisecond, and counts.
struct Counting {
    server: ByHand,
    answered: Arc<AtomicUsize>,
}

impl Counting {
    fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    fn at(address: SocketAddr) -> Self {
        let answered = Arc::new(AtomicUsize::new(0));
        let counts = answered.clone();
        let server = ByHand::at(address, move |stream, _| answer(stream, &counts));
        Self { server, answered }
    }

    fn answered(&self) -> usize {
        self.answered.load(SeqCst)
    }
}

fn answer(mut stream: TcpStream, counts: &AtomicUsize) {
    while let Some(frame) = next_frame(&mut stream) {
        thread::sleep(MS);
        counts.fetch_add(1, SeqCst);
        if stream.write_all(&frame).is_err() {
            return;
        }
    }
}

/// A port where nobody listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn pool(endpoints: impl IntoEndpoints, timeout: Duration) -> Echoes {
    Echoes::pool(endpoints).max_connections(64).timeout(timeout).build().unwrap()
}

/// `calls` calls by each of `callers`.
fn calls(client: &Echoes, callers: usize, calls: usize) -> Tally {
    let tally = Tally::default();
    thread::scope(|scope| {
        for caller in 0..callers {
            let tally = &tally;
            scope.spawn(move || {
                for call in 0..calls {
                    let body = format!("{caller} {call}").into_bytes();
                    tally.note(&body, &client.call(message(0, body.clone())));
                }
            });
        }
    });
    assert_eq!(tally.all(), callers * calls);
    assert_quiet(client);
    tally
}

#[test]
fn calls_spread_over_the_endpoints() {
    let servers = [(); 3].map(|()| Counting::start());
    let addresses = servers.each_ref().map(|it| it.server.address.clone());
    let mux = Echoes::mux(&addresses[..]).connections(1).timeout(LONG).build().unwrap();
    for client in [pool(addresses.clone(), LONG), mux] {
        let before = servers.each_ref().map(Counting::answered);
        let tally = calls(&client, 24, 40);
        assert_eq!(tally.answered(), 960, "{tally:?}");
        for (server, before) in servers.iter().zip(before) {
            let share = server.answered() - before;
            assert!((160..=480).contains(&share), "{share} of 960");
        }
    }
}

#[test]
fn who_refuses_costs_no_call() {
    let server = Counting::start();
    for addresses in
        [[nobody(), server.server.address.clone()], [server.server.address.clone(), nobody()]]
    {
        let mux = Echoes::mux(&addresses[..]).timeout(LONG).build().unwrap();
        for client in [pool(addresses.clone(), LONG), mux] {
            let (since, mut all) = (Instant::now(), 0);
            while since.elapsed() < 500 * MS {
                let tally = calls(&client, 4, 10);
                assert_eq!(tally.answered(), 40, "{tally:?}");
                all += 40;
            }
            let stats = client.stats();
            println!("{all} calls: {stats:?}");
            // Each time it is left alone for twice as long.
            assert!((1..=12).contains(&stats.failed_dials), "{stats:?}");
        }
    }
}

#[test]
fn who_never_answers_is_left_out() {
    const CALLERS: usize = 16;
    let server = Counting::start();
    let silent = ByHand::start(|stream, _| swallow(stream));
    let addresses = [silent.address.clone(), server.server.address.clone()];
    let client = pool(addresses, 100 * MS);
    let tally = calls(&client, CALLERS, 100);
    println!("{tally:?}, {:?}", client.stats());
    // Those that were there before it was known, and some trials.
    let late = tally.failed(ErrorKind::TimedOut);
    assert!((5..=3 * CALLERS).contains(&late), "{tally:?}");
    assert_eq!(tally.answered() + late, CALLERS * 100, "{tally:?}");
}

#[test]
fn who_comes_back_gets_calls_again() {
    let (stays, goes) = (Counting::start(), Counting::start());
    let address = goes.server.address.clone();
    let client = pool([stays.server.address.clone(), address.clone()], LONG);
    assert_eq!(calls(&client, 8, 20).answered(), 160);
    assert!(goes.answered() > 0);
    let left = client.stats().connections - goes.server.accepted();
    drop(goes);
    wait_until(|| client.stats().connections == left);
    assert_eq!(calls(&client, 8, 20).answered(), 160, "nobody notices");
    let back = Counting::at(address.parse().unwrap());
    let since = Instant::now();
    wait_until(|| {
        assert_eq!(calls(&client, 4, 5).answered(), 20);
        back.answered() > 50
    });
    println!("its share again after {:?}", since.elapsed());
}

#[test]
fn where_none_can_be_reached_all_are_named() {
    let addresses = [nobody(), nobody(), nobody()];
    let mux = Echoes::mux(&addresses[..]).timeout(LONG).build().unwrap();
    for client in [pool(addresses.clone(), LONG), mux] {
        for _ in 0..10 {
            let error = client.call(message(0, "x")).unwrap_err();
            assert_eq!(error.io_kind(), Some(std::io::ErrorKind::ConnectionRefused), "{error}");
            for address in &addresses {
                assert!(error.to_string().contains(address), "{error}");
            }
        }
        assert!(client.warm_up(3).is_err());
    }
}

/// Says what it is told to; counts how often it was asked.
#[derive(Clone, Default)]
struct Told(Arc<ToldInner>);

#[derive(Default)]
struct ToldInner {
    list: Mutex<Vec<Address>>,
    asked: AtomicUsize,
}

impl Told {
    fn say(&self, addresses: &[&str]) {
        *self.0.list.lock() = addresses.iter().map(|text| text.parse().unwrap()).collect();
    }
}

impl Resolve for Told {
    fn resolve(&self) -> Result<Vec<Address>> {
        self.0.asked.fetch_add(1, SeqCst);
        let list = self.0.list.lock().clone();
        if list.is_empty() {
            return Err(Error::new(ErrorKind::Address, "the test says nothing"));
        }
        Ok(list)
    }

    fn lifetime(&self) -> Option<Duration> {
        Some(10 * MS)
    }
}

#[test]
fn who_is_listed_no_more_drains() {
    let server_side = runtime(1);
    let ((a, at_a), (b, at_b)) = (serve_slow(&server_side, NEVER), serve_slow(&server_side, NEVER));
    let told = Told::default();
    told.say(&[&at_a]);
    let mux = Echoes::mux(told.clone()).timeout(LONG).build().unwrap();
    for client in [pool(told.clone(), LONG), mux] {
        told.say(&[&at_a]);
        client.warm_up(1).unwrap();
        wait_until(|| (a.live(), b.live()) == (1, 0));
        thread::scope(|scope| {
            let slow = scope.spawn(|| client.call(message(1_000, "under way")));
            wait_until(|| client.stats().in_flight == 1);
            told.say(&[&at_b]);
            wait_until(|| client.call(message(0, "x")).is_ok() && b.live() > 0);
            assert_eq!(a.live(), 1, "what is under way goes on");
            assert_eq!(slow.join().unwrap().unwrap().get().unwrap().body, b"under way");
        });
        wait_until(|| a.live() == 0);
        assert_eq!(calls(&client, 4, 10).answered(), 40);
        // An error changes nothing.
        told.say(&[]);
        let asked = told.0.asked.load(SeqCst);
        wait_until(|| {
            assert_eq!(calls(&client, 1, 1).answered(), 1);
            told.0.asked.load(SeqCst) > asked
        });
        assert_eq!(calls(&client, 4, 10).answered(), 40);
        client.close(LONG);
        wait_until(|| b.live() == 0);
    }
}

#[test]
fn a_resolver_that_cannot_tell_is_asked_again_by_the_next_call() {
    let server = Counting::start();
    let told = Told::default();
    let client = pool(told.clone(), LONG);
    for asked in 1..4 {
        let error = client.call(message(0, "x")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Address, "{error}");
        assert!(error.to_string().contains("the test says nothing"), "{error}");
        assert_eq!(told.0.asked.load(SeqCst), asked);
    }
    assert_eq!(client.warm_up(1).unwrap_err().kind(), ErrorKind::Address);
    told.say(&[&server.server.address]);
    assert_eq!(calls(&client, 8, 5).answered(), 40);
}

/// Says nothing before it may.
struct Waits(Arc<Barrier>, Address);

impl Resolve for Waits {
    fn resolve(&self) -> Result<Vec<Address>> {
        self.0.wait();
        Ok(vec![self.1.clone()])
    }
}

#[test]
fn a_resolver_that_takes_long_holds_up_nobody_else() {
    let runtime = runtime(1);
    let (_server, address) = serve_slow(&runtime, NEVER);
    let may = Arc::new(Barrier::new(2));
    let waits = Waits(may.clone(), address.parse().unwrap());
    let client = Echoes::pool(waits).runtime(&runtime).timeout(100 * MS).build().unwrap();
    let error = client.call(message(0, "x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    // The one poller serves others meanwhile.
    let other = Echoes::pool(&*address).runtime(&runtime).timeout(LONG).build().unwrap();
    assert_eq!(calls(&other, 4, 10).answered(), 40);
    may.wait();
    wait_until(|| client.call(message(0, "x")).is_ok());
}

/// Panics when it is asked.
struct Panics;

impl Resolve for Panics {
    fn resolve(&self) -> Result<Vec<Address>> {
        panic!("as the test wants it")
    }
}

#[test]
fn a_resolver_that_panics_fails_the_calls_that_wait_for_it() {
    let client = pool(Panics, LONG);
    for _ in 0..2 {
        let error = client.call(message(0, "x")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Panic, "{error}");
        assert!(error.to_string().contains("a resolver panicked: as the test wants it"), "{error}");
    }
}

#[test]
fn a_name_is_resolved_by_the_system() {
    let server = Counting::start();
    let port = server.server.address.rsplit_once(':').unwrap().1;
    let dns = SystemDns::new(&format!("localhost:{port}")).unwrap().lifetime(10 * MS);
    assert_eq!(calls(&pool(dns, LONG), 4, 20).answered(), 80);
    let unknown = SystemDns::new("no-such-host.invalid:80").unwrap();
    let error = pool(unknown, LONG).call(message(0, "x")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Address);
    assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
}
