//! The hub of a client: its slots, its dialler, its counters; carries out what the slots decide.

use std::{
    iter,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::Waker,
    time::Duration,
};

use super::{
    alarms::Alarms,
    balance::Endpoint,
    call::Call,
    health::Outcome,
    slots::Slots,
    steps::{More, Start, Steps},
};
use crate::{
    conn::{CloseReason, Connection},
    dial::Dialer,
    error::{Error, ErrorKind, Result},
    sched::{blocking, sleep_on},
};

/// How often a client that keeps a connection looks whether it may dial.
const KEEP: Duration = Duration::from_millis(50);

/// A connection with the calls that it carries.
pub(super) trait Lane: Send + Sync + Sized + 'static {
    /// What all lanes of a client share.
    type Spec: Send + Sync + 'static;

    /// The lane of a new connection.
    fn open(hub: &Arc<Hub<Self>>, conn: Connection, endpoint: Arc<Endpoint>) -> Arc<Self>;

    /// The connection's handler is set, so that replies are received.
    fn attach(self: &Arc<Self>);

    fn conn(&self) -> &Connection;

    /// Takes a call.
    fn start(self: &Arc<Self>, call: Arc<Call<Self>>) -> Started<Self>;

    /// The caller of a call that it has waits no more: `outcome` is what that says of the endpoint.
    fn abandon(self: &Arc<Self>, call: &Arc<Call<Self>>, number: u64, sent: bool, outcome: Outcome);

    /// Its connection has ended.
    fn ended(self: &Arc<Self>, reason: CloseReason);

    fn endpoint(&self) -> &Arc<Endpoint>;
}

/// What became of a call that a lane was given.
pub(super) enum Started<L> {
    Taken,
    /// Its caller has left.
    CallGone(Arc<Call<L>>),
    /// The lane takes no more calls.
    LaneGone(Arc<Call<L>>),
}

/// See the module's documentation.
pub(super) struct Hub<L: Lane> {
    pub(super) slots: Slots<L>,
    pub(super) dialer: Dialer,
    pub(super) alarms: Alarms<L>,
    pub(super) counters: Counters,
    /// How long a lane may have been given no call before it is probed.
    pub(super) probe_after: Duration,
    pub(super) spec: L::Spec,
}

/// What has happened so far.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) dials: AtomicU64,
    pub(super) failed_dials: AtomicU64,
    pub(super) timeouts: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) poisoned: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) pushes: AtomicU64,
}

impl<L: Lane> Hub<L> {
    /// Does what the slots have decided.
    pub(super) fn carry_out(self: &Arc<Self>, mut steps: Steps<L>) {
        while !steps.is_empty() {
            let more = steps.take_more();
            let behind = more.map(|more| self.carry_out_more(*more)).unwrap_or_default();
            let mut next = steps.start.map(|start| self.start(start)).unwrap_or_default();
            behind.into_iter().for_each(|start| next.join(self.start(start)));
            steps = next;
        }
    }

    /// Does what there is besides a call to start; gives what is to be started too.
    fn carry_out_more(self: &Arc<Self>, more: More<L>) -> Vec<Start<L>> {
        if more.resolves {
            self.resolve();
        }
        if let Some(at) = more.alarm {
            self.alarms.set(at);
        }
        more.dials.into_iter().for_each(|endpoint| self.dial(endpoint));
        more.closes.into_iter().for_each(|lane| lane.conn().close());
        for (call, error) in more.failed {
            call.complete(Err(error));
        }
        more.wakes.into_iter().for_each(Waker::wake);
        more.starts
    }

    fn start(&self, start: Start<L>) -> Steps<L> {
        let Start { id, lane, call, idle } = start;
        if !self.is_sound(lane.conn(), idle) {
            // Found dead before a byte of the call was written.
            self.counters.stale.fetch_add(1, Relaxed);
            self.not_taken(&lane);
            self.slots.retire(id);
            if lane.conn().is_active() {
                lane.conn().abort();
            }
            // Else its own turn ends it, after what came before, and with the reason that it had.
            return self.slots.again(&call);
        }
        match lane.start(call) {
            Started::Taken => Steps::default(),
            Started::CallGone(call) => {
                self.not_taken(&lane);
                self.slots.release(id, iter::once(&*call))
            }
            Started::LaneGone(call) => {
                self.not_taken(&lane);
                self.slots.retire(id);
                self.slots.again(&call)
            }
        }
    }

