//! The reader of a dialled connection: what it gives, how long it waits, and what ends its wait.

mod common;

use std::{
    io::Write,
    net::{Shutdown, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use common::{Echo, connect, reset, runtime, serve_on, stopwatch::Stopwatch, wait_until};
use netpoll::{CloseReason, Connection, ConnectionOptions, Dialer, ErrorKind, Runtime};

fn pair_with(runtime: &Runtime, options: ConnectionOptions) -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let conn = Dialer::new().runtime(runtime).options(options).dial(&address).unwrap();
    let peer = listener.accept().unwrap().0;
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (conn, peer)
}

fn pair(runtime: &Runtime) -> (Connection, TcpStream) {
    pair_with(runtime, ConnectionOptions::default())
}

#[test]
fn each_way_of_reading() {
    let runtime = runtime(1);
    let (conn, mut peer) = pair(&runtime);
    peer.write_all(b"next peek skip line\nB text bytes slice and the rest").unwrap();
    let mut reader = conn.reader().unwrap();
    assert_eq!(reader.next(5).unwrap(), b"next ");
    assert_eq!(reader.peek(4).unwrap(), b"peek");
    assert_eq!(reader.peek(5).unwrap(), b"peek ");
    assert_eq!(reader.next(5).unwrap(), b"peek ");
    reader.skip(5).unwrap();
    assert_eq!(reader.until(b'\n').unwrap(), b"line\n");
    assert_eq!(reader.read_byte().unwrap(), b'B');
    assert_eq!(reader.read_string(6).unwrap(), " text ");
    assert_eq!(reader.read_bytes(6).unwrap(), "bytes ");
    let slice = reader.slice(6).unwrap();
    reader.fill(12).unwrap();
    assert_eq!(reader.len(), 12);
    assert_eq!(reader.buffer().next(12).unwrap(), b"and the rest");
    assert!(reader.is_empty() && !reader.poll_socket().unwrap());
    drop(peer);
    // A slice outlives its reader and its connection.
    drop((reader, conn));
    wait_until(|| runtime.stats().connections == 0);
    assert_eq!(slice.to_vec(), b"slice ");
}

#[test]
fn more_than_one_block_in_one_piece() {
    let runtime = runtime(2);
    let (conn, mut peer) = pair(&runtime);
    let all: Vec<u8> = (0..5_000_000u32).map(|i| (i % 253) as u8).collect();
    let sent = all.clone();
    let writer = thread::spawn(move || {
        for piece in sent.chunks(70_001) {
            peer.write_all(piece).unwrap();
        }
        peer
    });
    let mut reader = conn.reader().unwrap();
    assert!(reader.peek(1_000_000).unwrap() == &all[..1_000_000]);
    assert!(reader.next(3_000_000).unwrap() == &all[..3_000_000]);
    assert!(reader.read_bytes(1_999_999).unwrap() == all[3_000_000..4_999_999]);
    assert_eq!(reader.read_byte().unwrap(), all[4_999_999]);
    writer.join().unwrap();
}

#[test]
fn the_end_of_the_stream_comes_after_its_last_byte() {
    let runtime = runtime(1);
    let (conn, mut peer) = pair(&runtime);
    peer.write_all(b"last").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    let mut reader = conn.reader().unwrap();
    let error = reader.next(5).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Eof);
    assert_eq!(reader.next(4).unwrap(), b"last", "what came is still there");
    assert_eq!(reader.next(1).unwrap_err().kind(), ErrorKind::Eof);
    assert_eq!(reader.until(b'x').unwrap_err().kind(), ErrorKind::Eof);
    assert!(reader.poll_socket().unwrap());
    conn.write(b"I can still talk").unwrap();
    let mut heard = [0; 16];
    std::io::Read::read_exact(&mut peer, &mut heard).unwrap();
}

