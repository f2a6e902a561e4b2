//! Dials in memory: both ends are the library's.

mod common;

use std::io::{ErrorKind::ConnectionRefused, Read, Write};

use common::{Answer, Bench, Echo, dialer, frame, over, runtime, wait_until};
use netpoll::{
    Connection, Dialer, ErrorKind, EventLoop, Flow, Runtime,
    testing::{Dials, Fault, Faults, Link, Listener, Port, Server, settle},
};

fn dial(runtime: &Runtime, port: &Port) -> Connection {
    dialer(runtime).dial(port.address()).unwrap()
}

/// Each end stops the other when its room is full, and goes on when there is room again.
#[test]
fn bytes_go_both_ways_through_little_room() {
    let runtime = runtime(2);
    let server =
        Server::start(over::serve(EventLoop::builder(Echo::default()).runtime(&runtime))).unwrap();
    for (inbound, outbound) in [(7, 5), (1, 64 << 10), (64 << 10, 1)] {
        let port = server.listen(&Link::default().inbound(inbound).outbound(outbound));
        let conn = dial(&runtime, &port);
        let bytes: Vec<u8> = (0..5_000u32).map(|n| n as u8).collect();
        let sent = frame(&bytes);
        conn.write(&sent).unwrap();
        let mut reader = conn.reader().unwrap();
        assert!(reader.next(sent.len()).unwrap() == sent, "{inbound} {outbound}");
    }
}

#[test]
fn each_end_hears_how_the_other_ended() {
    type End = fn(&Connection);
    let runtime = runtime(1);
    let ends: [(End, &str, ErrorKind); 2] = [
        (Connection::close, "close 0 Eof", ErrorKind::Eof),
        (Connection::abort, "close 0 Reset", ErrorKind::Io),
    ];
    for (end, log_of_other, error_of_other) in ends {
        let service = Echo::default();
        let log = service.log.clone();
        let server =
            Server::start(over::serve(EventLoop::builder(service).runtime(&runtime))).unwrap();
        let port = server.listen(&Link::default());
        let connects =
            |n| move |log: &[String]| log.iter().filter(|l| *l == "connect").count() == n;
        let conn = dial(&runtime, &port);
        wait_until(|| connects(1)(&log.lock()));
        end(&conn);
        wait_until(|| log.lock().last().is_some_and(|line| line == log_of_other));
        let conn = dial(&runtime, &port);
        wait_until(|| connects(2)(&log.lock()));
        let theirs = server.handle().connections().pop().unwrap();
        end(&theirs);
        let error = conn.reader().unwrap().next(1).unwrap_err();
        assert_eq!(error.kind(), error_of_other, "{error}");
        assert!(!conn.probe());
    }
}

/// What was sent before the end is read first, and what the other end still says is heard.
#[test]
fn a_half_close_leaves_the_other_half() {
    let runtime = runtime(1);
    let service = Answer::by(|call, frame| {
        call.out.put(&Bench(frame))?;
        Ok(Flow::Continue)
    });
    let server = Server::start(over::serve(EventLoop::builder(service).runtime(&runtime))).unwrap();
    let conn = dial(&runtime, &server.listen(&Link::default()));
    conn.write(&[frame(b"one"), frame(b"two")].concat()).unwrap();
    conn.shutdown_write();
    let mut reader = conn.reader().unwrap();
    assert_eq!(reader.next(14).unwrap(), [frame(b"one"), frame(b"two")].concat());
    assert_eq!(reader.next(1).unwrap_err().kind(), ErrorKind::Eof);
}

#[test]
fn who_refuses_or_is_gone_is_not_reached() {
    let runtime = runtime(1);
    let listener = Listener::bind(&Link::default());
    let address = listener.port().address();
    let dialer = Dialer::new().runtime(&runtime);
    listener.port().set(Dials::Refused);
    let refused = dialer.dial(&address).unwrap_err();
    assert_eq!(refused.io_kind(), Some(ConnectionRefused));
    assert!(refused.to_string().contains(&address), "{refused}");
    listener.port().set(Dials::Answered);
    let conn = dialer.dial(&address).unwrap();
    let mut peer = listener.accept().unwrap();
    drop(listener);
    assert_eq!(dialer.dial(&address).unwrap_err().io_kind(), Some(ConnectionRefused));
    // What there is goes on.
    conn.write(b"x").unwrap();
    settle(&runtime);
    let mut got = [0];
    peer.read_exact(&mut got).unwrap();
    peer.write_all(b"y").unwrap();
    assert_eq!((&got, conn.reader().unwrap().next(1).unwrap()), (b"x", &b"y"[..]));
}

#[test]
fn a_dial_in_memory_needs_a_descriptor_too() {
    let faults = Faults::seeded(1).at(0..1, Fault::TooManyFiles).at(1..2, Fault::NoBuffers);
    let runtime = Runtime::builder().pollers(1).faults(faults).build().unwrap();
    let listener = Listener::bind(&Link::default());
    for code in [libc::EMFILE, libc::ENOBUFS] {
        let dialled = Dialer::new().runtime(&runtime).dial(listener.port().address());
        let expected = std::io::Error::from_raw_os_error(code).to_string();
        let error = dialled.unwrap_err().to_string();
        assert!(error.contains(&expected), "{error}");
    }
    Dialer::new().runtime(&runtime).dial(listener.port().address()).unwrap();
    listener.accept().unwrap();
}
