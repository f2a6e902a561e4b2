//! The core of a client: its connections, its dialer, its counters. Carries out the decisions of the
//! connections.
//!
//! ```text
//!   Client ──▶ Hub ──▶ Connections ──▶ Entry ──▶ CallConnection ──▶ Connection
//!                      (one lock)       │            │ ▲               │ handler
//!                      FIFO queue ──▶ Call ◀─────────┘ └──── ReplyHandler
//! ```
//! - A [`Call`](super::call::Call) has its own lock and knows its [`Place`](super::call::Place): nowhere, queued, or on a
//!   connection. A reply, the connection's end, the deadline and the caller who leaves race to end it;
//!   the first one counts.
//! - [`Connections`] knows under one lock which connections exist, which have room, and which calls wait.
//!   It decides and does nothing itself: the hub carries out the [`Actions`] without the lock.
//! - A [`CallConnection`] is a connection with the calls that it carries; its [`Matching`] says how
//!   replies find them. `Connections` holds it until its connection has ended, and so does the
//!   connection's handler.
//! - Dials are futures on the runtime's workers. A dial belongs to a slot of `Connections`, not to a
//!   caller: a caller that leaves does not cancel it.

use std::{
    future::poll_fn,
    iter, mem,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use super::{
    actions::{Actions, More, Start},
    assignment::SLOWLY,
    balance::Endpoint,
    budget::Budget,
    call_connection::{CallConnection, Format, Matching, Started},
    connections::Connections,
    deadline_timer::DeadlineTimer,
    health::Outcome,
    hello::FirstExchange,
};
use crate::{
    addr::Address,
    buf::LinkSlice,
    conn::Connection,
    dial::{self, Dialer},
    error::{Error, ErrorKind, Result},
    guard::{self, Place},
    sched::{here, shard::Shard, sleep_on},
};

/// Interval at which a client that keeps a connection tries to dial.
const KEEP: Duration = Duration::from_millis(50);

/// Connections by which a poller may have more than twice those of another.
const UNEVEN: usize = 4;

/// The core of a client; see the module's documentation.
pub(super) struct Hub<M: Matching> {
    pub(super) connections: Connections<CallConnection<M>>,
    pub(super) dialer: Dialer,
    pub(super) deadline_timer: DeadlineTimer<M>,
    pub(super) counters: Counters,
    pub(super) budget: Budget,
    /// Idle time after which a connection is probed before its next call.
    pub(super) probe_after: Duration,
    /// A connection is kept even if nobody calls.
    pub(super) keeps_one: bool,
    /// The first exchange on a new connection.
    pub(super) first: Option<FirstExchange>,
    pub(super) format: Format<M>,
    pub(super) spec: M::Spec,
}

/// Totals since the client was built.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) dials: AtomicU64,
    pub(super) failed_dials: AtomicU64,
    pub(super) timeouts: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) poisoned: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) pushes: AtomicU64,
}

impl<M: Matching> Hub<M> {
    /// Carries out the decisions of `Connections`.
    pub(super) fn carry_out(self: &Arc<Self>, mut actions: Actions<CallConnection<M>>) {
        while !actions.is_empty() {
            let more = actions.take_more();
            let behind = more.map(|more| self.carry_out_more(*more)).unwrap_or_default();
            let mut next = actions.start.map(|start| self.start(start)).unwrap_or_default();
            behind.into_iter().for_each(|start| next.join(self.start(start)));
            actions = next;
        }
    }

    /// Carries out the rarer actions; returns the further calls to start.
    fn carry_out_more(
        self: &Arc<Self>,
        more: More<CallConnection<M>>,
    ) -> Vec<Start<CallConnection<M>>> {
        if more.resolves {
            self.resolve();
        }
        if more.nudges {
            self.nudge_later();
        }
        if let Some(at) = more.timer {
            self.deadline_timer.set(at);
        }
        more.dials.into_iter().for_each(|endpoint| self.dial(endpoint));
        more.closes.into_iter().for_each(|connection| connection.conn.close());
        for (call, error) in more.failed {
            call.complete(Err(error));
        }
        more.wakes.into_iter().for_each(guard::wake);
        more.starts
    }

