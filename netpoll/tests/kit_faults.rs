//! Services under faults: bytes out are bytes in, or the connection ended for the injected reason; and
//! nothing is left behind.

mod common;
mod kit_support;

use std::{
    io::{ErrorKind, Read, Write},
    sync::Mutex,
};

use common::{
    Client, Echo, call, dialer, frame, memory::Memory, over, random, runtime, scenario::length,
    serve_on, wait_until,
};
use kit_support::gentle;
use netpoll::{
    Call, Connection, ConnectionOptions, EventLoop, Flow, Frame, Result, Runtime, Service, mem,
    testing::{Fault, Faults, Link, Server, each_seed, pair},
};

/// The memory of blocks is counted for the process: one test at a time looks at it.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// A command of a store, as a derived format.
#[derive(Frame)]
struct Command<'a> {
    #[frame(check = magic == 0xC0DE)]
    magic: u16,
    id: u32,
    #[frame(prefix = u8)]
    key: &'a [u8],
    #[frame(prefix = u32)]
    value: &'a [u8],
}

/// Answers each command with itself.
struct Mirror;

impl Service for Mirror {
    type Session = ();
    type Request = Command<'static>;
    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }
    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, req: Command<'a>) -> Result<Flow> {
        call.out.put(&req)?;
        Ok(Flow::Continue)
    }
}

