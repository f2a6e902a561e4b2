//! The way out of a datagram's handler.

use std::net::SocketAddr;

use crate::{
    addr::PeerAddress,
    error::{Error, ErrorKind, Result},
    frame::Encode,
    service::Peer,
    udp::{Destination, Ecn, Origin, Outlet},
};

/// Sends datagrams: replies to the peer, and others.
///
/// They leave together with those of other datagrams, when the batch has been handled. Where the system
/// has no room they wait, and past [`max_waiting`](crate::DatagramOptions::max_waiting) the oldest are
/// dropped.
#[derive(Debug)]
pub struct DatagramOut<'a> {
    origin: Origin,
    ecn: Ecn,
    outlet: Outlet<'a>,
}

impl<'a> DatagramOut<'a> {
    pub(super) fn new(origin: Origin, outlet: Outlet<'a>) -> Self {
        Self { origin, ecn: Ecn::default(), outlet }
    }

    /// Returns this way out for a shorter time, to be passed on.
    #[inline]
    pub fn reborrow(&mut self) -> DatagramOut<'_> {
        DatagramOut { origin: self.origin, ecn: self.ecn, outlet: self.outlet.reborrow() }
    }

    /// Marks what is sent from now on with `ecn`.
    pub fn set_ecn(&mut self, ecn: Ecn) {
        self.ecn = ecn;
    }

    fn back(&self) -> Destination {
        Destination { ecn: self.ecn.bits(), ..Destination::back(&self.origin) }
    }

    fn to(&self, peer: impl Into<PeerAddress>) -> Result<Destination> {
        let peer = peer.into();
        let Some(to): Option<SocketAddr> = peer.inet() else {
            return Err(Error::new(ErrorKind::Address, format!("{peer} takes no datagrams")));
        };
        Ok(Destination { ecn: self.ecn.bits(), ..Destination::to(to) })
    }

    /// Sends `frame` to the peer, from the address that its datagram came to.
    ///
    /// # Errors
    /// It cannot be encoded, is longer than a datagram can be, or there is no memory.
    pub fn send(&mut self, frame: impl Encode) -> Result<()> {
        self.outlet.put(self.back(), &frame)
    }

    /// Sends `bytes` to the peer, from the address that its datagram came to.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.outlet.put_bytes(self.back(), bytes)
    }

    /// Sends `frame` to `peer`.
    ///
    /// # Errors
    /// As [`send`](Self::send); `Address` if `peer` is no IP address.
    pub fn send_to(&mut self, peer: impl Into<PeerAddress>, frame: impl Encode) -> Result<()> {
        self.outlet.put(self.to(peer)?, &frame)
    }

    /// Sends `bytes` to `peer`.
    ///
    /// # Errors
    /// As [`send_to`](Self::send_to).
    pub fn send_bytes_to(&mut self, peer: impl Into<PeerAddress>, bytes: &[u8]) -> Result<()> {
        self.outlet.put_bytes(self.to(peer)?, bytes)
    }
}

impl From<Peer> for PeerAddress {
    fn from(peer: Peer) -> Self {
        peer.0
    }
}
