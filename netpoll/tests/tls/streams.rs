//! Streams of bytes over TLS.

use std::{
    io::{self, Read, Write},
    thread,
};

use netpoll::{ByteStream, Dialer, ServerHandle};

use crate::{
    common::call,
    setup::{Certificates, echo},
};

fn dial(server: &ServerHandle, certificates: &Certificates) -> ByteStream {
    let dialer = Dialer::new().tls(certificates.client());
    dialer.dial(server.addresses()[0].clone()).unwrap().into_stream().unwrap()
}

#[test]
fn a_stream_over_tls_reads_writes_and_half_closes() {
    let certificates = Certificates::new();
    let (_runtime, server, log) = echo(&certificates.server());
    let mut stream = dial(&server, &certificates);
    for n in [0, 1, 16_384, 16_385, 3_000_000] {
        let payload: Vec<u8> = (0..n).map(|i| (i / 3) as u8).collect();
        assert!(call(&mut stream, &payload) == payload, "{n}");
    }
    // Both directions at once, by the halves; then the end of one.
    let (mut read, mut write) = stream.into_split();
    let frame = [&1_000_000u32.to_be_bytes()[..], &[7; 1_000_000]].concat();
    let sent = frame.clone();
    let writes = thread::spawn(move || {
        for _ in 0..5 {
            write.write_all(&sent).unwrap();
        }
        write.flush().unwrap();
    });
    for _ in 0..5 {
        let mut came = vec![0; frame.len()];
        read.read_exact(&mut came).unwrap();
        assert!(came == frame);
    }
    writes.join().unwrap();
    // The server's last word, not merely the end of the wire.
    assert_eq!(read.read(&mut [0]).unwrap(), 0);
    crate::common::wait_until(|| log.lock().last().is_some_and(|last| last.starts_with("close")));
}

#[test]
fn a_stream_over_tls_that_is_cut_off_is_no_end() {
    let certificates = Certificates::new();
    let (_runtime, server, _log) = echo(&certificates.server());
    let mut stream = dial(&server, &certificates);
    assert_eq!(call(&mut stream, b"whole"), b"whole");
    server.connections().iter().for_each(netpoll::Connection::abort);
    let error = stream.read(&mut [0]).unwrap_err();
    let kinds = [
        io::ErrorKind::UnexpectedEof,
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionAborted,
    ];
    assert!(kinds.contains(&error.kind()), "{error:?}");
}
