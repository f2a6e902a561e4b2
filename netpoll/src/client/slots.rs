//! Slots: which connections there are, which of them can take a call, and who waits for one.
//!
//! ```text
//!   calls ──enter──▶ queue, by age ──grant──▶ lanes that have room ──▶ started
//!                      ▲    │                      ▲        │
//!               again ─┘  leave               connected   release, retire, gone
//!                                                  ▲
//!                    a slot: ─────▶ dialing ───────┘ (or failed: the slot is free)
//! ```
//! A slot is a dial under way or a connection that has not ended: there are never more than the limits,
//! whoever still waits. A lane that has room and a call that waits never stand side by side: whatever
//! brings one of them looks for the other, under the one lock.
//!
//! Here stands what happens to them, in [`allot`](super::allot) what is decided then. Nothing is dialled,
//! sent or told under the lock: methods give the [`Steps`] that their caller has to carry out.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Waker,
};

use super::{
    balance::Endpoint,
    call::Call,
    endpoints::Endpoints,
    seats::{Gauges, Phase, Seat, State},
    steps::Steps,
};
use crate::{
    addr::Address,
    error::{Error, ErrorKind, Result},
    primitive::Mutex,
};

/// How many there may be.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Slots in all.
    pub(super) connections: usize,
    /// Slots of one endpoint.
    pub(super) per_host: usize,
    /// Calls that one lane carries at once.
    pub(super) capacity: usize,
    /// Calls that wait for a lane.
    pub(super) waiters: usize,
}

/// See the module's documentation.
pub(super) struct Slots<L> {
    pub(super) limits: Limits,
    pub(super) endpoints: Endpoints,
    state: Mutex<State<L>>,
}

impl<L> Slots<L> {
    pub(super) fn new(limits: Limits, endpoints: Endpoints) -> Self {
        Self { limits, endpoints, state: Mutex::new(State::new()) }
    }

    /// A new call: started on a lane, or in the queue. With an `alarm` it is [rung](Call::ring) at that
    /// tick, until it is released or [forgotten](Self::forget).
    pub(super) fn enter(&self, call: &Arc<Call<L>>, alarm: Option<u64>) -> Steps<L> {
        let mut steps = Steps::default();
        let state = &mut *self.state.lock();
        call.ticket.store(state.next_ticket, Relaxed);
        state.next_ticket += 1;
        if state.phase != Phase::Open {
            steps.more().failed.push((call.clone(), self.closed()));
            return steps;
        }
        if let Some(at) = alarm
            && state.deadlines.insert(at, call)
        {
            steps.more().alarm = Some(at);
        }
        let full = state.queue.len() >= self.limits.waiters;
        if state.queue.is_empty() && self.take(state, call, &mut steps) {
            self.note_due(&mut steps);
            return steps;
        }
        if full {
            let why = format!(
                "{}: {} calls wait for a connection, which is the limit",
                self.endpoints.names(),
                state.queue.len()
            );
            steps.more().failed.push((call.clone(), Error::new(ErrorKind::Limit, why)));
            return steps;
        }
        self.queue(state, call, &mut steps);
        steps
    }

    /// A call that a lane could not take goes back to its place in the queue.
    pub(super) fn again(&self, call: &Arc<Call<L>>) -> Steps<L> {
        let mut steps = Steps::default();
        let state = &mut *self.state.lock();
        if state.phase == Phase::Closed {
            steps.more().failed.push((call.clone(), self.closed()));
            return steps;
        }
        self.queue(state, call, &mut steps);
        steps
    }

    /// A waiting call has been left by its caller.
    pub(super) fn leave(&self, call: &Call<L>) -> Steps<L> {
        let mut steps = Steps::default();
        let state = &mut *self.state.lock();
        state.queue.remove(&call.ticket());
        state.tell_if_drained(&mut steps);
        steps
    }

