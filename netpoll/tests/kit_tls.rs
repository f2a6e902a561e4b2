//! TLS in memory: handshakes and records cut anywhere, peers that leave within them, faults by seeds.

mod common;
mod kit_support;

use std::{
    io::{ErrorKind::UnexpectedEof, Read, Write},
    time::Duration,
};

use common::{
    Answer, Bench, Echo, Log, call, frame,
    memory::Memory,
    over::{self, Session},
    read_frame, runtime,
    scenario::length,
    wait_until,
};
use kit_support::{Bed, MS, SECOND, gentle};
use netpoll::{
    Dialer, EventLoop, Flow, Runtime,
    testing::{Link, MemoryPeer, Server, each_seed},
};

fn echo() -> (Runtime, Server, Log) {
    let (runtime, service) = (runtime(1), Echo::default());
    let log = service.log.clone();
    let server = EventLoop::builder(service).runtime(&runtime).tls(over::server());
    (runtime, Server::start(server).unwrap(), log)
}

fn shaken(server: &Server) -> Memory {
    Memory::over(Some(Session::always()), server, &Link::default()).unwrap()
}

/// Makes a session, a full handshake's or a resumed one's.
type Make = fn() -> Session;
const KINDS: [Make; 2] = [Session::fresh, Session::always];

/// Shakes hands; each flight of this side is cut at `cut` of its bytes, or after its last.
fn shake_cut(session: &mut Session, peer: &mut MemoryPeer, cut: usize) -> usize {
    let mut longest = 0;
    loop {
        let flight = session.said();
        longest = longest.max(flight.len());
        if !flight.is_empty() {
            peer.write_cut(&flight, &[cut.min(flight.len())]).unwrap();
        }
        if !session.is_handshaking() {
            return longest;
        }
        session.receive(peer).unwrap();
    }
}

fn opened(session: &mut Session, peer: &mut MemoryPeer, n: usize) -> Vec<u8> {
    let (mut bytes, mut got) = (vec![0; n], 0);
    while got < n {
        match session.take(&mut bytes[got..]).unwrap() {
            Some(more) => got += more,
            None => session.receive(peer).unwrap(),
        }
    }
    bytes
}

#[test]
fn a_handshake_cut_at_any_byte_succeeds() {
    let (_runtime, server, _) = echo();
    for make in KINDS {
        // The first to have a ticket.
        shake_cut(&mut make(), &mut server.connect().unwrap(), 0);
        let (mut cut, mut longest) = (0, 1);
        while cut <= longest {
            let (mut session, mut peer) = (make(), server.connect().unwrap());
            longest = longest.max(shake_cut(&mut session, &mut peer, cut));
            let sent = frame(b"after");
            peer.write_all(&session.seal(&sent)).unwrap();
            assert_eq!(opened(&mut session, &mut peer, sent.len()), sent, "cut at {cut}");
            cut += 1;
        }
        assert!(longest > 200, "{longest} bytes are no hello");
    }
}

#[test]
fn a_record_cut_at_any_byte_is_opened_once_it_is_whole() {
    let (_runtime, server, _) = echo();
    let mut peer = shaken(&server);
    let sent = [frame(b"one"), frame(b""), frame(b"three")].concat();
    for cut in 0..=sent.len() + 22 {
        let session = peer.session.as_mut().unwrap();
        let wire = [session.seal(&sent[..9]), session.seal(&sent[9..])].concat();
        peer.peer.write_cut(&wire, &[cut, wire.len() - cut.min(22)]).unwrap();
        for payload in [&b"one"[..], b"", b"three"] {
            assert_eq!(read_frame(&mut peer), payload, "cut at {cut}");
        }
    }
    // Each byte by itself.
    let (mut session, mut raw) = (Session::fresh(), server.connect().unwrap());
    while session.is_handshaking() {
        session.said().iter().for_each(|byte| raw.write_all(&[*byte]).unwrap());
        session.receive(&mut raw).unwrap();
    }
    let wire = [session.said(), session.seal(&frame(b"drips"))].concat();
    wire.iter().for_each(|byte| raw.write_all(&[*byte]).unwrap());
    assert_eq!(opened(&mut session, &mut raw, 9), frame(b"drips"));
}

