//! Reading, writing and the end of a socket.
#![allow(unsafe_code)]

use std::{
    io::{self, IoSlice},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::fd::{AsRawFd, OwnedFd},
};

use super::{dial, tcp_pair, unix_pair, until_ready};
use crate::{
    addr::PeerAddress,
    sys::{Connecting, StreamOptions, socket::Socket},
};

#[test]
fn bytes_arrive_in_order_over_tcp_and_unix() {
    for (a, b) in [tcp_pair(), unix_pair()] {
        assert_eq!(a.write(b"one ").unwrap(), 4);
        let parts = [IoSlice::new(b"two "), IoSlice::new(b""), IoSlice::new(b"three")];
        assert_eq!(a.writev(&parts).unwrap(), 9);
        a.shutdown_write().unwrap();

        let (mut text, mut into) = (Vec::new(), [0; 5]);
        loop {
            let n = until_ready(|| b.read(&mut into)).unwrap();
            if n == 0 {
                break;
            }
            text.extend_from_slice(&into[..n]);
        }
        assert_eq!(text, b"one two three");
        assert_eq!(b.write(b"still").unwrap(), 5, "the other direction stays open");
        let mut into = [0; 8];
        assert_eq!(until_ready(|| a.read(&mut into)).unwrap(), 5);
    }
}

#[test]
fn a_socket_without_data_or_room_would_block() {
    let (a, b) = tcp_pair();
    assert_eq!(b.read(&mut [0; 8]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let full = std::iter::repeat_with(|| a.write(&[0; 65_536])).find_map(io::Result::err);
    assert_eq!(full.unwrap().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn more_parts_than_the_system_takes_are_written_in_turn() {
    let (a, b) = unix_pair();
    let parts: Vec<_> = (0..3_000).map(|_| IoSlice::new(b"x")).collect();
    assert_eq!(a.writev(&parts).unwrap(), 1_024);
    assert_eq!(b.read(&mut [0; 4_096]).unwrap(), 1_024);
}

#[test]
fn a_peek_tells_quiet_from_data_from_the_end() {
    let (a, b) = tcp_pair();
    assert_eq!(b.peek().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    a.write(b"x").unwrap();
    assert_eq!(until_ready(|| b.peek()).unwrap(), 1);
    assert_eq!(b.read(&mut [0; 8]).unwrap(), 1, "the byte was left there");
    a.close();
    assert_eq!(until_ready(|| b.peek()).unwrap(), 0);
}

#[test]
fn a_closed_socket_never_reaches_the_next_owner_of_its_number() {
    super::assert_passes(super::child("sys::tests::sockets::closed_child"));
}

#[test]
#[ignore = "run in a process of its own, where no other test takes descriptors"]
fn closed_child() {
    let (a, _b) = unix_pair();
    let number = a.fd().unwrap().as_raw_fd();
    assert!(a.close());
    assert!(!a.close());
    let strangers: Vec<_> = (0..2).map(|_| unix_pair()).collect();
    let mut all = strangers.iter().flat_map(|(c, d)| [c, d]);
    assert!(all.any(|s| s.fd().unwrap().as_raw_fd() == number), "a stranger has the number");

    let closed = |e: io::Error| assert_eq!(e.kind(), io::ErrorKind::NotConnected);
    closed(a.write(b"tag").unwrap_err());
    closed(a.writev(&[IoSlice::new(b"tag")]).unwrap_err());
    closed(a.read(&mut [0; 8]).unwrap_err());
    closed(a.peek().unwrap_err());
    closed(a.shutdown_write().unwrap_err());
    closed(a.local_address().unwrap_err());
    drop(a);
    for (c, d) in &strangers {
        assert_eq!(c.peek().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        assert_eq!(d.peek().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}

#[test]
#[ignore = "run in a process of its own, where a broken pipe is a signal"]
fn broken_pipe_child() {
    // SAFETY: the default action of a signal runs no code of this process.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    for (a, b) in [tcp_pair(), unix_pair()] {
        b.reset_on_close().unwrap();
        b.close();
        let write = || a.write(b"x").err();
        let first = std::iter::repeat_with(write).find_map(|e| e).unwrap();
        let kinds = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
        assert!(kinds.contains(&first.kind()), "{first}");
        assert_eq!(a.write(b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        let parts = [IoSlice::new(b"x")];
        assert_eq!(a.writev(&parts).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}

#[test]
fn a_broken_pipe_is_an_error_and_no_signal() {
    super::assert_passes(super::child("sys::tests::sockets::broken_pipe_child"));
}

#[test]
fn a_reset_is_seen_by_the_peer() {
    let (a, b) = tcp_pair();
    a.reset_on_close().unwrap();
    a.close();
    let e = until_ready(|| b.read(&mut [0; 8])).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_refused_connect_says_so() {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let e = dial(&free.into()).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::ConnectionRefused);
    let e = dial(&PeerAddress::Path("/nonexistent/socket".into())).unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::NotFound);
}

/// Binds and dials one port, so that TCP's simultaneous open meets itself.
#[test]
fn a_socket_that_met_itself_is_refused() {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let raw = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    raw.bind(&any.into()).unwrap();
    let own = raw.local_addr().unwrap();
    raw.connect(&own).unwrap();
    let socket = Socket::from(OwnedFd::from(raw));
    let e = socket.connect_finish().unwrap_err();
    assert_eq!(e.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn a_connect_to_a_full_unix_listener_would_block() {
    let dir = tempdir("full");
    let there = PeerAddress::Path(dir.join("s"));
    let options = crate::sys::ListenOptions { backlog: 0, ..Default::default() };
    let _listener = crate::sys::Listener::bind(&there, &options).unwrap();
    let connect = || Socket::connect_start(&there, &StreamOptions::default());
    let mut waiting = Vec::new();
    let e = loop {
        match connect() {
            Ok((socket, state)) => {
                assert_eq!(state, Connecting::Done);
                waiting.push(socket);
            }
            Err(e) => break e,
        }
    };
    assert_eq!(e.kind(), io::ErrorKind::WouldBlock);
    std::fs::remove_dir_all(dir).unwrap();
}

/// A new directory of this test's.
pub(super) fn tempdir(name: &str) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("netpoll-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir(&path).unwrap();
    path
}
