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
//! Nothing is dialled, sent or told under the lock: methods give the [`Steps`] that their caller has
//! to carry out.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::Ordering::Relaxed},
    task::Waker,
    time::Instant,
};

use super::{
    call::{Call, Place},
    endpoints::{Endpoint, Endpoints},
    spread::Spread,
};
use crate::{
    error::{Error, ErrorKind},
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
    limits: Limits,
    pub(super) endpoints: Endpoints,
    state: Mutex<State<L>>,
}

struct State<L> {
    hosts: Vec<Host>,
    lanes: HashMap<u64, Seat<L>, Spread>,
    queue: BTreeMap<u64, Arc<Call<L>>>,
    next_ticket: u64,
    dialing: usize,
    in_flight: usize,
    phase: Phase,
    /// Told when a slot or the last call has changed.
    watchers: Vec<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// No new calls.
    Draining,
    /// No calls at all.
    Closed,
}

#[derive(Default)]
struct Host {
    /// Slots.
    used: usize,
    dialing: usize,
    /// Lanes that have room, the one used last at the end.
    ready: Vec<u64>,
}

/// A lane's place.
struct Seat<L> {
    lane: Arc<L>,
    endpoint: Arc<Endpoint>,
    in_flight: usize,
    ready: bool,
    /// It takes no more calls.
    retired: bool,
    idle_since: Instant,
}

/// What is to be done after a change.
pub(super) struct Steps<L> {
    /// Calls to start.
    pub(super) starts: Vec<Start<L>>,
    /// Endpoints to dial; each is a slot.
    pub(super) dials: Vec<Arc<Endpoint>>,
    /// Calls that end.
    pub(super) failed: Vec<(Arc<Call<L>>, Error)>,
    pub(super) wakes: Vec<Waker>,
}

/// A call for a lane; it is counted as in flight there.
pub(super) struct Start<L> {
    pub(super) id: u64,
    pub(super) lane: Arc<L>,
    pub(super) call: Arc<Call<L>>,
    /// Since when the lane had nothing to do, if it had nothing to do.
    pub(super) idle_since: Option<Instant>,
}

impl<L> Default for Steps<L> {
    fn default() -> Self {
        Self { starts: Vec::new(), dials: Vec::new(), failed: Vec::new(), wakes: Vec::new() }
    }
}

impl<L> Steps<L> {
    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
            && self.dials.is_empty()
            && self.failed.is_empty()
            && self.wakes.is_empty()
    }

    /// Adds what follows from a step.
    pub(super) fn join(&mut self, more: Self) {
        self.starts.extend(more.starts);
        self.dials.extend(more.dials);
        self.failed.extend(more.failed);
        self.wakes.extend(more.wakes);
    }
}

/// Numbers of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gauges {
    pub(super) connections: usize,
    pub(super) idle: usize,
    pub(super) dialing: usize,
    pub(super) waiters: usize,
    pub(super) in_flight: usize,
}

impl<L> Slots<L> {
    pub(super) fn new(limits: Limits, endpoints: Endpoints) -> Self {
        let state = State {
            hosts: endpoints.iter().map(|_| Host::default()).collect(),
            lanes: HashMap::default(),
            queue: BTreeMap::new(),
            next_ticket: 0,
            dialing: 0,
            in_flight: 0,
            phase: Phase::Open,
            watchers: Vec::new(),
        };
        Self { limits, endpoints, state: Mutex::new(state) }
    }

