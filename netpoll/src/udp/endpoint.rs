//! [`Endpoint`]: what datagrams are received from and sent by.

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr},
    os::fd::BorrowedFd,
};

use crate::sys::udp::{Incoming, Outgoing, UdpSocket};

/// A socket of the system's, or one in memory. Only one thread at a time receives.
pub(crate) trait Endpoint: Send + Sync {
    /// Receives up to one message for each of `buffers`; gives how many.
    ///
    /// # Errors
    /// `WouldBlock` if none is there.
    fn receive(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        take: &mut dyn FnMut(Incoming),
    ) -> io::Result<usize>;

    /// Sends `messages` in turn; gives how many were taken, at least one.
    ///
    /// # Errors
    /// Of the first message; `WouldBlock` if there is no room for it.
    fn send(&self, messages: &[Outgoing<'_>]) -> io::Result<usize>;

    /// The address that it is bound to.
    fn local(&self) -> SocketAddr;

    /// What a selector is asked about; an endpoint without calls [`notified`](Self::notified)'s.
    fn fd(&self) -> Option<BorrowedFd<'_>>;

    /// `ready` is to be called when datagrams have come, by endpoints without a descriptor.
    fn notified(&self, _ready: Box<dyn Fn() + Send + Sync>) {}

    /// A message that is received may be several datagrams.
    fn gathers(&self) -> bool {
        false
    }

    /// How long each datagram may be where a message that is sent is several; 0 if it is always one.
    fn segment(&self) -> usize {
        0
    }

    /// Datagrams that were thrown away before they could be received.
    fn dropped(&self) -> u64 {
        0
    }

    /// Receives what is sent to `group`, on the interface of that index (0: the system's choice).
    ///
    /// # Errors
    /// What the system reports.
    fn join(&self, _group: IpAddr, _interface: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Ends a [`join`](Self::join).
    ///
    /// # Errors
    /// What the system reports.
    fn leave(&self, _group: IpAddr, _interface: u32) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Endpoint for UdpSocket {
    fn receive(
        &self,
        buffers: &mut [IoSliceMut<'_>],
        take: &mut dyn FnMut(Incoming),
    ) -> io::Result<usize> {
        UdpSocket::receive(self, buffers, take)
    }

    fn send(&self, messages: &[Outgoing<'_>]) -> io::Result<usize> {
        UdpSocket::send(self, messages)
    }

    fn local(&self) -> SocketAddr {
        UdpSocket::local(self)
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        Some(UdpSocket::fd(self))
    }

    fn gathers(&self) -> bool {
        UdpSocket::gathers(self)
    }

    fn segment(&self) -> usize {
        UdpSocket::segment(self)
    }

    fn dropped(&self) -> u64 {
        UdpSocket::dropped(self).unwrap_or(0)
    }

    fn join(&self, group: IpAddr, interface: u32) -> io::Result<()> {
        UdpSocket::join(self, group, interface)
    }

    fn leave(&self, group: IpAddr, interface: u32) -> io::Result<()> {
        UdpSocket::leave(self, group, interface)
    }
}
