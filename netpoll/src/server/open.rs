//! The open connections of one server: counted, bounded, listed and drained.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{
    registry::Registry,
    report::{Cut, ShutdownReport},
};
use crate::{
    conn::{CloseReason, Connection, core::Conn},
    sched::shared::Shared,
    service::ConnectionOwner,
    throttle::Throttle,
    timer::{Clock, Moment},
};

/// Longest wait for the ends of aborted connections, on a busy machine.
const ABORTING: Duration = Duration::from_millis(100);

/// The open connections of a server, whatever its service.
pub(super) struct OpenConnections {
    runtime: Arc<Shared>,
    registry: Registry<Arc<Conn>>,
    full: Throttle,
}

impl OpenConnections {
    pub(super) fn new(runtime: &Arc<Shared>, max: usize) -> Self {
        Self {
            runtime: runtime.clone(),
            registry: Registry::new(max),
            full: Throttle::every(Duration::from_secs(1)),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.registry.len()
    }

    pub(super) fn list(&self) -> Vec<Connection> {
        self.registry.snapshot().into_iter().map(Connection::unowned).collect()
    }

    /// Lets each connection close as soon as it has nothing to do, and aborts those that are open at
    /// `until`. `None` if another call drains.
    pub(super) fn drain(&self, until: Moment) -> Option<ShutdownReport> {
        if !self.registry.begin_drain() {
            return None;
        }
        let open = self.registry.snapshot();
        open.iter().for_each(|conn| conn.wake_turn());
        let before = open.len();
        drop(open);
        self.registry.wait_until_empty(Some(until));
        let left = self.registry.snapshot();
        let cut: Vec<_> = left
            .iter()
            .map(|conn| Cut {
                id: Connection::unowned(conn.clone()).id(),
                peer: conn.peer().clone(),
                pending: conn.pending(),
            })
            .collect();
        left.iter().for_each(|conn| conn.abort(CloseReason::Shutdown));
        drop(left);
        // A handler that does not return is not waited for.
        self.registry.wait_until_empty(Some(Clock::default().after(ABORTING)));
        Some(ShutdownReport { drained: before.saturating_sub(cut.len()), cut })
    }

    /// Reserves a slot for a connection; false, counted and logged, if all are in use.
    pub(super) fn admit(&self) -> bool {
        if self.registry.reserve() {
            return true;
        }
        self.refused();
        if let Some(skipped) = self.full.admit(self.runtime.settings.clock) {
            tracing::warn!(
                max_connections = self.registry.max(),
                skipped,
                "a client was sent away: too many"
            );
        }
        false
    }

    /// Releases a slot for which no connection was made.
    pub(super) fn release(&self) {
        self.registry.release();
    }

    /// Adds a connection, for which a slot was reserved.
    pub(super) fn insert(&self, conn: &Arc<Conn>) {
        self.registry.insert(conn.id(), conn.clone());
    }
}

impl ConnectionOwner for OpenConnections {
    fn refused(&self) {
        self.runtime.gauges.refused.fetch_add(1, Relaxed);
    }

    fn drains(&self) -> bool {
        self.registry.is_draining()
    }

    fn closed(&self, conn: &Connection) {
        self.registry.remove(conn.conn.id());
    }
}
