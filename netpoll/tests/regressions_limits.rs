//! Bugs that were found once: timeouts, limits, and the ends of connections.

mod common;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use common::{
    Answer, Bench, Echo, EchoAfter, connect, frame, read_frame, serve, serve_on, sleepy,
    stopwatch::Stopwatch, wait_until,
};
use netpoll::{
    Call, Connection, ConnectionOptions, Dialer, Dispatch, Flow, In, Result, Runtime, Service,
    frame::{Frame, Progress, ScanError, Scanner, Window},
};

const MS: Duration = Duration::from_millis(1);

/// The clock that deadlines start from was as old as the poller's last look at it.
#[test]
fn an_idle_timeout_is_not_early_after_a_long_quiet() {
    let (_runtime, server) = serve(Echo::default(), |b| b.idle_timeout(Some(200 * MS)));
    thread::sleep(500 * MS);
    let mut client = connect(&server);
    let start = Stopwatch::start();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    start.assert_within(195 * MS, 600 * MS);
}

/// As above, for output that an outside thread writes.
#[test]
fn a_write_timeout_is_not_early_after_a_long_quiet() {
    let runtime = Runtime::builder().pollers(1).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = ConnectionOptions::default();
    options.write_timeout = Some(1000 * MS);
    options.write_high = 64 << 20;
    let dialer = Dialer::new().runtime(&runtime).options(options);
    let conn = dialer.dial(&listener.local_addr().unwrap().to_string()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    thread::sleep(1100 * MS);
    conn.write(&vec![7; 16 << 20]).unwrap();
    assert!(conn.pending() > 0);
    thread::sleep(100 * MS);
    let reads = thread::spawn(move || {
        let mut bytes = vec![0; 16 << 20];
        peer.read_exact(&mut bytes).map(|()| peer)
    });
    let _peer = reads.join().unwrap().expect("the peer began to read in time");
    assert!(conn.is_active());
}

/// A deadline that had passed and that no turn looked at was set again at once, for ever.
#[test]
fn a_deadline_that_nobody_acts_on_costs_no_core() {
    let runtime = Runtime::builder().pollers(1).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = ConnectionOptions::default();
    options.idle_timeout = Some(400 * MS);
    options.write_high = 64 << 20;
    let dialer = Dialer::new().runtime(&runtime).options(options);
    let conn = dialer.dial(&listener.local_addr().unwrap().to_string()).unwrap();
    let (_peer, _) = listener.accept().unwrap();
    // It ends gracefully, which takes as long as the peer does not read.
    conn.write(&vec![7; 16 << 20]).unwrap();
    conn.close();
    let before = runtime.stats().turns;
    thread::sleep(900 * MS);
    let turns = runtime.stats().turns - before;
    assert!(turns < 20, "{turns} turns of a connection that waits");
}

/// A dialled connection has no handler, and its idle timeout closed nothing.
#[test]
fn an_idle_timeout_closes_a_dialled_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut options = ConnectionOptions::default();
    options.idle_timeout = Some(100 * MS);
    let conn = Dialer::new().options(options).dial(&listener.local_addr().unwrap().to_string());
    let conn = conn.unwrap();
    let (_peer, _) = listener.accept().unwrap();
    let start = Stopwatch::start();
    let why = netpoll::block_on(netpoll::timeout(5000 * MS, conn.closed())).unwrap();
    assert_eq!(why, netpoll::CloseReason::IdleTimeout);
    start.assert_within(90 * MS, 300 * MS);
}

/// The time that a handler took counted as silence of the peer.
#[test]
fn a_slow_handler_is_not_an_idle_peer() {
    let (_runtime, server) = serve(Answer::by(sleepy), |b| b.idle_timeout(Some(400 * MS)));
    let mut client = connect(&server);
    client.write_all(&frame(b"sleep 600")).unwrap();
    assert_eq!(read_frame(&mut client), b"sleep 600");
    let start = Instant::now();
    thread::sleep(50 * MS);
    client.write_all(&frame(b"still here")).unwrap();
    assert_eq!(read_frame(&mut client), b"still here");
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    assert!(start.elapsed() >= 440 * MS, "{:?}", start.elapsed());
}

/// The deadline of a frame stayed for the frames after it where every read ended within one.
#[test]
fn each_frame_has_a_frame_timeout_of_its_own() {
    let (_runtime, server) = serve(Echo::default(), |b| b.frame_timeout(Some(300 * MS)));
    let mut client = connect(&server);
    client.set_nodelay(true).unwrap();
    let whole = frame(&[5; 100]);
    client.write_all(&whole[..50]).unwrap();
    for _ in 0..20 {
        thread::sleep(40 * MS);
        client.write_all(&whole[50..]).unwrap();
        client.write_all(&whole[..50]).unwrap();
        assert_eq!(read_frame(&mut client), [5; 100]);
    }
}

