//! Options reach dialled and accepted sockets alike.
#![allow(unsafe_code)]

use std::{
    os::{fd::AsRawFd, unix::fs::MetadataExt},
    time::Duration,
};

use socket2::SockRef;

use super::{dial, until_ready};
use crate::{
    addr::PeerAddress,
    sys::{Keepalive, ListenOptions, Listener, StreamOptions, socket::Socket},
};

fn check(socket: &Socket) {
    let fd = socket.fd().unwrap();
    let socket = SockRef::from(&fd);
    assert!(socket.tcp_nodelay().unwrap());
    assert!(socket.keepalive().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(61));
    assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(7));
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
    assert!(socket.recv_buffer_size().unwrap() >= 32_768);
    assert!(socket.send_buffer_size().unwrap() >= 32_768);
    assert!(socket.nonblocking().unwrap());
    // SAFETY: it takes two numbers and touches no memory of the process.
    let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) };
    assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    #[cfg(target_os = "linux")]
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_millis(4_321)));
}

fn options() -> StreamOptions {
    StreamOptions {
        nodelay: true,
        keepalive: Some(Keepalive {
            idle: Duration::from_millis(60_500),
            interval: Duration::from_secs(7),
            count: 3,
        }),
        user_timeout: cfg!(target_os = "linux").then_some(Duration::from_millis(4_321)),
        recv_buffer: Some(32_768),
        send_buffer: Some(32_768),
    }
}

#[test]
fn a_dialled_and_an_accepted_socket_have_them() {
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    let listen = ListenOptions { stream: options(), ..Default::default() };
    let listener = Listener::bind(&any.into(), &listen).unwrap();
    let (dialled, _) = Socket::connect_start(listener.address(), &options()).unwrap();
    let (accepted, _) = until_ready(|| listener.accept()).unwrap();
    check(&dialled);
    check(&accepted);
}

#[test]
fn a_unix_socket_takes_those_that_concern_it() {
    let dir = super::sockets::tempdir("options");
    let there = PeerAddress::Path(dir.join("s"));
    let listen = ListenOptions { stream: options(), ..Default::default() };
    let listener = Listener::bind(&there, &listen).unwrap();
    let dialled = dial(&there).unwrap();
    dialled.set_options(&options()).unwrap();
    let (accepted, peer) = listener.accept().unwrap();
    assert_eq!(peer, PeerAddress::Unnamed);
    assert_eq!(accepted.local_address().unwrap(), there);
    let them = accepted.credentials().unwrap();
    assert_eq!(them.uid, std::fs::metadata(&dir).unwrap().uid());
    #[cfg(target_os = "linux")]
    assert_eq!(them.pid, Some(std::process::id()));
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn two_listeners_share_a_port_only_if_both_agreed() {
    let share = ListenOptions { reuse_port: true, ..Default::default() };
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    let first = Listener::bind(&any.into(), &share).unwrap();
    let _second = Listener::bind(first.address(), &share).unwrap();
    let e = Listener::bind(first.address(), &ListenOptions::default()).unwrap_err();
    assert_eq!(e.io_kind(), Some(std::io::ErrorKind::AddrInUse));
    assert!(e.to_string().contains(&first.address().to_string()), "{e}");
}
