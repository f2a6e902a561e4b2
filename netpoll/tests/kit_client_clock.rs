//! Every time of a client's, on a clock that the test turns.

mod client_support;
mod common;
mod kit_support;

use std::{
    io::{Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc::{Receiver, TryRecvError},
    },
    time::Duration,
};

use client_support::{Echoes, Kind, Message, by_hand::next_frame, message};
use common::wait_until;
use kit_support::{Bed, MINUTE, MS, SECOND};
use netpoll::{
    Address, Connection, ConnectionOptions, Deadline, Dialer, Error, ErrorKind, Result,
    client::{CallOptions, Received, Resolve},
    testing::{Dials, Link, Listener, MemoryPeer, Port, Server, settle},
};
use parking_lot::Mutex;

const KINDS: [Kind; 2] = [Kind::Pool(8), Kind::Mux(1)];

type Told = Receiver<Result<Received<Message>>>;

/// Begins a call.
fn begin(bed: &Bed, client: &Echoes, options: CallOptions) -> Told {
    let client = client.clone();
    bed.start(async move { client.call_async_with(message(0, "hello"), options).await })
}

/// How a call ends at once, whatever the clock says.
fn call(bed: &Bed, client: &Echoes) -> Result<()> {
    let told = begin(bed, client, CallOptions::new());
    // A resolver answers on a thread of its own, which no clock by hand knows.
    told.recv_timeout(Duration::from_secs(20))
        .expect("the call ends while time stands still")
        .map(drop)
}

/// Answers the next request of `peer`, as it came.
fn answer(bed: &Bed, peer: &mut MemoryPeer) {
    let request = next_frame(peer).unwrap();
    peer.write_all(&request).unwrap();
    settle(&bed.runtime);
}

fn is_under_way<T>(told: &Receiver<T>) -> bool {
    matches!(told.try_recv(), Err(TryRecvError::Empty))
}

