//! Many handshakes at once: their bound, those that wait, and whose time they take.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use netpoll::{
    Call, Connection, Dialer, Dispatch, Flow, Result, Runtime, Service, Transport, buf::LinkBuffer,
    transport::TransportContext,
};
use parking_lot::Mutex;

use crate::{
    common::{
        Answer, Bench, Echo, call, connect, frame, over, runtime, scenario::length, serve_on,
        stopwatch::Stopwatch, wait_until,
    },
    setup::{Certificates, address},
};

/// The beginning of a client's hello.
const BEGUN: [u8; 7] = [22, 3, 1, 1, 0, 1, 0];

fn begun(server: &netpoll::ServerHandle) -> TcpStream {
    let mut client = TcpStream::connect(server.addresses()[0].inet().unwrap()).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(&BEGUN).unwrap();
    client
}

#[test]
fn handshakes_beyond_the_bound_wait_for_one_to_end() {
    let pki = Certificates::new();
    // One poller, whose turns come in the order of their events.
    let runtime = runtime(1);
    let server = serve_on(&runtime, Echo::default(), |b| b.tls(pki.server()).max_handshakes(2));
    let mut slow = vec![begun(&server), begun(&server)];
    wait_until(|| server.live() == 2);
    // Both have their slots: a connection that is accepted later waits behind them.
    thread::sleep(Duration::from_millis(50));
    let (tell, told) = mpsc::channel();
    let dials: Vec<_> = (0..3)
        .map(|_| {
            let (tell, at, tls) = (tell.clone(), address(&server), pki.client());
            thread::spawn(move || {
                let conn = Dialer::new().tls(tls).dial(at).unwrap();
                conn.write(&frame(b"x")).unwrap();
                assert_eq!(conn.reader().unwrap().next(5).unwrap(), frame(b"x"));
                tell.send(()).unwrap();
            })
        })
        .collect();
    wait_until(|| server.live() == 5);
    assert!(told.recv_timeout(Duration::from_millis(300)).is_err(), "there was no slot");
    // One slot is enough for all of them, one after the other.
    slow.pop();
    for _ in 0..3 {
        told.recv_timeout(Duration::from_secs(20)).unwrap();
    }
    dials.into_iter().for_each(|dial| dial.join().unwrap());
}

#[test]
fn a_wait_for_a_slot_is_part_of_the_handshakes_time() {
    let pki = Certificates::new();
    let runtime = runtime(1);
    let echo = Echo::default();
    let log = echo.log.clone();
    let server = serve_on(&runtime, echo, |b| {
        b.tls(pki.server()).max_handshakes(1).handshake_timeout(Duration::from_secs(1))
    });
    let mut clients: Vec<_> = (0..20).map(|_| begun(&server)).collect();
    for client in &mut clients {
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
    }
    wait_until(|| server.live() == 0);
    assert_eq!(*log.lock(), ["error TimedOut"; 20]);
    // Nothing of theirs is left behind.
    Dialer::new().tls(pki.client()).dial(address(&server)).unwrap();
}

#[test]
fn clients_that_leave_while_they_wait_or_shake_give_their_slots_back() {
    let pki = Certificates::new();
    let runtime = runtime(2);
    let server = serve_on(&runtime, Echo::default(), |b| b.tls(pki.server()).max_handshakes(3));
    for _ in 0..10 {
        let clients: Vec<_> = (0..20).map(|_| begun(&server)).collect();
        wait_until(|| server.live() == 20);
        drop(clients);
        wait_until(|| server.live() == 0);
    }
    Dialer::new().tls(pki.client()).dial(address(&server)).unwrap();
}

#[test]
fn clients_that_say_nothing_keep_nobody_waiting_and_do_not_hold_a_drain_up() {
    let pki = Certificates::new();
    let runtime = runtime(1);
    let server = serve_on(&runtime, Echo::default(), |b| b.tls(pki.server()).max_handshakes(1));
    let silent: Vec<_> = (0..50).map(|_| connect(&server)).collect();
    wait_until(|| server.live() == 50);
    drop(Dialer::new().tls(pki.client()).dial(address(&server)).unwrap());
    wait_until(|| server.live() == 50);
    let report = server.shutdown(Duration::from_secs(20));
    assert_eq!((report.drained, report.cut.len()), (50, 0));
    // Less than a handshake may take.
    assert!(report.took < Duration::from_secs(8), "{report}");
    drop(silent);
}

/// A transport whose second connection's handshake computes until the test lets it go on.
struct Computes(Option<Arc<Mutex<mpsc::Receiver<()>>>>, Arc<AtomicBool>);

impl Transport for Computes {
    fn start(&mut self, _: &TransportContext<'_>, _: &mut LinkBuffer) -> Result<()> {
        if let Some(go_on) = &self.0 {
            self.1.store(true, SeqCst);
            go_on.lock().recv_timeout(Duration::from_secs(20)).expect("others were served");
        }
        Ok(())
    }

    fn open(
        &mut self,
        wire: &mut LinkBuffer,
        plain: &mut LinkBuffer,
        _: &mut LinkBuffer,
    ) -> Result<()> {
        plain.append(std::mem::take(wire));
        Ok(())
    }

