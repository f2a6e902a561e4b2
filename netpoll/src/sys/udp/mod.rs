//! [`UdpSocket`]: a datagram socket whose calls carry many datagrams each.
//!
//! quinn-udp sets the options and receives: `recvmmsg` with GRO on Linux, one `recvmsg` a call
//! elsewhere, with the address that a datagram was sent to and its congestion mark. It sends one
//! destination a call, so that sending to many peers is this module's own: `sendmmsg` on Linux
//! (`batched`), and quinn-udp one by one where there is none (`single`).

#[cfg(target_os = "linux")]
mod batched;
mod options;
mod outgoing;
mod single;

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::fd::{AsFd, BorrowedFd},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};

pub(crate) use self::{options::UdpOptions, outgoing::Outgoing};
use crate::counters::{self, Counter};

/// Messages that one call carries at most.
pub(crate) const BATCH: usize = quinn_udp::BATCH_SIZE;

/// The longest datagram that IP can carry, its UDP header excluded.
pub(crate) const LONGEST: usize = 65_527;

/// The most segments that one message may be split into (UDP_MAX_SEGMENTS before Linux 6.9).
pub(crate) const SEGMENTS: usize = 64;

/// The most bytes of a message that is to be split into segments, on any address family.
pub(crate) const TRAIN: usize = 65_487;

/// A non-blocking datagram socket, bound.
///
/// Calls that would block give [`io::ErrorKind::WouldBlock`]; calls that a signal interrupted are
/// made again.
#[derive(Debug)]
pub(crate) struct UdpSocket {
    socket: Socket,
    state: UdpSocketState,
    calls: Calls,
    /// The longest segments that the system splits messages into; 0 if it does not.
    segment: AtomicUsize,
    /// The port, and the address where the system does not tell which one a datagram came to.
    local: SocketAddr,
}

/// Which system calls send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Calls {
    /// Many messages a call, where the system can.
    Batched,
    /// One message a call.
    Single,
}

/// A message that was received: one datagram, or several of equal size of which the last may be
/// shorter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub(crate) peer: SocketAddr,
    /// The address that it was sent to, where the system tells.
    pub(crate) to: Option<IpAddr>,
    /// The two bits of explicit congestion notification.
    pub(crate) ecn: u8,
    /// Bytes of the message.
    pub(crate) len: usize,
    /// Bytes of each datagram in it; more than 0 unless it is empty.
    pub(crate) stride: usize,
}

