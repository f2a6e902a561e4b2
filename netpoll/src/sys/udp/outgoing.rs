//! [`Outgoing`]: a message to be sent.

use std::{
    io::IoSlice,
    net::{IpAddr, SocketAddr},
};

/// A message to one peer: a datagram, or several that the system splits it into.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outgoing<'a> {
    /// `None` on a connected socket.
    pub(crate) peer: Option<SocketAddr>,
    /// The address that it is sent from, if the system is not to choose.
    pub(crate) from: Option<IpAddr>,
    /// The two bits of explicit congestion notification.
    pub(crate) ecn: u8,
    /// Bytes of each datagram, if there are several; the last one may be shorter.
    pub(crate) segment: Option<u16>,
    pub(crate) parts: &'a [IoSlice<'a>],
}

impl Outgoing<'_> {
    /// Bytes of the message.
    pub(crate) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.len()).sum()
    }
}
