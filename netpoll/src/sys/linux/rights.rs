//! Descriptors that pass over a Unix socket (`SCM_RIGHTS`, unix(7)).

use std::{
    io, mem,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

use crate::{
    counters::{self, Counter},
    sys::call::size,
};

/// The most descriptors that one message carries here.
const MOST: usize = 4;

/// Bytes of a buffer for the control data of [`MOST`] descriptors, with room for its header.
const CONTROL: usize = 64;

/// A buffer for control data, aligned as its header wants it.
#[repr(align(8))]
struct Control([u8; CONTROL]);

/// Sends one byte of zero with `fds`, of which there are four at most.
///
/// # Errors
/// The system's; `WouldBlock` if the socket is full, and then nothing was sent.
pub(crate) fn send_descriptors(socket: BorrowedFd<'_>, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    assert!(fds.len() <= MOST, "{} descriptors, of which {MOST} fit", fds.len());
    let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let bytes = mem::size_of_val(&raw[..]) as libc::c_uint;
    let (mut zero, mut control) = ([0u8], Control([0; CONTROL]));
    let mut part = libc::iovec { iov_base: zero.as_mut_ptr().cast(), iov_len: 1 };
    // SAFETY: a `msghdr` of zeros means: no address, no parts, no control data.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: it computes a number.
    message.msg_controllen = unsafe { libc::CMSG_SPACE(bytes) } as _;
    // SAFETY: `msg_control` has room for a header, as `msg_controllen` says.
    let header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    // SAFETY: `header` is within `control`, aligned, and not null.
    let header = unsafe { &mut *header };
    header.cmsg_level = libc::SOL_SOCKET;
    header.cmsg_type = libc::SCM_RIGHTS;
    // SAFETY: it computes a number.
    header.cmsg_len = unsafe { libc::CMSG_LEN(bytes) } as _;
    // SAFETY: it computes an address behind `header`, within `control`.
    let data = unsafe { libc::CMSG_DATA(header) };
    // SAFETY: `data` has room for `bytes`, which is what CMSG_SPACE was asked for.
    unsafe { std::ptr::copy_nonoverlapping(raw.as_ptr().cast(), data, bytes as usize) };
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    loop {
        counters::add(Counter::SysWrite, 1);
        // SAFETY: `message` refers to `part` and `control`, which are valid.
        match size(unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, flags) }) {
            Ok(_) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

/// Receives up to `into.len()` bytes, and the descriptors that come with them, which are closed on `exec`.
///
/// # Errors
/// The system's; `WouldBlock` if nothing is there; `InvalidData` if more descriptors came than four, which
/// are closed.
pub(crate) fn receive_descriptors(
    socket: BorrowedFd<'_>,
    into: &mut [u8],
) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut control = Control([0; CONTROL]);
    let mut part = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    // SAFETY: a `msghdr` of zeros means: no address, no parts, no control data.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL as _;
    let flags = libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    let n = loop {
        counters::add(Counter::SysRead, 1);
        // SAFETY: `message` refers to `part` and `control`, which are valid for writes.
        match size(unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) }) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            n => break n?,
        }
    };
    let mut fds = Vec::new();
    // SAFETY: the system has filled `control` as far as `msg_controllen` says.
    let mut header = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    while !header.is_null() {
        // SAFETY: it is not null, and the system wrote it whole.
        let found = unsafe { &*header };
        if found.cmsg_level == libc::SOL_SOCKET && found.cmsg_type == libc::SCM_RIGHTS {
            // SAFETY: it computes a number.
            let before = unsafe { libc::CMSG_LEN(0) } as usize;
            let count = (found.cmsg_len as usize).saturating_sub(before) / mem::size_of::<RawFd>();
            // SAFETY: it computes an address behind `header`.
            let data = unsafe { libc::CMSG_DATA(header) }.cast::<RawFd>();
            for i in 0..count {
                // SAFETY: one of the `count` numbers that the system wrote there.
                let at = unsafe { data.add(i) };
                // SAFETY: it is a number, whatever its alignment.
                let fd = unsafe { at.read_unaligned() };
                // SAFETY: a new descriptor that the system gave to this call alone.
                fds.push(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
        // SAFETY: `header` is one of `message`'s.
        header = unsafe { libc::CMSG_NXTHDR(&raw const message, header) };
    }
    if message.msg_flags & libc::MSG_CTRUNC != 0 {
        let why = format!("more than {MOST} descriptors in one message");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok((n, fds))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{
        fs::File,
        io::{Read, Seek, Write},
        os::{fd::AsFd, unix::net::UnixStream},
    };

    use super::*;

    #[test]
    fn descriptors_pass_with_a_byte() {
        let (here, there) = UnixStream::pair().unwrap();
        let path = std::env::temp_dir().join(format!("netpoll-rights-{}", std::process::id()));
        let mut file = File::options().create_new(true).read(true).write(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.write_all(b"shared").unwrap();
        send_descriptors(here.as_fd(), &[file.as_fd(), file.as_fd()]).unwrap();
        let mut byte = [1; 10];
        let (n, fds) = receive_descriptors(there.as_fd(), &mut byte).unwrap();
        assert_eq!((n, fds.len(), byte[0]), (1, 2, 0));
        let mut text = String::new();
        let mut received = File::from(fds.into_iter().next().unwrap());
        received.rewind().unwrap();
        received.read_to_string(&mut text).unwrap();
        assert_eq!(text, "shared");
        let nothing = receive_descriptors(there.as_fd(), &mut byte).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
    }

    #[test]
    fn bytes_pass_without_descriptors() {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(b"abc").unwrap();
        let mut bytes = [0; 2];
        let (n, fds) = receive_descriptors(there.as_fd(), &mut bytes).unwrap();
        assert_eq!((n, &bytes, fds.len()), (2, b"ab", 0));
        drop(here);
        receive_descriptors(there.as_fd(), &mut bytes).unwrap();
        assert_eq!(receive_descriptors(there.as_fd(), &mut bytes).unwrap().0, 0);
    }
}
