//! The connections of one server: counted, bounded, and found again at its shutdown.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    task::{Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;

use super::report::{Cut, ShutdownReport};
use crate::{
    addr::PeerAddress,
    conn::{
        CloseReason, Connection, Settings,
        core::Conn,
        state::{event, mark},
    },
    listen::Host,
    sched::{park, shared::Shared},
    service::{Served, Service, Ward},
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
    max: usize,
    live: Mutex<HashMap<u64, Arc<Conn>>>,
    /// Places taken of `max`: before a connection is made, since several listeners may accept at once.
    taken: AtomicUsize,
    /// Told when the last one leaves during a shutdown.
    left: Mutex<Option<Waker>>,
    drains: AtomicBool,
    full: Throttle,
}

impl Guests {
    pub(super) fn new(runtime: &Arc<Shared>, max: usize) -> Self {
        Self {
            runtime: runtime.clone(),
            max,
            live: Mutex::default(),
            taken: AtomicUsize::new(0),
            left: Mutex::default(),
            drains: AtomicBool::new(false),
            full: Throttle::every(Duration::from_secs(1)),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.live.lock().len()
    }

    pub(super) fn list(&self) -> Vec<Connection> {
        self.live.lock().values().cloned().map(Connection::unowned).collect()
    }

    /// Lets each connection end as soon as it has nothing to do; cuts those that are left at `until`.
    /// `None`: another call does that.
    pub(super) fn drain(&self, until: Moment) -> Option<ShutdownReport> {
        if self.drains.swap(true, AcqRel) {
            return None;
        }
        let before = {
            let live = self.live.lock();
            live.values().for_each(|conn| conn.schedule(event::WAKE));
            live.len()
        };
        self.wait(until);
        let live = self.live.lock();
        let cut: Vec<_> = live
            .values()
            .map(|conn| Cut {
                id: Connection::unowned(conn.clone()).id(),
                peer: conn.peer.clone(),
                pending: conn.pending(),
            })
            .collect();
        for conn in live.values() {
            conn.end(mark::ABORTING, CloseReason::Shutdown);
        }
        drop(live);
        // Their ends are on their way; a handler that does not return is not waited for.
        self.wait(Clock::default().after(ENDING));
        Some(ShutdownReport { drained: before.saturating_sub(cut.len()), cut })
    }

    /// Waits until all are gone, or `until`.
    fn wait(&self, until: Moment) {
        let gone = poll_fn(|cx| {
            // Told before the look, so that the last one that goes after it tells.
            *self.left.lock() = Some(cx.waker().clone());
            if self.count() == 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        park::wait_for(gone, Some(until));
        self.left.lock().take();
    }

    /// Takes a place. False: there is none, and the client is sent away.
    fn admit(&self) -> bool {
        let next = |taken| (taken < self.max).then_some(taken + 1);
        if self.taken.fetch_update(AcqRel, Relaxed, next).is_ok() {
            return true;
        }
        self.refused();
        if let Some(skipped) = self.full.admit(self.runtime.settings.clock) {
            tracing::warn!(max_connections = self.max, skipped, "a client was sent away: too many");
        }
        false
    }
}

impl Ward for Guests {
    fn refused(&self) {
        self.runtime.gauges.refused.fetch_add(1, Relaxed);
    }

    fn drains(&self) -> bool {
        self.drains.load(Acquire)
    }

    fn closed(&self, conn: &Connection) {
        let mut live = self.live.lock();
        if live.remove(&conn.conn.id).is_some() {
            self.taken.fetch_sub(1, AcqRel);
        }
        let last = live.is_empty();
        drop(live);
        if last && self.drains() {
            let told = self.left.lock().take();
            told.into_iter().for_each(Waker::wake);
        }
    }
}

impl<S: Service> Host for House<S> {
    fn accepted(&self, socket: Socket, peer: PeerAddress) {
        self.runtime.gauges.accepted.fetch_add(1, Relaxed);
        if !self.guests.admit() {
            return;
        }
        let ward: Arc<dyn Ward> = self.guests.clone();
        let served = Served::new(self.service.clone(), ward, self.request_timeout);
        let mut made = false;
        let opened = Conn::open(&self.runtime, socket, peer, self.settings.clone(), |conn| {
            made = true;
            self.guests.live.lock().insert(conn.id, conn.clone());
            Some(Arc::new(served))
        });
        if let Err(error) = opened {
            if !made {
                self.guests.taken.fetch_sub(1, AcqRel);
            }
            tracing::warn!(%error, "an accepted connection was lost");
        }
    }

    fn shed(&self, clients: usize) {
        self.runtime.gauges.refused.fetch_add(clients as u64, Relaxed);
    }
}
