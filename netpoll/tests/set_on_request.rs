//! A handler on a dialled connection: called for what the peer sends unasked.

mod common;

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use common::{Echo, connect, runtime, serve_on, wait_until};
use netpoll::{CloseReason, Connection, Dialer, Error, ErrorKind, Runtime};

const SOON: Duration = Duration::from_secs(10);

fn pair(runtime: &Runtime) -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let conn = Dialer::new().runtime(runtime).dial(&address).unwrap();
    let peer = listener.accept().unwrap().0;
    peer.set_read_timeout(Some(SOON)).unwrap();
    (conn, peer)
}

#[test]
fn it_is_called_for_each_arrival_and_answers() {
    for pollers in [1, 2] {
        let runtime = runtime(pollers);
        let (conn, mut peer) = pair(&runtime);
        conn.set_on_request(|conn, input| {
            let line = input.until(b'\n')?.to_ascii_uppercase();
            conn.write(&line)
        })
        .unwrap();
        for round in 0..200 {
            peer.write_all(format!("line {round}\nand another\n").as_bytes()).unwrap();
            let expected = format!("LINE {round}\nAND ANOTHER\n");
            let mut answer = vec![0; expected.len()];
            peer.read_exact(&mut answer).unwrap();
            assert_eq!(answer, expected.as_bytes());
        }
    }
}

#[test]
fn it_gets_what_waited_before_it_was_set() {
    for pollers in [1, 2] {
        let runtime = runtime(pollers);
        for _ in 0..100 {
            let (conn, mut peer) = pair(&runtime);
            peer.write_all(b"early").unwrap();
            let (tell, told) = mpsc::channel();
            conn.set_on_request(move |_, input| {
                tell.send(input.read_string(5)?).unwrap();
                Ok(())
            })
            .unwrap();
            assert_eq!(told.recv_timeout(SOON).unwrap(), "early");
        }
    }
}

/// Whatever handler is set at the time gets each byte, and each byte once.
#[test]
fn no_byte_is_lost_while_handlers_are_swapped() {
    const BYTES: usize = 20_000;
    for pollers in [1, 2] {
        let runtime = runtime(pollers);
        let (conn, mut peer) = pair(&runtime);
        let count = Arc::new(AtomicUsize::new(0));
        let writer = thread::spawn(move || {
            for i in 0..BYTES {
                peer.write_all(&[i as u8]).unwrap();
            }
            peer
        });
        while count.load(SeqCst) < BYTES {
            let count = count.clone();
            conn.set_on_request(move |_, input| {
                let at = count.load(SeqCst);
                let n = input.len();
                for (i, &byte) in input.next(n)?.iter().enumerate() {
                    assert_eq!(byte, (at + i) as u8);
                }
                count.store(at + n, SeqCst);
                Ok(())
            })
            .unwrap();
            thread::yield_now();
        }
        drop(writer.join().unwrap());
        assert_eq!(runtime.stats().panics, 0);
    }
}

#[test]
fn it_may_set_its_successor() {
    let runtime = runtime(2);
    let (conn, mut peer) = pair(&runtime);
    let (tell, told) = mpsc::channel();
    conn.set_on_request(move |conn, input| {
        input.skip(1)?;
        let tell = tell.clone();
        conn.set_on_request(move |_, input| {
            tell.send(input.read_string(2)?).unwrap();
            Ok(())
        })
    })
    .unwrap();
    peer.write_all(b"1ab").unwrap();
    assert_eq!(told.recv_timeout(SOON).unwrap(), "ab");
}

#[test]
fn its_error_or_panic_closes_the_connection_alone() {
    let runtime = runtime(2);
    let (other, mut other_peer) = pair(&runtime);
    other.set_on_request(|conn, input| conn.write(&[input.read_byte()?])).unwrap();
    for panics in [false, true] {
        let (conn, mut peer) = pair(&runtime);
        conn.set_on_request(move |_, _| {
            assert!(!panics, "a test's panic");
            Err(Error::new(ErrorKind::Malformed, "a test's error"))
        })
        .unwrap();
        peer.write_all(b"x").unwrap();
        assert_eq!(peer.read(&mut [0]).unwrap_or(0), 0);
        drop(peer);
        let expected = if panics { CloseReason::Panic } else { CloseReason::Malformed };
        assert_eq!(netpoll::block_on(conn.closed()), expected);
        other_peer.write_all(b"y").unwrap();
        other_peer.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(runtime.stats().panics, 1);
}

#[test]
fn its_connection_ends_with_the_peer() {
    let runtime = runtime(1);
    let (conn, peer) = pair(&runtime);
    let (tell, told) = mpsc::channel();
    conn.on_closed(move |_, reason| tell.send(reason).unwrap());
    conn.set_on_request(|_, input| input.skip(1)).unwrap();
    drop(peer);
    assert_eq!(told.recv_timeout(SOON).unwrap(), CloseReason::Eof);
    wait_until(|| runtime.stats().connections == 0);
}

#[test]
fn the_last_handle_closes_although_a_handler_is_set() {
    let runtime = runtime(1);
    let (conn, mut peer) = pair(&runtime);
    conn.set_on_request(|_, input| input.skip(1)).unwrap();
    drop(conn);
    assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    wait_until(|| runtime.stats().connections == 0);
}

#[test]
fn a_servers_connection_keeps_its_handler() {
    let runtime = runtime(1);
    let server = serve_on(&runtime, Echo::default(), |b| b);
    let _client = connect(&server);
    wait_until(|| server.live() == 1);
    let conn = server.connections()[0].clone();
    let error = conn.set_on_request(|_, _| Ok(())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let (dialled, _peer) = pair(&runtime);
    dialled.set_on_request(|_, _| Ok(())).unwrap();
    assert_eq!(dialled.reader().unwrap_err().kind(), ErrorKind::Limit);
}
