//! The data that the lock of [`Connections`](super::connections::Connections) guards.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    task::Waker,
};

use super::{
    actions::Actions, balance::Endpoint, call::Call, deadlines::Deadlines, hasher::BuildIdHasher,
};
use crate::timer::Moment;

/// Connections with room among which one of the caller's shard is looked for.
const LOOKS: usize = 16;

/// The connections and the queue of a client.
pub(super) struct Entries<L> {
    /// By the endpoints' numbers.
    pub(super) hosts: Vec<Host>,
    pub(super) by_id: HashMap<u64, Entry<L>, BuildIdHasher>,
    pub(super) queue: BTreeMap<u64, Arc<Call<L>>>,
    pub(super) next_ticket: u64,
    pub(super) deadlines: Deadlines<L>,
    pub(super) dialing: usize,
    pub(super) in_flight: usize,
    pub(super) phase: Phase,
    /// Until when calls wait although no endpoint can be reached, after a goodbye.
    pub(super) patient_until: Option<Moment>,
    /// A [nudge](super::connections::Connections::nudge) is on its way.
    pub(super) nudged: bool,
    /// Woken when a slot has changed or the last call has ended.
    pub(super) watchers: Vec<Waker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// New calls are refused.
    Draining,
    /// All calls are refused.
    Closed,
}

#[derive(Default)]
pub(super) struct Host {
    /// Slots of the endpoint.
    pub(super) used: usize,
    pub(super) dialing: usize,
    /// When the last dial began, if it was on probation.
    pub(super) last_dial: Option<Moment>,
    /// Connections with room, the one used last at the end.
    pub(super) ready: Vec<u64>,
}

/// A connection with its state for assignment.
pub(super) struct Entry<L> {
    pub(super) connection: Arc<L>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) in_flight: usize,
    /// Calls that were assigned to it in all.
    pub(super) assigned: u64,
    pub(super) ready: bool,
    /// The number of the shard that its poller belongs to.
    pub(super) shard: usize,
    /// True if it gets no more calls.
    pub(super) retired: bool,
    /// True if it no longer counts for the limit of its endpoint.
    pub(super) spare: bool,
    /// When its last call began, or the connection was made.
    pub(super) used: Moment,
}

/// Gauges of a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gauges {
    pub(super) connections: usize,
    pub(super) idle: usize,
    pub(super) dialing: usize,
    pub(super) waiters: usize,
    pub(super) in_flight: usize,
}

impl<L> Entries<L> {
    pub(super) fn new() -> Self {
        Self {
            hosts: Vec::new(),
            by_id: HashMap::default(),
            queue: BTreeMap::new(),
            next_ticket: 0,
            deadlines: Deadlines::new(),
            dialing: 0,
            in_flight: 0,
            phase: Phase::Open,
            patient_until: None,
            nudged: false,
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

    /// Returns whether a connection of `endpoint` has room.
    pub(super) fn has_room(&self, endpoint: &Endpoint) -> bool {
        self.is_ready(endpoint.index)
    }

    /// Returns whether a connection of the endpoint numbered `host` has room.
    pub(super) fn is_ready(&self, host: usize) -> bool {
        self.hosts.get(host).is_some_and(|host| !host.ready.is_empty())
    }

    /// Returns the connection with room that has the fewest calls; of several, the one used last.
    ///
    /// For a caller on a worker, one of the shard that it gives as `here` comes before those unless it has more than
    /// twice as many calls: the reply then wakes no other thread.
    pub(super) fn least_loaded(
        &self,
        host: usize,
        here: impl FnOnce() -> Option<usize>,
    ) -> Option<(u64, &Entry<L>)> {
        let ready = &self.hosts[host].ready;
        let mut best: Option<(u64, &Entry<L>)> = None;
        for id in ready.iter().rev() {
            let entry = &self.by_id[id];
            if best.is_none_or(|(_, least)| entry.in_flight < least.in_flight) {
                best = Some((*id, entry));
            }
            if entry.in_flight == 0 {
                break;
            }
        }
        if ready.len() > 1
            && let Some((_, least)) = best
            && let Some(here) = here()
            && least.shard != here
        {
            let last = ready.iter().rev().take(LOOKS).map(|id| (*id, &self.by_id[id]));
            let near = last
                .filter(|(_, entry)| entry.shard == here && entry.in_flight <= 2 * least.in_flight);
            best = near.min_by_key(|(_, entry)| entry.in_flight).or(best);
        }
        best
    }

    /// Removes the connection `id` from those with room.
    pub(super) fn unready(&mut self, id: u64) {
        let Some(entry) = self.by_id.get_mut(&id).filter(|entry| entry.ready) else { return };
        entry.ready = false;
        let ready = &mut self.hosts[entry.endpoint.index].ready;
        if let Some(at) = ready.iter().rposition(|known| *known == id) {
            ready.remove(at);
        }
    }

    /// Gives the connection `id` no more calls, and closes it once it has none.
    pub(super) fn dismiss(&mut self, id: u64, actions: &mut Actions<L>) {
        self.unready(id);
        let Some(entry) = self.by_id.get_mut(&id) else { return };
        entry.retired = true;
        if entry.in_flight == 0 {
            actions.more().closes.push(entry.connection.clone());
        }
    }

    /// Takes the connection `id` out of the count for its endpoint's limit.
    pub(super) fn spare(&mut self, id: u64) {
        let Some(entry) = self.by_id.get_mut(&id).filter(|entry| !entry.spare) else { return };
        entry.spare = true;
        self.hosts[entry.endpoint.index].used -= 1;
    }

    pub(super) fn tell(&mut self, actions: &mut Actions<L>) {
        if !self.watchers.is_empty() {
            actions.more().wakes.append(&mut self.watchers);
        }
    }

    pub(super) fn tell_if_drained(&mut self, actions: &mut Actions<L>) {
        if self.phase != Phase::Open && self.in_flight == 0 && self.queue.is_empty() {
            self.tell(actions);
        }
    }

    pub(super) fn gauges(&self) -> Gauges {
        Gauges {
            connections: self.by_id.len(),
            idle: self.by_id.values().filter(|entry| entry.in_flight == 0).count(),
            dialing: self.dialing,
            waiters: self.queue.len(),
            in_flight: self.in_flight,
        }
    }
}