/// Answers messages, or resets their connections.
struct Fickle {
    fails: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

#[netpoll::server]
impl Fickle {
    #[on_request]
    fn answer(&self, conn: &Connection, message: Message) -> Option<Message> {
        if self.fails.load(SeqCst) {
            conn.abort();
            return None;
        }
        self.answered.fetch_add(1, SeqCst);
        Some(message)
    }
}

/// An endpoint, and what it does.
struct Endpoint {
    port: Port,
    fails: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    _server: Server,
}

impl Endpoint {
    fn on(bed: &Bed) -> Self {
        let (fails, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let service = Fickle { fails: fails.clone(), answered: answered.clone() };
        let server = bed.serve(service, |b| b);
        Self { port: server.listen(&Link::default()), fails, answered, _server: server }
    }

    fn answered(&self) -> usize {
        self.answered.swap(0, SeqCst)
    }
}

#[test]
fn a_call_ends_at_its_deadline_to_the_millisecond() {
    for kind in KINDS {
        let bed = Bed::new();
        let listener = Listener::bind(&Link::default());
        let client = kind.client_on(&bed.runtime, &listener.port().address(), 10 * MINUTE);
        let of_client = begin(&bed, &client, CallOptions::new());
        let shorter = begin(&bed, &client, CallOptions::new().timeout(MINUTE));
        let inherits = bed.start({
            let client = client.clone();
            // On a worker, whose clock it goes by. It blocks this one.
            async move {
                let deadline = Deadline::after(2 * MINUTE);
                client.call_with(message(0, ""), CallOptions::new().deadline(deadline))
            }
        });
        let _peer = listener.accept().unwrap();
        // An inherited deadline leaves the handler the time to answer.
        let margin = 20 * MS;
        for (told, after) in
            [(shorter, MINUTE), (inherits, MINUTE - margin), (of_client, 8 * MINUTE + margin)]
        {
            bed.pass(after - MS);
            assert!(is_under_way(&told), "{kind:?}, {after:?}");
            bed.pass(MS);
            let error = told.try_recv().unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{kind:?}, {after:?}: {error}");
        }
        assert_eq!(client.stats().timeouts, 3);
        assert_eq!(bed.clock.elapsed(), 10 * MINUTE);
    }
}

#[test]
fn a_connection_without_calls_is_closed_after_its_idle_time() {
    for kind in KINDS {
        let bed = Bed::new();
        let listener = Listener::bind(&Link::default());
        let address = listener.port().address();
        let client = match kind {
            Kind::Pool(_) => Echoes::pool(address).runtime(&bed.runtime).build(),
            Kind::Mux(_) => {
                Echoes::mux(address).runtime(&bed.runtime).idle_timeout(90 * SECOND).build()
            }
        }
        .unwrap();
        let mut peer = None;
        for _ in 0..3 {
            let told = begin(&bed, &client, CallOptions::new());
            answer(&bed, peer.get_or_insert_with(|| listener.accept().unwrap()));
            told.try_recv().unwrap().unwrap();
            // The next call puts the end off.
            bed.pass(90 * SECOND - MS);
            assert_eq!(client.stats().idle, 1, "{kind:?}");
        }
        // What was read counts from when the worker looked, to the millisecond above.
        bed.pass(2 * MS);
        assert_eq!(client.stats().connections, 0, "{kind:?}");
        assert_eq!(peer.unwrap().read(&mut [0]).unwrap(), 0);
        assert_eq!(client.stats().dials, 1);
    }
}

/// A busy connection is not asked whether it is alive, one that rested for a second is: with one call
/// of the system more.
#[test]
fn a_connection_that_rested_is_probed() {
    for kind in KINDS {
        let bed = Bed::new();
        let listener = Listener::bind(&Link::default());
        let client = kind.client_on(&bed.runtime, &listener.port().address(), MINUTE);
        let mut peer = None;
        let mut reads_after = |rest: Duration| {
            bed.pass(rest);
            let before = bed.runtime.stats().syscalls.read;
            let told = begin(&bed, &client, CallOptions::new());
            answer(&bed, peer.get_or_insert_with(|| listener.accept().unwrap()));
            told.try_recv().unwrap().unwrap();
            bed.runtime.stats().syscalls.read - before
        };
        reads_after(Duration::ZERO);
        let usual = reads_after(Duration::ZERO);
        assert_eq!(reads_after(SECOND - MS), usual, "{kind:?}");
        assert_eq!(reads_after(SECOND), usual + 1, "{kind:?}");
        assert_eq!(reads_after(MINUTE), usual + 1, "{kind:?}");
    }
}

/// Half of a time that is left out is fixed, the other half is chance: nothing happens before the half, and
/// by the end of the whole it has.
#[test]
fn an_endpoint_that_refuses_is_dialled_less_and_less_often() {
    for (others, longest) in [(false, 500), (true, 10_000)] {
        let bed = Bed::new();
        let refuses = Listener::bind(&Link::default());
        refuses.port().set(Dials::Refused);
        let mut addresses = vec![refuses.port().address()];
        let other = Endpoint::on(&bed);
        if others {
            addresses.push(other.port.address());
        }
        let client = Echoes::pool(addresses).runtime(&bed.runtime).build().unwrap();
        let failed = || client.stats().failed_dials;
        let tries = || {
            let ended = call(&bed, &client);
            assert_eq!(ended.is_ok(), others, "{ended:?}");
        };
        // Which one is the first is chance.
        (0..100).find(|_| {
            tries();
            failed() == 1
        });
        for ejection in 0..14u64 {
            let whole = 20 << ejection.min(20);
            let whole = Duration::from_millis(whole.min(if others { longest } else { 1 << 40 }));
            // Alone it is left out for half a second at most, however long the time would be.
            let (least, most) = (whole / 2, whole);
            let limit = Duration::from_millis(longest);
            let (least, most) = (least.min(limit), most.min(limit));
            bed.pass(least - MS);
            tries();
            assert_eq!(failed(), 1 + ejection, "{others} {ejection}: too early");
            bed.pass(most - least + MS);
            tries();
            assert_eq!(failed(), 2 + ejection, "{others} {ejection}: too late");
        }
    }
}

#[test]
fn an_endpoint_whose_calls_fail_is_left_out_and_comes_back() {
    let bed = Bed::new();
    let (bad, good) = (Endpoint::on(&bed), Endpoint::on(&bed));
    bad.fails.store(true, SeqCst);
    let addresses = [bad.port.address(), good.port.address()];
    let client = Echoes::pool(addresses).runtime(&bed.runtime).build().unwrap();
    let failures = |calls| (0..calls).filter(|_| call(&bed, &client).is_err()).count();
    // It closes new connections without a reply: the first is as good as a failed dial.
    assert_eq!(failures(200), 1);
    let mut whole = 20 * MS;
    // Twice as long each time: a dial, then one call. At its limit it stays.
    for _ in 0..12 {
        bed.pass(whole / 2 - MS);
        assert_eq!(failures(5), 0, "{whole:?}: too early");
        bed.pass(whole / 2 + MS);
        assert_eq!(failures(5), 1, "{whole:?}");
        whole = (2 * whole).min(10 * SECOND);
    }
    bad.fails.store(false, SeqCst);
    good.answered();
    bed.pass(whole);
    assert_eq!(failures(200), 0);
    let shares = [bad.answered(), good.answered()];
    assert!(shares.iter().all(|share| (50..150).contains(share)), "{shares:?}");
    // All is forgotten. A connection that gave replies is lost, and then a new one.
    bad.fails.store(true, SeqCst);
    assert_eq!(failures(200), 2);
}

/// Answers with a list, or not at all.
struct Script {
    answer: Mutex<Option<Vec<Address>>>,
    asked: AtomicUsize,
}

struct Asks(Arc<Script>);

impl Resolve for Asks {
    fn resolve(&self) -> Result<Vec<Address>> {
        self.0.asked.fetch_add(1, SeqCst);
        let answer = self.0.answer.lock().clone();
        answer.ok_or_else(|| Error::new(ErrorKind::Address, "nobody knows"))
    }