/// While a handler ran, nobody sent what waited: an answer larger than `write_high`, sent in parts,
/// waited for room until the write timeout.
#[test]
fn a_handler_sends_more_than_may_be_pending() {
    const PART: usize = 256 << 10;
    const PARTS: usize = 64;
    let service = Answer::by(|call: &mut Call<'_, u32>, _: &[u8]| {
        for _ in 0..PARTS {
            call.out.put(&Bench(&[9; PART]))?;
            call.out.flush()?;
        }
        Ok(Flow::Continue)
    });
    let log = service.log.clone();
    let (_runtime, server) = serve(service, |b| b.write_timeout(Some(2000 * MS)));
    let mut client = connect(&server);
    client.write_all(&frame(b"go")).unwrap();
    thread::sleep(100 * MS);
    for part in 0..PARTS {
        assert!(read_frame(&mut client) == [9; PART], "part {part} ({:?})", log.lock());
    }
}

/// As above: a handler that has answered and reads on.
#[test]
fn what_a_handler_sent_leaves_while_it_reads_on() {
    const MUCH: usize = 16 << 20;
    struct Dialogue;
    impl Service for Dialogue {
        type Session = ();
        type Request = In<'static>;
        async fn on_connect(&self, _: &Connection) -> Result<()> {
            Ok(())
        }
        async fn on_request<'a>(
            &'a self,
            mut call: Call<'a, ()>,
            mut input: In<'a>,
        ) -> Result<Flow> {
            input.skip(1)?;
            call.out.buf.write(&vec![1; MUCH])?;
            call.out.flush()?;
            input.skip(1)?;
            call.out.buf.write(&[2])?;
            Ok(Flow::Continue)
        }
    }
    let (_runtime, server) = serve(Dialogue, |b| b.read_timeout(Some(3000 * MS)));
    let mut client = connect(&server);
    client.write_all(&[1]).unwrap();
    thread::sleep(100 * MS);
    let mut bytes = vec![0; MUCH];
    client.read_exact(&mut bytes).expect("the whole first answer");
    client.write_all(&[1]).unwrap();
    client.read_exact(&mut bytes[..1]).unwrap();
    assert_eq!(bytes[0], 2);
}

/// At `max_workers`, a client that waited to be accepted was told again and again.
#[test]
fn a_client_that_cannot_be_accepted_costs_no_core() {
    let runtime = Runtime::builder().pollers(1).max_workers(1).build().unwrap();
    let server = serve_on(&runtime, Answer::by(sleepy), |b| b);
    let mut busy = connect(&server);
    busy.write_all(&frame(b"sleep 600")).unwrap();
    thread::sleep(50 * MS);
    let mut waits = connect(&server);
    let before = runtime.stats().syscalls.wait;
    waits.write_all(&frame(b"hello")).unwrap();
    thread::sleep(400 * MS);
    let looks = runtime.stats().syscalls.wait - before;
    assert!(looks < 50, "{looks} looks at the poller");
    assert_eq!(read_frame(&mut waits), b"hello");
    assert_eq!(read_frame(&mut busy), b"sleep 600");
}

/// A turn that was deferred as the last late worker ended waited for the next event.
#[test]
fn nothing_stays_aside_when_workers_come_free() {
    let runtime = Runtime::builder().pollers(1).max_workers(1).build().unwrap();
    let service = Answer::by(|call: &mut Call<'_, u32>, frame: &[u8]| {
        netpoll::blocking(|| thread::sleep(Duration::from_micros(100)));
        call.out.put(&Bench(frame))?;
        Ok(Flow::Continue)
    });
    let server = serve_on(&runtime, service, |b| b);
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let mut client = connect(&server);
            client.set_read_timeout(Some(3000 * MS)).unwrap();
            thread::spawn(move || {
                for i in 0..3000u32 {
                    client.write_all(&frame(&i.to_be_bytes())).unwrap();
                    let mut answer = [0; 8];
                    client.read_exact(&mut answer).expect("an answer");
                    assert_eq!(answer[4..], i.to_be_bytes());
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
}

/// Panics at a 0; a 2 is the first of three bytes, for which it asks as if none were there.
#[derive(Default)]
struct Picky;

impl Scanner for Picky {
    fn scan(&mut self, w: &Window<'_>, _: usize) -> Result<Progress, ScanError> {
        let Some([first]) = w.array::<1>(0) else { return Ok(Progress::Need(1)) };
        assert!(first != 0, "a scanner's panic");
        if first == 2 && w.len() < 3 {
            return Ok(Progress::Need(1));
        }
        Ok(Progress::Ready(if first == 2 { 3 } else { 1 }))
    }
}

struct Byte(u8);

impl Frame for Byte {
    type Scan = Picky;
    type At<'a> = Byte;
    const MIN: usize = 1;
}
impl<'a> netpoll::frame::Decode<'a> for Byte {
    fn decode(r: &mut netpoll::frame::Decoder<'a>) -> Result<Self, netpoll::frame::DecodeError> {
        Ok(Byte(r.take::<1>()?[0]))
    }
}

struct Bytes(common::Log);

impl Service for Bytes {
    type Session = ();
    type Request = Byte;
    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }
    async fn on_request<'a>(&'a self, call: Call<'a, ()>, byte: Byte) -> Result<Flow> {
        call.out.buf.write(&[byte.0])?;
        Ok(Flow::Continue)
    }
    fn on_error(&self, _: &Connection, error: &netpoll::Error) {
        self.0.lock().push(format!("{:?}", error.kind()));
    }
}

