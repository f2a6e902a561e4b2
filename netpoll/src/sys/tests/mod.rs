//! Tests over loopback sockets, a file a behaviour.

mod descriptors;
mod listeners;
mod options;
mod selecting;
mod sockets;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{Connecting, ListenOptions, Listener, StreamOptions, socket::Socket};
use crate::addr::PeerAddress;

/// A listener on a port that the system chose.
fn listener() -> Listener {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into();
    Listener::bind(&any, &ListenOptions::default()).unwrap()
}

/// Makes `call` until it does not block, for 5 seconds at most.
fn until_ready<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let start = Instant::now();
    loop {
        match call() {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                assert!(start.elapsed() < Duration::from_secs(5), "nothing came");
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

/// Dials `there` and waits for the connection.
fn dial(there: &PeerAddress) -> io::Result<Socket> {
    let (socket, mut state) = Socket::connect_start(there, &StreamOptions::default())?;
    while state == Connecting::InProgress {
        std::thread::sleep(Duration::from_millis(1));
        state = socket.connect_finish()?;
    }
    Ok(socket)
}

/// Both ends of a TCP connection: dialled, accepted.
fn tcp_pair() -> (Socket, Socket) {
    let listener = listener();
    let dialled = dial(listener.address()).unwrap();
    let (accepted, peer) = until_ready(|| listener.accept()).unwrap();
    assert_eq!(peer, dialled.local_address().unwrap());
    (dialled, accepted)
}

/// Both ends of a Unix connection.
fn unix_pair() -> (Socket, Socket) {
    let (a, b) = UnixStream::pair().unwrap();
    a.set_nonblocking(true).unwrap();
    b.set_nonblocking(true).unwrap();
    (Socket::from(std::os::fd::OwnedFd::from(a)), Socket::from(std::os::fd::OwnedFd::from(b)))
}

/// The command that runs one ignored test of this program, named by its path, in another process.
fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).stdin(Stdio::null());
    command
}

/// Runs the command; its test must have run and passed.
fn assert_passes(mut command: Command) {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
}
