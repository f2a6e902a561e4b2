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
pub(crate) struct Observers {
    all: Vec<Arc<dyn Observer>>,
    /// One of them is to be told when a request begins.
    begin: bool,
}

impl Observers {
    pub(crate) fn add(&mut self, observer: impl Observer) {
        let begin = guard::run(Place::Observer, || observer.observes_begin());
        self.begin |= begin.unwrap_or(true);
        self.all.push(Arc::new(observer));
    }

    /// Returns these observers and `others`.
    pub(crate) fn with(&self, others: &Self) -> Self {
        let all = self.all.iter().chain(&others.all).cloned().collect();
        Self { all, begin: self.begin || others.begin }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn tell(&self, event: impl Fn(&dyn Observer)) {
        for observer in &self.all {
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
        write!(f, "{} observers", self.all.len())
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
        let server_index = scope.index;
        let event = ConnectionClosed {
            server,
            server_index,
            connection,
            peer,
            reason,
            age,
            received,
            sent,
        };
        scope.observers.tell(|observer| observer.connection_closed(&event));
    }

    #[inline]
    pub(crate) fn begun(&self, moments: &Moments) {
        if self.scope.observers.begin {
            self.tell_begun(moments);
        }
    }

    fn tell_begun(&self, moments: &Moments) {
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
