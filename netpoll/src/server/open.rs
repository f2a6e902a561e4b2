//! The open connections of one server: counted, bounded, listed and drained.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{
    events::Events,
    registry::Registry,
    report::{Cut, ShutdownReport},
};
use crate::{
    addr::PeerAddress,
    conn::{CloseReason, Connection, core::Conn},
    error::Error,
    facts::ConnectionId,
    observe::{Observed, Scope},
    sched::{
        shared::Shared,
        stalls::{Directory, Found},
    },
    service::ConnectionOwner,
    timer::{Clock, Moment},
};

/// Longest wait for the ends of aborted connections, on a busy machine.
const ABORTING: Duration = Duration::from_millis(100);

/// The open connections of a server, whatever its service.
pub(super) struct OpenConnections {
    runtime: Arc<Shared>,
    registry: Registry<Entry>,
    pub(super) events: Events,
    /// The server's name and observers.
    pub(super) scope: Arc<Scope>,
    /// True if handlers read from their peers themselves.
    reads: bool,
}

impl OpenConnections {
    pub(super) fn new(
        runtime: &Arc<Shared>,
        scope: Arc<Scope>,
        max: usize,
        reads: bool,
    ) -> Arc<Self> {
        let this = Arc::new(Self {
            runtime: runtime.clone(),
            registry: Registry::new(max),
            events: Events::new(scope.server.clone(), runtime.settings.clock),
            scope,
            reads,
        });
        let directory: Arc<dyn Directory> = this.clone();
        runtime.stalls.add_server(Arc::downgrade(&directory));
        this
    }

    pub(super) fn count(&self) -> usize {
        self.registry.len()
    }

    pub(super) fn list(&self) -> Vec<Connection> {
        self.registry.snapshot().into_iter().map(|open| Connection::unowned(open.conn)).collect()
    }

    /// Returns the open connections, with the time since each was accepted.
    pub(super) fn ages(&self) -> Vec<(Connection, Duration)> {
        let now = self.now();
        let age = |open: Entry| (Connection::unowned(open.conn), now.since(open.since));
        self.registry.snapshot().into_iter().map(age).collect()
    }

    fn now(&self) -> Moment {
        self.runtime.settings.clock.after(Duration::ZERO)
    }

    /// Returns true once a drain has begun.
    pub(super) fn is_draining(&self) -> bool {
        self.registry.is_draining()
    }

    /// Returns the report of a shutdown that cuts all connections that are open now.
    pub(super) fn report_of_all(&self) -> ShutdownReport {
        let cut = self.registry.snapshot().iter().map(cut).collect();
        ShutdownReport { cut, ..ShutdownReport::default() }
    }

    /// Begins the drain, in which each connection closes as soon as it has nothing to do. Returns the
    /// number of connections that were open, or `None` if a drain had begun before.
    pub(super) fn begin_drain(&self) -> Option<usize> {
        if !self.registry.begin_drain() {
            return None;
        }
        let open = self.registry.snapshot();
        open.iter().for_each(|open| open.conn.wake_turn());
        Some(open.len())
    }

    /// Waits for the end of the drain of `before` connections, and aborts those that are open at `until`,
    /// but for `own`: the one whose handler waits here.
    pub(super) fn finish_drain(
        &self,
        before: usize,
        until: Moment,
        own: Option<u64>,
    ) -> ShutdownReport {
        self.registry.wait_until_only(own, Some(until));
        let mut left = self.registry.snapshot();
        left.retain(|open| Some(open.conn.id()) != own);
        let cut: Vec<_> = left.iter().map(cut).collect();
        left.iter().for_each(|open| open.conn.abort(CloseReason::Shutdown));
        drop(left);
        // A handler that does not return is not waited for.
        self.registry.wait_until_only(own, Some(Clock::default().after(ABORTING)));
        let drained = before.saturating_sub(cut.len());
        ShutdownReport { drained, cut, ..ShutdownReport::default() }
    }

    /// Reserves a slot for a connection; false, counted and logged, if all are in use.
    pub(super) fn admit(&self, peer: &PeerAddress) -> bool {
        if self.registry.reserve() {
            return true;
        }
        self.refused();
        self.events.full(self.registry.max(), peer);
        false
    }

    /// Releases a slot for which no connection was made.
    pub(super) fn release(&self) {
        self.registry.release();
    }

    /// Adds a connection, for which a slot was reserved.
    pub(super) fn insert(&self, conn: &Arc<Conn>) {
        let observed = self.scope.observe(ConnectionId::new(conn.id()), conn.peer());
        if let Some(observed) = &observed {
            observed.opened();
        }
        let entry = Entry { conn: conn.clone(), since: self.now(), observed };
        self.registry.insert(conn.id(), entry);
        self.events.accepted(&Connection::unowned(conn.clone()));
    }
}

/// A connection in the registry.
#[derive(Clone)]
struct Entry {
    conn: Arc<Conn>,
    /// When it was accepted.
    since: Moment,
    /// The connection as observers see it.
    observed: Option<Arc<Observed>>,
}

fn cut(open: &Entry) -> Cut {
    let conn = &open.conn;
    Cut {
        id: Connection::unowned(conn.clone()).id(),
        peer: conn.peer().clone(),
        pending: conn.pending(),
    }
}

impl Directory for OpenConnections {
    fn find(&self, connection: u64) -> Option<Found> {
        let peer = self.registry.get(connection)?.conn.peer().clone();
        Some(Found { scope: self.scope.clone(), peer, reads: self.reads })
    }
}

impl ConnectionOwner for OpenConnections {
    fn refused(&self) {
        self.runtime.gauges.refused.fetch_add(1, Relaxed);
    }

    fn drains(&self) -> bool {
        self.registry.is_draining()
    }

    fn observe(&self, conn: &Conn) -> Option<Arc<Observed>> {
        self.registry.get(conn.id())?.observed
    }

    fn failed(&self, conn: &Connection, error: &Error) {
        self.events.failed(conn, error);
    }

    fn closed(&self, conn: &Connection) {
        self.events.closed(conn, conn.conn.reason());
        let entry = self.registry.remove(conn.conn.id());
        if let Some(Entry { since, observed: Some(observed), .. }) = entry {
            let reason = conn.conn.reason().unwrap_or(CloseReason::Local);
            observed.closed(reason, self.now().since(since), conn.received(), conn.sent());
        }
    }
}
