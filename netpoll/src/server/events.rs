//! The events of a server's connections in the log: visible without a hook, and never a flood.
//!
//! | level | events |
//! | --- | --- |
//! | `error` | a panic of a handler or hook |
//! | `warn` | malformed and oversized frames, timeouts, errors of handlers, refused clients; one of a kind a second, with the number left out |
//! | `debug` | connections accepted and closed |
//!
//! The target of all of them is `netpoll::server`. An event has the server's name, the connection's number and its
//! peer, and never a byte of what was received or sent.

use std::{sync::Arc, time::Duration};

use crate::{
    conn::{CloseReason, Connection},
    error::{Error, ErrorKind},
    throttle::Throttle,
    timer::Clock,
};

const TARGET: &str = "netpoll::server";

/// The interval of lines of one kind.
const INTERVAL: Duration = Duration::from_secs(1);

/// The events of one server.
pub(super) struct Events {
    server: Arc<str>,
    clock: Clock,
    full: Throttle,
    lost: Throttle,
    malformed: Throttle,
    timeouts: Throttle,
    others: Throttle,
}

impl Events {
    pub(super) fn new(server: Arc<str>, clock: Clock) -> Self {
        let [full, lost, malformed, timeouts, others] = [(); 5].map(|()| Throttle::every(INTERVAL));
        Self { server, clock, full, lost, malformed, timeouts, others }
    }

    pub(super) fn accepted(&self, conn: &Connection) {
        tracing::debug!(
            target: TARGET,
            server = &*self.server,
            connection = %conn.id(),
            peer = %conn.peer(),
            "accepted a connection"
        );
    }

    pub(super) fn closed(&self, conn: &Connection, reason: Option<CloseReason>) {
        tracing::debug!(
            target: TARGET,
            server = &*self.server,
            connection = %conn.id(),
            peer = %conn.peer(),
            reason = %reason.unwrap_or(CloseReason::Local),
            received = conn.received(),
            sent = conn.sent(),
            "closed a connection"
        );
    }

    /// Logs an error that a connection's `on_error` is told of.
    pub(super) fn failed(&self, conn: &Connection, error: &Error) {
        let server = &*self.server;
        let (throttle, what) = match error.kind() {
            ErrorKind::Panic => {
                let (connection, peer) = (conn.id(), conn.peer());
                return tracing::error!(target: TARGET, server, %connection, %peer, %error, "a handler panicked");
            }
            ErrorKind::Malformed | ErrorKind::FrameTooLarge | ErrorKind::Eof => {
                (&self.malformed, "a peer broke the protocol")
            }
            ErrorKind::TimedOut => (&self.timeouts, "a timeout ended a request or its connection"),
            _ => (&self.others, "a request failed"),
        };
        if let Some(skipped) = throttle.admit(self.clock) {
            let (connection, peer) = (conn.id(), conn.peer());
            tracing::warn!(target: TARGET, server, %connection, %peer, %error, skipped, "{what}");
        }
    }

    /// Logs that a client found all of `max` connections in use.
    pub(super) fn full(&self, max: usize, peer: &crate::addr::PeerAddress) {
        if let Some(skipped) = self.full.admit(self.clock) {
            tracing::warn!(
                target: TARGET,
                server = &*self.server,
                max_connections = max,
                %peer,
                skipped,
                "a client was sent away: too many"
            );
        }
    }

    /// Logs that an accepted socket did not become a connection.
    pub(super) fn lost(&self, error: &Error) {
        if let Some(skipped) = self.lost.admit(self.clock) {
            tracing::warn!(target: TARGET, server = &*self.server, %error, skipped, "an accepted connection was lost");
        }
    }
}
