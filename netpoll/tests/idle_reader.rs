//! A reader that waits holds no buffer. In a process of its own, since the counters are the process's.

use std::{io::Write, net::TcpListener};

use netpoll::{Dialer, mem};

#[test]
fn a_reader_that_waits_holds_no_buffer() {
    const READERS: usize = 200;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut ends: Vec<_> = (0..READERS)
        .map(|_| {
            let conn = Dialer::new().dial(&address).unwrap();
            let (mut peer, _) = listener.accept().unwrap();
            peer.write_all(b"some").unwrap();
            (conn, peer)
        })
        .collect();
    let readers: Vec<_> = ends
        .iter_mut()
        .map(|(conn, peer)| {
            let mut reader = conn.reader().unwrap();
            assert_eq!(reader.next(4).unwrap(), b"some");
            peer.write_all(b"more").unwrap();
            reader.skip(4).unwrap();
            assert!(!reader.poll_socket().unwrap(), "the peer is there");
            reader
        })
        .collect();
    let out = mem::stats().out;
    println!("{READERS} readers that wait hold {out} bytes");
    assert!(out < READERS * 512 + (256 << 10), "{out} bytes");
    drop(readers);
}
