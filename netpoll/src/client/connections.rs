//! The connections of a client, and the queue of calls that wait for one.
//!
//! ```text
//!   calls ──enter──▶ queue, by age ──grant──▶ connections that have room ──▶ started
//!                      ▲    │                      ▲        │
//!               again ─┘  leave               connected   release, retire, gone
//!                                                  ▲
//!                    a slot: ─────▶ dialing ───────┘ (or failed: the slot is free)
//! ```
//! A slot is a dial in progress or a connection that has not ended; their number never exceeds the
//! limits. Invariant: while a call waits, no connection has room. Every method that adds one of them looks
//! for the other under the one lock.
//!
//! This file has the events, [`assignment`](super::assignment) the decisions. Nothing is dialled, sent or
//! woken under the lock: methods return [`Actions`] for their caller to carry out.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Waker,
    time::Duration,
};

use super::{
    actions::Actions,
    balance::Endpoint,
    call::Call,
    endpoints::Endpoints,
    entries::{Entries, Entry, Gauges, Phase},
};
use crate::{
    addr::Address,
    error::{Error, ErrorKind, Result},
    primitive::Mutex,
};

/// How long calls wait for an endpoint after a goodbye, if none can be reached.
const PATIENCE: Duration = Duration::from_secs(1);

/// The limits of a client.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Largest number of slots.
    pub(super) connections: usize,
    /// Largest number of slots of one endpoint.
    pub(super) per_host: usize,
    /// Largest number of calls on one connection.
    pub(super) capacity: usize,
    /// Largest number of queued calls.
    pub(super) waiters: usize,
}

/// See the module's documentation.
pub(super) struct Connections<L> {
    pub(super) limits: Limits,
    pub(super) endpoints: Endpoints,
    state: Mutex<Entries<L>>,
}

impl<L> Connections<L> {
    pub(super) fn new(limits: Limits, endpoints: Endpoints) -> Self {
        Self { limits, endpoints, state: Mutex::new(Entries::new()) }
    }

    /// Starts a new call on a connection, or queues it. With a `timer` the call [becomes
    /// late](Call::notify_late) at that tick, unless it is released or [forgotten](Self::forget) before.
    pub(super) fn enter(&self, call: &Arc<Call<L>>, timer: Option<u64>) -> Actions<L> {
        let mut actions = Actions::default();
        let state = &mut *self.state.lock();
        call.ticket.store(state.next_ticket, Relaxed);
        state.next_ticket += 1;
        if state.phase != Phase::Open {
            actions.more().failed.push((call.clone(), self.closed()));
            return actions;
        }
        if let Some(at) = timer
            && state.deadlines.insert(at, call)
        {
            actions.more().timer = Some(at);
        }
        let full = state.queue.len() >= self.limits.waiters;
        if state.queue.is_empty() && self.take(state, call, &mut actions) {
            self.note_due(&mut actions);
            return actions;
        }
        if full {
            let why = format!(
                "{}: {} calls wait for a connection, which is the limit",
                self.endpoints.names(),
                state.queue.len()
            );
            actions.more().failed.push((call.clone(), Error::new(ErrorKind::Limit, why)));
            return actions;
        }
        self.queue(state, call, &mut actions);
        actions
    }

    /// Returns a call that a connection could not take to its place in the queue.
    pub(super) fn again(&self, call: &Arc<Call<L>>) -> Actions<L> {
        let mut actions = Actions::default();
        let state = &mut *self.state.lock();
        if state.phase == Phase::Closed {
            actions.more().failed.push((call.clone(), self.closed()));
            return actions;
        }
        self.queue(state, call, &mut actions);
        actions
    }

    /// Removes a queued call that its caller has left.
    pub(super) fn leave(&self, call: &Call<L>) -> Actions<L> {
        let mut actions = Actions::default();
        let state = &mut *self.state.lock();
        state.queue.remove(&call.ticket());
        state.tell_if_drained(&mut actions);
        actions
    }

