//! Requests side by side: numbers, order, bounds, deadlines, ends.

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use common::{connect, serve, stopwatch::Stopwatch, wait_until};
use netpoll::{
    Cancel, Connection, Error, Frame, FromStream, IntoErrorReply, Out, Replies, Result, State,
    frame::Auto, service::Free, sleep,
};
use parking_lot::{Condvar, Mutex};

/// A length, a number, and how long to take, in milliseconds.
#[derive(Debug, Frame)]
struct Ask {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(seq)]
    id: u32,
    ms: u32,
}

/// Its answer.
#[derive(Debug, Frame)]
struct Told {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(seq)]
    id: u32,
    value: u32,
}

fn told(value: u32) -> Told {
    Told { n: Auto::default(), id: 0, value }
}

fn ask(client: &mut TcpStream, id: u32, ms: u32) {
    let words = [8, id, ms].map(u32::to_be_bytes);
    client.write_all(&words.concat()).unwrap();
}

fn answer(client: &mut TcpStream) -> (u32, u32) {
    let mut bytes = [0; 12];
    client.read_exact(&mut bytes).unwrap();
    let word = |i: usize| u32::from_be_bytes(bytes[i..i + 4].try_into().unwrap());
    assert_eq!(word(0), 8);
    (word(4), word(8))
}

#[netpoll::on_request(concurrent = 64)]
async fn wait(ask: Ask) -> Told {
    sleep(Duration::from_millis(ask.ms.into())).await;
    told(ask.ms)
}

#[test]
fn answers_come_as_they_are_ready_and_carry_their_number() {
    let (_runtime, server) = serve(Free::<wait>::new(), |b| b);
    let mut client = connect(&server);
    for (id, ms) in [(1, 900), (2, 450), (3, 10)] {
        ask(&mut client, id, ms);
    }
    let got: Vec<_> = (0..3).map(|_| answer(&mut client)).collect();
    assert_eq!(got, [(3, 10), (2, 450), (1, 900)]);
}

#[netpoll::on_request(concurrent = 64, ordered)]
fn block(ask: Ask) -> Told {
    std::thread::sleep(Duration::from_millis(ask.ms.into()));
    told(ask.id)
}

#[test]
fn blocking_handlers_run_side_by_side_and_answer_in_order() {
    let (_runtime, server) = serve(Free::<block>::new(), |b| b);
    let mut client = connect(&server);
    let start = Stopwatch::start();
    for id in 0..8 {
        ask(&mut client, id, 200 - 20 * id);
    }
    let got: Vec<_> = (0..8).map(|_| answer(&mut client).1).collect();
    assert_eq!(got, [0, 1, 2, 3, 4, 5, 6, 7]);
    let all: u32 = (0..8).map(|id| 200 - 20 * id).sum();
    start.assert_below(Duration::from_millis(all.into()));
}

/// Blocks requests whose time is not 0 until it is opened.
#[netpoll::server(on_request = pass)]
struct Barrier(Arc<(Mutex<bool>, Condvar)>);

#[netpoll::on_request(concurrent = 1024)]
fn pass(server: State<'_, Barrier>, ask: Ask) -> Told {
    let (opened, changed) = &*server.0.0;
    let mut opened = opened.lock();
    while ask.ms > 0 && !*opened {
        changed.wait(&mut opened);
    }
    told(ask.ms)
}

#[test]
fn requests_that_came_with_one_that_blocks_are_answered() {
    const QUICK: u32 = 300;
    let barrier = Arc::<(Mutex<bool>, Condvar)>::default();
    let (_runtime, server) = serve(Barrier(barrier.clone()), |b| b);
    let mut client = connect(&server);
    for _ in 0..3 {
        *barrier.0.lock() = false;
        let words = (0..QUICK + 2).flat_map(|id| [8, id, u32::from(id % QUICK == 1)]);
        let all: Vec<u8> = words.flat_map(u32::to_be_bytes).collect();
        client.write_all(&all).unwrap();
        let mut quick: Vec<_> = (0..QUICK).map(|_| answer(&mut client)).collect();
        quick.sort_unstable();
        let want = (0..QUICK + 2).filter(|id| id % QUICK != 1).map(|id| (id, 0));
        assert_eq!(quick, want.collect::<Vec<_>>());
        *barrier.0.lock() = true;
        barrier.1.notify_all();
        let mut blocked = [answer(&mut client), answer(&mut client)];
        blocked.sort_unstable();
        assert_eq!(blocked, [(1, 1), (QUICK + 1, 1)]);
    }
}

