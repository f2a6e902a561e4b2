//! The step from an accepted socket to a connection of a server.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{lifecycle::Lifecycle, open::OpenConnections};
use crate::{
    addr::PeerAddress,
    conn::{Settings, core::Conn},
    error::Error,
    listen::AcceptHandler,
    sched::shared::Shared,
    service::{ConnectionHandler, ConnectionOwner, Service},
    sys::Endpoint,
    transport::Role,
};

/// The settings that all connections of a server share, whichever listener accepts them.
pub(super) struct Acceptance<S> {
    pub(super) service: Arc<S>,
    pub(super) runtime: Arc<Shared>,
    pub(super) settings: Arc<Settings>,
    pub(super) request_timeout: Option<Duration>,
    pub(super) open: Arc<OpenConnections>,
    pub(super) lifecycle: Arc<Lifecycle>,
}

impl<S> Acceptance<S> {
    /// The same for connections without a transport.
    pub(super) fn without_transport(&self) -> Arc<Self> {
        let mut settings = Settings::clone(&self.settings);
        settings.drop_transport();
        Arc::new(Self {
            service: self.service.clone(),
            runtime: self.runtime.clone(),
            settings: Arc::new(settings),
            request_timeout: self.request_timeout,
            open: self.open.clone(),
            lifecycle: self.lifecycle.clone(),
        })
    }
}

impl<S: Service> AcceptHandler for Acceptance<S> {
    fn accepted(&self, endpoint: Endpoint, peer: PeerAddress) {
        self.runtime.gauges.accepted.fetch_add(1, Relaxed);
        if !self.open.admit(&peer) {
            return;
        }
        let owner: Arc<dyn ConnectionOwner> = self.open.clone();
        let handler = ConnectionHandler::new(self.service.clone(), owner, self.request_timeout);
        let mut made = false;
        let opened = Conn::open(
            &self.runtime,
            endpoint,
            peer,
            self.settings.clone(),
            Role::Server,
            |conn| {
                made = true;
                self.open.insert(conn);
                Some(Arc::new(handler.of(conn)))
            },
        );
        if let Err(error) = opened {
            if !made {
                self.open.release();
            }
            self.open.events.lost(&error);
        }
    }

    fn shed(&self, clients: usize) {
        self.runtime.gauges.refused.fetch_add(clients as u64, Relaxed);
    }

    fn troubled(&self, address: &PeerAddress, error: &io::Error, shed: usize, fatal: bool) {
        self.open.scope.accept_failed(address, error, shed, fatal);
    }

    fn failed(&self, error: Error) {
        self.lifecycle.listener_failed(error);
    }
}