    /// Frees the room of `calls`, which have ended on the connection `id`.
    pub(super) fn release<'c>(
        &self,
        id: u64,
        calls: impl ExactSizeIterator<Item = &'c Call<L>>,
    ) -> Actions<L>
    where
        L: 'c,
    {
        let mut actions = Actions::default();
        let state = &mut *self.state.lock();
        let n = calls.len();
        calls.for_each(|call| state.deadlines.remove(call));
        let Some(entry) = state.by_id.get_mut(&id) else { return actions };
        entry.endpoint.gives_back(n);
        entry.in_flight -= n;
        state.in_flight -= n;
        if entry.in_flight == 0 && entry.retired {
            actions.more().closes.push(entry.connection.clone());
        }
        if !entry.retired && !entry.ready {
            entry.ready = true;
            state.hosts[entry.endpoint.index].ready.push(id);
        }
        self.settle(state, &mut actions);
        state.tell_if_drained(&mut actions);
        actions
    }

    /// Removes a call that has ended from the list of deadlines.
    pub(super) fn forget(&self, call: &Call<L>) {
        self.state.lock().deadlines.remove(call);
    }

    /// Returns the calls that are late at the tick `now`, and the next tick for the deadline timer.
    pub(super) fn late(&self, now: u64) -> (Vec<Arc<Call<L>>>, Option<u64>) {
        self.state.lock().deadlines.late(now)
    }

    /// Gives the connection `id` no more calls; its slot is free when it is [`gone`](Self::gone).
    pub(super) fn retire(&self, id: u64) {
        let state = &mut *self.state.lock();
        if let Some(entry) = state.by_id.get_mut(&id) {
            entry.retired = true;
            state.unready(id);
        }
    }

    /// Gives the connection `id` no more calls, and closes it once those in flight have ended. A
    /// connection with many calls gives its endpoint's slot back at once, so that another one can take the
    /// calls that wait; only its calls in flight keep it.
    pub(super) fn drain_one(&self, id: u64) -> Actions<L> {
        self.drain_in(&mut self.state.lock(), id)
    }

    /// Does the same after a goodbye on the connection `id`. Whoever says one is restarted, as a rule, and
    /// nothing was sent of what waits: for a while calls wait for an endpoint, rather than fail.
    pub(super) fn goodbye(&self, id: u64) -> Actions<L> {
        let state = &mut *self.state.lock();
        state.patient_until = Some(self.endpoints.clock.after(PATIENCE));
        self.drain_in(state, id)
    }

    fn drain_in(&self, state: &mut Entries<L>, id: u64) -> Actions<L> {
        let mut actions = Actions::default();
        state.dismiss(id, &mut actions);
        if self.limits.capacity > 1 {
            state.spare(id);
        }
        self.settle(state, &mut actions);
        actions
    }

    /// Gives the connection `id` no more calls, if it has none; returns whether that is so.
    pub(super) fn retire_idle(&self, id: u64) -> bool {
        let state = &mut *self.state.lock();
        let Some(entry) = state.by_id.get_mut(&id).filter(|entry| entry.in_flight == 0) else {
            return false;
        };
        entry.retired = true;
        state.unready(id);
        true
    }

    /// Frees the slot of the connection `id`, which has ended.
    pub(super) fn gone(&self, id: u64) -> Actions<L> {
        let mut actions = Actions::default();
        let state = &mut *self.state.lock();
        state.unready(id);
        let Some(entry) = state.by_id.remove(&id) else { return actions };
        state.in_flight -= entry.in_flight;
        entry.endpoint.gives_back(entry.in_flight);
        if !entry.spare {
            state.host(&entry.endpoint).used -= 1;
        }
        self.settle(state, &mut actions);
        state.tell(&mut actions);
        actions
    }

    /// Adds the `connection` of a dial by its number and that of its shard. Returns false if it is not wanted
    /// and must be closed.
    pub(super) fn connected(
        &self,
        endpoint: &Arc<Endpoint>,
        (id, shard): (u64, usize),
        connection: &Arc<L>,
    ) -> (bool, Actions<L>) {
        self.endpoints.connected(endpoint);
        let mut actions = Actions::default();
        let state = &mut *self.state.lock();
        state.dialing -= 1;
        let unwanted = state.phase == Phase::Closed || !endpoint.is_listed();
        let host = state.host(endpoint);
        host.dialing -= 1;
        if unwanted {
            host.used -= 1;
            self.settle(state, &mut actions);
            state.tell(&mut actions);
            return (false, actions);
        }
        host.ready.push(id);
        let (connection, endpoint) = (connection.clone(), endpoint.clone());
        let used = self.endpoints.clock.now();
        let entry = Entry {
            connection,
            endpoint,
            in_flight: 0,
            assigned: 0,
            ready: true,
            shard,
            retired: false,
            spare: false,
            used,
        };
        state.by_id.insert(id, entry);
        self.settle(state, &mut actions);
        state.tell(&mut actions);
        (true, actions)
    }

    /// Frees the slot of a dial that has failed. Queued calls go on waiting while there is another dial, a
    /// connection, or an endpoint to dial.
    pub(super) fn unreachable(&self, endpoint: &Endpoint, error: &Error) -> Actions<L> {
        self.endpoints.unreachable(endpoint, error);
        let mut actions = Actions::default();
        let state = &mut *self.state.lock();
        state.dialing -= 1;
        let host = state.host(endpoint);
        host.dialing -= 1;
        host.used -= 1;
        self.settle(state, &mut actions);
        state.tell(&mut actions);
        actions
    }

    /// Dials for queued calls that had to wait, since their endpoint is on probation.
    pub(super) fn nudge(&self) -> Actions<L> {
        let mut actions = Actions::default();
        let state = &mut *self.state.lock();
        state.nudged = false;
        self.settle(state, &mut actions);
        actions
    }

    /// Takes the resolver's answer.
    pub(super) fn resolved(&self, answer: Result<Vec<Address>>) -> Actions<L> {
        let mut actions = Actions::default();
        let state = &mut *self.state.lock();
        if !self.endpoints.resolved(answer) {
            self.give_up(state, &mut actions);
        }
        let unlisted = state.by_id.iter().filter(|(_, entry)| !entry.endpoint.is_listed());
        let unlisted: Vec<_> = unlisted.map(|(id, _)| *id).collect();
        for id in unlisted {
            state.dismiss(id, &mut actions);
        }
        self.settle(state, &mut actions);
        state.tell(&mut actions);
        actions
    }

    /// Returns whether there is no connection although there may be one.
    pub(super) fn lacks_all(&self) -> bool {
        let state = self.state.lock();
        state.phase == Phase::Open && state.by_id.is_empty()
    }

    /// Returns the largest number of slots that the limits allow.
    pub(super) fn most(&self) -> usize {
        let hosts = self.limits.per_host.saturating_mul(self.endpoints.len());
        self.limits.connections.min(hosts)
    }

    /// Dials until there are `n` slots, or as many as the limits allow.
    pub(super) fn warm_up(&self, n: usize) -> Actions<L> {
        let mut actions = Actions::default();
        let state = &mut *self.state.lock();
        while state.phase == Phase::Open && state.by_id.len() + state.dialing < n {
            if !self.dial(state, &mut actions) {
                break;
            }
        }
        self.note_due(&mut actions);
        actions
    }

    /// Refuses new calls from now on.
    pub(super) fn drain(&self) {
        let state = &mut *self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Draining;
        }
    }

    /// Fails the queued calls and all later ones. Returns the connections, for the caller to close, and
    /// the number of calls that are cut short.
    pub(super) fn close(&self) -> (Vec<Arc<L>>, usize, Actions<L>) {
        let mut actions = Actions::default();
        let state = &mut *self.state.lock();
        state.phase = Phase::Closed;
        let cut = state.queue.len() + state.in_flight;
        while let Some((_, call)) = state.queue.pop_first() {
            actions.more().failed.push((call, self.closed()));
        }
        for entry in state.by_id.values_mut() {
            (entry.retired, entry.ready) = (true, false);
        }
        state.hosts.iter_mut().for_each(|host| host.ready.clear());
        state.tell(&mut actions);
        (state.by_id.values().map(|entry| entry.connection.clone()).collect(), cut, actions)
    }

    /// Returns the gauges of this moment.
    pub(super) fn gauges(&self) -> Gauges {
        self.state.lock().gauges()
    }

    /// Returns the gauges of this moment; their next change wakes `waker`.
    pub(super) fn watch(&self, waker: &Waker) -> Gauges {
        let mut state = self.state.lock();
        if !state.watchers.iter().any(|known| known.will_wake(waker)) {
            state.watchers.push(waker.clone());
        }
        state.gauges()
    }

    pub(super) fn closed(&self) -> Error {
        Error::new(ErrorKind::Closed, format!("the client of {} is closed", self.endpoints.names()))
    }
}