/// Notes how many requests run at once.
#[derive(Default)]
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
    dropped: Arc<AtomicUsize>,
    closed: Arc<Mutex<Vec<u32>>>,
    errors: Arc<Mutex<Vec<netpoll::ErrorKind>>>,
}

/// Counts its drop.
struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[derive(Default)]
struct Sess(Mutex<u32>);

#[derive(Debug)]
struct Odd;

impl IntoErrorReply<Told> for Odd {
    fn into_error_reply(self) -> Result<Told> {
        Ok(told(u32::MAX))
    }
}

#[netpoll::server]
impl Gauge {
    #[on_request(concurrent = 4, timeout = "300ms")]
    async fn run(&self, _: &Connection, session: &Sess, ask: Ask) -> Result<Told, Odd> {
        let _guard = Guard(self.dropped.clone());
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        *session.0.lock() += 1;
        sleep(Duration::from_millis(ask.ms.into())).await;
        self.now.fetch_sub(1, SeqCst);
        if ask.id.is_multiple_of(2) { Ok(told(ask.ms)) } else { Err(Odd) }
    }

    #[on_close]
    fn end(&self, session: Sess) {
        self.closed.lock().push(session.0.into_inner());
    }

    #[on_error]
    fn fault(&self, error: &Error) {
        self.errors.lock().push(error.kind());
    }
}

#[test]
fn no_more_than_the_bound_and_errors_are_answers() {
    let gauge = Gauge::default();
    let (dropped, closed) = (gauge.dropped.clone(), gauge.closed.clone());
    let (_runtime, server) = serve(gauge, |b| b);
    let mut client = connect(&server);
    for id in 0..20 {
        ask(&mut client, id, 10);
    }
    let mut got: Vec<_> = (0..20).map(|_| answer(&mut client)).collect();
    got.sort_unstable();
    let want: Vec<_> = (0..20).map(|id| (id, if id % 2 == 0 { 10 } else { u32::MAX })).collect();
    assert_eq!(got, want);
    drop(client);
    wait_until(|| *closed.lock() == [20]);
    assert_eq!(dropped.load(SeqCst), 20);
}

#[test]
fn a_late_request_is_dropped_and_the_others_go_on() {
    let gauge = Gauge::default();
    let (errors, dropped) = (gauge.errors.clone(), gauge.dropped.clone());
    let (_runtime, server) = serve(gauge, |b| b);
    let mut client = connect(&server);
    ask(&mut client, 2, 60_000);
    ask(&mut client, 4, 10);
    assert_eq!(answer(&mut client), (4, 10));
    wait_until(|| *errors.lock() == [netpoll::ErrorKind::TimedOut]);
    assert_eq!(dropped.load(SeqCst), 2);
    ask(&mut client, 6, 1);
    assert_eq!(answer(&mut client), (6, 1));
}

#[test]
fn requests_under_way_are_dropped_when_the_client_resets() {
    let gauge = Gauge::default();
    let (dropped, closed) = (gauge.dropped.clone(), gauge.closed.clone());
    let (_runtime, server) = serve(gauge, |b| b.request_timeout(Some(Duration::from_secs(20))));
    let mut client = connect(&server);
    ask(&mut client, 2, 60_000);
    ask(&mut client, 4, 1);
    assert_eq!(answer(&mut client), (4, 1));
    let start = Instant::now();
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    wait_until(|| *closed.lock() == [2]);
    assert_eq!(dropped.load(SeqCst), 2);
    assert!(start.elapsed() < Duration::from_secs(10), "not by its deadline");
    wait_until(|| server.live() == 0);
}

#[test]
fn what_was_asked_before_the_end_is_answered() {
    let (_runtime, server) = serve(Free::<wait>::new(), |b| b);
    let mut client = connect(&server);
    ask(&mut client, 1, 50);
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(answer(&mut client), (1, 50));
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    wait_until(|| server.live() == 0);
}

#[test]
fn a_shutdown_waits_for_requests_under_way() {
    let (_runtime, server) = serve(Free::<wait>::new(), |b| b);
    let mut client = connect(&server);
    ask(&mut client, 2, 1);
    answer(&mut client);
    ask(&mut client, 1, 100);
    std::thread::sleep(Duration::from_millis(20));
    let report = server.shutdown(Duration::from_secs(5));
    assert_eq!((report.drained, report.cut.len()), (1, 0));
    assert_eq!(answer(&mut client), (1, 100));
}