/// Some frames of a kind that `make` makes of a number and a payload.
fn stream(seed: u64, make: impl Fn(u32, &[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut state = seed | 1 << 40;
    let frames = 1 + random(&mut state, 6) as u32;
    let payloads = (0..frames).map(|n| {
        let most = [10, 300, 9000][random(&mut state, 3) as usize];
        let len = random(&mut state, most);
        make(n, &(0..len).map(|_| random(&mut state, 256) as u8).collect::<Vec<_>>())
    });
    payloads.collect::<Vec<_>>().concat()
}

fn command(n: u32, payload: &[u8]) -> Vec<u8> {
    let (key, value) = payload.split_at(payload.len().min(7));
    let head = [&[0xC0, 0xDE][..], &n.to_be_bytes(), &[key.len() as u8], key];
    [&head.concat()[..], &(value.len() as u32).to_be_bytes(), value].concat()
}

/// Sends `bytes` in pieces by `seed` while another thread reads what comes back, to the end.
fn exchange(server: &Server, link: &Link, seed: u64, bytes: &[u8]) -> (Vec<u8>, Option<ErrorKind>) {
    let mut peer = match Memory::connect_by(server, link) {
        Ok(peer) => peer,
        Err(e) => return (Vec::new(), Some(e.kind())),
    };
    let mut state = seed.wrapping_mul(77) | 1 << 41;
    let mut cuts: Vec<_> =
        (0..3).map(|_| random(&mut state, bytes.len() as u64 + 1) as usize).collect();
    cuts.sort_unstable();
    // It has room for all: the other end's is what is small.
    let sent = peer.write_cut(bytes, &cuts);
    peer.shutdown_write();
    let (mut back, mut piece) = (Vec::new(), vec![0; 1 + random(&mut state, 4000) as usize]);
    let failed = loop {
        match peer.read(&mut piece) {
            Ok(0) => break sent.err(),
            Ok(n) => back.extend_from_slice(&piece[..n]),
            Err(e) => break Some(e),
        }
    };
    (back, failed.map(|e| e.kind()))
}

/// Runs `check` for each seed with a server, and then sees that nothing is left.
fn for_seeds<S: Service>(service: S, seeds: u64, check: impl Fn(&Server, u64) -> u64) {
    let _alone = alone();
    let runtime = runtime(2);
    wait_until(|| mem::stats().out == 0);
    let server = EventLoop::builder(service).runtime(&runtime);
    let server = Server::start(over::serve(server)).unwrap();
    let mut injected = 0;
    each_seed(seeds, |seed| injected += check(&server, seed));
    assert!(injected > 0, "no fault was injected");
    wait_until(|| server.handle().live() == 0 && runtime.stats().connections == 0);
    assert_eq!(runtime.stats().panics, 0);
    drop(server);
    assert_eq!(runtime.shutdown(std::time::Duration::from_secs(20)), 0);
    drop(runtime);
    assert_eq!(mem::stats().out, 0, "blocks are left");
}

#[test]
fn an_echo_under_faults_gives_back_what_it_got() {
    for_seeds(Echo::default(), length(1_000, 100_000) as u64, |server, seed| {
        let faults = gentle(seed);
        let bytes = stream(seed, |_, payload| frame(payload));
        let room = 1 + (seed as usize * 37) % 5_000;
        let link = Link::default().outbound(room).faults(&faults);
        let (back, failed) = exchange(server, &link, seed, &bytes);
        assert_eq!(failed, None, "{faults}");
        assert!(back == bytes, "{faults}: {} of {} bytes came back", back.len(), bytes.len());
        [Fault::ShortRead, Fault::ShortWrite, Fault::Interrupted, Fault::WouldBlock]
            .map(|fault| faults.injected(fault))
            .iter()
            .sum()
    });
}

#[test]
fn derived_frames_under_faults_give_back_what_they_got() {
    for_seeds(Mirror, length(1_000, 100_000) as u64, |server, seed| {
        let faults = gentle(seed);
        let bytes = stream(seed, command);
        let link = Link::default().outbound(1 + (seed as usize * 41) % 3_000).faults(&faults);
        let (back, failed) = exchange(server, &link, seed, &bytes);
        assert_eq!(failed, None, "{faults}");
        assert!(back == bytes, "{faults}: {} of {} bytes came back", back.len(), bytes.len());
        faults.injected(Fault::WouldBlock)
    });
}

/// What came back is the beginning of what was sent, and all of it unless a fault ended the connection.
#[test]
fn a_connection_that_breaks_gives_back_a_beginning() {
    for_seeds(Mirror, length(1_000, 100_000) as u64, |server, seed| {
        let faults = gentle(seed).one_in(12, Fault::Reset).one_in(12, Fault::NoBuffers);
        let bytes = stream(seed, command);
        let link = Link::default().outbound(1 + (seed as usize * 43) % 3_000).faults(&faults);
        let (back, failed) = exchange(server, &link, seed, &bytes);
        let broke = faults.injected(Fault::Reset) + faults.injected(Fault::NoBuffers);
        assert!(bytes.starts_with(&back), "{faults}: other bytes came back");
        let whole = back == bytes;
        assert!(whole || broke > 0, "{faults}: {} of {} bytes", back.len(), bytes.len());
        // Over TLS the end may come first, without a close_notify, or while hands are shaken.
        let cut = failed == Some(ErrorKind::ConnectionReset)
            || over::is_on()
                && matches!(failed, Some(ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe));
        assert!(whole || cut, "{faults}: {failed:?}");
        assert!(failed.is_none() || broke > 0, "{faults}: {failed:?}");
        broke
    });
}

/// The system's sockets under the same faults, with descriptors that run out and slow accepts.
#[test]
fn sockets_under_faults_are_served() {
    let _alone = alone();
    each_seed(length(8, 200) as u64, |seed| {
        let faults = gentle(seed)
            .one_in(3, Fault::SlowAccept)
            .one_in(3, Fault::Reset)
            .at(1..3, Fault::TooManyFiles);
        // A reset also befalls reads and writes: this runtime's are those of the listener alone.
        let gentle_faults = gentle(seed).one_in(3, Fault::SlowAccept).at(1..3, Fault::TooManyFiles);
        for (faults, whole) in [(faults, false), (gentle_faults, true)] {
            let runtime = Runtime::builder().pollers(1).faults(faults.clone()).build().unwrap();
            let server = serve_on(&runtime, Echo::default(), |b| b);
            let mut served = 0;
            for n in 0..10u8 {
                let address = server.addresses()[0].inet().unwrap();
                // Over TLS it shakes hands first, which may fail for the same reasons.
                let Ok(mut client) = Client::connect(address) else { continue };
                let bytes = frame(&[n; 3000]);
                let mut back = Vec::new();
                let sent = client
                    .write_all(&bytes)
                    .and_then(|()| client.shutdown(std::net::Shutdown::Write));
                // A client may be shed when descriptors are out, or break: its bytes end early then.
                let read = client.read_to_end(&mut back);
                assert!(bytes.starts_with(&back), "{faults}");
                if sent.is_ok() && read.is_ok() && back == bytes {
                    served += 1;
                }
            }
            let shed = runtime.stats().refused;
            if whole {
                assert_eq!(served + shed, 10, "{faults}");
            }
            assert!(faults.injected(Fault::TooManyFiles) > 0, "{faults}");
            wait_until(|| server.live() == 0);
            server.shutdown(std::time::Duration::from_secs(5));
        }
    });
}

#[test]
fn a_dial_without_a_descriptor_fails_and_the_next_one_works() {
    let _alone = alone();
    let server_runtime = runtime(1);
    let server = serve_on(&server_runtime, Echo::default(), |b| b);
    let faults = Faults::seeded(1).at(0..1, Fault::TooManyFiles).at(1..2, Fault::NoBuffers);
    let runtime = Runtime::builder().pollers(1).faults(faults.clone()).build().unwrap();
    let dialer = dialer(&runtime);
    let address = server.addresses()[0].to_string();
    for code in [libc::EMFILE, libc::ENOBUFS] {
        let error = dialer.dial(&address).unwrap_err();
        let expected = std::io::Error::from_raw_os_error(code);
        assert!(error.to_string().contains(&expected.to_string()), "{error}");
    }
    let conn = dialer.dial(&address).unwrap();
    conn.write(&frame(b"hello")).unwrap();
    assert_eq!(conn.reader().unwrap().next(9).unwrap()[4..], *b"hello");
    assert_eq!(runtime.stats().connections, 1);
}

/// The same calls in the same order: the same faults.
#[test]
fn a_seed_gives_the_same_faults_again() {
    let run = |seed| {
        let faults = Faults::seeded(seed).one_in(2, Fault::ShortRead);
        let server = over::serve(EventLoop::builder(Echo::default()).pollers(1));
        let server = Server::start(server).unwrap();
        let mut peer = Memory::connect_by(&server, &Link::default().faults(&faults)).unwrap();
        for n in 0..20 {
            assert_eq!(call(&mut peer, &[n; 10]), [n; 10]);
        }
        faults.injected(Fault::ShortRead)
    };
    let _alone = alone();
    let of_seeds: Vec<_> = (0..8).map(run).collect();
    assert_eq!((0..8).map(run).collect::<Vec<_>>(), of_seeds);
    assert!(of_seeds.iter().any(|&n| n != of_seeds[0]), "seeds differ: {of_seeds:?}");
}

/// A hole in the stream: what followed a failed write was sent where the socket took it, and the
/// connection ended as if its peer had all of it.
#[test]
fn after_a_write_that_failed_nothing_is_sent_and_the_end_is_a_reset() {
    let _alone = alone();
    for fault in [Fault::NoBuffers, Fault::Reset] {
        for at in 0..4 {
            let server = Server::start(EventLoop::builder(Echo::default()).pollers(1)).unwrap();
            // A reset is counted at reads too, of which each frame takes one or two.
            let faults = Faults::seeded(0).at(at..at + 1, fault);
            let mut peer = server.connect_by(&Link::default().faults(&faults)).unwrap();
            let bytes: Vec<u8> = (0..20u8).flat_map(|n| frame(&[n; 10])).collect();
            // The end may come while it writes.
            let _ = peer.write_cut(&bytes, &(0..20).map(|n| n * 14).collect::<Vec<_>>());
            peer.shutdown_write();
            let mut back = Vec::new();
            let end = peer.read_to_end(&mut back);
            let whole = back == bytes;
            assert!(bytes.starts_with(&back), "{fault:?} at {at}: {back:?}");
            if faults.injected(fault) > 0 {
                assert_eq!(whole, end.is_ok(), "{fault:?} at {at}");
            }
            peer.wait_closed().unwrap();
        }
    }
}

/// As above, where the writer is not the turn.
#[test]
fn a_connection_whose_write_failed_takes_no_more() {
    let runtime = runtime(1);
    let faults = Faults::seeded(0).at(0..1, Fault::NoBuffers);
    let link = Link::default().faults(&faults);
    let (conn, mut peer) = pair(&runtime, ConnectionOptions::default(), &link).unwrap();
    conn.write(b"lost").unwrap();
    assert_eq!(conn.write(b"more").unwrap_err().kind(), netpoll::ErrorKind::Closed);
    conn.shutdown_write();
    conn.close();
    let end = peer.read_to_end(&mut Vec::new());
    assert_eq!(end.unwrap_err().kind(), ErrorKind::ConnectionReset);
}
