//! Scenario 3, close during read and flush: reader, writer and closer threads on each connection, and
//! a peer that floods.

mod common;

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use common::{
    Client, descriptors, dialer, random, runtime,
    scenario::{self, length, rounds},
};
use netpoll::{Connection, Error, ErrorKind, Runtime};

/// A peer: floods its tag, and reads nothing but the connection's.
fn flood(peer: Client, tag: u8) -> [thread::JoinHandle<()>; 2] {
    let mut from = peer.try_clone().unwrap();
    let mut to = peer;
    let reads = thread::spawn(move || {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(n @ 1..) = from.read(&mut bytes) {
            assert!(bytes[..n].iter().all(|&b| b == tag), "a foreign byte at the peer");
            scenario::compared(n);
        }
    });
    let writes = thread::spawn(move || {
        let bytes = vec![tag; 64 << 10];
        while to.write_all(&bytes).is_ok() {}
    });
    [reads, writes]
}

/// The errors that a close on this side gives.
fn expected(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Closed | ErrorKind::Eof)
}

fn users(conn: Connection, tag: u8, mut seed: u64) -> [thread::JoinHandle<()>; 3] {
    let (reads, writes) = (conn.clone(), conn.clone());
    let reader = thread::spawn(move || {
        let error = loop {
            // Now and then the half goes back and comes again.
            let mut reader = match reads.reader() {
                Ok(reader) => reader,
                Err(error) => break error,
            };
            let read: Result<(), Error> = (0..20).try_for_each(|i| {
                let bytes = reader.next(1 + i * 777)?;
                assert!(bytes.iter().all(|&b| b == tag), "a foreign byte at the reader");
                scenario::compared(bytes.len());
                Ok(())
            });
            if let Err(error) = read {
                break error;
            }
        };
        assert!(expected(&error), "{error:?}");
    });
    let writer = thread::spawn(move || {
        let bytes = vec![tag; 10_000];
        let error = loop {
            if let Err(error) = writes.write(&bytes) {
                break error;
            }
        };
        assert!(expected(&error), "{error:?}");
        assert_eq!(writes.write(&bytes).unwrap_err().kind(), ErrorKind::Closed);
    });
    let closer = thread::spawn(move || {
        thread::sleep(Duration::from_micros(random(&mut seed, 20_000)));
        scenario::faults(1);
        match random(&mut seed, 3) {
            0 => conn.close(),
            1 => conn.abort(),
            _ => {
                conn.close();
                conn.abort();
            }
        }
        assert!(!conn.is_active());
    });
    [reader, writer, closer]
}

fn round(runtime: &Runtime, connections: usize, seed: u64) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut threads = Vec::new();
    for i in 0..connections {
        let accepts = listener.try_clone().unwrap();
        let peer = thread::spawn(move || Client::accepted(accepts.accept().unwrap().0).unwrap());
        let conn = dialer(runtime).dial(&address).unwrap();
        let peer = peer.join().unwrap();
        threads.extend(flood(peer, i as u8));
        threads.extend(users(conn, i as u8, seed + i as u64));
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn errors_are_closed_or_eof_and_no_byte_is_foreign() {
    for pollers in [1, 2] {
        let baseline = descriptors();
        let runtime = runtime(pollers);
        for n in rounds(4, 200, 2) {
            round(&runtime, length(16, 64), scenario::seed() + n as u64 * 1000);
        }
        scenario::ends(runtime, baseline);
    }
    scenario::tell();
}
