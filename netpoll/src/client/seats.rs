//! The lanes of a client and those who wait, as the slots' lock guards them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    task::Waker,
};

use super::{balance::Endpoint, call::Call, deadlines::Deadlines, spread::Spread, steps::Steps};
use crate::timer::Moment;

/// What the slots' lock guards.
pub(super) struct State<L> {
    /// By the endpoints' numbers.
    pub(super) hosts: Vec<Host>,
    pub(super) lanes: HashMap<u64, Seat<L>, Spread>,
    pub(super) queue: BTreeMap<u64, Arc<Call<L>>>,
    pub(super) next_ticket: u64,
    pub(super) deadlines: Deadlines<L>,
    pub(super) dialing: usize,
    pub(super) in_flight: usize,
    pub(super) phase: Phase,
    /// Told when a slot or the last call has changed.
    pub(super) watchers: Vec<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// No new calls.
    Draining,
    /// No calls at all.
    Closed,
}

#[derive(Default)]
pub(super) struct Host {
    /// Slots.
    pub(super) used: usize,
    pub(super) dialing: usize,
    /// Lanes that have room, the one used last at the end.
    pub(super) ready: Vec<u64>,
}

/// A lane's place.
pub(super) struct Seat<L> {
    pub(super) lane: Arc<L>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) in_flight: usize,
    pub(super) ready: bool,
    /// It takes no more calls.
    pub(super) retired: bool,
    /// When the call began that it was given last, or its connection was made.
    pub(super) used: Moment,
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

impl<L> State<L> {
    pub(super) fn new() -> Self {
        Self {
            hosts: Vec::new(),
            lanes: HashMap::default(),
            queue: BTreeMap::new(),
            next_ticket: 0,
            deadlines: Deadlines::new(),
            dialing: 0,
            in_flight: 0,
            phase: Phase::Open,
            watchers: Vec::new(),
        }
    }

    pub(super) fn host(&mut self, endpoint: &Endpoint) -> &mut Host {
        if self.hosts.len() <= endpoint.index {
            self.hosts.resize_with(endpoint.index + 1, Host::default);
        }
        &mut self.hosts[endpoint.index]
    }

    pub(super) fn used(&self, endpoint: &Endpoint) -> usize {
        self.hosts.get(endpoint.index).map_or(0, |host| host.used)
    }

    /// Whether a lane of `endpoint` has room.
    pub(super) fn has_room(&self, endpoint: &Endpoint) -> bool {
        self.is_ready(endpoint.index)
    }

    /// The same, of the endpoint `host`.
    pub(super) fn is_ready(&self, host: usize) -> bool {
        self.hosts.get(host).is_some_and(|host| !host.ready.is_empty())
    }

    /// The lane with the fewest calls of those that have room; of several, the one used last.
    pub(super) fn least_loaded(&self, host: usize) -> Option<(u64, &Seat<L>)> {
        let mut best: Option<(u64, &Seat<L>)> = None;
        for id in self.hosts[host].ready.iter().rev() {
            let seat = &self.lanes[id];
            if best.is_none_or(|(_, least)| seat.in_flight < least.in_flight) {
                best = Some((*id, seat));
            }
            if seat.in_flight == 0 {
                break;
            }
        }
        best
    }

    /// Takes the lane `id` from those that have room.
    pub(super) fn unready(&mut self, id: u64) {
        let Some(seat) = self.lanes.get_mut(&id).filter(|seat| seat.ready) else { return };
        seat.ready = false;
        let ready = &mut self.hosts[seat.endpoint.index].ready;
        if let Some(at) = ready.iter().rposition(|known| *known == id) {
            ready.remove(at);
        }
    }

    /// Has the lane `id` take no more calls, and be closed when it has none.
    pub(super) fn dismiss(&mut self, id: u64, steps: &mut Steps<L>) {
        self.unready(id);
        let Some(seat) = self.lanes.get_mut(&id) else { return };
        seat.retired = true;
        if seat.in_flight == 0 {
            steps.more().closes.push(seat.lane.clone());
        }
    }

    pub(super) fn tell(&mut self, steps: &mut Steps<L>) {
        if !self.watchers.is_empty() {
            steps.more().wakes.append(&mut self.watchers);
        }
    }

    pub(super) fn tell_if_drained(&mut self, steps: &mut Steps<L>) {
        if self.phase != Phase::Open && self.in_flight == 0 && self.queue.is_empty() {
            self.tell(steps);
        }
    }

    pub(super) fn gauges(&self) -> Gauges {
        Gauges {
            connections: self.lanes.len(),
            idle: self.lanes.values().filter(|seat| seat.in_flight == 0).count(),
            dialing: self.dialing,
            waiters: self.queue.len(),
            in_flight: self.in_flight,
        }
    }
}