#[test]
fn a_reset_is_an_error_of_its_own() {
    let runtime = runtime(1);
    let (conn, peer) = pair(&runtime);
    let mut reader = conn.reader().unwrap();
    let resets = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        reset(peer);
    });
    let error = reader.next(1).unwrap_err();
    assert_eq!(error.io_kind(), Some(std::io::ErrorKind::ConnectionReset), "{error:?}");
    assert_eq!(reader.next(1).unwrap_err().kind(), ErrorKind::Closed);
    resets.join().unwrap();
    wait_until(|| !conn.is_active());
    assert!(!conn.probe());
    assert_eq!(conn.write(b"x").unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_wait_ends_at_the_read_timeout() {
    let runtime = runtime(1);
    let mut options = ConnectionOptions::default();
    options.read_timeout = Some(Duration::from_millis(80));
    let (conn, mut peer) = pair_with(&runtime, options);
    let mut reader = conn.reader().unwrap();
    for wait in 0..2 {
        let start = Stopwatch::start();
        let result = match wait {
            0 => reader.next(1).map(drop),
            _ => netpoll::block_on(reader.fill_async(1)),
        };
        assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
        start.assert_within(Duration::from_millis(80), Duration::from_secs(1));
    }
    // It is of no consequence for the connection.
    peer.write_all(b"late").unwrap();
    assert_eq!(reader.next(4).unwrap(), b"late");
}

#[test]
fn a_wait_ends_when_another_thread_closes() {
    for pollers in [1, 2] {
        let runtime = runtime(pollers);
        for how in [Connection::close, Connection::abort] {
            for asynchronous in [false, true] {
                let (conn, _peer) = pair(&runtime);
                let mut reader = conn.reader().unwrap();
                let reads = thread::spawn(move || {
                    let result = if asynchronous {
                        netpoll::block_on(reader.fill_async(1))
                    } else {
                        reader.fill(1)
                    };
                    result.unwrap_err().kind()
                });
                thread::sleep(Duration::from_millis(10));
                let start = Stopwatch::start();
                how(&conn);
                assert_eq!(reads.join().unwrap(), ErrorKind::Closed);
                start.assert_below(Duration::from_secs(1));
                assert_eq!(netpoll::block_on(conn.closed()), CloseReason::Local);
            }
        }
        wait_until(|| runtime.stats().connections == 0);
    }
}

#[test]
fn there_is_one_reader_at_a_time() {
    let runtime = runtime(1);
    let (conn, mut peer) = pair(&runtime);
    let mut reader = conn.reader().unwrap();
    assert_eq!(conn.reader().unwrap_err().kind(), ErrorKind::Limit);
    peer.write_all(b"two readers").unwrap();
    assert_eq!(reader.next(4).unwrap(), b"two ");
    drop(reader);
    // What it left goes to the next one.
    assert_eq!(conn.reader().unwrap().next(7).unwrap(), b"readers");
}

#[test]
fn a_handlers_connection_has_no_other_reader() {
    let runtime = runtime(1);
    let server = serve_on(&runtime, Echo::default(), |b| b);
    let _client = connect(&server);
    wait_until(|| server.live() == 1);
    let conn = server.connections()[0].clone();
    assert_eq!(conn.reader().unwrap_err().kind(), ErrorKind::Limit);
}

#[test]
fn too_much_is_refused() {
    let runtime = runtime(1);
    let mut options = ConnectionOptions::default();
    options.max_frame = 100;
    let (conn, mut peer) = pair_with(&runtime, options);
    let mut reader = conn.reader().unwrap();
    assert_eq!(reader.next(101).unwrap_err().kind(), ErrorKind::FrameTooLarge);
    peer.write_all(&[1; 200]).unwrap();
    assert_eq!(reader.until(b'\n').unwrap_err().kind(), ErrorKind::FrameTooLarge);
    assert_eq!(reader.next(100).unwrap(), [1; 100]);
}

#[test]
fn the_last_handle_closes() {
    let runtime = runtime(1);
    let (conn, mut peer) = pair(&runtime);
    let clone = conn.clone();
    conn.write(b"first").unwrap();
    drop(conn);
    assert!(clone.is_active() && clone.probe());
    clone.write(b"second").unwrap();
    drop(clone);
    let mut all = String::new();
    std::io::Read::read_to_string(&mut peer, &mut all).unwrap();
    assert_eq!(all, "firstsecond");
    wait_until(|| runtime.stats().connections == 0);
}

#[test]
fn a_reader_outlives_its_handle_and_sees_the_close() {
    let runtime = runtime(1);
    let (conn, mut peer) = pair(&runtime);
    let mut reader = conn.reader().unwrap();
    drop(conn);
    peer.write_all(b"x").unwrap();
    assert_eq!(reader.next(1).unwrap_err().kind(), ErrorKind::Closed);
    drop(reader);
    wait_until(|| runtime.stats().connections == 0);
}

#[test]
fn a_probe_tells_of_bytes_that_nobody_asked_for() {
    let runtime = runtime(1);
    let (conn, mut peer) = pair(&runtime);
    assert!(conn.probe());
    peer.write_all(b"?").unwrap();
    wait_until(|| !conn.probe());
    assert!(conn.is_active());
    let (conn, peer) = pair(&runtime);
    drop(peer);
    wait_until(|| !conn.probe());
    wait_until(|| !conn.is_active());
}
