//! The life of a transport in memory: under faults, and by a clock that stands still.

mod common;
mod kit_support;
mod transport_support;

use std::io::{Read, Write};

use common::{Echo, Log, frame, serve_on};
use kit_support::{Bed, MS, SECOND, gentle};
use netpoll::{
    Dialer, ErrorKind, EventLoop, Runtime,
    testing::{Link, Listener, Server, each_seed, settle},
};
use transport_support::{CHALLENGE, DATA, FINISH, HELLO, Toy, record};

fn echo(bed: &Bed) -> (Server, Log) {
    let echo = Echo::default();
    let log = echo.log.clone();
    (bed.serve(echo, |b| b.transport(|| Toy::default().make())), log)
}

#[test]
fn a_handshake_survives_faults_on_sockets_and_in_memory() {
    each_seed(40, |seed| {
        let faults = gentle(seed);
        let runtime = Runtime::builder().pollers(2).faults(faults.clone()).build().unwrap();
        let dialer = Dialer::new().runtime(&runtime).transport(|| Toy::default().make());
        let server = Server::start(
            EventLoop::builder(Echo::default())
                .runtime(&runtime)
                .transport(|| Toy::default().make()),
        )
        .unwrap();
        let port = server.listen(&Link::default().faults(&faults));
        let sockets =
            serve_on(&runtime, Echo::default(), |b| b.transport(|| Toy::default().make()));
        for address in [port.address(), sockets.addresses()[0].to_string()] {
            let conn = dialer.dial(&address).unwrap();
            let mut reader = conn.reader().unwrap();
            for n in [0, 1, 900, 20_000] {
                let sent = frame(&vec![n as u8; n]);
                conn.write(&sent).unwrap();
                assert!(reader.next(sent.len()).unwrap() == sent, "{n} bytes, {faults}");
            }
            conn.shutdown_write();
            // An injected "would block" beside a hang-up looks like a connection that broke.
            let end = reader.next(1).unwrap_err().kind();
            assert!(matches!(end, ErrorKind::Eof | ErrorKind::Closed), "{end:?}, {faults}");
        }
    });
}

#[test]
fn a_handshake_that_is_not_complete_in_time_ends_the_connection() {
    let bed = Bed::new();
    let (server, log) = echo(&bed);
    let mut peer = server.connect().unwrap();
    peer.write_all(&record(HELLO, b"name")).unwrap();
    bed.pass(10 * SECOND - MS);
    assert_eq!(server.handle().live(), 1);
    bed.pass(2 * MS);
    assert_eq!(server.handle().live(), 0);
    assert_eq!(*log.lock(), ["error TimedOut"]);
}

#[test]
fn a_dial_whose_handshake_is_not_answered_fails_in_time() {
    let bed = Bed::new();
    let listener = Listener::bind(&Link::default());
    let dialer = Dialer::new()
        .runtime(&bed.runtime)
        .handshake_timeout(SECOND)
        .transport(|| Toy::default().make());
    let address = listener.port().address();
    let told = bed.start(async move { dialer.dial_async(&address).await.map(drop) });
    let peer = listener.accept().unwrap();
    settle(&bed.runtime);
    assert!(peer.readable() > 0, "the client speaks first");
    bed.pass(SECOND - MS);
    assert!(told.try_recv().is_err());
    bed.pass(2 * MS);
    let error = told.try_recv().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
}

/// A record that is never whole is a frame that is never whole.
#[test]
fn a_partial_record_ends_the_connection_in_time() {
    let bed = Bed::new();
    let (server, log) = echo(&bed);
    let mut peer = server.connect().unwrap();
    for step in [record(HELLO, b"name"), record(FINISH, b"me"), record(DATA, &frame(b"x"))] {
        peer.write_all(&step).unwrap();
        settle(&bed.runtime);
    }
    let mut came = [0; 7 + 3 + 5];
    peer.read_exact(&mut came).unwrap();
    assert_eq!(came[0], CHALLENGE);
    peer.write_all(&record(DATA, &[7; 600])[..300]).unwrap();
    bed.pass(30 * SECOND - MS);
    assert_eq!(server.handle().live(), 1);
    bed.pass(2 * MS);
    assert_eq!(server.handle().live(), 0);
    assert!(log.lock().contains(&"error TimedOut".to_owned()), "{:?}", log.lock());
}
