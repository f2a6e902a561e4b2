//! Unix sockets' files and names, inherited listeners, errors that name the address.

use std::{
    fs, io,
    os::{fd::OwnedFd, unix::net::UnixListener},
    process::{Command, Stdio},
};

use super::{dial, listener, sockets::tempdir, until_ready};
use crate::{
    addr::PeerAddress,
    sys::{ListenOptions, Listener, take_inherited},
};

fn bind(there: &PeerAddress) -> crate::Result<Listener> {
    Listener::bind(there, &ListenOptions::default())
}

#[test]
fn the_file_of_a_dead_listener_is_replaced_and_removed_at_the_close() {
    let dir = tempdir("stale");
    let path = dir.join("s");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "std leaves the file behind");
    let there = PeerAddress::Path(path.clone());
    // What another test starts has this test's descriptors too, until it is another program.
    let listener = until_ready(|| match bind(&there) {
        Err(e) if e.io_kind() == Some(io::ErrorKind::AddrInUse) => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        bound => Ok(bound.unwrap()),
    });
    let listener = listener.unwrap();
    dial(&there).unwrap();
    listener.close();
    assert!(!path.exists());
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_listener_that_answers_keeps_its_file() {
    let dir = tempdir("live");
    let there = PeerAddress::Path(dir.join("s"));
    let first = bind(&there).unwrap();
    let e = bind(&there).unwrap_err();
    assert_eq!(e.io_kind(), Some(io::ErrorKind::AddrInUse));
    assert!(e.to_string().contains(&there.to_string()), "{e}");
    dial(&there).unwrap();
    drop(first);
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let dir = tempdir("file");
    let path = dir.join("precious");
    fs::write(&path, "data").unwrap();
    let e = bind(&PeerAddress::Path(path.clone())).unwrap_err();
    assert_eq!(e.io_kind(), Some(io::ErrorKind::AlreadyExists));
    assert_eq!(fs::read(&path).unwrap(), b"data");
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_file_that_took_the_place_is_not_removed() {
    let dir = tempdir("replaced");
    let path = dir.join("s");
    let listener = bind(&PeerAddress::Path(path.clone())).unwrap();
    fs::remove_file(&path).unwrap();
    let _successor = UnixListener::bind(&path).unwrap();
    drop(listener);
    assert!(path.exists());
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn errors_name_the_address() {
    let long = PeerAddress::Path("/tmp/".to_owned().repeat(40).into());
    let missing = PeerAddress::Path("/nonexistent/directory/s".into());
    let foreign = PeerAddress::Inet("192.0.2.1:80".parse().unwrap());
    for there in [long, missing, foreign] {
        let e = bind(&there).unwrap_err();
        assert!(e.to_string().contains(&format!("cannot listen on {there}")), "{e}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn an_abstract_name_connects() {
    let name = format!("netpoll-test-{}", std::process::id());
    let there = PeerAddress::Abstract(name.into_bytes());
    let listener = bind(&there).unwrap();
    assert_eq!(listener.address(), &there);
    let dialled = dial(&there).unwrap();
    listener.accept().unwrap();
    assert_eq!(dialled.peer_address().unwrap(), there);
    assert_eq!(bind(&there).unwrap_err().io_kind(), Some(io::ErrorKind::AddrInUse));
}

#[test]
fn ipv6_listens() {
    let there = PeerAddress::Inet("[::1]:0".parse().unwrap());
    let listener = bind(&there).unwrap();
    let dialled = dial(listener.address()).unwrap();
    let (_, peer) = until_ready(|| listener.accept()).unwrap();
    assert_eq!(peer, dialled.local_address().unwrap());
}

#[test]
fn a_closed_listener_refuses() {
    let listener = listener();
    let there = listener.address().clone();
    assert!(listener.close() && !listener.close());
    assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::NotConnected);
    assert_eq!(dial(&there).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
#[ignore = "run in a process of its own, with a listener at descriptor 3"]
fn inherited_child() {
    let options = ListenOptions::default();
    let mut taken = take_inherited(&options).unwrap();
    assert!(take_inherited(&options).unwrap().is_empty(), "a second call finds none");
    assert_eq!(taken.len(), 1);
    let inherited = taken.remove(0);
    assert_eq!(inherited.name.as_deref(), Some("web"));
    let _client = dial(inherited.listener.address()).unwrap();
    until_ready(|| inherited.listener.accept()).unwrap();
}

#[test]
#[ignore = "run in a process of its own, with something else at descriptor 3"]
fn inherited_wrong_child() {
    let e = take_inherited(&ListenOptions::default()).unwrap_err();
    assert!(e.to_string().contains("inherited descriptor 3"), "{e}");
}

/// Runs a test of this program with `third` as its descriptor 3, as systemd would.
fn activate(third: OwnedFd, test: &str) {
    let script = "LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec \"$@\" 3<&0";
    let child = super::child(test);
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(child.get_program()).args(child.get_args());
    command.stdin(Stdio::from(third));
    super::assert_passes(command);
}

#[test]
fn a_parents_listener_is_taken() {
    let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    activate(listening.into(), "sys::tests::listeners::inherited_child");
}

#[test]
fn what_does_not_listen_is_named() {
    let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    activate(datagrams.into(), "sys::tests::listeners::inherited_wrong_child");
    let file = fs::File::open("/dev/null").unwrap();
    activate(file.into(), "sys::tests::listeners::inherited_wrong_child");
}