/// A panic in a scanner ended its worker.
#[test]
fn a_panic_in_a_scanner_closes_its_connection_only() {
    let log = common::Log::default();
    let (runtime, server) = serve(Bytes(log.clone()), |b| b);
    let mut other = connect(&server);
    for _ in 0..8 {
        let mut client = connect(&server);
        client.write_all(&[0]).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
        other.write_all(&[3]).unwrap();
        other.read_exact(&mut [0]).unwrap();
    }
    // The bytes are malformed: no handler panicked.
    assert_eq!(*log.lock(), ["Malformed"; 8]);
    assert_eq!(runtime.stats().panics, 8);
    drop(other);
    wait_until(|| server.live() == 0);
    wait_until(|| runtime.stats().late == 0);
}

/// What a scanner asked for was taken to be more than there is: the turn panicked, or read for ever.
#[test]
fn a_scanner_that_asks_for_what_is_there_gets_more() {
    let log = common::Log::default();
    let (_runtime, server) = serve(Bytes(log.clone()), |b| b);
    let mut client = connect(&server);
    client.set_nodelay(true).unwrap();
    for round in 0..20 {
        for part in [&[2][..], &[round], &[9, 3]] {
            client.write_all(part).unwrap();
            // Each part is received by itself, or nearly always.
            thread::yield_now();
        }
        let mut back = [0; 2];
        client.read_exact(&mut back).unwrap();
        assert_eq!(back, [2, 3]);
    }
    assert!(log.lock().is_empty());
}

/// A panic in a close callback ended its worker.
#[test]
fn a_panic_in_a_close_callback_harms_nobody() {
    let runtime = Runtime::builder().pollers(1).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let called = Arc::new(AtomicUsize::new(0));
    for _ in 0..4 {
        let conn = Dialer::new().runtime(&runtime).dial(&address).unwrap();
        conn.on_closed(|_, _| panic!("in a callback"));
        let seen = called.clone();
        conn.on_closed(move |_, _| {
            seen.fetch_add(1, SeqCst);
        });
        drop(conn);
    }
    wait_until(|| called.load(SeqCst) == 4 && runtime.stats().connections == 0);
    assert_eq!((runtime.stats().late, runtime.stats().panics), (0, 4));
}

/// `local` said that the connection is closed when another thread was writing.
#[test]
fn the_local_address_is_known_while_others_write() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    for _ in 0..200 {
        let conn = Dialer::new().dial(&address).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        let (told, begun) = mpsc::channel();
        let writes = conn.clone();
        let writer = thread::spawn(move || {
            for _ in 0..50 {
                writes.write(&[0; 1000]).unwrap();
                let _ = told.send(());
            }
        });
        begun.recv().unwrap();
        conn.local().expect("it is open");
        writer.join().unwrap();
        conn.shutdown_write();
        drop(conn);
        let _ = peer.read_to_end(&mut Vec::new());
    }
}

/// A close while requests were unread made the system reset the connection, and took the answer with
/// it.
#[test]
fn the_answer_before_a_close_arrives_whatever_was_sent_after_the_request() {
    const ANSWER: usize = 3 << 20;
    for sent in [1 << 20, 8 << 20] {
        let service = Answer::by(|call: &mut Call<'_, u32>, _: &[u8]| {
            call.out.put(&Bench(&vec![4; ANSWER]))?;
            Ok(Flow::Close)
        });
        let (_runtime, server) = serve(service, |b| b.write_high(16 << 20));
        let mut client = connect(&server);
        let mut writes = client.try_clone().unwrap();
        let writer = thread::spawn(move || {
            let batch: Vec<u8> = (0..sent / 1028).flat_map(|_| frame(&[1; 1024])).collect();
            // The server need not take all of it.
            let _ = writes.write_all(&batch);
            thread::sleep(100 * MS);
        });
        thread::sleep(50 * MS);
        assert!(read_frame(&mut client) == vec![4; ANSWER], "the whole answer");
        assert_eq!(client.read(&mut [0]).unwrap(), 0, "then the end");
        let _ = client.shutdown(Shutdown::Both);
        writer.join().unwrap();
        wait_until(|| server.live() == 0);
    }
}