    fn start(&self, start: Start<CallConnection<M>>) -> Actions<CallConnection<M>> {
        let Start { id, connection, call, turn, idle } = start;
        if !self.is_sound(&connection.conn, idle) {
            // Found dead before a byte of the call was written.
            connection.count_stale();
            connection.not_answered(Outcome::Unknown);
            self.connections.retire(id);
            if connection.conn.is_active() {
                connection.conn.abort();
            }
            // Otherwise its own turn ends it, after it has read what came before, with its own reason.
            return self.connections.again(&call);
        }
        match M::start(&connection, call, turn) {
            Started::Taken => Actions::default(),
            Started::Sent(call) => {
                // That it was sent says nothing of the endpoint.
                connection.not_answered(Outcome::Unknown);
                let actions = self.connections.release(id, iter::once(&*call));
                call.complete(Ok(LinkSlice::default()));
                actions
            }
            Started::CallGone(call) => {
                connection.not_answered(Outcome::Unknown);
                self.connections.release(id, iter::once(&*call))
            }
            Started::ConnectionGone(call) => {
                connection.not_answered(Outcome::Unknown);
                self.connections.retire(id);
                self.connections.again(&call)
            }
        }
    }

    /// Returns whether a connection looks alive; probes it if it was idle for long.
    fn is_sound(&self, conn: &Connection, idle: Option<Duration>) -> bool {
        match idle {
            Some(idle) if idle >= self.probe_after => conn.probe(),
            _ => conn.is_active(),
        }
    }

    /// Asks the resolver, which may block for long, on a thread of its own.
    fn resolve(self: &Arc<Self>) {
        let Some(resolver) = self.connections.endpoints.resolver() else { return };
        let question = Question(Arc::downgrade(self));
        let asking = dial::ask(Place::Resolver, move || resolver.resolve());
        self.dialer.owner().shared().spawn_detached(Box::pin(async move {
            let answer = match asking {
                Ok(asking) => asking.await.unwrap_or_else(|panicked| Err(panicked.into())),
                Err(error) => Err(Error::io("starting a thread for a resolver", error)),
            };
            question.answered(answer);
        }));
    }

    /// Dials on the runtime's workers: a caller that leaves does not cancel the dial. For a turn of the same
    /// runtime the connection comes to that turn's poller.
    fn dial(self: &Arc<Self>, endpoint: Arc<Endpoint>) {
        self.counters.dials.fetch_add(1, Relaxed);
        let dial = Dial { hub: self.clone(), endpoint: Some(endpoint.clone()) };
        let owner = self.dialer.owner();
        let shared = owner.shared();
        let own = here().filter(|(runtime, _)| Arc::ptr_eq(runtime, shared));
        // Not where many turns have dialled before: callers may be anywhere.
        let here = own
            .map(|(_, shard)| shard)
            .filter(|shard| shard.load() <= 2 * shared.place().load() + UNEVEN);
        let beside = here.clone();
        let dials = async move {
            let result = dial.hub.connect_at(beside, &endpoint.address).await;
            dial.done(result);
        };
        match here {
            Some(shard) => shared.spawn_at(&shard, Box::pin(dials)),
            None => shared.spawn_detached(Box::pin(dials)),
        }
    }

    /// Dials until there are `n` connections, or as many as the limits allow.
    pub(super) async fn warmed_up(self: &Arc<Self>, n: usize) -> Result<()> {
        self.carry_out(self.connections.warm_up(n));
        let mut known = false;
        poll_fn(|cx| {
            let mut now = self.connections.watch(cx.waker());
            if !known {
                if self.connections.endpoints.is_asking() {
                    return Poll::Pending;
                }
                known = true;
                if self.connections.endpoints.len() > 0 {
                    self.carry_out(self.connections.warm_up(n));
                    now = self.connections.gauges();
                }
            }
            let wanted = self.connections.most().min(n);
            if wanted > 0 && now.connections >= wanted {
                return Poll::Ready(Ok(()));
            }
            if now.dialing == 0 {
                return Poll::Ready(Err(self.connections.endpoints.why_not()));
            }
            Poll::Pending
        })
        .await
    }

    /// Chooses an endpoint for a connection beside those of `Connections`.
    pub(super) async fn endpoint(self: &Arc<Self>) -> Result<Arc<Endpoint>> {
        let choose = || self.connections.endpoints.choose(|_, may_dial| may_dial, Arc::clone);
        if let Some(endpoint) = choose() {
            return Ok(endpoint);
        }
        // The resolver has not answered yet, or no endpoint may be dialled now.
        self.warmed_up(1).await?;
        choose().ok_or_else(|| self.connections.endpoints.why_not())
    }

    /// Dials `address`, and makes the first exchange within the dial's time. Gives the connection, and
    /// whether the peer has proven that it speaks the protocol.
    pub(super) async fn connect(&self, address: &str) -> Result<(Connection, bool)> {
        self.connect_at(None, address).await
    }

