//! The circumstances in which a transport starts.

use std::{fmt, task::Waker};

use crate::addr::PeerAddress;

/// The end of a connection that a transport serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that dialled.
    Client,
    /// The end that accepted.
    Server,
}

/// The circumstances in which a [`Transport`](super::Transport) starts.
pub struct TransportContext<'a> {
    role: Role,
    server_name: Option<&'a str>,
    peer: &'a PeerAddress,
    waker: &'a Waker,
}

impl<'a> TransportContext<'a> {
    /// A context, for tests of transports.
    ///
    /// ```
    /// use std::task::Waker;
    /// use netpoll::{PeerAddress, transport::{Role, TransportContext}};
    /// let context = TransportContext::new(Role::Client, Some("example.org"), &PeerAddress::Unnamed, Waker::noop());
    /// assert_eq!(context.server_name(), Some("example.org"));
    /// ```
    pub fn new(
        role: Role,
        server_name: Option<&'a str>,
        peer: &'a PeerAddress,
        waker: &'a Waker,
    ) -> Self {
        Self { role, server_name, peer, waker }
    }

    /// The role of this side.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The name by which a client knows its server: the host of the dialled address as it was written,
    /// which may be an IP address, or the dialler's `server_name`. None at a server,
    /// and for addresses without a host.
    pub fn server_name(&self) -> Option<&'a str> {
        self.server_name
    }

    /// The other end's address.
    pub fn peer(&self) -> &'a PeerAddress {
        self.peer
    }

    /// Has the connection's turn ask the transport [whether it has output](super::Transport::has_output): for
    /// output whose cause is not the wire, such as a timer of the transport's own. May be kept, and
    /// called from anywhere.
    pub fn waker(&self) -> &'a Waker {
        self.waker
    }
}

impl fmt::Debug for TransportContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransportContext")
            .field("role", &self.role)
            .field("server_name", &self.server_name)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