    /// These `calls` of the lane `id` have ended.
    pub(super) fn release<'c>(
        &self,
        id: u64,
        calls: impl ExactSizeIterator<Item = &'c Call<L>>,
    ) -> Steps<L>
    where
        L: 'c,
    {
        let mut steps = Steps::default();
        let state = &mut *self.state.lock();
        let n = calls.len();
        calls.for_each(|call| state.deadlines.remove(call));
        let Some(seat) = state.lanes.get_mut(&id) else { return steps };
        seat.endpoint.gives_back(n);
        seat.in_flight -= n;
        state.in_flight -= n;
        if seat.in_flight == 0 && !seat.endpoint.is_listed() {
            steps.more().closes.push(seat.lane.clone());
        }
        if !seat.retired && !seat.ready {
            seat.ready = true;
            state.hosts[seat.endpoint.index].ready.push(id);
        }
        self.settle(state, &mut steps);
        state.tell_if_drained(&mut steps);
        steps
    }

    /// A call has ended: there is no alarm for it any more.
    pub(super) fn forget(&self, call: &Call<L>) {
        self.state.lock().deadlines.remove(call);
    }

    /// It is the tick `now`, or later: the calls that are late, and when the alarms are to ring next.
    pub(super) fn late(&self, now: u64) -> (Vec<Arc<Call<L>>>, Option<u64>) {
        self.state.lock().deadlines.late(now)
    }

    /// The lane `id` takes no more calls; its slot is free when it is [`gone`](Self::gone).
    pub(super) fn retire(&self, id: u64) {
        let state = &mut *self.state.lock();
        if let Some(seat) = state.lanes.get_mut(&id) {
            seat.retired = true;
            state.unready(id);
        }
    }

    /// As [`retire`](Self::retire), if the lane has nothing to do. False: it has.
    pub(super) fn retire_idle(&self, id: u64) -> bool {
        let state = &mut *self.state.lock();
        let Some(seat) = state.lanes.get_mut(&id).filter(|seat| seat.in_flight == 0) else {
            return false;
        };
        seat.retired = true;
        state.unready(id);
        true
    }

    /// The connection of the lane `id` has ended: its slot is free.
    pub(super) fn gone(&self, id: u64) -> Steps<L> {
        let mut steps = Steps::default();
        let state = &mut *self.state.lock();
        state.unready(id);
        let Some(seat) = state.lanes.remove(&id) else { return steps };
        state.in_flight -= seat.in_flight;
        seat.endpoint.gives_back(seat.in_flight);
        state.host(&seat.endpoint).used -= 1;
        self.settle(state, &mut steps);
        state.tell(&mut steps);
        steps
    }

    /// A dial has given `lane`, whose number is `id`. False: it is not wanted, and must be closed.
    pub(super) fn connected(
        &self,
        endpoint: &Arc<Endpoint>,
        id: u64,
        lane: &Arc<L>,
    ) -> (bool, Steps<L>) {
        self.endpoints.connected(endpoint);
        let mut steps = Steps::default();
        let state = &mut *self.state.lock();
        state.dialing -= 1;
        let unwanted = state.phase == Phase::Closed || !endpoint.is_listed();
        let host = state.host(endpoint);
        host.dialing -= 1;
        if unwanted {
            host.used -= 1;
            self.settle(state, &mut steps);
            state.tell(&mut steps);
            return (false, steps);
        }
        host.ready.push(id);
        let (lane, endpoint) = (lane.clone(), endpoint.clone());
        let used = self.endpoints.clock.now();
        let seat = Seat { lane, endpoint, in_flight: 0, ready: true, retired: false, used };
        state.lanes.insert(id, seat);
        self.settle(state, &mut steps);
        state.tell(&mut steps);
        (true, steps)
    }

    /// A dial has failed. Those who wait wait on while there is another dial, a lane, or an endpoint to
    /// dial: of several dials that fail together none is held against a call.
    pub(super) fn unreachable(&self, endpoint: &Endpoint, error: &Error) -> Steps<L> {
        self.endpoints.unreachable(endpoint, error);
        let mut steps = Steps::default();
        let state = &mut *self.state.lock();
        state.dialing -= 1;
        let host = state.host(endpoint);
        host.dialing -= 1;
        host.used -= 1;
        self.settle(state, &mut steps);
        state.tell(&mut steps);
        steps
    }

    /// The resolver has told which endpoints there are, or why it cannot.
    pub(super) fn resolved(&self, answer: Result<Vec<Address>>) -> Steps<L> {
        let mut steps = Steps::default();
        let state = &mut *self.state.lock();
        if !self.endpoints.resolved(answer) {
            self.give_up(state, &mut steps);
        }
        let unlisted = state.lanes.iter().filter(|(_, seat)| !seat.endpoint.is_listed());
        let unlisted: Vec<_> = unlisted.map(|(id, _)| *id).collect();
        for id in unlisted {
            state.dismiss(id, &mut steps);
        }
        self.settle(state, &mut steps);
        state.tell(&mut steps);
        steps
    }

    /// Whether there is no connection, and may be one.
    pub(super) fn lacks_all(&self) -> bool {
        let state = self.state.lock();
        state.phase == Phase::Open && state.lanes.is_empty()
    }

    /// How many slots there can be.
    pub(super) fn most(&self) -> usize {
        let hosts = self.limits.per_host.saturating_mul(self.endpoints.len());
        self.limits.connections.min(hosts)
    }

    /// Dials until there are `n` slots, or as many as may be.
    pub(super) fn warm_up(&self, n: usize) -> Steps<L> {
        let mut steps = Steps::default();
        let state = &mut *self.state.lock();
        while state.phase == Phase::Open && state.lanes.len() + state.dialing < n {
            if !self.dial(state, &mut steps) {
                break;
            }
        }
        self.note_due(&mut steps);
        steps
    }

    /// No new calls from now on.
    pub(super) fn drain(&self) {
        let state = &mut *self.state.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Draining;
        }
    }

    /// No calls at all from now on: fails those that wait, and gives the lanes, which are to be closed,
    /// with the number of calls that are cut short.
    pub(super) fn close(&self) -> (Vec<Arc<L>>, usize, Steps<L>) {
        let mut steps = Steps::default();
        let state = &mut *self.state.lock();
        state.phase = Phase::Closed;
        let cut = state.queue.len() + state.in_flight;
        while let Some((_, call)) = state.queue.pop_first() {
            steps.more().failed.push((call, self.closed()));
        }
        for seat in state.lanes.values_mut() {
            (seat.retired, seat.ready) = (true, false);
        }
        state.hosts.iter_mut().for_each(|host| host.ready.clear());
        state.tell(&mut steps);
        (state.lanes.values().map(|seat| seat.lane.clone()).collect(), cut, steps)
    }

    /// The numbers of this moment.
    pub(super) fn gauges(&self) -> Gauges {
        self.state.lock().gauges()
    }

    /// As [`gauges`](Self::gauges); `waker` is told when they have changed.
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