#[test]
fn a_peer_that_leaves_at_any_byte_of_its_handshake_leaves_nothing() {
    let (runtime, server, log) = echo();
    let mut flights: Vec<Vec<u8>> = Vec::new();
    for make in KINDS {
        let (mut session, mut peer) = (make(), server.connect().unwrap());
        flights.push(session.said());
        peer.write_all(flights.last().unwrap()).unwrap();
        while session.is_handshaking() {
            session.receive(&mut peer).unwrap();
        }
    }
    wait_until(|| server.handle().live() == 0);
    log.lock().clear();
    let mut ends = 0;
    for flight in flights {
        for cut in (0..flight.len()).step_by(3) {
            let mut peer = server.connect().unwrap();
            peer.write_all(&flight[..cut]).unwrap();
            if cut % 2 == 0 {
                peer.reset();
            }
            drop(peer);
            ends += 1;
        }
    }
    wait_until(|| server.handle().live() == 0);
    assert!(ends > 100);
    assert!(log.lock().iter().all(|line| line.starts_with("error")), "{:?}", log.lock());
    assert_eq!(runtime.stats().panics, 0);
    assert_eq!(call(&mut shaken(&server), b"still"), b"still");
}

#[test]
fn a_stream_that_ends_within_or_between_records_is_truncated() {
    let (_runtime, server, log) = echo();
    let record = {
        let mut peer = shaken(&server);
        peer.session.as_mut().unwrap().seal(&frame(b"the last")).len()
    };
    for cut in 0..=record {
        wait_until(|| server.handle().live() == 0);
        log.lock().clear();
        let mut peer = shaken(&server);
        let wire = peer.session.as_mut().unwrap().seal(&frame(b"the last"));
        peer.peer.write_all(&wire[..cut]).unwrap();
        // The wire ends, and TLS does not.
        peer.peer.shutdown_write();
        wait_until(|| log.lock().iter().any(|line| line.starts_with("close")));
        let whole = u32::from(cut == record);
        let log = log.lock();
        assert!(log.contains(&"error Truncated".to_owned()), "cut at {cut}: {log:?}");
        assert_eq!(*log.last().unwrap(), format!("close {whole} Truncated"), "cut at {cut}");
    }
}

#[test]
fn garbage_and_records_too_long_end_their_own_connection_with_an_alert() {
    let (_runtime, server, log) = echo();
    let long = [&[23, 3, 3, 0x49, 0][..], &[0; 100]].concat();
    let empty = [23, 3, 3, 0, 0];
    for garbage in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &long, &[0; 50], &[21, 3, 3, 0, 2, 9, 9], &empty]
    {
        let mut other = shaken(&server);
        let mut peer = shaken(&server);
        assert_eq!(call(&mut peer, b"before"), b"before");
        peer.peer.write_all(garbage).unwrap();
        // The answer is an alert, and the end.
        let mut rest = Vec::new();
        peer.peer.read_to_end(&mut rest).unwrap();
        assert!((7..100).contains(&rest.len()), "{garbage:?}: {rest:?}");
        assert_eq!(call(&mut other, b"meanwhile"), b"meanwhile");
    }
    wait_until(|| server.handle().live() == 0);
    let malformed = log.lock().iter().filter(|line| *line == "error Malformed").count();
    assert_eq!(malformed, 5, "{:?}", log.lock());
}

#[test]
fn keys_are_updated_in_both_directions() {
    let (_runtime, server, _) = echo();
    let mut peer = shaken(&server);
    for n in 0..50u8 {
        let update = peer.session.as_mut().unwrap().update_keys();
        peer.peer.write_all(&update).unwrap();
        assert_eq!(call(&mut peer, &[n; 300]), [n; 300]);
    }
}

#[test]
fn a_half_close_leaves_the_other_half() {
    let (_runtime, server, log) = echo();
    let mut peer = shaken(&server);
    let sent = [frame(b"one"), frame(&[7; 50_000]), frame(b"three")].concat();
    peer.write_all(&sent).unwrap();
    peer.shutdown_write();
    let mut back = Vec::new();
    // An end without a close_notify would be an error here.
    peer.read_to_end(&mut back).unwrap();
    assert!(back == sent, "{} of {} bytes", back.len(), sent.len());
    wait_until(|| server.handle().live() == 0);
    assert_eq!(*log.lock(), ["connect", "disconnect Eof", "close 3 Eof"]);
}

