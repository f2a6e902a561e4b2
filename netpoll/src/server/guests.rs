//! The connections of one server: counted, bounded, and found again at its shutdown.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{
    report::{Cut, ShutdownReport},
    roll::Roll,
};
use crate::{
    addr::PeerAddress,
    conn::{
        CloseReason, Connection, Settings,
        core::Conn,
        state::{event, mark},
    },
    listen::Host,
    sched::shared::Shared,
    service::{ConnectionHandler, ConnectionOwner, Service},
    sys::Socket,
    throttle::Throttle,
    timer::{Clock, Moment},
};

/// How long connections that were cut may take to end, on a busy machine.
const ENDING: Duration = Duration::from_millis(100);

/// What all connections of a server share.
pub(super) struct House<S> {
    pub(super) service: Arc<S>,
    pub(super) runtime: Arc<Shared>,
    pub(super) settings: Arc<Settings>,
    pub(super) request_timeout: Option<Duration>,
    pub(super) guests: Arc<Guests>,
}

/// The connections, whatever their service.
pub(super) struct Guests {
    runtime: Arc<Shared>,
    roll: Roll<Arc<Conn>>,
    full: Throttle,
}

impl Guests {
    pub(super) fn new(runtime: &Arc<Shared>, max: usize) -> Self {
        Self {
            runtime: runtime.clone(),
            roll: Roll::new(max),
            full: Throttle::every(Duration::from_secs(1)),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.roll.len()
    }

    pub(super) fn list(&self) -> Vec<Connection> {
        self.roll.list().into_iter().map(Connection::unowned).collect()
    }

    /// Lets each connection end as soon as it has nothing to do; cuts those that are left at `until`.
    /// `None`: another call does that.
    pub(super) fn drain(&self, until: Moment) -> Option<ShutdownReport> {
        if !self.roll.begin_drain() {
            return None;
        }
        let guests = self.roll.list();
        guests.iter().for_each(|conn| conn.schedule(event::WAKE));
        let before = guests.len();
        drop(guests);
        self.roll.wait_until_empty(Some(until));
        let left = self.roll.list();
        let cut: Vec<_> = left
            .iter()
            .map(|conn| Cut {
                id: Connection::unowned(conn.clone()).id(),
                peer: conn.peer.clone(),
                pending: conn.pending(),
            })
            .collect();
        left.iter().for_each(|conn| conn.end(mark::ABORTING, CloseReason::Shutdown));
        drop(left);
        // Their ends are on their way; a handler that does not return is not waited for.
        self.roll.wait_until_empty(Some(Clock::default().after(ENDING)));
        Some(ShutdownReport { drained: before.saturating_sub(cut.len()), cut })
    }

    /// Takes a place. False: there is none, and the client is sent away.
    fn admit(&self) -> bool {
        if self.roll.take_place() {
            return true;
        }
        self.refused();
        if let Some(skipped) = self.full.admit(self.runtime.settings.clock) {
            tracing::warn!(
                max_connections = self.roll.max(),
                skipped,
                "a client was sent away: too many"
            );
        }
        false
    }
}

impl ConnectionOwner for Guests {
    fn refused(&self) {
        self.runtime.gauges.refused.fetch_add(1, Relaxed);
    }

    fn drains(&self) -> bool {
        self.roll.drains()
    }

    fn closed(&self, conn: &Connection) {
        self.roll.leave(conn.conn.id);
    }
}

impl<S: Service> Host for House<S> {
    fn accepted(&self, socket: Socket, peer: PeerAddress) {
        self.runtime.gauges.accepted.fetch_add(1, Relaxed);
        if !self.guests.admit() {
            return;
        }
        let owner: Arc<dyn ConnectionOwner> = self.guests.clone();
        let handler = ConnectionHandler::new(self.service.clone(), owner, self.request_timeout);
        let mut made = false;
        let opened = Conn::open(&self.runtime, socket, peer, self.settings.clone(), |conn| {
            made = true;
            self.guests.roll.enter(conn.id, conn.clone());
            Some(Arc::new(handler))
        });
        if let Err(error) = opened {
            if !made {
                self.guests.roll.give_place_back();
            }
            tracing::warn!(%error, "an accepted connection was lost");
        }
    }

    fn shed(&self, clients: usize) {
        self.runtime.gauges.refused.fetch_add(clients as u64, Relaxed);
    }
}
