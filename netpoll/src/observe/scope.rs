//! Those who observe a server, and a connection of it as they see it.

use std::{fmt, io, sync::Arc, time::Duration};

use super::{
    Observer,
    event::{
        AcceptFailed, Budget, BudgetReached, ConnectionClosed, ConnectionOpened, HandOver,
        RequestBegun, RequestEnded,
    },
    moments::Moments,
    outcome::Outcome,
    route::{Route, intern},
    stall::Stall,
};
use crate::{
    addr::PeerAddress,
    facts::{CloseReason, ConnectionId},
    guard::{self, Place},
};

/// A list of observers. A panic of one is caught, and the others are told.
#[derive(Clone, Default)]
pub(crate) struct Observers(Vec<Arc<dyn Observer>>);

impl Observers {
    pub(crate) fn add(&mut self, observer: impl Observer) {
        self.0.push(Arc::new(observer));
    }

    /// Returns these observers and `others`.
    pub(crate) fn with(&self, others: &Self) -> Self {
        Self(self.0.iter().chain(&others.0).cloned().collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn tell(&self, event: impl Fn(&dyn Observer)) {
        for observer in &self.0 {
            // An error has been counted and logged.
            let _ = guard::run(Place::Observer, || event(&**observer));
        }
    }

    pub(crate) fn handed_over(&self, hand_over: &HandOver) {
        self.tell(|observer| observer.handed_over(hand_over));
    }

    pub(crate) fn stalled(&self, stall: &Stall) {
        self.tell(|observer| observer.stalled(stall));
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} observers", self.0.len())
    }
}

/// A server's name, and those who observe the server.
#[derive(Debug)]
pub(crate) struct Scope {
    pub(crate) server: Arc<str>,
    /// The index of the name.
    index: usize,
    pub(crate) observers: Observers,
}

impl Scope {
    pub(crate) fn new(server: &str, observers: Observers) -> Arc<Self> {
        // Names of servers are few: code chooses them.
        let index = intern(server, || String::leak(server.to_owned())).index();
        Arc::new(Self { server: server.into(), index, observers })
    }

    pub(crate) fn accept_failed(
        &self,
        address: &PeerAddress,
        error: &io::Error,
        shed: usize,
        fatal: bool,
    ) {
        let server = &self.server;
        let event = AcceptFailed { server, address, error, shed, fatal };
        self.observers.tell(|observer| observer.accept_failed(&event));
    }

    /// Returns the connection as its observers see it, if there are any.
    pub(crate) fn observe(
        self: &Arc<Self>,
        connection: ConnectionId,
        peer: &PeerAddress,
    ) -> Option<Arc<Observed>> {
        if self.observers.is_empty() {
            return None;
        }
        let (scope, peer) = (self.clone(), peer.clone());
        Some(Arc::new(Observed { scope, connection: Some(connection), peer }))
    }

    /// Tells of a datagram that was handled.
    #[cfg_attr(not(feature = "udp"), allow(dead_code, reason = "there are no datagrams"))]
    pub(crate) fn datagram(self: &Arc<Self>, peer: PeerAddress) -> Observed {
        Observed { scope: self.clone(), connection: None, peer }
    }
}

/// A connection, or a datagram's peer, as its observers see it.
#[derive(Debug)]
pub(crate) struct Observed {
    scope: Arc<Scope>,
    connection: Option<ConnectionId>,
    peer: PeerAddress,
}

impl Observed {
    pub(crate) fn opened(&self) {
        let Self { scope, connection: Some(connection), peer } = self else { return };
        let (server, connection) = (&*scope.server, *connection);
        let event = ConnectionOpened { server, server_index: scope.index, connection, peer };
        scope.observers.tell(|observer| observer.connection_opened(&event));
    }

    pub(crate) fn closed(&self, reason: CloseReason, age: Duration, received: u64, sent: u64) {
        let Self { scope, connection: Some(connection), peer } = self else { return };
        let (server, connection) = (&*scope.server, *connection);
        let event = ConnectionClosed { server, connection, peer, reason, age, received, sent };
        scope.observers.tell(|observer| observer.connection_closed(&event));
    }

    pub(crate) fn begun(&self, moments: &Moments) {
        let Self { scope, connection, peer } = self;
        let event = RequestBegun {
            server: &scope.server,
            connection: *connection,
            peer,
            queued: moments.queued(),
            received: moments.received,
        };
        scope.observers.tell(|observer| observer.request_begun(&event));
    }

    pub(crate) fn ended(
        &self,
        moments: &Moments,
        handled: Duration,
        route: Route,
        outcome: Outcome,
        sent: usize,
    ) {
        let Self { scope, connection, peer } = self;
        let event = RequestEnded {
            server: &scope.server,
            server_index: scope.index,
            route,
            connection: *connection,
            peer,
            outcome,
            queued: moments.queued(),
            handled,
            received: moments.received,
            sent,
        };
        scope.observers.tell(|observer| observer.request_ended(&event));
    }

    #[cold]
    pub(crate) fn budget(&self, budget: Budget) {
        let Self { scope, connection: Some(connection), peer } = self else { return };
        let (server, connection) = (&*scope.server, *connection);
        let event = BudgetReached { server, connection, peer, budget };
        scope.observers.tell(|observer| observer.budget_reached(&event));
    }
}
