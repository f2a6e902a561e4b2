//! Sending many messages a call (Linux): `sendmmsg`, each with the address that it leaves from, its
//! congestion mark, and the size of the segments that the system splits it into.
#![allow(unsafe_code)]

use std::{
    io,
    mem::{MaybeUninit, size_of, zeroed},
    net::{IpAddr, SocketAddr},
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

use socket2::SockAddr;

use super::{BATCH, Outgoing, UdpSocket, mapped};
use crate::{
    counters::Counter,
    sys::call::{retry, size},
};

/// Room for the control messages of one message: where it leaves from, its mark, its segments' size.
const CONTROL: usize = space(size_of::<libc::in6_pktinfo>())
    + space(size_of::<libc::c_int>())
    + space(size_of::<u16>());

/// Control messages are aligned as their headers.
#[repr(C)]
struct Control {
    align: [libc::cmsghdr; 0],
    bytes: [MaybeUninit<u8>; CONTROL],
}

/// Bytes that a control message of `len` bytes takes, its header and the gap behind it included.
const fn space(len: usize) -> usize {
    // SAFETY: it computes, and touches no memory.
    unsafe { libc::CMSG_SPACE(len as u32) as usize }
}

/// As [`UdpSocket::send`].
pub(super) fn send(socket: &UdpSocket, messages: &[Outgoing<'_>]) -> io::Result<usize> {
    let messages = &messages[..messages.len().min(BATCH)];
    match send_many(socket, messages) {
        Err(error) if messages[0].segment.is_some() && is_refusal(&error) => {
            send_split(socket, &messages[0], &error)
        }
        result => result,
    }
}

fn send_many(socket: &UdpSocket, messages: &[Outgoing<'_>]) -> io::Result<usize> {
    let mut names: [Option<SockAddr>; BATCH] = [const { None }; BATCH];
    let mut controls =
        [const { Control { align: [], bytes: [MaybeUninit::uninit(); CONTROL] } }; BATCH];
    // SAFETY: zeros are a valid `mmsghdr`: no address, no parts, no control messages.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { zeroed() };
    for (((header, name), control), message) in
        headers.iter_mut().zip(&mut names).zip(&mut controls).zip(messages)
    {
        let header = &mut header.msg_hdr;
        if let Some(peer) = message.peer {
            let peer = if socket.is_v6() { mapped(peer) } else { peer };
            let name = name.insert(SockAddr::from(peer));
            header.msg_name = name.as_ptr().cast_mut().cast();
            header.msg_namelen = name.len();
        }
        // `IoSlice` has the layout of `iovec`, and the call does not write through it.
        header.msg_iov = message.parts.as_ptr().cast_mut().cast();
        header.msg_iovlen = message.parts.len() as _;
        write_control(header, control, message, socket.is_v6());
    }
    retry(Counter::SysWrite, || {
        let fd = socket.socket.as_raw_fd();
        let (first, n) = (headers.as_mut_ptr(), messages.len() as libc::c_uint);
        // SAFETY: the first `n` headers are valid; what they refer to (`names`, `controls`, the
        // parts of `messages`) lives until the call returns, and is only read.
        size(unsafe { libc::sendmmsg(fd, first, n, libc::MSG_DONTWAIT) } as isize)
    })
}

/// Writes what `message` asks for into `control`, which `header` then refers to.
fn write_control(
    header: &mut libc::msghdr,
    control: &mut Control,
    message: &Outgoing<'_>,
    v6: bool,
) {
    if message.from.is_none() && message.ecn == 0 && message.segment.is_none() {
        return;
    }
    header.msg_control = (&raw mut control.bytes).cast();
    let mut used = 0;
    match message.from {
        Some(IpAddr::V4(from)) if !v6 => {
            let from = libc::in_addr { s_addr: u32::from_ne_bytes(from.octets()) };
            let any = libc::in_addr { s_addr: 0 };
            let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: from, ipi_addr: any };
            push(control, &mut used, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        Some(from) if v6 => {
            let from = match from {
                IpAddr::V4(v4) => v4.to_ipv6_mapped(),
                IpAddr::V6(v6) => v6,
            };
            let ipi6_addr = libc::in6_addr { s6_addr: from.octets() };
            let info = libc::in6_pktinfo { ipi6_addr, ipi6_ifindex: 0 };
            push(control, &mut used, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
        _ => {}
    }
    if message.ecn != 0 {
        let mark = libc::c_int::from(message.ecn);
        let plain = matches!(message.peer, Some(SocketAddr::V4(_))) || !v6;
        let (level, kind) = if plain {
            (libc::IPPROTO_IP, libc::IP_TOS)
        } else {
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS)
        };
        push(control, &mut used, level, kind, mark);
    }
    if let Some(segment) = message.segment {
        push(control, &mut used, libc::SOL_UDP, libc::UDP_SEGMENT, segment);
    }
    header.msg_controllen = used as _;
}

/// Writes a control message behind the first `used` bytes of `control`.
fn push<T: Copy>(
    control: &mut Control,
    used: &mut usize,
    level: libc::c_int,
    kind: libc::c_int,
    value: T,
) {
    let room = &mut control.bytes[*used..*used + space(size_of::<T>())];
    // SAFETY: it computes, and touches no memory.
    let len = unsafe { libc::CMSG_LEN(size_of::<T>() as u32) } as usize;
    let head = libc::cmsghdr { cmsg_len: len as _, cmsg_level: level, cmsg_type: kind };
    let at = room.as_mut_ptr();
    // SAFETY: `room` has `space` of the value, which begins with the header; it need not be aligned.
    unsafe { ptr::write_unaligned(at.cast(), head) };
    let data = at.wrapping_add(len - size_of::<T>());
    // SAFETY: the value ends at `len`, which is within `room`.
    unsafe { ptr::write_unaligned(data.cast(), value) };
    *used += room.len();
}

/// The system, a route or a device cannot do what a message asks for.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE))
}

/// Sends the datagrams of `message`, which the system refused to split, one by one. A datagram that
/// fails is lost, as one that the network drops.
fn send_split(socket: &UdpSocket, message: &Outgoing<'_>, why: &io::Error) -> io::Result<usize> {
    let size = usize::from(message.segment.unwrap_or(u16::MAX));
    // A device that cannot split says EIO; else the segments are longer than the way's MTU.
    socket.bound_segment(if why.raw_os_error() == Some(libc::EIO) { 0 } else { size - 1 });
    let bytes: Vec<u8> = message.parts.iter().flat_map(|part| part.iter().copied()).collect();
    let mut sent = 0;
    let mut last = None;
    for datagram in bytes.chunks(size) {
        let parts = [io::IoSlice::new(datagram)];
        match send_many(socket, &[Outgoing { segment: None, parts: &parts, ..*message }]) {
            Ok(_) => sent += 1,
            Err(error) => last = Some(error),
        }
    }
    match last {
        Some(error) if sent == 0 => Err(error),
        _ => Ok(1),
    }
}

/// SK_MEMINFO_DROPS, the last of the figures of SO_MEMINFO.
const DROPS: usize = 8;

/// See [`UdpSocket::dropped`].
pub(super) fn dropped(fd: BorrowedFd<'_>) -> Option<u64> {
    let mut figures = [0_u32; DROPS + 1];
    let mut len = size_of_val(&figures) as libc::socklen_t;
    let (level, name) = (libc::SOL_SOCKET, libc::SO_MEMINFO);
    let to = figures.as_mut_ptr().cast();
    // SAFETY: `figures` is valid for a write of `len` bytes.
    let done = unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, to, &raw mut len) };
    (done == 0 && len as usize == size_of_val(&figures)).then(|| u64::from(figures[DROPS]))
}
