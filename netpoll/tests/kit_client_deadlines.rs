//! Calls whose time runs out while connections break and answers are late, on a clock that the test turns:
//! none outlives its deadline, none is given up before it, and no reply is another call's.

mod client_support;
mod common;
mod kit_support;

use std::{
    sync::mpsc::{Receiver, TryRecvError},
    time::Duration,
};

use client_support::{Echoes, Message, message};
use common::{dialer, over, random, scenario::length};
use kit_support::{Bed, MINUTE, MS};
use netpoll::{
    ErrorKind, Runtime,
    client::CallOptions,
    testing::{Fault, Faults, Link, Port, VirtualClock, each_seed, settle},
};

/// Answers each message after the time that it says.
struct Late;

#[netpoll::server]
impl Late {
    #[on_request(concurrent = 256)]
    async fn answer(&self, message: Message) -> Message {
        netpoll::sleep(Duration::from_millis(message.millis.into())).await;
        message
    }
}

/// How a call ended, and when by the clock.
enum End {
    Answered(Duration),
    Failed(ErrorKind, Duration),
    /// Its caller left.
    Left,
}

struct Call {
    deadline: Duration,
    told: Receiver<End>,
}

/// Makes a call with a time of its own, which its caller may not wait for.
async fn make(client: Echoes, clock: VirtualClock, limit: Duration, mut state: u64) -> End {
    let body = [state.to_be_bytes().to_vec(), vec![7; random(&mut state, 2_000) as usize]].concat();
    let request = message(random(&mut state, 60) as u32, body.clone());
    let reply = client.call_async_with(request, CallOptions::new().timeout(limit));
    let reply = if random(&mut state, 4) == 0 {
        match netpoll::timeout(limit / 2, reply).await {
            Ok(reply) => reply,
            Err(_) => return End::Left,
        }
    } else {
        reply.await
    };
    match reply {
        Ok(reply) => {
            assert!(reply.get().unwrap().body == body, "the reply is another call's");
            End::Answered(clock.elapsed())
        }
        Err(error) => End::Failed(error.kind(), clock.elapsed()),
    }
}

fn check(faults: &Faults, call: &Call, end: &End) {
    match end {
        End::Left => {}
        // The clock goes in steps: what became due in one is seen at its end.
        End::Answered(at) => assert!(*at <= call.deadline + 10 * MS, "{faults}: answered late"),
        End::Failed(ErrorKind::TimedOut, at) => {
            assert!(*at >= call.deadline, "{faults}: given up at {at:?} of {:?}", call.deadline);
        }
        End::Failed(kind, _) => {
            // The last one where few numbers are in use for late replies.
            let reasons = [ErrorKind::Io, ErrorKind::Eof, ErrorKind::Closed, ErrorKind::Limit];
            // Over TLS a peer that breaks off has not ended its stream, or its handshake.
            let of_tls = [ErrorKind::Truncated, ErrorKind::Handshake];
            let known = reasons.contains(kind) || over::is_on() && of_tls.contains(kind);
            assert!(known, "{faults}: {kind:?}");
        }
    }
}

#[test]
fn no_call_outlives_its_deadline() {
    let (mut answered, mut late, mut broken, mut left) = (0, 0, 0, 0);
    each_seed(length(60, 6_000) as u64, |seed| {
        let faults = Faults::seeded(seed)
            .one_in(5, Fault::ShortRead)
            .one_in(5, Fault::ShortWrite)
            .one_in(5, Fault::Interrupted)
            .one_in(9, Fault::WouldBlock)
            .one_in(150, Fault::Reset)
            .one_in(12, Fault::TooManyFiles);
        let runtime = Runtime::builder().pollers(1 + seed as usize % 2).max_workers(8);
        let bed = Bed::with(runtime.faults(faults.clone()));
        let server = bed.serve(Late, |b| b);
        let link = Link::default().inbound(3_000).outbound(2_000);
        let ports = [server.listen(&link), server.listen(&link)];
        let addresses = ports.each_ref().map(Port::address);
        let client = match seed % 3 {
            0 => Echoes::pool(addresses).max_connections(4).dialer(dialer(&bed.runtime)).build(),
            1 => Echoes::mux(addresses).dialer(dialer(&bed.runtime)).build(),
            // Few numbers, which late replies keep in use.
            _ => Echoes::mux(addresses).max_sequence(20).dialer(dialer(&bed.runtime)).build(),
        };
        let client = client.unwrap();
        let (mut state, mut calls) = (seed | 1 << 43, Vec::new());
        let mut end = |calls: &mut Vec<Call>| {
            let now = bed.clock.elapsed();
            calls.retain(|call| match call.told.try_recv() {
                Ok(end) => {
                    check(&faults, call, &end);
                    match end {
                        End::Answered(_) => answered += 1,
                        End::Left => left += 1,
                        End::Failed(ErrorKind::TimedOut, _) => late += 1,
                        End::Failed(..) => broken += 1,
                    }
                    false
                }
                Err(TryRecvError::Empty) => {
                    assert!(now < call.deadline, "{faults}: at {now:?} of {:?}", call.deadline);
                    true
                }
                Err(TryRecvError::Disconnected) => panic!("{faults}: a caller was dropped"),
            });
        };
        for step in 0..36 {
            // In the last ones, as long as calls last, no more.
            for _ in 0..random(&mut state, if step < 30 { 4 } else { 1 }) {
                let limit = MS * (1 + random(&mut state, 50) as u32);
                let of_call = random(&mut state, u64::MAX) | 1;
                let deadline = bed.clock.elapsed() + limit;
                let told = bed.start(make(client.clone(), bed.clock, limit, of_call));
                calls.push(Call { deadline, told });
            }
            bed.pass(MS * if step < 30 { 1 + random(&mut state, 10) as u32 } else { 10 });
            end(&mut calls);
        }
        assert!(calls.is_empty());
        let stats = client.stats();
        assert_eq!((stats.in_flight, stats.waiters), (0, 0), "{faults}: {stats:?}");
        assert_eq!(client.close(MINUTE), 0);
        settle(&bed.runtime);
        assert_eq!(bed.runtime.stats().panics, 0);
    });
    println!("{answered} answered, {late} late, {broken} broken, {left} left");
    assert!([answered, late, broken, left].iter().all(|&n| n > 0));
}
