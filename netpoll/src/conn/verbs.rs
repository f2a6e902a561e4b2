//! The verbs by which other modules act on a connection, whose state is this module's own.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use super::{
    core::Conn,
    deadlines::Kind,
    reason::CloseReason,
    state::{event, mark},
};
use crate::{
    addr::PeerAddress,
    observe::Route,
    sched::{BoxFuture, shard::Shard, shared::Shared, turn::Turn},
};

impl Conn {
    /// The connection's number.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// The other end's address.
    pub(crate) fn peer(&self) -> &PeerAddress {
        &self.peer
    }

    /// The runtime that it belongs to.
    pub(crate) fn runtime(&self) -> &Arc<Shared> {
        &self.runtime
    }

    /// The shard whose poller watches it.
    pub(crate) fn shard(&self) -> &Arc<Shard> {
        &self.shard
    }

    /// Queues a turn, in which the handler looks at what it has.
    pub(crate) fn wake_turn(self: &Arc<Self>) {
        self.schedule(event::WAKE);
    }

    /// Ends the connection at once.
    pub(crate) fn abort(self: &Arc<Self>, reason: CloseReason) {
        self.end(mark::ABORTING, reason);
    }

    /// `on_connect` has run: from now on the peer's leaving runs `on_disconnect`.
    pub(crate) fn opened(&self) {
        self.state_word.set(mark::OPEN);
    }

    /// Begins the time of a request that the turn handles.
    pub(crate) fn begin_request(&self, timeout: Duration) {
        self.set_deadline(Kind::Request, Some(timeout));
        self.arm();
    }

    /// Ends the time of the request.
    pub(crate) fn end_request(&self) {
        self.deadlines.clear(Kind::Request);
    }

    /// Whether the time of the request is over.
    pub(crate) fn is_request_late(&self) -> bool {
        self.deadlines.passed(Kind::Request, self.shard.clock.now_ms())
    }

    /// Leaves the connection without a deadline of its own while it is dialled: the dial has one.
    pub(crate) fn begin_dial(&self) {
        self.deadlines.clear(Kind::Idle);
    }

    /// The dial is complete: the connection is counted, and silence is bounded from now on.
    pub(crate) fn dialled(&self) {
        self.runtime.gauges.dialled.fetch_add(1, Relaxed);
        self.set_deadline(Kind::Idle, self.options.idle_timeout);
        self.arm();
    }

    /// Names the stage of its life.
    #[cfg(feature = "admin")]
    pub(crate) fn stage(&self) -> &'static str {
        use super::state::Phase;
        match Phase::of(self.state_word.load()) {
            Phase::Handshaking => "handshaking",
            Phase::Opening => "opening",
            Phase::Open => "open",
            Phase::Closing => "closing",
            Phase::Finished => "finished",
        }
    }

    /// The time since the peer was heard last, or a request of it was handled; known where silence is bounded.
    #[cfg(feature = "admin")]
    pub(crate) fn silence(&self) -> Option<Duration> {
        let timeout = u64::try_from(self.options.idle_timeout?.as_millis()).ok()?;
        let left = self.deadlines.get(Kind::Idle)?.saturating_sub(self.shard.clock.now_ms());
        Some(Duration::from_millis(timeout.saturating_sub(left)))
    }

    /// Lists a future of a handler of this connection that is not ready, for the monitor; returns its key.
    pub(crate) fn begin_wait(&self, route: Route) -> usize {
        self.shard.waiting.add(self.id, route)
    }

    /// Removes that future from the list.
    pub(crate) fn end_wait(&self, key: usize) {
        self.shard.waiting.remove(key);
    }

    /// Queues a turn of work for this connection at its shard.
    pub(crate) fn queue(&self, turn: Arc<dyn Turn>) {
        self.shard.push(turn);
    }

    /// Has workers poll `task`, at its shard first.
    pub(crate) fn spawn(&self, task: BoxFuture<()>) {
        self.runtime.spawn_at(&self.shard, task);
    }
}
