//! A datagram as a handler sees it, and as it is kept for later.

use std::{fmt, net::SocketAddr, ops::Deref};

use crate::{
    error::Result,
    mem::{self, Slice},
};

/// Explicit congestion notification: the two bits by which a network says that it is congested
/// (RFC 3168).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ecn {
    /// The sender does not take part.
    #[default]
    NotEct,
    /// The sender takes part, by the rules of RFC 9331.
    Ect1,
    /// The sender takes part.
    Ect0,
    /// The network was congested on the way.
    Congested,
}

impl Ecn {
    pub(crate) fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::NotEct,
            1 => Self::Ect1,
            2 => Self::Ect0,
            _ => Self::Congested,
        }
    }

    pub(crate) fn bits(self) -> u8 {
        match self {
            Self::NotEct => 0,
            Self::Ect1 => 1,
            Self::Ect0 => 2,
            Self::Congested => 3,
        }
    }
}

/// Where a datagram came from and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) peer: SocketAddr,
    /// The address that it was sent to, with the socket's port.
    pub(crate) local: SocketAddr,
    /// `local` is an address that a reply can leave from: not a group, and told by the system.
    pub(crate) answerable: bool,
    pub(crate) ecn: Ecn,
}

/// A datagram that was received: its bytes, and the addresses that it came from and to.
///
/// A handler takes it as its last argument in place of a frame. It reads as its bytes.
#[derive(Clone, Copy)]
pub struct Datagram<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) origin: Origin,
}

impl<'a> Datagram<'a> {
    /// The bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The address that it came from.
    pub fn peer(&self) -> SocketAddr {
        self.origin.peer
    }

    /// The address that it was sent to: one of this machine's, a group or a broadcast address. The
    /// socket's own address where the system does not tell.
    pub fn local(&self) -> SocketAddr {
        self.origin.local
    }

    /// Its congestion mark.
    pub fn ecn(&self) -> Ecn {
        self.origin.ecn
    }
}

impl Deref for Datagram<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl fmt::Debug for Datagram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagram")
            .field("peer", &self.origin.peer)
            .field("local", &self.origin.local)
            .field("bytes", &format_args!("b\"{}\"", self.bytes.escape_ascii()))
            .finish()
    }
}

/// A datagram in a block of its own, which outlives the turn that received it.
#[derive(Debug)]
pub(crate) struct Held {
    bytes: Slice,
    origin: Origin,
}

impl Held {
    /// A copy of `datagram`.
    ///
    /// # Errors
    /// `Limit`: there is no memory.
    pub(crate) fn copy(datagram: &Datagram<'_>) -> Result<Self> {
        let mut block = mem::alloc(datagram.bytes.len())?;
        block.claim_uncleared(datagram.bytes.len()).copy_from_slice(datagram.bytes);
        Ok(Self { bytes: block.into_slice(), origin: datagram.origin })
    }

    pub(crate) fn into_bytes(self) -> Slice {
        self.bytes
    }

    pub(crate) fn datagram(&self) -> Datagram<'_> {
        Datagram { bytes: &self.bytes, origin: self.origin }
    }
}
