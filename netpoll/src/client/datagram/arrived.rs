//! [`Arrived`]: a datagram that a client received.

use std::{fmt, net::SocketAddr, ops::Deref};

use crate::{
    buf::{LinkBuffer, LinkSlice},
    error::Result,
    frame::{self, Arena, Frame},
    udp::{Ecn, Held},
};

/// A datagram that was received, with the addresses that it came from and to. It reads as its bytes.
pub struct Arrived {
    held: Held,
    arena: Arena,
}

impl Arrived {
    pub(super) fn new(held: Held) -> Self {
        Self { held, arena: Arena::new() }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.held.datagram().bytes
    }

    /// The address that it came from.
    pub fn peer(&self) -> SocketAddr {
        self.held.datagram().peer()
    }

    /// The address that it was sent to.
    pub fn local(&self) -> SocketAddr {
        self.held.datagram().local()
    }

    /// Its congestion mark.
    pub fn ecn(&self) -> Ecn {
        self.held.datagram().ecn()
    }

    /// Decodes the frame that it is, which borrows from it. Each call decodes it anew.
    ///
    /// # Errors
    /// `Malformed`: it is not one frame of that format.
    pub fn frame<F: Frame>(&self) -> Result<F::At<'_>> {
        frame::decode_whole::<F>(self.bytes(), &self.arena)
    }

    /// The bytes, by reference.
    pub(super) fn into_link_slice(self) -> Result<LinkSlice> {
        let mut buffer = LinkBuffer::new();
        buffer.push(self.held.into_bytes());
        let n = buffer.len();
        Ok(buffer.slice(n)?)
    }
}

impl Deref for Arrived {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

impl fmt::Debug for Arrived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held.datagram().fmt(f)
    }
}