#[test]
fn a_peer_that_does_not_read_is_answered_in_bounded_memory() {
    const HIGH: usize = 64 << 10;
    let runtime = runtime(1);
    let service = Answer::by(|call, _| {
        call.out.put(&Bench(&[9; 10_000]))?;
        Ok(Flow::Continue)
    });
    let server = EventLoop::builder(service).runtime(&runtime).tls(over::server());
    let server = Server::start(server.write_high(HIGH).write_low(HIGH / 4)).unwrap();
    let link = Link::default().outbound(1000).inbound(1 << 20);
    let mut peer = Memory::over(Some(Session::always()), &server, &link).unwrap();
    let requests = frame(b"more").repeat(1000);
    peer.write_all(&requests).unwrap();
    let pending = || server.handle().connections()[0].pending();
    wait_until(|| pending() >= HIGH);
    netpoll::testing::settle(&runtime);
    // Beyond the mark: what a turn answers before it sends, its last answer, and what records add.
    assert!(pending() < HIGH + (128 << 10) + 10_000 + 2_000, "{} bytes are pending", pending());
    for _ in 0..1000 {
        assert_eq!(read_frame(&mut peer), [9; 10_000]);
    }
}

#[test]
fn a_drain_ends_sessions_in_order() {
    let (_runtime, server, _) = echo();
    let mut peers: Vec<_> = (0..20).map(|_| shaken(&server)).collect();
    peers.iter_mut().for_each(|peer| assert_eq!(call(peer, b"x"), b"x"));
    let report = server.handle().shutdown(Duration::from_secs(20));
    assert_eq!((report.drained, report.cut.len()), (20, 0));
    for peer in &mut peers {
        assert_eq!(peer.read(&mut [0]).unwrap(), 0, "a close_notify");
    }
}

#[test]
fn an_abort_is_no_orderly_end() {
    let (_runtime, server, _) = echo();
    let mut peer = shaken(&server);
    assert_eq!(call(&mut peer, b"x"), b"x");
    server.handle().connections()[0].abort();
    let error = peer.read(&mut [0]).unwrap_err().kind();
    assert!([UnexpectedEof, std::io::ErrorKind::ConnectionReset].contains(&error), "{error:?}");
}

#[test]
fn both_ends_under_faults_give_back_what_they_got() {
    each_seed(length(60, 2_000) as u64, |seed| {
        let (ours, theirs) = (gentle(2 * seed), gentle(2 * seed + 1));
        let served = Runtime::builder().pollers(1).faults(theirs.clone()).build().unwrap();
        let server = EventLoop::builder(Echo::default()).runtime(&served).tls(over::server());
        let server = Server::start(server).unwrap();
        let room = |n| 1 + (seed as usize * n) % 5_000;
        let port = server.listen(&Link::default().inbound(room(37)).outbound(room(41)));
        let runtime = Runtime::builder().pollers(1).faults(ours.clone()).build().unwrap();
        let conn =
            Dialer::new().runtime(&runtime).tls(over::client()).dial(port.address()).unwrap();
        let mut reader = conn.reader().unwrap();
        for n in [0, 1, 900, 20_000] {
            let sent = frame(&vec![n as u8; n]);
            conn.write(&sent).unwrap();
            assert!(reader.next(sent.len()).unwrap() == sent, "{n} bytes, {ours}, {theirs}");
        }
    });
}

/// By the clock: within a handshake, and within a record.
#[test]
fn a_record_that_is_never_whole_ends_the_connection_in_time() {
    let bed = Bed::new();
    let echo = Echo::default();
    let log = echo.log.clone();
    let server = bed.serve(echo, |b| b.tls(over::server()));
    let mut peer = server.connect().unwrap();
    peer.write_all(&Session::fresh().said()[..100]).unwrap();
    bed.pass(10 * SECOND - MS);
    assert_eq!(server.handle().live(), 1);
    bed.pass(2 * MS);
    assert_eq!(server.handle().live(), 0);
    let mut peer = shaken(&server);
    let wire = peer.session.as_mut().unwrap().seal(&frame(&[7; 600]));
    peer.peer.write_all(&wire[..300]).unwrap();
    bed.pass(30 * SECOND - MS);
    assert_eq!(server.handle().live(), 1);
    bed.pass(2 * MS);
    assert_eq!(server.handle().live(), 0);
    let timeouts = log.lock().iter().filter(|line| *line == "error TimedOut").count();
    assert_eq!(timeouts, 2, "{:?}", log.lock());
}