    /// Does the same, for a connection at `shard` if one is given.
    async fn connect_at(
        &self,
        shard: Option<Arc<Shard>>,
        address: &str,
    ) -> Result<(Connection, bool)> {
        let until = self.deadline_timer.clock().after(self.dialer.timeout());
        let conn = match shard {
            Some(shard) => self.dialer.clone().at(shard).dial_async(address).await?,
            None => self.dialer.dial_async(address).await?,
        };
        let Some(first) = &self.first else { return Ok((conn, false)) };
        let made = guard::run(Place::ClientHook, || first(conn.clone()));
        let ended = match made {
            Ok(mut exchange) => {
                let guarded = poll_fn(|cx| guard::poll(Place::ClientHook, exchange.as_mut(), cx));
                match self.dialer.within(until, guarded).await {
                    Some(Ok(result)) => result,
                    Some(Err(panicked)) => Err(panicked.into()),
                    None => Err(Error::new(ErrorKind::TimedOut, "it did not end in time")),
                }
            }
            Err(panicked) => Err(panicked.into()),
        };
        match ended {
            Ok(proven) => Ok((conn, proven)),
            Err(error) => {
                conn.abort();
                Err(error.context(format_args!("the first exchange with {address}")))
            }
        }
    }

    /// Looks after a while whether queued calls need another dial.
    fn nudge_later(self: &Arc<Self>) {
        let (hub, runtime) = (Arc::downgrade(self), self.dialer.owner().shared().clone());
        self.dialer.owner().shared().spawn_detached(Box::pin(async move {
            sleep_on(&runtime, SLOWLY).await;
            if let Some(hub) = hub.upgrade() {
                hub.carry_out(hub.connections.nudge());
            }
        }));
    }

    /// Notes that a connection has ended.
    pub(super) fn lost_one(self: &Arc<Self>) {
        if self.keeps_one {
            self.keep_one();
        }
    }

    /// Dials until there is a connection again, even if nobody calls.
    fn keep_one(self: &Arc<Self>) {
        let (hub, runtime) = (self.clone(), self.dialer.owner().shared().clone());
        self.dialer.owner().shared().spawn_detached(Box::pin(async move {
            while hub.connections.lacks_all() {
                // The endpoint's ejection bounds the rate.
                hub.carry_out(hub.connections.warm_up(1));
                sleep_on(&runtime, KEEP).await;
            }
        }));
    }

    fn dialled(self: &Arc<Self>, endpoint: &Arc<Endpoint>, result: Result<(Connection, bool)>) {
        let (conn, proven) = match result {
            Ok(made) => made,
            Err(error) => {
                self.counters.failed_dials.fetch_add(1, Relaxed);
                return self.carry_out(self.connections.unreachable(endpoint, &error));
            }
        };
        let (id, shard) = (conn.conn.id(), conn.conn.shard().number());
        let connection = CallConnection::open(self, conn, endpoint.clone());
        let (wanted, actions) = self.connections.connected(endpoint, (id, shard), &connection);
        if proven {
            connection.answered();
        }
        if wanted {
            connection.attach();
            let connection = Arc::downgrade(&connection);
            // `Connections` holds it until then.
            if let Some(conn) = connection.upgrade().map(|connection| connection.conn.clone()) {
                conn.on_closed(move |_, reason| {
                    if let Some(connection) = connection.upgrade() {
                        connection.ended(reason);
                    }
                });
            }
        }
        self.carry_out(actions);
    }
}

/// A dial in progress; dropping its future counts as a failure.
struct Dial<M: Matching> {
    hub: Arc<Hub<M>>,
    endpoint: Option<Arc<Endpoint>>,
}

impl<M: Matching> Dial<M> {
    fn done(mut self, result: Result<(Connection, bool)>) {
        if let Some(endpoint) = self.endpoint.take() {
            self.hub.dialled(&endpoint, result);
        }
    }
}

impl<M: Matching> Drop for Dial<M> {
    fn drop(&mut self) {
        if let Some(endpoint) = self.endpoint.take() {
            let why = format!("dialling {}: the runtime shuts down", endpoint.address);
            self.hub.dialled(&endpoint, Err(Error::new(ErrorKind::Closed, why)));
        }
    }
}

/// A question to the resolver; a shutdown that drops it counts as an error.
struct Question<M: Matching>(Weak<Hub<M>>);

impl<M: Matching> Question<M> {
    fn answered(mut self, answer: Result<Vec<Address>>) {
        self.tell(answer);
    }

    fn tell(&mut self, answer: Result<Vec<Address>>) {
        if let Some(hub) = mem::take(&mut self.0).upgrade() {
            hub.carry_out(hub.connections.resolved(answer));
        }
    }
}

impl<M: Matching> Drop for Question<M> {
    fn drop(&mut self) {
        let why = "the runtime shuts down before the resolver has answered";
        self.tell(Err(Error::new(ErrorKind::Cancelled, why)));
    }
}
