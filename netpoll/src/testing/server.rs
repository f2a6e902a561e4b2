//! A server whose clients are tests.

use std::{fmt, sync::Arc};

use super::{link::Link, peer::MemoryPeer, port::Port};
use crate::{
    addr::PeerAddress,
    error::Result,
    listen::AcceptHandler,
    server::{EventLoop, EventLoopBuilder, ServerHandle, testing::without_listeners},
    service::Service,
};

/// A server without listeners: each connection comes from [`connect`](Self::connect). Dropped, it shuts
/// down at once, as an [`EventLoop`] does.
pub struct Server {
    event_loop: EventLoop,
    host: Arc<dyn AcceptHandler>,
}

impl Server {
    /// Starts what `builder` describes; addresses to listen on are left out.
    ///
    /// # Errors
    /// `Config` for options that cannot be.
    pub fn start<S: Service>(builder: EventLoopBuilder<S>) -> Result<Self> {
        let (event_loop, host) = without_listeners(builder)?;
        Ok(Self { event_loop, host })
    }

    /// A new client.
    ///
    /// # Errors
    /// `Io` if there are no descriptors.
    pub fn connect(&self) -> Result<MemoryPeer> {
        self.connect_by(&Link::default())
    }

    /// A new client, by `link`.
    ///
    /// # Errors
    /// `Io` if there are no descriptors.
    pub fn connect_by(&self, link: &Link) -> Result<MemoryPeer> {
        let (endpoint, peer) = link.make();
        self.host.accepted(endpoint, PeerAddress::Unnamed);
        Ok(peer)
    }

    /// An address in memory at which it is dialled. `link` is what the connections are like at the
    /// server's end: its `inbound` holds requests, its faults befall the server.
    pub fn listen(&self, link: &Link) -> Port {
        let (host, link) = (self.host.clone(), link.clone());
        Port::open(move || {
            let (endpoint, dialled) = link.between();
            host.accepted(endpoint, PeerAddress::Unnamed);
            Ok(dialled)
        })
    }

    /// The handle of the server.
    pub fn handle(&self) -> ServerHandle {
        self.event_loop.handle()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.event_loop).finish()
    }
}
