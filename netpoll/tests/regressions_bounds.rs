//! What grew, or stayed, without a bound.

mod common;

use std::{
    future::Future,
    io::{Read, Write},
    net::TcpListener,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Waker},
    thread,
    time::Duration,
};

use common::{Bench, Echo, call, connect, reset, runtime, serve, serve_on, wait_until};
use netpoll::{
    Call, CloseReason, Connection, ConnectionOptions, Dialer, EventLoop, Flow, Result, Service,
};
use parking_lot::Mutex;

const LONG: Duration = Duration::from_secs(300);

/// More than the entries of a wheel that are swept, for two pollers.
const FEW_TIMERS: usize = 2 * 4096 + 100;

/// The entries of connections that had ended lay in the timer wheel until their timeout.
#[test]
fn timers_of_ended_connections_are_swept() {
    let (runtime, server) = serve(Echo::default(), |b| b.idle_timeout(Some(LONG)));
    let mut stays = connect(&server);
    for _ in 0..400 {
        let clients: Vec<_> = (0..60).map(|_| connect(&server)).collect();
        clients.into_iter().for_each(reset);
        assert_eq!(call(&mut stays, b"stays"), b"stays");
    }
    wait_until(|| server.live() == 1);
    // Some were reset before they were accepted.
    let stats = runtime.stats();
    assert!(stats.accepted > FEW_TIMERS as u64, "{stats:?}");
    let timers = stats.timers;
    assert!((1..=FEW_TIMERS).contains(&timers), "{timers} timers of one connection");
}

/// The same of timeouts that were not needed in the end.
#[test]
fn timers_of_dropped_sleeps_are_swept() {
    let runtime = runtime(2);
    let most = runtime.spawn({
        let runtime = runtime.clone();
        async move {
            let mut most = 0;
            for i in 0..40_000 {
                let mut sleep = pin!(netpoll::sleep(LONG));
                assert!(sleep.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                if i % 1000 == 0 {
                    most = most.max(runtime.stats().timers);
                }
            }
            most
        }
    });
    let most = netpoll::block_on(most).unwrap();
    assert!((1..=FEW_TIMERS).contains(&most), "{most} timers of one sleep");
}

/// Keeps the connection that it detaches.
struct Keeps(Mutex<mpsc::Sender<Connection>>);

impl Service for Keeps {
    type Session = ();
    type Request = Bench<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, call: Call<'a, ()>, _: Bench<'a>) -> Result<Flow> {
        self.0.lock().send(call.conn.clone()).unwrap();
        Ok(Flow::Detach)
    }
}

/// A detached connection whose peer went while somebody held it stayed open when the holder went.
#[test]
fn a_detached_connection_ends_after_its_last_holder() {
    let runtime = runtime(1);
    let (tell, told) = mpsc::channel();
    let server = serve_on(&runtime, Keeps(Mutex::new(tell)), |b| b);
    let mut client = connect(&server);
    client.write_all(&common::frame(b"x")).unwrap();
    let holder = told.recv().unwrap();
    drop(client);
    wait_until(|| !holder.is_active());
    // It is looked at again and again, and not too often.
    let turns = runtime.stats().turns;
    thread::sleep(Duration::from_millis(300));
    assert!(runtime.stats().turns - turns < 5, "{} turns", runtime.stats().turns - turns);
    assert_eq!(runtime.stats().connections, 1, "its holder may still read");
    drop(holder);
    wait_until(|| runtime.stats().connections == 0);
    server.shutdown(Duration::ZERO);
}

/// Counts who is in.
#[derive(Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
}

struct Guests(Arc<Counts>);

impl Service for Guests {
    type Session = ();
    type Request = Bench<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        let now = self.0.now.fetch_add(1, SeqCst) + 1;
        self.0.most.fetch_max(now, SeqCst);
        Ok(())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, req: Bench<'a>) -> Result<Flow> {
        call.out.put(&req)?;
        Ok(Flow::Continue)
    }

    async fn on_close(&self, _: &Connection, _: (), _: CloseReason) {
        self.0.now.fetch_sub(1, SeqCst);
    }
}

/// Listeners that accepted at the same time all saw the last place free.
#[test]
fn several_listeners_share_one_limit() {
    const MOST: usize = 3;
    let counts = Arc::new(Counts::default());
    let runtime = runtime(4);
    let mut builder =
        EventLoop::builder(Guests(counts.clone())).runtime(&runtime).max_connections(MOST);
    for _ in 0..4 {
        builder = builder.listen("127.0.0.1:0");
    }
    let server = builder.bind().unwrap();
    let handle = server.handle();
    let clients: Vec<_> = server
        .addresses()
        .iter()
        .map(|address| {
            let address = address.inet().unwrap();
            thread::spawn(move || {
                for _ in 0..200 {
                    let mut all: Vec<_> =
                        (0..3).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
                    all.iter_mut().for_each(|client| {
                        client.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
                        let _ = client.read(&mut [0]);
                    });
                    all.into_iter().for_each(reset);
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    wait_until(|| handle.live() == 0);
    let most = counts.most.load(SeqCst);
    assert!((1..=MOST).contains(&most), "{most} at once");
    let stats = runtime.stats();
    assert!(stats.refused > 0 && stats.accepted == 2400, "{stats:?}");
    // All places are free again.
    let address = server.addresses()[0].inet().unwrap();
    for _ in 0..MOST {
        let mut client = std::net::TcpStream::connect(address).unwrap();
        assert_eq!(call(&mut client, b"room"), b"room");
    }
}

/// A peer that sent as fast as it was read held its reader for ever, and all that came was kept.
#[test]
fn a_poll_of_a_flooding_socket_ends() {
    const MOST: usize = 64 << 10;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let runtime = runtime(1);
    let mut options = ConnectionOptions::default();
    options.max_frame = MOST;
    let dialer = Dialer::new().runtime(&runtime).options(options);
    let conn = dialer.dial(listener.local_addr().unwrap().to_string()).unwrap();
    let mut peer = listener.accept().unwrap().0;
    let stop = Arc::new(AtomicBool::new(false));
    let floods = {
        let stop = stop.clone();
        thread::spawn(move || while !stop.load(SeqCst) && peer.write_all(&[7; 100_000]).is_ok() {})
    };
    let mut reader = conn.reader().unwrap();
    for _ in 0..20 {
        wait_until(|| {
            assert!(!reader.poll_socket().unwrap());
            reader.len() >= MOST
        });
        assert!(reader.len() < 2 * MOST, "{} bytes", reader.len());
        let n = reader.len();
        assert!(reader.next(n.min(MOST)).unwrap().iter().all(|&byte| byte == 7));
    }
    stop.store(true, SeqCst);
    drop(reader);
    conn.abort();
    floods.join().unwrap();
}