    fn lifetime(&self) -> Option<Duration> {
        Some(30 * SECOND)
    }
}

#[test]
fn a_resolver_is_asked_when_its_answer_is_old() {
    let bed = Bed::new();
    let (first, second) = (Endpoint::on(&bed), Endpoint::on(&bed));
    let lists = [&first, &second].map(|it| vec![it.port.address().parse::<Address>().unwrap()]);
    let answer = Mutex::new(Some(lists[0].clone()));
    let told = Arc::new(Script { answer, asked: AtomicUsize::new(0) });
    let client = Echoes::pool(Asks(told.clone())).runtime(&bed.runtime).build().unwrap();
    let asked_by_call = || {
        let before = told.asked.load(SeqCst);
        call(&bed, &client).unwrap();
        // The resolver is asked on a thread of its own, for whose answer a task waits.
        wait_until(|| bed.runtime.stats().tasks == 0);
        told.asked.load(SeqCst) - before
    };
    assert_eq!(asked_by_call(), 1);
    for _ in 0..3 {
        bed.pass(30 * SECOND - MS);
        assert_eq!(asked_by_call(), 0);
        bed.pass(MS);
        assert_eq!(asked_by_call(), 1);
    }
    // A new answer: the call that asked still went by the old one.
    *told.answer.lock() = Some(lists[1].clone());
    first.answered();
    bed.pass(30 * SECOND);
    assert_eq!((asked_by_call(), first.answered(), second.answered()), (1, 1, 0));
    assert_eq!((asked_by_call(), first.answered(), second.answered()), (0, 0, 1));
    assert_eq!(client.stats().connections, 1, "that of the old answer is closed");
    // Errors: each pause twice as long, and no longer than an answer would hold.
    *told.answer.lock() = None;
    bed.pass(30 * SECOND);
    assert_eq!(asked_by_call(), 1);
    for pause in [1, 2, 4, 8, 16, 30, 30] {
        bed.pass(pause * SECOND - MS);
        assert_eq!(asked_by_call(), 0, "{pause}");
        bed.pass(MS);
        assert_eq!(asked_by_call(), 1, "{pause}");
    }
}

/// It keeps a connection for what comes unasked: also without calls, and at no more than a few dials a
/// second.
#[test]
fn a_mux_that_is_pushed_to_dials_until_it_has_a_connection() {
    let bed = Bed::new();
    let listener = Listener::bind(&Link::default());
    let pushed = Arc::<AtomicUsize>::default();
    let counts = pushed.clone();
    let client = Echoes::mux(listener.port().address())
        .runtime(&bed.runtime)
        .on_push(move |_| {
            counts.fetch_add(1, SeqCst);
        })
        .build()
        .unwrap();
    let told = begin(&bed, &client, CallOptions::new());
    let mut peer = listener.accept().unwrap();
    answer(&bed, &mut peer);
    told.try_recv().unwrap().unwrap();
    listener.port().set(Dials::Refused);
    drop(peer);
    settle(&bed.runtime);
    let before = client.stats().failed_dials;
    // It looks each 50 ms whether it may, and is left out for 250 to 500 ms at last.
    (0..200).for_each(|_| bed.pass(50 * MS));
    let dials = client.stats().failed_dials - before;
    assert!((18..=46).contains(&dials), "{dials} dials in 10 s");
    listener.port().set(Dials::Answered);
    (0..11).for_each(|_| bed.pass(50 * MS));
    assert_eq!(client.stats().connections, 1);
    let push = [&[0, 0, 0, 8][..], &[0; 8]].concat();
    listener.accept().unwrap().write_all(&push).unwrap();
    settle(&bed.runtime);
    assert_eq!(pushed.load(SeqCst), 1);
}

#[test]
fn a_close_waits_for_calls_up_to_its_deadline() {
    for kind in KINDS {
        for answered in [true, false] {
            let bed = Bed::new();
            let listener = Listener::bind(&Link::default());
            let client = kind.client_on(&bed.runtime, &listener.port().address(), 60 * MINUTE);
            let told = begin(&bed, &client, CallOptions::new());
            let mut peer = listener.accept().unwrap();
            let closed = bed.start({
                let client = client.clone();
                async move { client.close(5 * MINUTE) }
            });
            bed.pass(5 * MINUTE - MS);
            assert!(is_under_way(&closed) && is_under_way(&told), "{kind:?}");
            assert_eq!(call(&bed, &client).unwrap_err().kind(), ErrorKind::Closed);
            if answered {
                answer(&bed, &mut peer);
                told.try_recv().unwrap().unwrap();
                assert_eq!(closed.try_recv(), Ok(0));
            } else {
                bed.pass(MS);
                assert_eq!(closed.try_recv(), Ok(1));
                assert_eq!(told.try_recv().unwrap().unwrap_err().kind(), ErrorKind::Closed);
            }
            assert_eq!(client.stats().connections, 0);
        }
    }
}

/// Calls, ejections and idle ends of a day.
#[test]
fn a_day_of_a_client() {
    let bed = Bed::new();
    let server = Endpoint::on(&bed);
    let client = Echoes::pool(server.port.address()).runtime(&bed.runtime).build().unwrap();
    for hour in 0..24 {
        server.port.set(if hour % 2 == 1 { Dials::Refused } else { Dials::Answered });
        for _ in 0..4 {
            bed.pass(15 * MINUTE);
            assert_eq!(call(&bed, &client).is_ok(), hour % 2 == 0);
        }
    }
    let stats = client.stats();
    // Each connection ended by its idle time before the next call.
    assert_eq!((stats.dials, stats.failed_dials), (96, 48), "{stats:?}");
    assert_eq!(server.answered(), 48);
}

#[test]
fn a_dial_that_nobody_answers_ends_by_its_own_time_and_a_call_by_its_own() {
    for kind in KINDS {
        let bed = Bed::new();
        let listener = Listener::bind(&Link::default());
        listener.port().set(Dials::Ignored);
        let dialer = Dialer::new().runtime(&bed.runtime).connect_timeout(5 * MINUTE);
        let address = listener.port().address();
        let client = match kind {
            Kind::Pool(_) => Echoes::pool(address).dialer(dialer).timeout(60 * MINUTE).build(),
            Kind::Mux(_) => Echoes::mux(address).dialer(dialer).timeout(60 * MINUTE).build(),
        }
        .unwrap();
        let short = begin(&bed, &client, CallOptions::new().timeout(MINUTE));
        let long = begin(&bed, &client, CallOptions::new());
        bed.pass(MINUTE - MS);
        assert!(is_under_way(&short));
        bed.pass(MS);
        let error = short.try_recv().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        bed.pass(4 * MINUTE - MS);
        assert!(is_under_way(&long));
        bed.pass(MS);
        let error = long.try_recv().unwrap().unwrap_err();
        assert_eq!(error.io_kind(), Some(std::io::ErrorKind::TimedOut), "{error}");
        let stats = client.stats();
        assert_eq!((stats.dialing, stats.connections, stats.waiters), (0, 0, 0), "{stats:?}");
        assert_eq!(bed.runtime.stats().connections, 0);
    }
}

/// Its request is never sent, those before it are; and who comes later is not held up by it.
#[test]
fn a_call_that_waits_for_room_ends_at_its_deadline() {
    let bed = Bed::new();
    let listener = Listener::bind(&Link::default().outbound(100));
    let mut options = ConnectionOptions::default();
    (options.write_high, options.write_low) = (5_000, 1_000);
    options.write_timeout = None;
    let dialer = Dialer::new().runtime(&bed.runtime).options(options);
    let client = Echoes::mux(listener.port().address()).dialer(dialer).timeout(60 * MINUTE);
    let client = client.build().unwrap();
    let send = |body: u8, timeout| {
        let (client, options) = (client.clone(), CallOptions::new().timeout(timeout));
        let request = message(0, vec![body; 3_000]);
        bed.start(async move { client.call_async_with(request, options).await })
    };
    let first = [send(1, 60 * MINUTE), send(2, 60 * MINUTE)];
    let mut peer = listener.accept().unwrap();
    let (late, patient) = (send(3, MINUTE), send(4, 60 * MINUTE));
    bed.pass(MINUTE - MS);
    assert!(is_under_way(&late));
    bed.pass(MS);
    let error = late.try_recv().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    for (told, body) in first.into_iter().chain([patient]).zip([1, 2, 4]) {
        answer(&bed, &mut peer);
        assert_eq!(told.try_recv().unwrap().unwrap().get().unwrap().body, [body; 3_000]);
    }
    assert_eq!(peer.readable(), 0);
    assert_eq!(client.stats().connections, 1, "nothing of it was sent, so that all is well");
}

#[test]
fn a_warm_up_waits_as_long_as_a_call() {
    let bed = Bed::new();
    let listener = Listener::bind(&Link::default());
    listener.port().set(Dials::Ignored);
    let address = listener.port().address();
    let client = Kind::Pool(2).client_on(&bed.runtime, &address, 2 * SECOND);
    let warmed = bed.start(async move { client.warm_up(2) });
    bed.pass(2 * SECOND - MS);
    assert!(is_under_way(&warmed));
    bed.pass(MS);
    assert_eq!(warmed.try_recv().unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
}
