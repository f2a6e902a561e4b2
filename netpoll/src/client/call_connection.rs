//! A connection with the calls that it carries.
//!
//! All kinds of clients share this; they differ in how a reply finds its call, the [`Matching`]: one call
//! at a time ([`pool`](super::pool)), by number ([`mux`](super::mux)), or in the order of the requests
//! ([`pipeline`](super::pipeline)).
//!
//! ```text
//!   connected ──▶ proven (a reply came) ──▶ retired (no new calls) ──▶ ended
//!       │                                      ▲                         ▲
//!       ├── goodbye, unlisted endpoint ────────┘   poisoned, lost, idle ─┤
//!       └── ended before any reply: counts as a failed dial ─────────────┘
//! ```

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use super::{
    actions::Actions,
    balance::Endpoint,
    call::Call,
    call_error::{self, Traffic},
    health::Outcome,
    hub::Hub,
};
use crate::{
    buf::LinkSlice,
    conn::{CloseReason, Connection, handler::Handler},
    error::{Error, Result},
    frame::{self, Arena, DecodeError, Frame},
    timer::Moment,
};

/// A call that a connection with the matching `M` may carry.
pub(super) type CallOf<M> = Call<CallConnection<M>>;

/// A connection with its calls.
pub(super) struct CallConnection<M: Matching> {
    pub(super) hub: Arc<Hub<M>>,
    pub(super) conn: Connection,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) calls: M,
    made: Moment,
    /// A reply was received, in time or late.
    proven: AtomicBool,
    /// Bytes of the frames that were received.
    pub(super) received: AtomicU64,
    /// The connection stands in one of the counters of connections that went wrong.
    counted: AtomicBool,
    fault: OnceLock<Error>,
    /// The fault is this side's own.
    own_fault: AtomicBool,
}

/// The calls of one connection, and the way in which replies find them. Its methods that start and end calls take
/// the connection, which they tell and use.
pub(super) trait Matching: Send + Sync + Sized + 'static {
    /// Data that all connections of a client share.
    type Spec: Send + Sync + 'static;

    /// Replies gathered in a turn.
    type Batch: Default + Send + 'static;

    fn new(spec: &Self::Spec) -> Self;

    /// Starts a call, which was assigned to the connection after `turn` others. Several threads start calls: a
    /// later one may come here first.
    fn start(
        connection: &Arc<CallConnection<Self>>,
        call: Arc<CallOf<Self>>,
        turn: u64,
    ) -> Started<CallConnection<Self>>;

    /// Abandons a call whose caller has left; `outcome` is for the endpoint's health.
    fn abandon(
        connection: &Arc<CallConnection<Self>>,
        call: &Arc<CallOf<Self>>,
        number: u64,
        sent: bool,
        outcome: Outcome,
    );

    /// Accepts no more calls, and gives those in flight. With each stands whether its request was
    /// certainly not sent, although its caller has passed it on.
    fn close(connection: &CallConnection<Self>) -> Vec<(Arc<CallOf<Self>>, bool)>;

    /// Takes a reply.
    ///
    /// # Errors
    /// It is unrequested: the connection is poisoned.
    fn received(
        connection: &CallConnection<Self>,
        reply: Reply,
        batch: &mut Self::Batch,
    ) -> Result<()>;

    /// Notes that a part of a frame came.
    ///
    /// # Errors
    /// The bytes are unrequested: the connection is poisoned.
    fn began(connection: &CallConnection<Self>) -> Result<()>;

    /// Delivers the batch: nothing more is there for now.
    ///
    /// # Errors
    /// A user's function panicked.
    fn deliver(connection: &CallConnection<Self>, batch: &mut Self::Batch) -> Result<()>;
}

/// A reply, before its call is known.
pub(super) struct Reply {
    pub(super) bytes: LinkSlice,
    /// The sequence number; 0 for a format without one.
    pub(super) number: u64,
    /// Bytes follow it.
    pub(super) more: bool,
}