    /// A new call: started on a lane, or in the queue.
    pub(super) fn enter(&self, call: &Arc<Call<L>>) -> Steps<L> {
        let mut steps = Steps::default();
        let state = &mut *self.state.lock();
        call.ticket.store(state.next_ticket, Relaxed);
        state.next_ticket += 1;
        if state.phase != Phase::Open {
            steps.failed.push((call.clone(), self.closed()));
            return steps;
        }
        let full = state.queue.len() >= self.limits.waiters;
        if state.queue.is_empty() && self.take(state, call, &mut steps) {
            return steps;
        }
        if full {
            let why = format!(
                "{}: {} calls wait for a connection, which is the limit",
                self.endpoints.names(),
                state.queue.len()
            );
            steps.failed.push((call.clone(), Error::new(ErrorKind::Limit, why)));
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
            steps.failed.push((call.clone(), self.closed()));
            return steps;
        }
        self.queue(state, call, &mut steps);
        self.grant(state, &mut steps);
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

    /// `n` calls of the lane `id` have ended.
    pub(super) fn release(&self, id: u64, n: usize) -> Steps<L> {
        let mut steps = Steps::default();
        let state = &mut *self.state.lock();
        let Some(seat) = state.lanes.get_mut(&id) else { return steps };
        seat.in_flight -= n;
        state.in_flight -= n;
        if seat.in_flight == 0 {
            seat.idle_since = Instant::now();
        }
        if !seat.retired && !seat.ready {
            seat.ready = true;
            state.hosts[seat.endpoint.index].ready.push(id);
        }
        self.grant(state, &mut steps);
        state.tell_if_drained(&mut steps);
        steps
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
        state.hosts[seat.endpoint.index].used -= 1;
        self.refill(state, &mut steps);
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
        let host = &mut state.hosts[endpoint.index];
        host.dialing -= 1;
        if state.phase == Phase::Closed {
            host.used -= 1;
            state.tell(&mut steps);
            return (false, steps);
        }
        host.ready.push(id);
        let (lane, endpoint) = (lane.clone(), endpoint.clone());
        let idle_since = Instant::now();
        let seat = Seat { lane, endpoint, in_flight: 0, ready: true, retired: false, idle_since };
        state.lanes.insert(id, seat);
        self.grant(state, &mut steps);
        state.tell(&mut steps);
        (true, steps)
    }

    /// A dial has failed: so has the try of those who have waited longest. They wait on if there is an
    /// endpoint that they have not tried.
    pub(super) fn unreachable(&self, endpoint: &Endpoint, error: &Error) -> Steps<L> {
        self.endpoints.unreachable(endpoint, error);
        let mut steps = Steps::default();
        let state = &mut *self.state.lock();
        state.dialing -= 1;
        let host = &mut state.hosts[endpoint.index];
        host.dialing -= 1;
        host.used -= 1;
        let tried: Vec<_> = state.queue.values().take(self.limits.capacity).cloned().collect();
        for call in tried {
            if call.tried() as usize >= self.endpoints.len() {
                state.queue.remove(&call.ticket());
                steps.failed.push((call, error.copy()));
            }
        }
        self.refill(state, &mut steps);
        state.tell(&mut steps);
        steps
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
            steps.failed.push((call, self.closed()));
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

    /// Gives `call` a lane that has room. False: there is none.
    ///
    /// Where the endpoint whose turn it is has none, or none without a call, it gets another for the
    /// calls to come.
    fn take(&self, state: &mut State<L>, call: &Arc<Call<L>>, steps: &mut Steps<L>) -> bool {
        let chosen = self.endpoints.choose(|endpoint| {
            !state.hosts[endpoint.index].ready.is_empty() || self.may_dial(state, endpoint)
        });
        let Some(endpoint) = chosen else { return false };
        let own = state.least_loaded(endpoint.index);
        let Some(id) = own.or_else(|| self.any_ready(state)) else { return false };
        let lacks = own.is_none_or(|id| state.lanes[&id].in_flight > 0);
        if lacks && state.hosts[endpoint.index].dialing == 0 && self.may_dial(state, endpoint) {
            state.occupy(endpoint, steps);
        }
        state.start(id, call.clone(), self.limits.capacity, steps);
        true
    }

    /// The lane for a call, of any endpoint's.
    fn any_ready(&self, state: &State<L>) -> Option<u64> {
        let ready = |endpoint: &Endpoint| !state.hosts[endpoint.index].ready.is_empty();
        self.endpoints.choose(ready).and_then(|endpoint| state.least_loaded(endpoint.index))
    }

    fn queue(&self, state: &mut State<L>, call: &Arc<Call<L>>, steps: &mut Steps<L>) {
        if call.move_to(Place::Queue) {
            state.queue.insert(call.ticket(), call.clone());
            self.refill(state, steps);
        }
    }

    /// Dials for those who wait. If nothing can come of that, they fail.
    fn refill(&self, state: &mut State<L>, steps: &mut Steps<L>) {
        while state.dialing.saturating_mul(self.limits.capacity) < state.queue.len()
            && self.dial(state, steps)
        {}
        if state.dialing == 0 && state.lanes.is_empty() && !state.queue.is_empty() {
            let why = self.endpoints.why_not();
            while let Some((_, call)) = state.queue.pop_first() {
                steps.failed.push((call, why.copy()));
            }
            state.tell_if_drained(steps);
        }
    }

    /// Begins a dial. False: there may be no more now.
    fn dial(&self, state: &mut State<L>, steps: &mut Steps<L>) -> bool {
        let chosen = self.endpoints.choose(|endpoint| self.may_dial(state, endpoint));
        if let Some(endpoint) = chosen {
            state.occupy(endpoint, steps);
        }
        chosen.is_some()
    }

    fn may_dial(&self, state: &State<L>, endpoint: &Endpoint) -> bool {
        state.phase != Phase::Closed
            && state.lanes.len() + state.dialing < self.limits.connections
            && state.hosts[endpoint.index].used < self.limits.per_host
            && !endpoint.rests()
    }

    /// Gives lanes that have room to those who have waited longest.
    fn grant(&self, state: &mut State<L>, steps: &mut Steps<L>) {
        while !state.queue.is_empty() {
            let Some(id) = self.any_ready(state) else { return };
            let Some((_, call)) = state.queue.pop_first() else { return };
            state.start(id, call, self.limits.capacity, steps);
        }
    }

    fn closed(&self) -> Error {
        Error::new(ErrorKind::Closed, format!("the client of {} is closed", self.endpoints.names()))
    }
}

impl<L> State<L> {
    /// The lane with the fewest calls of those that have room; of several, the one used last.
    fn least_loaded(&self, host: usize) -> Option<u64> {
        let mut best = None;
        for id in self.hosts[host].ready.iter().rev() {
            let load = self.lanes[id].in_flight;
            if best.is_none_or(|(least, _)| load < least) {
                best = Some((load, *id));
            }
            if load == 0 {
                break;
            }
        }
        best.map(|(_, id)| id)
    }

    /// Counts `call` as in flight on the lane `id`.
    fn start(&mut self, id: u64, call: Arc<Call<L>>, capacity: usize, steps: &mut Steps<L>) {
        let Some(seat) = self.lanes.get_mut(&id) else { return };
        let idle_since = (seat.in_flight == 0).then_some(seat.idle_since);
        seat.in_flight += 1;
        self.in_flight += 1;
        let lane = seat.lane.clone();
        if seat.in_flight >= capacity {
            self.unready(id);
        }
        steps.starts.push(Start { id, lane, call, idle_since });
    }

    /// Takes the lane `id` from those that have room.
    fn unready(&mut self, id: u64) {
        let Some(seat) = self.lanes.get_mut(&id).filter(|seat| seat.ready) else { return };
        seat.ready = false;
        let ready = &mut self.hosts[seat.endpoint.index].ready;
        if let Some(at) = ready.iter().rposition(|known| *known == id) {
            ready.remove(at);
        }
    }

    /// A slot of `endpoint` for a dial.
    fn occupy(&mut self, endpoint: &Arc<Endpoint>, steps: &mut Steps<L>) {
        self.dialing += 1;
        let host = &mut self.hosts[endpoint.index];
        host.used += 1;
        host.dialing += 1;
        steps.dials.push(endpoint.clone());
    }

    fn tell(&mut self, steps: &mut Steps<L>) {
        steps.wakes.append(&mut self.watchers);
    }

    fn tell_if_drained(&mut self, steps: &mut Steps<L>) {
        if self.phase != Phase::Open && self.in_flight == 0 && self.queue.is_empty() {
            self.tell(steps);
        }
    }

    fn gauges(&self) -> Gauges {
        Gauges {
            connections: self.lanes.len(),
            idle: self.lanes.values().filter(|seat| seat.in_flight == 0).count(),
            dialing: self.dialing,
            waiters: self.queue.len(),
            in_flight: self.in_flight,
        }
    }
}