/// A peer that goes on sending does not hold a closing connection.
#[test]
fn a_close_waits_a_second_for_the_peer_at_most() {
    let service = Answer::by(|_: &mut Call<'_, u32>, _: &[u8]| Ok(Flow::Close));
    let (_runtime, server) = serve(service, |b| b);
    let mut client = connect(&server);
    client.write_all(&[frame(b"x"), frame(b"y")].concat()).unwrap();
    let start = Stopwatch::start();
    let mut writes = client.try_clone().unwrap();
    thread::spawn(move || {
        while writes.write_all(&[0; 100]).is_ok() {
            thread::sleep(5 * MS);
        }
    });
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    wait_until(|| server.live() == 0);
    start.assert_below(1500 * MS);
}

/// An async handler that had the reader was not told of the idle time, and its turn ran for ever.
#[test]
fn an_async_reader_that_waits_costs_no_core() {
    struct Waits;
    impl Service for Waits {
        type Session = ();
        type Request = In<'static>;
        const DISPATCH: Dispatch = Dispatch::Async;
        async fn on_connect(&self, _: &Connection) -> Result<()> {
            Ok(())
        }
        async fn on_request<'a>(&'a self, call: Call<'a, ()>, mut input: In<'a>) -> Result<Flow> {
            input.fill_async(2).await?;
            let n = input.len();
            call.out.buf.write(input.next(n)?)?;
            Ok(Flow::Continue)
        }
    }
    let (runtime, server) = serve(Waits, |b| {
        b.idle_timeout(Some(100 * MS)).frame_timeout(Some(100 * MS)).read_timeout(Some(5000 * MS))
    });
    let mut client = connect(&server);
    client.write_all(b"a").unwrap();
    thread::sleep(50 * MS);
    let before = runtime.stats().turns;
    thread::sleep(400 * MS);
    let turns = runtime.stats().turns - before;
    assert!(turns < 30, "{turns} turns of a handler that waits");
    client.write_all(b"b").unwrap();
    let mut answer = [0; 2];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"ab");
}

/// Pending output was looked at only where one turn answered much: a peer that asked little at a time
/// and took no answer made it grow for ever.
#[test]
fn small_answers_that_nobody_takes_do_not_pile_up() {
    const HIGH: usize = 256 << 10;
    let runtime = Runtime::builder().pollers(1).build().unwrap();
    for server in [
        serve_on(&runtime, Echo::default(), |b| b.write_high(HIGH).write_low(HIGH / 4)),
        serve_on(&runtime, EchoAfter(MS), |b| b.write_high(HIGH).write_low(HIGH / 4)),
    ] {
        let mut client = connect(&server);
        client.set_write_timeout(Some(200 * MS)).unwrap();
        let part = frame(&[1; 64 << 10]);
        let mut most = 0;
        for _ in 0..400 {
            if client.write_all(&part).is_err() {
                break;
            }
            thread::sleep(Duration::from_micros(1500));
            most = server
                .connections()
                .iter()
                .map(|conn| conn.pending())
                .max()
                .max(Some(most))
                .unwrap();
        }
        assert!(most > 0 && most < HIGH + (192 << 10), "{most} bytes are pending");
    }
}

/// An async dial had a worker parse its address, which none could where all were in handlers that
/// wait for dials.
#[test]
fn a_dial_in_a_handler_needs_no_other_worker() {
    let runtime = Runtime::builder().pollers(1).max_workers(1).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let dialer = Dialer::new().runtime(&runtime).connect_timeout(2000 * MS);
    let service = Answer::by(move |call: &mut Call<'_, u32>, frame: &[u8]| {
        let dial = netpoll::timeout(5000 * MS, dialer.dial_async(&address));
        netpoll::block_on(dial)??;
        dialer.dial(&address)?;
        // The look-up of a name is no handler: it finds a worker although none is left for those.
        let name = address.replace("127.0.0.1", "localhost");
        netpoll::block_on(dialer.dial_async(&name))?;
        call.out.put(&Bench(frame))?;
        Ok(Flow::Continue)
    });
    let server = serve_on(&runtime, service, |b| b);
    let mut client = connect(&server);
    client.write_all(&frame(b"dial")).unwrap();
    assert_eq!(read_frame(&mut client), b"dial");
}
