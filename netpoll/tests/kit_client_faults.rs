//! Clients and a server in memory, both under faults: each call ends once, with its own reply or for the
//! injected reason; no request is handled twice; and nothing is left behind.

mod client_support;
mod common;
mod kit_support;

use std::{
    cell::Cell,
    collections::HashSet,
    io::Write,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use client_support::{Echoes, Message, assert_quiet, by_hand::next_frame, message};
use common::{dialer, over, random, runtime, scenario::length, wait_until};
use kit_support::{Bed, MS, gentle};
use netpoll::{
    Error, ErrorKind, EventLoop, Runtime, block_on, mem,
    testing::{Fault, Faults, Link, Listener, Port, Server, each_seed, settle},
};

/// The memory of blocks is counted for the process: one test at a time looks at it.
static ALONE: Mutex<()> = Mutex::new(());

/// So long that only a wake-up that was lost is late.
const NEVER: Duration = Duration::from_secs(20);

/// Answers each message with itself, and notes which ones came.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<HashSet<Vec<u8>>>>);

#[netpoll::server]
impl Keeper {
    #[on_request(concurrent = 64)]
    async fn answer(&self, message: Message) -> Message {
        assert!(self.0.lock().unwrap().insert(message.body.clone()), "a request came twice");
        message
    }
}

/// What ends connections, too; and dials that find no descriptor, or no memory.
fn rough(seed: u64) -> Faults {
    gentle(seed)
        .one_in(200, Fault::Reset)
        .one_in(200, Fault::NoBuffers)
        .one_in(6, Fault::TooManyFiles)
}

/// What came of the calls of a seed.
#[derive(Default)]
struct Ends {
    answered: usize,
    failed: Vec<Error>,
}

const CALLERS: u64 = 3;
const CALLS: u64 = 8;

/// Calls one after the other, of which no body is another's.
fn calls(client: &Echoes, seed: u64, caller: u64) -> Ends {
    let mut ends = Ends::default();
    let mut state = (seed * CALLERS + caller) | 1 << 42;
    for call in 0..CALLS {
        let most = [10, 300, 3_000][random(&mut state, 3) as usize];
        let mut body = [seed, caller, call].map(u64::to_be_bytes).concat();
        body.resize(body.len() + random(&mut state, most) as usize, call as u8);
        let request = message(0, body.clone());
        // A caller that waits is a thread's, or a future.
        let reply =
            if caller == 0 { client.call(request) } else { block_on(client.call_async(request)) };
        match reply {
            Ok(reply) => {
                assert!(reply.get().unwrap().body == body, "the reply is another call's");
                ends.answered += 1;
            }
            Err(error) => ends.failed.push(error),
        }
    }
    ends
}

/// Runs clients of both kinds with the faults of each seed, at their end and at the server's, and sees
/// that nothing is left: what came of all calls.
fn for_seeds(seeds: usize, faults: fn(u64) -> Faults, check: impl Fn(&Faults, &Ends)) -> Ends {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let served = runtime(2);
    wait_until(|| mem::stats().out == 0);
    let keeper = Keeper::default();
    let server = EventLoop::builder(keeper.clone()).runtime(&served);
    let server = Server::start(over::serve(server)).unwrap();
    let mut all = Ends::default();
    each_seed(seeds as u64, |seed| {
        keeper.0.lock().unwrap().clear();
        let (ours, theirs) = (faults(2 * seed), faults(2 * seed + 1));
        let room = |n| 1 + (seed as usize * n) % 5_000;
        let link = Link::default().inbound(room(37)).outbound(room(41)).faults(&theirs);
        let ports = [server.listen(&link), server.listen(&link)];
        let runtime = Runtime::builder().pollers(1).faults(ours.clone()).build().unwrap();
        let addresses = ports.each_ref().map(Port::address);
        let client = if seed % 2 == 0 {
            let pool = Echoes::pool(addresses).max_connections(2);
            pool.dialer(dialer(&runtime)).timeout(NEVER).build()
        } else {
            Echoes::mux(addresses).dialer(dialer(&runtime)).timeout(NEVER).build()
        };
        let client = client.unwrap();
        let ends = thread::scope(|scope| {
            let client = &client;
            let callers: Vec<_> = (0..CALLERS)
                .map(|caller| scope.spawn(move || calls(client, seed, caller)))
                .collect();
            callers.into_iter().fold(Ends::default(), |mut sum, caller| {
                let ends = caller.join().unwrap();
                sum.answered += ends.answered;
                sum.failed.extend(ends.failed);
                sum
            })
        });
        assert_eq!(ends.answered + ends.failed.len(), (CALLERS * CALLS) as usize);
        for error in &ends.failed {
            assert_ne!(error.kind(), ErrorKind::TimedOut, "{ours}: {error}");
        }
        check(&ours, &ends);
        check(&theirs, &ends);
        assert_quiet(&client);
        assert_eq!(client.close(NEVER), 0);
        drop(client);
        wait_until(|| runtime.stats().connections == 0 && server.handle().live() == 0);
        assert_eq!(runtime.stats().panics, 0);
        assert_eq!(runtime.shutdown(NEVER), 0);
        all.answered += ends.answered;
        all.failed.extend(ends.failed);
    });
    assert_eq!(served.stats().panics, 0);
    drop(server);
    assert_eq!(served.shutdown(NEVER), 0);
    drop(served);
    assert_eq!(mem::stats().out, 0, "blocks are left");
    all
}

/// How often each of `faults` was injected, when all seeds are through.
fn note<const N: usize>(sum: &Cell<[u64; N]>, of: [Fault; N], faults: &Faults) {
    let now = of.map(|fault| faults.injected(fault));
    sum.set(std::array::from_fn(|i| sum.get()[i] + now[i]));
}

#[test]
fn calls_under_faults_get_their_replies() {
    let of = [Fault::ShortRead, Fault::ShortWrite, Fault::Interrupted, Fault::WouldBlock];
    let injected = Cell::new([0; 4]);
    let ends = for_seeds(length(50, 5_000), gentle, |faults, ends| {
        note(&injected, of, faults);
        assert!(ends.failed.is_empty(), "{faults}: {:?}", ends.failed);
    });
    assert!(ends.answered > 0);
    assert!(injected.get().iter().all(|&n| n > 0), "{injected:?} of {of:?}");
}

#[test]
fn calls_whose_connections_break_end_once() {
    let of = [Fault::Reset, Fault::NoBuffers, Fault::TooManyFiles];
    let injected = Cell::new([0; 3]);
    let ends = for_seeds(length(100, 10_000), rough, |faults, ends| {
        note(&injected, of, faults);
        for error in &ends.failed {
            let by_fault = [ErrorKind::Io, ErrorKind::Eof, ErrorKind::Closed];
            let of_tls = [ErrorKind::Truncated, ErrorKind::Handshake];
            let known =
                by_fault.contains(&error.kind()) || over::is_on() && of_tls.contains(&error.kind());
            assert!(known, "{faults}: {error}");
        }
    });
    let (failed, injected) = (ends.failed.len(), injected.get());
    println!("{} answered, {failed} failed by {injected:?} of {of:?}", ends.answered);
    assert!(injected.iter().all(|&n| n > 0), "{injected:?} of {of:?}");
    assert!(ends.answered > failed && failed > 0, "{} and {failed}", ends.answered);
}

/// Each in its turn, and the endpoint is left alone after each: then it is reached.
#[test]
fn a_client_without_descriptors_says_so_and_goes_on() {
    let _alone = ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let faults = Faults::seeded(0).at(0..1, Fault::TooManyFiles).at(1..2, Fault::NoBuffers);
    let bed = Bed::with(Runtime::builder().pollers(1).faults(faults));
    let listener = Listener::bind(&Link::default());
    // The other end is a test's: plain.
    let client = Echoes::pool(listener.port().address()).max_connections(1);
    let client = client.runtime(&bed.runtime).timeout(NEVER).build().unwrap();
    for (code, left_out) in [(libc::EMFILE, 20 * MS), (libc::ENOBUFS, 40 * MS)] {
        let expected = std::io::Error::from_raw_os_error(code).to_string();
        for _ in 0..3 {
            let call = bed.start({
                let client = client.clone();
                async move { client.call_async(message(0, "")).await }
            });
            let error = call.try_recv().unwrap().unwrap_err().to_string();
            assert!(error.contains(&expected), "{error}");
        }
        bed.pass(left_out);
    }
    let call = bed.start({
        let client = client.clone();
        async move { client.call_async(message(0, "at last")).await }
    });
    let mut peer = listener.accept().unwrap();
    let request = next_frame(&mut peer).unwrap();
    peer.write_all(&request).unwrap();
    settle(&bed.runtime);
    assert_eq!(call.try_recv().unwrap().unwrap().get().unwrap().body, b"at last");
    assert_eq!((client.stats().dials, client.stats().failed_dials), (3, 2));
}
