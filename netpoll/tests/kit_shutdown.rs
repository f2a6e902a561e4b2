//! Shutdowns on a clock that the test turns.

mod common;
mod kit_support;

use std::{
    io::{ErrorKind::ConnectionReset, Read, Write},
    net::TcpStream,
    sync::mpsc::{TryRecvError, channel},
    thread,
    time::{Duration, Instant},
};

use common::{Answer, Client, Echo, EchoAfter, call, frame, memory::Memory, over, read_frame};
use kit_support::{Bed, MINUTE, MS, SECOND};
use netpoll::{EventLoop, Flow};

/// Answers after half an hour.
const SLOW: EchoAfter = EchoAfter(Duration::from_secs(1_800));

#[test]
fn a_shutdown_waits_for_requests_up_to_its_deadline() {
    let bed = Bed::new();
    let server = bed.serve(SLOW, |b| b);
    let (mut early, mut late) = (Memory::connect(&server), Memory::connect(&server));
    early.write_all(&frame(b"early")).unwrap();
    bed.pass(10 * MINUTE);
    late.write_all(&frame(b"late")).unwrap();
    let handle = server.handle();
    let report = bed.start(async move { handle.shutdown(25 * MINUTE) });
    bed.pass(20 * MINUTE);
    assert_eq!(read_frame(&mut early), b"early");
    assert_eq!(early.read(&mut [0]).unwrap(), 0);
    bed.pass(5 * MINUTE - MS);
    assert_eq!(report.try_recv().unwrap_err(), TryRecvError::Empty);
    assert_eq!(server.handle().live(), 1);
    bed.pass(MS);
    let report = report.try_recv().unwrap();
    assert_eq!((report.drained, report.cut.len()), (1, 1));
    assert_eq!(late.read(&mut [0]).unwrap_err().kind(), ConnectionReset);
}

#[test]
fn a_shutdown_ends_with_the_last_request() {
    let bed = Bed::new();
    let server = bed.serve(SLOW, |b| b);
    let mut peer = Memory::connect(&server);
    peer.write_all(&frame(b"x")).unwrap();
    let handle = server.handle();
    let report = bed.start(async move { handle.shutdown(Duration::MAX) });
    bed.pass(30 * MINUTE);
    let report = report.try_recv().unwrap();
    assert_eq!((report.drained, report.cut.len()), (1, 0));
    assert_eq!(bed.clock.elapsed(), 30 * MINUTE);
}

/// However they wait: for the server's end, or as the second who ends it.
#[test]
fn all_who_wait_for_a_shutdown_get_its_report() {
    let bed = Bed::new();
    let server = bed.serve(SLOW, |b| b);
    let mut peer = Memory::connect(&server);
    peer.write_all(&frame(b"x")).unwrap();
    let handles = [(); 3].map(|()| server.handle());
    let [waits, ends, ends_too] = handles;
    let waits = bed.start(async move { waits.wait() });
    let ends = bed.start(async move { ends.shutdown(10 * MINUTE) });
    let ends_too = bed.start(async move { ends_too.shutdown(MINUTE) });
    bed.pass(10 * MINUTE - MS);
    assert!([&waits, &ends, &ends_too].iter().all(|told| told.try_recv().is_err()));
    bed.pass(MS);
    for told in [waits, ends, ends_too] {
        assert_eq!(told.try_recv().unwrap().cut.len(), 1);
    }
}

/// The listener's turn takes no time of the clock.
#[test]
fn a_listener_is_closed_while_time_stands_still() {
    let bed = Bed::new();
    let server = over::serve(EventLoop::builder(Echo::default()).runtime(&bed.runtime));
    let server = server.listen("127.0.0.1:0").bind().unwrap();
    let address = server.addresses()[0].inet().unwrap();
    assert_eq!(call(&mut Client::connect(address).unwrap(), b"x"), b"x");
    let since = Instant::now();
    let report = server.handle().shutdown(60 * MINUTE);
    assert_eq!(report.cut.len(), 0);
    assert!(since.elapsed() < 20 * SECOND);
    assert!(TcpStream::connect(address).is_err());
}

/// A handler that does not return holds a runtime's end up as long as it may, by the clock.
#[test]
fn a_runtime_waits_for_handlers_up_to_its_deadline() {
    let bed = Bed::new();
    let ((held, holds), (go, go_on)) = (channel(), channel::<()>());
    let (held, go_on) = (parking_lot::Mutex::new(held), parking_lot::Mutex::new(go_on));
    let server = bed.serve(
        Answer::by(move |_, _| {
            held.lock().send(()).unwrap();
            // Until the test is over.
            let _ = go_on.lock().recv();
            Ok(Flow::Continue)
        }),
        |b| b,
    );
    let mut peer = Memory::connect(&server);
    peer.write_all(&frame(b"")).unwrap();
    holds.recv_timeout(20 * SECOND).unwrap();
    let left = thread::spawn({
        let runtime = bed.runtime.clone();
        move || runtime.shutdown(60 * MINUTE)
    });
    // When it has begun to wait nobody tells.
    let until = Instant::now() + 20 * SECOND;
    while !left.is_finished() && Instant::now() < until {
        bed.clock.advance(MINUTE);
        thread::sleep(MS);
    }
    assert_eq!(left.join().unwrap(), 1);
    assert!(bed.clock.elapsed() >= 60 * MINUTE);
    drop(go);
}