#[netpoll::on_request(concurrent = 8)]
fn panics(ask: Ask) -> Told {
    assert!(ask.id != 13, "as asked");
    told(0)
}

#[test]
fn a_panic_closes_its_connection_alone() {
    let (runtime, server) = serve(Free::<panics>::new(), |b| b);
    let (mut one, mut two) = (connect(&server), connect(&server));
    ask(&mut two, 1, 0);
    answer(&mut two);
    ask(&mut one, 13, 0);
    assert_eq!(one.read(&mut [0]).unwrap(), 0);
    ask(&mut two, 2, 0);
    assert_eq!(answer(&mut two), (2, 0));
    assert_eq!(runtime.stats().panics, 1);
    wait_until(|| server.live() == 1);
}

/// Counts answers that were made.
#[netpoll::server(on_request = flood)]
struct Floods(Arc<AtomicUsize>);

#[netpoll::on_request]
fn flood(server: State<'_, Floods>, ask: Ask) -> Replies<impl Iterator<Item = Told> + use<>> {
    let made = server.0.0.clone();
    Replies((0..ask.ms).map(move |value| {
        made.fetch_add(1, SeqCst);
        told(value)
    }))
}

#[test]
fn an_iterator_of_answers_waits_for_the_peer() {
    const ALL: u32 = 2_000_000;
    let made = Arc::new(AtomicUsize::new(0));
    let (_runtime, server) =
        serve(Floods(made.clone()), |b| b.write_high(1 << 16).write_low(1 << 14));
    let mut client = connect(&server);
    ask(&mut client, 9, ALL);
    let mut before = 0;
    wait_until(|| {
        std::thread::sleep(Duration::from_millis(50));
        let now = made.load(SeqCst);
        std::mem::replace(&mut before, now) == now && now > 0
    });
    assert!(before < ALL as usize, "all were made, and nobody took one");
    for value in 0..ALL {
        assert_eq!(answer(&mut client), (0, value));
    }
}

/// A stream of numbers, some ms apart.
struct Ticks {
    left: u32,
    sleep: netpoll::Sleep,
}

impl futures_core::Stream for Ticks {
    type Item = Told;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Told>> {
        if self.left == 0 {
            return std::task::Poll::Ready(None);
        }
        std::task::ready!(std::future::Future::poll(std::pin::Pin::new(&mut self.sleep), cx));
        self.left -= 1;
        self.sleep = sleep(Duration::from_millis(300));
        std::task::Poll::Ready(Some(told(self.left)))
    }
}

#[netpoll::on_request(concurrent = 2)]
async fn ticks(ask: Ask) -> Replies<FromStream<Ticks>> {
    Replies(FromStream(Ticks { left: ask.ms, sleep: sleep(Duration::from_millis(1)) }))
}

#[test]
fn a_stream_of_answers_leaves_as_it_comes_and_carries_the_number() {
    let (_runtime, server) = serve(Free::<ticks>::new(), |b| b);
    let mut client = connect(&server);
    let start = Stopwatch::start();
    ask(&mut client, 5, 5);
    assert_eq!(answer(&mut client), (5, 4));
    // The first one does not wait for the others.
    start.assert_below(Duration::from_millis(1200));
    for value in (0..4).rev() {
        assert_eq!(answer(&mut client), (5, value));
    }
}

#[netpoll::server(on_request = until_cancelled)]
struct Watch(Arc<AtomicUsize>);

#[netpoll::on_request]
fn until_cancelled(
    server: State<'_, Watch>,
    cancel: Cancel,
    mut out: Out<'_>,
    ask: Ask,
) -> Result<()> {
    out.put(&told(ask.ms))?;
    out.flush()?;
    while !cancel.is_cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
    server.0.0.fetch_add(1, SeqCst);
    Ok(())
}

#[test]
fn cancel_fires_when_the_client_leaves() {
    let cancelled = Arc::new(AtomicUsize::new(0));
    let (_runtime, server) = serve(Watch(cancelled.clone()), |b| b);
    let mut client = connect(&server);
    ask(&mut client, 0, 77);
    assert_eq!(answer(&mut client), (0, 77));
    assert_eq!(cancelled.load(SeqCst), 0);
    drop(client);
    wait_until(|| cancelled.load(SeqCst) == 1);
    wait_until(|| server.live() == 0);
}
