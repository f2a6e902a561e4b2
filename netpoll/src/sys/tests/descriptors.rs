//! What happens when the process has no descriptors left.
#![allow(unsafe_code)]

use std::{fs::File, io, net::TcpStream, time::Duration};

use super::{listener, until_ready};
use crate::sys::{AcceptFault, SpareFd};

#[test]
fn each_accept_error_has_its_class() {
    for (code, class) in [
        (libc::EAGAIN, AcceptFault::Empty),
        (libc::ECONNABORTED, AcceptFault::Transient),
        (libc::EPROTO, AcceptFault::Transient),
        (libc::ENETUNREACH, AcceptFault::Transient),
        (libc::EMFILE, AcceptFault::Exhausted),
        (libc::ENFILE, AcceptFault::Exhausted),
        (libc::ENOBUFS, AcceptFault::Exhausted),
        (libc::ENOMEM, AcceptFault::Exhausted),
        (libc::EBADF, AcceptFault::Fatal),
        (libc::EINVAL, AcceptFault::Fatal),
    ] {
        let error = io::Error::from_raw_os_error(code);
        assert_eq!(AcceptFault::of(&error), class, "{error}");
    }
    assert_eq!(AcceptFault::of(&io::ErrorKind::NotConnected.into()), AcceptFault::Fatal);
}

#[test]
#[ignore = "run in a process of its own, whose descriptors it uses up"]
fn exhausted_child() {
    let listener = listener();
    let there = listener.address().inet().unwrap();
    let mut spare = SpareFd::new().unwrap();
    let mut clients: Vec<_> = (0..3).map(|_| TcpStream::connect(there).unwrap()).collect();
    let limit = libc::rlimit { rlim_cur: 64, rlim_max: 64 };
    // SAFETY: `limit` is valid for reads.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    let files: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(!files.is_empty());

    let e = until_ready(|| listener.accept()).unwrap_err();
    assert_eq!(AcceptFault::of(&e), AcceptFault::Exhausted);
    assert!(spare.shed(&listener).unwrap());
    assert!(spare.shed(&listener).unwrap());
    let mut ended = clients.remove(0);
    ended.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!(io::Read::read(&mut ended, &mut [0; 1]).unwrap(), 0, "a shed client sees the end");

    drop(files);
    until_ready(|| listener.accept()).unwrap();
    assert!(!spare.shed(&listener).unwrap(), "none waits any more");
}

#[test]
fn a_process_without_descriptors_sheds_what_it_cannot_accept() {
    super::assert_passes(super::child("sys::tests::descriptors::exhausted_child"));
}
