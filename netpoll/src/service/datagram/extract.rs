//! Arguments of handlers of datagrams: what each is taken from.

use std::net::SocketAddr;

use super::out::DatagramOut;
use crate::{
    error::{Error, ErrorKind, Result},
    service::{Local, Peer, State},
    udp::Ecn,
};

/// An argument of `on_datagram` that is passed by value, before the datagram: taken from the call.
///
/// [`Peer`], [`Local`], [`Ecn`], [`State`] and [`DatagramOut`] are such; a type of your own becomes
/// one by this trait. An `on_error` without a connection takes its arguments by it too.
///
/// ```
/// use netpoll::{DatagramParts, FromDatagram, Result};
///
/// /// Whether the datagram comes from this machine.
/// struct Near(bool);
///
/// impl<S> FromDatagram<'_, S> for Near {
///     fn from_datagram(parts: &mut DatagramParts<'_, S>) -> Result<Self> {
///         Ok(Self(parts.peer().is_some_and(|peer| peer.ip().is_loopback())))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no argument of a datagram's handler for `{S}`",
    label = "cannot be taken from a datagram",
    note = "`Peer`, `Local`, `Ecn`, `DatagramOut<'_>` and `State<'_, {S}>` can; implement \
            `FromDatagram` for types of your own"
)]
pub trait FromDatagram<'c, S>: Sized {
    /// Takes it from the call.
    ///
    /// # Errors
    /// It cannot be had: the datagram is not handled.
    fn from_datagram(parts: &mut DatagramParts<'c, S>) -> Result<Self>;
}

/// The source of [`FromDatagram`]: a datagram's call.
#[derive(Debug)]
pub struct DatagramParts<'c, S> {
    server: &'c S,
    peer: Option<SocketAddr>,
    local: SocketAddr,
    ecn: Ecn,
    out: Option<DatagramOut<'c>>,
}

impl<'c, S> DatagramParts<'c, S> {
    /// The parts of a call.
    #[inline]
    pub fn new(
        server: &'c S,
        peer: Option<SocketAddr>,
        local: SocketAddr,
        ecn: Ecn,
        out: Option<DatagramOut<'c>>,
    ) -> Self {
        Self { server, peer, local, ecn, out }
    }

    /// The server.
    pub fn server(&self) -> &'c S {
        self.server
    }

    /// The address that the datagram came from; `None` for an error of the socket's own.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The address that the datagram was sent to.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The datagram's congestion mark.
    pub fn ecn(&self) -> Ecn {
        self.ecn
    }

    /// The way out, for the first who asks.
    pub fn take_out(&mut self) -> Option<DatagramOut<'c>> {
        self.out.take()
    }
}

impl<S> FromDatagram<'_, S> for Peer {
    fn from_datagram(parts: &mut DatagramParts<'_, S>) -> Result<Self> {
        let none = || Error::new(ErrorKind::Address, "an error of the socket's own has no peer");
        parts.peer.map(|peer| Self(peer.into())).ok_or_else(none)
    }
}

impl<S> FromDatagram<'_, S> for Local {
    fn from_datagram(parts: &mut DatagramParts<'_, S>) -> Result<Self> {
        Ok(Self(parts.local.into()))
    }
}

impl<S> FromDatagram<'_, S> for Ecn {
    fn from_datagram(parts: &mut DatagramParts<'_, S>) -> Result<Self> {
        Ok(parts.ecn)
    }
}

impl<'c, S> FromDatagram<'c, S> for State<'c, S> {
    fn from_datagram(parts: &mut DatagramParts<'c, S>) -> Result<Self> {
        Ok(Self(parts.server))
    }
}

impl<'c, S> FromDatagram<'c, S> for DatagramOut<'c> {
    fn from_datagram(parts: &mut DatagramParts<'c, S>) -> Result<Self> {
        parts.take_out().ok_or_else(|| {
            Error::new(ErrorKind::Config, "two arguments of a handler are its way out")
        })
    }
}
