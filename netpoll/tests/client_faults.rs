//! What a client does with peers that fail it, and with connections that are no good any more.

mod common;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use common::{Bench, Echo, frame, read_frame, serve, wait_until};
use netpoll::{
    Dialer, ErrorKind, Runtime, Transport,
    buf::LinkBuffer,
    client::{Client, ClientBuilder, Pool},
};
use parking_lot::Mutex;

type BenchClient = Client<Bench<'static>, Bench<'static>>;

/// A peer on a port of its own, which treats each connection as `treat` does.
fn peer(treat: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let treat = Arc::new(treat);
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let treat = treat.clone();
            thread::spawn(move || treat(stream));
        }
    });
    address
}

fn pool(runtime: &Runtime, address: &str) -> ClientBuilder<Bench<'static>, Bench<'static>, Pool> {
    BenchClient::pool(address).runtime(runtime)
}

/// Echoes frames until the client goes.
fn echo(stream: &mut TcpStream) {
    let mut head = [0; 4];
    while stream.read_exact(&mut head).is_ok() {
        let mut body = vec![0; u32::from_be_bytes(head) as usize];
        if stream.read_exact(&mut body).and_then(|()| stream.write_all(&frame(&body))).is_err() {
            return;
        }
    }
}

#[test]
fn bytes_that_nobody_asked_for_poison_an_idle_connection() {
    for unasked in [frame(b"a whole frame"), b"\0\0".to_vec()] {
        let runtime = common::runtime(1);
        let address = peer(move |mut stream| {
            let body = read_frame(&mut stream);
            stream.write_all(&frame(&body)).unwrap();
            if body == b"first" {
                stream.write_all(&unasked).unwrap();
            }
            echo(&mut stream);
        });
        let client = pool(&runtime, &address).max_connections(1).build().unwrap();
        let reply = client.call(Bench(b"first")).unwrap();
        assert_eq!(reply.get().unwrap().0, b"first");
        wait_until(|| client.stats().poisoned == 1);
        let reply = client.call(Bench(b"second")).unwrap();
        assert_eq!(reply.get().unwrap().0, b"second");
        assert_eq!(client.stats().dials, 2);
    }
}

#[test]
fn what_stands_behind_a_reply_is_not_the_next_ones() {
    let runtime = common::runtime(1);
    let address = peer(|mut stream| {
        let body = read_frame(&mut stream);
        stream.write_all(&[frame(&body), frame(b"more")].concat()).unwrap();
        let _ = stream.read(&mut [0]);
    });
    let client = pool(&runtime, &address).max_connections(1).build().unwrap();
    thread::scope(|scope| {
        // All but one wait for the connection of another.
        for n in 0..8 {
            let client = &client;
            scope.spawn(move || {
                let text = n.to_string();
                let reply = client.call(Bench(text.as_bytes())).unwrap();
                assert_eq!(reply.get().unwrap().0, text.as_bytes());
            });
        }
    });
    assert_eq!(client.call(Bench(b"0")).unwrap().get().unwrap().0, b"0");
    assert_eq!(client.call(Bench(b"8")).unwrap().get().unwrap().0, b"8");
    assert!(client.stats().poisoned > 0);
}

#[test]
fn what_is_no_reply_is_an_error_that_names_the_address() {
    let runtime = common::runtime(1);
    let address = peer(|mut stream| {
        read_frame(&mut stream);
        // Longer than `max_frame` allows.
        stream.write_all(b"\xff\xff\xff\xffgarbage").unwrap();
        let _ = stream.read(&mut [0]);
    });
    let client = pool(&runtime, &address).build().unwrap();
    for dials in 1..=3 {
        // Between the dials the address is left alone for a while: calls fail with what is known.
        while client.stats().dials < dials || client.stats().connections > 0 {
            let error = client.call(Bench(b"?")).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::FrameTooLarge);
            assert!(error.to_string().starts_with(&format!("calling {address}: ")), "{error}");
        }
    }
    let stats = client.stats();
    assert_eq!((stats.dials, stats.poisoned), (3, 3), "{stats:?}");
}

#[test]
fn a_peer_that_closes_instead_of_answering_is_told_from_one_that_resets() {
    let runtime = common::runtime(1);
    let address = peer(|mut stream| {
        if read_frame(&mut stream) == b"reset" {
            common::reset(stream);
        }
    });
    let client = pool(&runtime, &address).build().unwrap();
    assert_eq!(client.call(Bench(b"close")).unwrap_err().kind(), ErrorKind::Eof);
    // A connection without a reply is a failed dial: the address is left alone for a while.
    wait_until(|| {
        let error = client.call(Bench(b"reset")).unwrap_err();
        error.io_kind() == Some(std::io::ErrorKind::ConnectionReset)
    });
    assert_eq!(client.stats().retries, 0, "what was sent is not sent again");
}

#[test]
fn a_connection_that_its_peer_closed_while_idle_is_not_used() {
    let runtime = common::runtime(1);
    let address = peer(|mut stream| {
        let body = read_frame(&mut stream);
        stream.write_all(&frame(&body)).unwrap();
    });
    let client = pool(&runtime, &address).build().unwrap();
    for round in 1..20 {
        client.call(Bench(b"x")).unwrap();
        wait_until(|| client.stats().connections == 0);
        assert_eq!(client.stats().dials, round);
    }
}

/// Breaks the first connection at its first write, before a byte has left.
struct BreaksOnce(Arc<AtomicBool>);