/// The functions of the replies' format.
pub(super) struct Format<M: Matching> {
    /// Makes the handler that receives a connection's replies.
    pub(super) handler: fn(Arc<CallConnection<M>>) -> Arc<dyn Handler>,
    /// Reads the marks of a reply.
    pub(super) inspect: Inspect,
}

/// The result of starting a call.
pub(super) enum Started<C> {
    Taken,
    /// Its caller has left.
    CallGone(Arc<Call<C>>),
    /// It was sent, and wants no reply.
    Sent(Arc<Call<C>>),
    /// The connection accepts no more calls.
    ConnectionGone(Arc<Call<C>>),
}

/// The marks of a reply.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    /// The sequence number; 0 for a format without one.
    pub(super) number: u64,
    /// The peer drains the connection.
    pub(super) goodbye: bool,
    /// The frame is a goodbye and nothing else.
    pub(super) only_goodbye: bool,
}

/// Decodes a frame for its marks.
pub(super) type Inspect = fn(&LinkSlice) -> Result<Marks, DecodeError>;

/// Reads the marks of a frame without a number.
pub(super) fn inspect<R: Frame>(bytes: &LinkSlice) -> Result<Marks, DecodeError> {
    inspect_with::<R>(bytes, |_| 0)
}

/// Reads the marks of a frame whose number is what `number` says.
pub(super) fn inspect_with<R: Frame>(
    bytes: &LinkSlice,
    number: impl FnOnce(&R::At<'_>) -> u64,
) -> Result<Marks, DecodeError> {
    let arena = Arena::new();
    let frame = frame::decode::<R>(bytes, bytes.len(), &arena)?;
    let goodbye = R::says_goodbye(&frame);
    Ok(Marks {
        number: number(&frame),
        goodbye,
        only_goodbye: goodbye && R::new_goodbye().is_some(),
    })
}

impl<M: Matching> CallConnection<M> {
    pub(super) fn open(hub: &Arc<Hub<M>>, conn: Connection, endpoint: Arc<Endpoint>) -> Arc<Self> {
        Arc::new(Self {
            calls: M::new(&hub.spec),
            made: hub.connections.endpoints.clock.now(),
            hub: hub.clone(),
            conn,
            endpoint,
            proven: AtomicBool::new(false),
            received: AtomicU64::new(0),
            counted: AtomicBool::new(false),
            fault: OnceLock::new(),
            own_fault: AtomicBool::new(false),
        })
    }

    /// Sets the connection's handler, so that replies are received.
    pub(super) fn attach(self: &Arc<Self>) {
        self.conn.conn.set_handler((self.hub.format.handler)(self.clone()));
    }

    pub(super) fn id(&self) -> u64 {
        self.conn.conn.id()
    }

    /// Notes that a reply came, in time or late: the peer speaks the protocol.
    pub(super) fn prove(&self) {
        if !self.proven.load(Relaxed) {
            self.proven.store(true, Relaxed);
        }
    }

    /// Notes that a call, or the first exchange, was answered.
    pub(super) fn answered(&self) {
        self.prove();
        self.hub.budget.earn();
        self.hub.connections.endpoints.ended(&self.endpoint, Outcome::Answered);
    }

    /// Ends the calls of `replies`.
    pub(super) fn deliver(&self, replies: &mut Vec<(Arc<CallOf<M>>, LinkSlice)>) {
        // Before their callers are told, who may call again at once.
        let ended = replies.iter().map(|(call, _)| &**call);
        let actions = self.hub.connections.release(self.id(), ended);
        for (call, bytes) in replies.drain(..) {
            call.complete(Ok(bytes));
        }
        self.hub.carry_out(actions);
    }

    /// Notes that a call failed or was given up; `outcome` is for the endpoint's health.
    pub(super) fn not_answered(&self, outcome: Outcome) {
        self.hub.connections.endpoints.ended(&self.endpoint, outcome);
    }

    /// Gives the connection no more calls, and closes it once those in flight have ended.
    pub(super) fn drain(&self) -> Actions<Self> {
        self.hub.connections.drain_one(self.id())
    }

    /// Drains the connection, whose server has said goodbye.
    pub(super) fn goodbye(&self) -> Actions<Self> {
        self.hub.connections.goodbye(self.id())
    }

    /// Counts the connection as found dead before a call was sent on it.
    pub(super) fn count_stale(&self) {
        if !self.counted.swap(true, Relaxed) {
            self.hub.counters.stale.fetch_add(1, Relaxed);
        }
    }

    /// Counts the connection as never to be used again.
    pub(super) fn count_poisoned(&self) {
        if !self.counted.swap(true, Relaxed) {
            self.hub.counters.poisoned.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn has_fault(&self) -> bool {
        self.fault.get().is_some()
    }

    /// Sets the error for which the connection is about to end.
    pub(super) fn poison(&self, error: Error) {
        tracing::debug!(%error, peer = %self.conn.peer(), "a client's connection is poisoned");
        let _ = self.fault.set(error);
        self.count_poisoned();
    }

    /// Notes that this side ends the connection: nothing is wrong with the peer.
    pub(super) fn blame_this_side(&self) {
        self.own_fault.store(true, Relaxed);
    }

    /// Sets the error for which this side ends the connection.
    pub(super) fn give_up(&self, error: Error) {
        self.blame_this_side();
        self.poison(error);
    }

    /// Retires the connection if it has no call; returns whether it may be closed.
    pub(super) fn rests(&self) -> bool {
        self.hub.connections.retire_idle(self.id())
    }

    /// Ends the calls in flight: the connection has ended. Those that may be repeated go to another one.
    pub(super) fn ended(self: &Arc<Self>, reason: CloseReason) {
        let calls = M::close(self);
        let connections = &self.hub.connections;
        let error = self.error(reason);
        if self.is_failed_dial(reason, !calls.is_empty()) {
            self.hub.counters.failed_dials.fetch_add(1, Relaxed);
            connections.endpoints.unreachable(&self.endpoint, &error);
        }
        let mut actions = connections.gone(self.id());
        for (call, unsent) in calls {
            self.not_answered(Outcome::Failed);
            if call.take_back(unsent, || self.hub.budget.take()) {
                self.hub.counters.retries.fetch_add(1, Relaxed);
                actions.join(connections.again(&call));
            } else if call.complete(Err(error.clone())) {
                self.hub.counters.lost.fetch_add(1, Relaxed);
            }
        }
        self.hub.carry_out(actions);
        self.hub.lost_one();
    }

    /// Returns the error of a call that was on this connection, which has ended.
    pub(super) fn error(&self, reason: CloseReason) -> Error {
        let traffic = Traffic {
            age: self.hub.connections.endpoints.clock.now().since(self.made),
            sent: self.conn.conn.written(),
            received: self.received.load(Relaxed),
        };
        call_error::of(&self.endpoint.address, self.fault.get(), reason, traffic)
    }

    /// Returns whether the peer ended the connection before its first reply: a peer that accepts and closes
    /// is not reachable. An unused connection that was closed after a while is none of these.
    fn is_failed_dial(&self, reason: CloseReason, had_calls: bool) -> bool {
        use CloseReason::{Eof, FrameTooLarge, Malformed, Reset};
        let by_peer = match reason {
            Eof | Reset => true,
            // Without a fault it was this side's transport that failed.
            FrameTooLarge | Malformed => self.has_fault(),
            _ => false,
        };
        let by_peer = by_peer && !self.own_fault.load(Relaxed);
        let age = self.hub.connections.endpoints.clock.now().since(self.made);
        by_peer && !self.proven.load(Relaxed) && (had_calls || age < EARLY)
    }
}

/// Age up to which the end of an unused connection counts as a failed dial.
const EARLY: std::time::Duration = std::time::Duration::from_secs(1);