impl UdpSocket {
    /// Binds a socket to `address`.
    ///
    /// # Errors
    /// What the system reports.
    pub(crate) fn bind(address: SocketAddr, options: &UdpOptions) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_cloexec(true)?;
        options.before_bind(&socket, address)?;
        socket.bind(&address.into())?;
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        options.after_bind(&socket, address)?;
        let local = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        let splits = options.calls == Calls::Batched && state.max_gso_segments() > 1;
        let segment = AtomicUsize::new(if splits && options.split { LONGEST } else { 0 });
        Ok(Self { socket, state, calls: options.calls, segment, local })
    }

    /// Fixes the peer: only its datagrams are received, and its refusals are errors of later calls.
    pub(crate) fn connect(&mut self, peer: SocketAddr) -> io::Result<()> {
        counters::add(Counter::SysConnect, 1);
        self.socket.connect(&peer.into())?;
        self.local = self.socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        Ok(())
    }

    /// Lets further sockets bind to this one's address from now on.
    pub(crate) fn share_port(&self) -> io::Result<()> {
        self.socket.set_reuse_port(true)
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The system gathers datagrams of equal size into one message.
    pub(crate) fn gathers(&self) -> bool {
        self.state.gro_segments() > 1
    }

    /// How long the [segments](Outgoing::segment) of a message may be; 0 where the system splits none.
    pub(crate) fn segment(&self) -> usize {
        self.segment.load(Relaxed)
    }

    /// Receives up to one message for each of `buffers`, [`BATCH`] at most; gives how many. What
    /// does not fit in its buffer is cut off without a sign.
    pub(crate) fn receive(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        mut take: impl FnMut(Incoming),
    ) -> io::Result<usize> {
        let mut metas = [RecvMeta::default(); BATCH];
        let most = buffers.len().min(BATCH);
        counters::add(Counter::SysRead, 1);
        let n =
            self.state.recv(UdpSockRef::from(&self.socket), &mut buffers[..most], &mut metas)?;
        let mut bytes = 0;
        for meta in &metas[..n] {
            bytes += meta.len as u64;
            take(Incoming {
                peer: unmapped(meta.addr),
                to: meta.dst_ip.map(|ip| ip.to_canonical()),
                ecn: meta.ecn.map_or(0, |ecn| ecn as u8),
                len: meta.len,
                stride: if meta.stride == 0 { meta.len } else { meta.stride },
            });
        }
        counters::add(Counter::BytesIn, bytes);
        Ok(n)
    }

    /// Sends `messages` in turn; gives how many the system took, at least one.
    ///
    /// # Errors
    /// Of the first message: nothing was sent then.
    pub(crate) fn send(&self, messages: &[Outgoing<'_>]) -> io::Result<usize> {
        debug_assert!(!messages.is_empty());
        let sent = match self.calls {
            #[cfg(target_os = "linux")]
            Calls::Batched => batched::send(self, messages)?,
            _ => single::send(self, messages)?,
        };
        let bytes = messages[..sent].iter().map(|message| message.len() as u64).sum();
        counters::add(Counter::BytesOut, bytes);
        Ok(sent)
    }

    /// On the way to some peer segments can be no longer than this.
    #[cfg(target_os = "linux")]
    fn bound_segment(&self, most: usize) {
        if self.segment.fetch_min(most, Relaxed) > most {
            let local = self.local;
            tracing::info!(%local, most, "longer datagrams are sent one by one: the system refused");
        }
    }

    /// Datagrams that the system threw away since the socket's buffer was full, where it tells.
    pub(crate) fn dropped(&self) -> Option<u64> {
        #[cfg(target_os = "linux")]
        return batched::dropped(self.socket.as_fd());
        #[cfg(not(target_os = "linux"))]
        None
    }

    /// Receives what is sent to `group`, on the interface of that index or the system's choice (0).
    pub(crate) fn join(&self, group: IpAddr, interface: u32) -> io::Result<()> {
        match group {
            IpAddr::V4(group) => self.socket.join_multicast_v4_n(&group, &interface_v4(interface)),
            IpAddr::V6(group) => self.socket.join_multicast_v6(&group, interface),
        }
    }

    /// Ends a [`join`](Self::join).
    pub(crate) fn leave(&self, group: IpAddr, interface: u32) -> io::Result<()> {
        match group {
            IpAddr::V4(group) => self.socket.leave_multicast_v4_n(&group, &interface_v4(interface)),
            IpAddr::V6(group) => self.socket.leave_multicast_v6(&group, interface),
        }
    }

    /// Whether it is of IPv6, so that addresses of IPv4 are mapped ones to it.
    fn is_v6(&self) -> bool {
        self.local.is_ipv6()
    }
}

/// The interface of that index, or the system's choice.
fn interface_v4(index: u32) -> socket2::InterfaceIndexOrAddress {
    match index {
        0 => socket2::InterfaceIndexOrAddress::Address(Ipv4Addr::UNSPECIFIED),
        index => socket2::InterfaceIndexOrAddress::Index(index),
    }
}

/// An IPv4 address that a socket of both families gives as one of IPv6, as what it is.
fn unmapped(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::from((v4, address.port())),
        IpAddr::V6(_) => address,
    }
}

/// `address` as a socket of IPv6 takes it.
fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
        v6 => v6,
    }
}