impl Transport for BreaksOnce {
    fn open(
        &mut self,
        wire: &mut LinkBuffer,
        plain: &mut LinkBuffer,
        _: &mut LinkBuffer,
    ) -> netpoll::Result<()> {
        plain.append(wire.take_all());
        Ok(())
    }

    fn seal(&mut self, plain: &mut LinkBuffer, wire: &mut LinkBuffer) -> netpoll::Result<()> {
        if self.0.swap(false, SeqCst) {
            return Err(netpoll::Error::new(ErrorKind::Io, "broken"));
        }
        wire.append(plain.take_all());
        Ok(())
    }
}

#[test]
fn a_call_of_which_nothing_was_sent_is_tried_again() {
    let (runtime, server) = serve(Echo::default(), |b| b);
    let breaks = Arc::new(AtomicBool::new(true));
    let dialer = Dialer::new().transport(move || BreaksOnce(breaks.clone()));
    let address = server.addresses()[0].to_string();
    let client = BenchClient::pool(address).dialer(dialer).runtime(&runtime).build().unwrap();
    let reply = client.call(Bench(b"again")).unwrap();
    assert_eq!(reply.get().unwrap().0, b"again");
    let stats = client.stats();
    assert_eq!((stats.dials, stats.retries), (2, 1), "{stats:?}");
}

#[test]
fn an_address_that_refuses_is_left_for_one_that_does_not() {
    let (runtime, server) = serve(Echo::default(), |b| b);
    let refuses = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let addresses = [refuses, server.addresses()[0].to_string()];
    let client = BenchClient::pool(addresses).runtime(&runtime).build().unwrap();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    client.call(Bench(b"x")).unwrap();
                }
            });
        }
    });
    assert!(client.stats().failed_dials > 0, "{:?}", client.stats());
}

#[test]
fn a_client_recovers_when_its_server_is_back() {
    let (runtime, server) = serve(Echo::default(), |b| b);
    let address = server.addresses()[0].to_string();
    let client = pool(&runtime, &address).build().unwrap();
    client.call(Bench(b"x")).unwrap();
    server.shutdown(Duration::ZERO);
    wait_until(|| client.call(Bench(b"x")).is_err_and(|e| e.io_kind().is_some()));
    let listener = TcpListener::bind(&address).unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            thread::spawn(move || echo(&mut stream));
        }
    });
    wait_until(|| client.call(Bench(b"x")).is_ok());
}

/// A peer that answers its first request when it is told to, and the others at once; with what it was
/// asked after the first.
fn gated_peer() -> (String, mpsc::Sender<()>, mpsc::Receiver<Vec<u8>>) {
    let (open, gate) = mpsc::channel();
    let (tell, told) = mpsc::channel();
    let gate = Mutex::new(gate);
    let address = peer(move |mut stream| {
        let mut asked = read_frame(&mut stream);
        gate.lock().recv().unwrap();
        loop {
            if stream.write_all(&frame(&asked)).is_err() || stream.peek(&mut [0]).unwrap_or(0) == 0
            {
                return;
            }
            asked = read_frame(&mut stream);
            tell.send(asked.clone()).unwrap();
        }
    });
    (address, open, told)
}

#[test]
fn waiters_are_served_in_the_order_of_their_coming() {
    const WAITERS: u8 = 8;
    let runtime = common::runtime(1);
    let (address, open, told) = gated_peer();
    let client = pool(&runtime, &address).max_connections(1).build().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| client.call(Bench(b"first")).map(drop).unwrap());
        wait_until(|| client.stats().in_flight == 1);
        for n in 0..WAITERS {
            let client = &client;
            scope.spawn(move || client.call(Bench(&[n])).map(drop).unwrap());
            wait_until(|| client.stats().waiters == usize::from(n) + 1);
        }
        open.send(()).unwrap();
    });
    let order: Vec<_> = told.iter().take(WAITERS.into()).flatten().collect();
    assert_eq!(order, (0..WAITERS).collect::<Vec<_>>());
}

#[test]
fn more_waiters_than_may_be_are_refused() {
    let runtime = common::runtime(1);
    let (address, open, _told) = gated_peer();
    let client = pool(&runtime, &address).max_connections(1).max_waiters(1).build().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| client.call(Bench(b"first")).map(drop).unwrap());
        wait_until(|| client.stats().in_flight == 1);
        scope.spawn(|| client.call(Bench(b"second")).map(drop).unwrap());
        wait_until(|| client.stats().waiters == 1);
        let refused = client.call(Bench(b"one too many")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Limit);
        assert!(refused.to_string().contains(&address), "{refused}");
        open.send(()).unwrap();
    });
}

#[test]
fn the_limits_hold_while_callers_time_out_on_a_cold_pool() {
    let live = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let runtime = common::runtime(2);
    let (now, peak) = (live.clone(), most.clone());
    let address = peer(move |mut stream| {
        peak.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
        thread::sleep(Duration::from_millis(3));
        echo(&mut stream);
        now.fetch_sub(1, SeqCst);
    });
    let timeout = Duration::from_millis(2);
    let client = pool(&runtime, &address).max_connections(4).timeout(timeout).build().unwrap();
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                for _ in 0..20 {
                    if let Err(error) = client.call(Bench(b"x")) {
                        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
                    }
                    let now = client.stats();
                    assert!(now.connections + now.dialing <= 4, "{now:?}");
                }
            });
        }
    });
    drop(client);
    wait_until(|| live.load(SeqCst) == 0);
    assert!(most.load(SeqCst) > 0);
}