    /// A call that was begun at the lane's endpoint went elsewhere.
    fn not_taken(&self, lane: &L) {
        self.slots.endpoints.ended(lane.endpoint(), Outcome::Unknown);
    }

    /// Whether a connection looks alive; asks the system if it was given no call for long.
    fn is_sound(&self, conn: &Connection, idle: Option<Duration>) -> bool {
        match idle {
            Some(idle) if idle >= self.probe_after => conn.probe(),
            _ => conn.is_active(),
        }
    }

    /// Asks the resolver, on a worker.
    fn resolve(self: &Arc<Self>) {
        let question = Question(Some(self.clone()));
        self.dialer.owner().shared().spawn_detached(Box::pin(async move { question.ask() }));
    }

    /// Dials on the runtime's workers: whoever waits may leave, and the slot is used all the same.
    fn dial(self: &Arc<Self>, endpoint: Arc<Endpoint>) {
        self.counters.dials.fetch_add(1, Relaxed);
        let dial = Dial { hub: self.clone(), endpoint: Some(endpoint.clone()) };
        let dials = async move {
            let result = dial.hub.dialer.dial_async(&endpoint.address).await;
            dial.done(result);
        };
        self.dialer.owner().shared().spawn_detached(Box::pin(dials));
    }

    /// Dials until there is a connection again, though nobody calls.
    pub(super) fn keep_one(self: &Arc<Self>) {
        let (hub, runtime) = (self.clone(), self.dialer.owner().shared().clone());
        self.dialer.owner().shared().spawn_detached(Box::pin(async move {
            while hub.slots.lacks_all() {
                // An endpoint that refused is left alone for a while, which grows.
                hub.carry_out(hub.slots.warm_up(1));
                sleep_on(&runtime, KEEP).await;
            }
        }));
    }

    fn dialled(self: &Arc<Self>, endpoint: &Arc<Endpoint>, result: Result<Connection>) {
        let conn = match result {
            Ok(conn) => conn,
            Err(error) => {
                self.counters.failed_dials.fetch_add(1, Relaxed);
                return self.carry_out(self.slots.unreachable(endpoint, &error));
            }
        };
        let id = conn.conn.id;
        let lane = L::open(self, conn, endpoint.clone());
        let (wanted, steps) = self.slots.connected(endpoint, id, &lane);
        if wanted {
            lane.attach();
            let lane = Arc::downgrade(&lane);
            // The slots hold the lane until then.
            if let Some(conn) = lane.upgrade().map(|lane| lane.conn().clone()) {
                conn.on_closed(move |_, reason| {
                    if let Some(lane) = lane.upgrade() {
                        lane.ended(reason);
                    }
                });
            }
        }
        self.carry_out(steps);
    }
}

/// A dial under way, whose end is told also if its future is dropped.
struct Dial<L: Lane> {
    hub: Arc<Hub<L>>,
    endpoint: Option<Arc<Endpoint>>,
}

impl<L: Lane> Dial<L> {
    fn done(mut self, result: Result<Connection>) {
        if let Some(endpoint) = self.endpoint.take() {
            self.hub.dialled(&endpoint, result);
        }
    }
}

impl<L: Lane> Drop for Dial<L> {
    fn drop(&mut self) {
        if let Some(endpoint) = self.endpoint.take() {
            let why = format!("dialling {}: the runtime shuts down", endpoint.address);
            self.hub.dialled(&endpoint, Err(Error::new(ErrorKind::Closed, why)));
        }
    }
}

/// The resolver's being asked, whose end is told also if a shutdown drops it, or the resolver panics.
struct Question<L: Lane>(Option<Arc<Hub<L>>>);

impl<L: Lane> Question<L> {
    fn ask(mut self) {
        if let Some(hub) = &self.0 {
            let answer = blocking(|| hub.slots.endpoints.resolve());
            hub.carry_out(hub.slots.resolved(answer));
            self.0 = None;
        }
    }
}

impl<L: Lane> Drop for Question<L> {
    fn drop(&mut self) {
        if let Some(hub) = self.0.take() {
            let why = "the resolver was given up: it panicked, or the runtime shuts down";
            let error = Error::new(ErrorKind::Cancelled, why);
            hub.carry_out(hub.slots.resolved(Err(error)));
        }
    }
}
