//! [`UdpOptions`]: what is asked of a datagram socket.
#![allow(unsafe_code)]

use std::{io, net::SocketAddr, os::fd::AsRawFd};

use socket2::Socket;

use super::Calls;
use crate::sys::call::check;

/// Options of a datagram socket.
#[derive(Clone, Debug)]
pub(crate) struct UdpOptions {
    /// Other sockets may bind to the address too, and the system spreads peers over them.
    pub(crate) reuse_port: bool,
    /// Several programs may bind to one address: for groups and broadcasts, of which each gets all.
    pub(crate) reuse_address: bool,
    /// Datagrams may be sent to broadcast addresses.
    pub(crate) broadcast: bool,
    /// A socket of IPv6 takes no IPv4; `None` is the system's choice.
    pub(crate) only_v6: Option<bool>,
    /// The system's receive buffer, in bytes; it rounds and bounds.
    pub(crate) recv_buffer: Option<usize>,
    /// The system's send buffer, in bytes; it rounds and bounds.
    pub(crate) send_buffer: Option<usize>,
    /// The system may gather datagrams of equal size into one message.
    pub(crate) gather: bool,
    /// The system may split a message into datagrams of equal size.
    pub(crate) split: bool,
    /// Routers that a datagram to a group may pass.
    pub(crate) multicast_hops: Option<u32>,
    pub(crate) calls: Calls,
}

impl Default for UdpOptions {
    fn default() -> Self {
        Self {
            reuse_port: false,
            reuse_address: false,
            broadcast: false,
            only_v6: None,
            recv_buffer: None,
            send_buffer: None,
            gather: true,
            split: true,
            multicast_hops: None,
            calls: Calls::Batched,
        }
    }
}

impl UdpOptions {
    /// Sets what has to be set before the socket is bound.
    pub(super) fn before_bind(&self, socket: &Socket, address: SocketAddr) -> io::Result<()> {
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        if self.reuse_address {
            socket.set_reuse_address(true)?;
        }
        if address.is_ipv6()
            && let Some(only) = self.only_v6
        {
            socket.set_only_v6(only)?;
        }
        if self.broadcast {
            socket.set_broadcast(true)?;
        }
        if let Some(bytes) = self.recv_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(hops) = self.multicast_hops {
            match address {
                SocketAddr::V4(_) => socket.set_multicast_ttl_v4(hops)?,
                SocketAddr::V6(_) => socket.set_multicast_hops_v6(hops)?,
            }
        }
        Ok(())
    }

    /// Undoes what quinn-udp sets for QUIC alone: datagrams that are never fragmented, a time stamp
    /// for each.
    #[cfg(target_os = "linux")]
    pub(super) fn after_bind(&self, socket: &Socket, address: SocketAddr) -> io::Result<()> {
        set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 0)?;
        set(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_WANT)?;
        if address.is_ipv6() {
            set(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_WANT)?;
            set(socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 0)?;
        }
        // A group's datagrams are for the sockets that joined it, not for all that share the port.
        match address {
            SocketAddr::V4(_) => set(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, 0)?,
            SocketAddr::V6(_) => set(socket, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_ALL, 0)?,
        }
        if !self.gather {
            // A system that has no such option gathers nothing.
            let _ = set(socket, libc::SOL_UDP, libc::UDP_GRO, 0);
        }
        Ok(())
    }

    /// Undoes what quinn-udp sets for QUIC alone: datagrams that are never fragmented.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn after_bind(&self, socket: &Socket, address: SocketAddr) -> io::Result<()> {
        if address.is_ipv6() {
            set(socket, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, 0)
        } else {
            set(socket, libc::IPPROTO_IP, libc::IP_DONTFRAG, 0)
        }
    }
}

/// Sets a numeric option.
fn set(
    socket: &Socket,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: `value` is valid for a read of `len` bytes.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), len)
    };
    check(done).map(drop)
}