    fn seal(&mut self, plain: &mut LinkBuffer, wire: &mut LinkBuffer) -> Result<()> {
        wire.append(std::mem::take(plain));
        Ok(())
    }
}

/// Echoes on the poller.
struct Inline;

impl Service for Inline {
    type Session = ();
    type Request = Bench<'static>;
    const DISPATCH: Dispatch = Dispatch::Inline;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, req: Bench<'a>) -> Result<Flow> {
        call.out.put(&req)?;
        Ok(Flow::Continue)
    }
}

/// By one poller: it changes hands while a handshake computes, also where handlers keep theirs.
#[test]
fn a_handshake_that_takes_long_does_not_hold_its_poller() {
    let runtime = runtime(1);
    let (go, go_on) = mpsc::channel();
    let (go_on, computes) = (Arc::new(Mutex::new(go_on)), Arc::new(AtomicBool::new(false)));
    let (slow, noted) = (AtomicBool::new(false), computes.clone());
    let server = serve_on(&runtime, Inline, |b| {
        b.transport(move || {
            let go_on = slow.swap(true, SeqCst).then(|| go_on.clone());
            Computes(go_on, noted.clone())
        })
    });
    let mut first = connect(&server);
    assert_eq!(call(&mut first, b"before"), b"before");
    let mut second = connect(&server);
    wait_until(|| computes.load(SeqCst));
    for _ in 0..100 {
        assert_eq!(call(&mut first, b"meanwhile"), b"meanwhile");
    }
    let stats = runtime.stats();
    assert!(stats.handovers_by_monitor + stats.handovers_by_wait > 0, "{stats:?}");
    go.send(()).unwrap();
    assert_eq!(call(&mut second, b"after"), b"after");
}

/// The dials' handshakes need no place among the handlers, all of which wait for them.
#[test]
fn handlers_at_the_limit_of_workers_dial_over_tls() {
    let pki = Certificates::new();
    let behind = runtime(1);
    let back = serve_on(&behind, Echo::default(), |b| b.tls(pki.server()));
    let front_runtime = Runtime::builder().pollers(1).max_workers(2).build().unwrap();
    let dialer = Dialer::new().runtime(&front_runtime).tls(pki.client());
    let to = address(&back);
    let front = serve_on(
        &front_runtime,
        Answer::by(move |call, body| {
            let conn = dialer.dial(&to)?;
            conn.write(&frame(body))?;
            let answer = conn.reader()?.next(4 + body.len())?[4..].to_vec();
            call.out.put(&Bench(&answer))?;
            Ok(Flow::Continue)
        }),
        |b| b,
    );
    let callers: Vec<_> = (0..8u8)
        .map(|n| {
            let mut client = connect(&front);
            thread::spawn(move || assert_eq!(call(&mut client, &[n; 9]), [n; 9]))
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
}

/// Calls so often on a connection that is open: the 99th percentile of their times, but for what this machine
/// added.
fn p99(client: &mut crate::common::Client, calls: usize) -> Duration {
    const MS: Duration = Duration::from_millis(1);
    let time = |_| {
        let since = Stopwatch::start();
        assert_eq!(call(client, &[5; 100]), [5; 100]);
        let time = since.elapsed();
        if time > MS { time.saturating_sub(since.noise()) } else { time }
    };
    let mut took: Vec<_> = (0..calls).map(time).collect();
    took.sort();
    took[took.len() * 99 / 100]
}

/// Hundreds send their hellos by the byte: calls on an open connection are answered meanwhile. How fast is compared
/// where the machine is this test's alone: with `NETPOLL_FULL=1`.
#[test]
fn slow_handshakes_by_the_hundred_do_not_slow_calls_down() {
    const SLOW: usize = 300;
    let calls = length(100, 2_000);
    let runtime = runtime(2);
    let server = serve_on(&runtime, Echo::default(), |b| {
        b.tls(over::server()).handshake_timeout(Duration::from_secs(60)).max_handshakes(SLOW / 2)
    });
    let at = server.addresses()[0].inet().unwrap();
    let mut client = crate::common::Client::secure(at).unwrap();
    let before = p99(&mut client, calls);
    let mut slow: Vec<_> = (0..SLOW).map(|_| TcpStream::connect(at).unwrap()).collect();
    wait_until(|| server.live() == 1 + SLOW);
    let hello = over::Session::fresh().said();
    let stop = Arc::new(AtomicBool::new(false));
    let sender = {
        let stop = stop.clone();
        thread::spawn(move || {
            for byte in &hello[..hello.len() - 1] {
                if stop.load(SeqCst) {
                    break;
                }
                slow.iter_mut().for_each(|client| client.write_all(&[*byte]).unwrap());
                thread::sleep(Duration::from_millis(5));
            }
            slow
        })
    };
    let beside = p99(&mut client, calls);
    stop.store(true, SeqCst);
    let slow = sender.join().unwrap();
    assert_eq!(server.live(), 1 + SLOW, "all of them were under way");
    drop(slow);
    wait_until(|| server.live() == 1);
    println!("p99 without them {before:?}, beside {SLOW} slow handshakes {beside:?}");
    let most = 10 * before.max(Duration::from_millis(1));
    let compares = length(0, 1) == 1;
    assert!(!compares || beside < most, "{beside:?} beside them, {before:?} without");
}
