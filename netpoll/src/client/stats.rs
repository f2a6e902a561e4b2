//! The counters of a client.

use std::sync::atomic::Ordering::Relaxed;

use super::{call_connection::Matching, hub::Hub};

/// Counters of a client: gauges of the moment first, then totals since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Connections that have not ended.
    pub connections: usize,
    /// Connections without a call.
    pub idle: usize,
    /// Dials under way. With `connections` never more than the limit.
    pub dialing: usize,
    /// Calls that wait for a connection.
    pub waiters: usize,
    /// Calls that a connection carries.
    pub in_flight: usize,
    /// Dials that were begun.
    pub dials: u64,
    /// Dials that failed. A connection that the peer ended before its first reply is one of them.
    pub failed_dials: u64,
    /// Calls whose deadline passed.
    pub timeouts: u64,
    /// Calls that were repeated on another connection: nothing of them had been sent, or they are
    /// [idempotent](super::CallOptions::idempotent).
    pub retries: u64,
    /// Calls that failed because their connection ended, and were not repeated.
    pub lost: u64,
    /// Connections that were found dead before they were used again.
    pub stale: u64,
    /// Connections that were closed for unrequested bytes, a malformed frame, or a reply that did not come
    /// in time.
    pub poisoned: u64,
    /// Replies that came after their call was given up, and were dropped.
    pub late: u64,
    /// Frames that answered no call.
    pub pushes: u64,
}

impl ClientStats {
    pub(super) fn of<M: Matching>(hub: &Hub<M>) -> Self {
        let (now, sums) = (hub.connections.gauges(), &hub.counters);
        Self {
            connections: now.connections,
            idle: now.idle,
            dialing: now.dialing,
            waiters: now.waiters,
            in_flight: now.in_flight,
            dials: sums.dials.load(Relaxed),
            failed_dials: sums.failed_dials.load(Relaxed),
            timeouts: sums.timeouts.load(Relaxed),
            retries: sums.retries.load(Relaxed),
            lost: sums.lost.load(Relaxed),
            stale: sums.stale.load(Relaxed),
            poisoned: sums.poisoned.load(Relaxed),
            late: sums.late.load(Relaxed),
            pushes: sums.pushes.load(Relaxed),
        }
    }
}
