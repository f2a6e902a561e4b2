//! Assignment: calls to connections with room, dials to endpoints. Everything here runs under the lock of
//! [`Connections`].

use std::{mem, sync::Arc, time::Duration};

use super::{
    actions::{Actions, Start},
    balance::Endpoint,
    call::{Call, Place},
    connections::Connections,
    entries::{Entries, Phase},
};
use crate::sched::here_number;

impl<L> Connections<L> {
    /// Assigns `call` to a connection with room. Returns false if there is none.
    pub(super) fn take(
        &self,
        state: &mut Entries<L>,
        call: &Arc<Call<L>>,
        actions: &mut Actions<L>,
    ) -> bool {
        let sole = self.sole(state);
        let next = sole.map(Ok).or_else(|| {
            self.endpoints.choose(
                |endpoint, may_dial| {
                    state.has_room(endpoint) || may_dial && self.may_dial(state, endpoint)
                },
                |endpoint| match state.has_room(endpoint) {
                    true => Ok(endpoint.index),
                    false => Err(endpoint.clone()),
                },
            )
        });
        let host = match next {
            None => return false,
            Some(Ok(host)) => host,
            Some(Err(endpoint)) => {
                // Later calls will have its connection.
                if state.host(&endpoint).dialing == 0 {
                    self.occupy(state, &endpoint, actions);
                }
                let Some(other) = self.with_room(state) else { return false };
                other
            }
        };
        let Some((id, entry)) = state.least_loaded(host, here_number) else { return false };
        if entry.in_flight > 0
            && state.hosts[host].dialing == 0
            && entry.endpoint.is_well()
            && self.may_dial(state, &entry.endpoint)
        {
            let endpoint = entry.endpoint.clone();
            self.occupy(state, &endpoint, actions);
        }
        self.start(state, id, call.clone(), actions);
        true
    }

    /// Returns the number of an endpoint that has a connection with room.
    fn with_room(&self, state: &Entries<L>) -> Option<usize> {
        self.sole(state).or_else(|| {
            self.endpoints.choose(|endpoint, _| state.has_room(endpoint), |endpoint| endpoint.index)
        })
    }

    /// Returns the only endpoint, if it has a connection with room.
    fn sole(&self, state: &Entries<L>) -> Option<usize> {
        self.endpoints.sole().filter(|host| state.is_ready(*host))
    }

    /// Queues `call`.
    pub(super) fn queue(
        &self,
        state: &mut Entries<L>,
        call: &Arc<Call<L>>,
        actions: &mut Actions<L>,
    ) {
        if call.move_to(Place::Queue) {
            state.queue.insert(call.ticket(), call.clone());
            self.settle(state, actions);
        }
    }

    /// Matches the queue with the connections that have room, and dials for the rest.
    pub(super) fn settle(&self, state: &mut Entries<L>, actions: &mut Actions<L>) {
        if state.queue.is_empty() {
            return;
        }
        self.grant(state, actions);
        self.refill(state, actions);
        self.note_due(actions);
    }

    /// Asks the resolver if that is due.
    pub(super) fn note_due(&self, actions: &mut Actions<L>) {
        if self.endpoints.is_due() {
            actions.more().resolves = true;
        }
    }

    /// Dials for the queued calls; fails them if no endpoint can be reached.
    fn refill(&self, state: &mut Entries<L>, actions: &mut Actions<L>) {
        while state.dialing.saturating_mul(self.limits.capacity) < state.queue.len()
            && self.dial(state, actions)
        {}
        self.nudge_if_needed(state, actions);
        self.make_way(state, actions);
        let hopeless = state.dialing == 0 && state.by_id.is_empty() && !state.queue.is_empty();
        if hopeless && !self.endpoints.is_asking() {
            self.give_up(state, actions);
        }
    }

    /// Fails the queued calls, except for idempotent ones that may try again, and for all of them soon after a
    /// goodbye: a server that restarts is back soon.
    pub(super) fn give_up(&self, state: &mut Entries<L>, actions: &mut Actions<L>) {
        // Without probation none is dialled again.
        let patient = self.endpoints.has_probation()
            && state.patient_until.is_some_and(|until| !until.has_passed());
        let why = self.endpoints.why_not();
        for (ticket, call) in mem::take(&mut state.queue) {
            if patient || call.may_wait_for_an_endpoint() {
                state.queue.insert(ticket, call);
            } else {
                actions.more().failed.push((call, why.clone()));
            }
        }
        self.nudge_if_needed(state, actions);
        state.tell_if_drained(actions);
    }

    /// Looks again after a while, if calls wait for an endpoint that may not be dialled yet.
    fn nudge_if_needed(&self, state: &mut Entries<L>, actions: &mut Actions<L>) {
        if !state.queue.is_empty() && !state.nudged && self.endpoints.has_probation() {
            state.nudged = true;
            actions.more().nudges = true;
        }
    }

    /// Begins a dial. Returns false if a limit or the endpoints' health forbids another one.
    pub(super) fn dial(&self, state: &mut Entries<L>, actions: &mut Actions<L>) -> bool {
        let next = self
            .endpoints
            .choose(|endpoint, may_dial| may_dial && self.may_dial(state, endpoint), Arc::clone);
        if let Some(endpoint) = &next {
            self.occupy(state, endpoint, actions);
        }
        next.is_some()
    }

    /// Takes a slot of `endpoint` for a dial.
    fn occupy(&self, state: &mut Entries<L>, endpoint: &Arc<Endpoint>, actions: &mut Actions<L>) {
        self.endpoints.dials(endpoint);
        state.dialing += 1;
        let host = state.host(endpoint);
        host.used += 1;
        host.dialing += 1;
        host.last_dial = endpoint.is_on_probation().then(|| self.endpoints.clock.now());
        actions.more().dials.push(endpoint.clone());
    }

    fn may_dial(&self, state: &Entries<L>, endpoint: &Endpoint) -> bool {
        state.phase != Phase::Closed
            && !self.is_full(state)
            && state.used(endpoint) < self.limits.per_host
            && (!endpoint.is_on_probation() || self.may_dial_slowly(state, endpoint))
    }

    /// Returns whether an endpoint on probation may be dialled again. Its first connection may be one that
    /// ends as the others did: what waits must not make a burst of them.
    fn may_dial_slowly(&self, state: &Entries<L>, endpoint: &Endpoint) -> bool {
        let Some(host) = state.hosts.get(endpoint.index).filter(|host| host.used > 0) else {
            return true;
        };
        host.last_dial.is_none_or(|last| self.endpoints.clock.now().since(last) >= SLOWLY)
    }

    fn is_full(&self, state: &Entries<L>) -> bool {
        state.by_id.len() + state.dialing >= self.limits.connections
    }

    /// Closes idle connections of ejected endpoints if calls wait and no slot is free: other endpoints
    /// get their slots.
    fn make_way(&self, state: &mut Entries<L>, actions: &mut Actions<L>) {
        let wanted = state.queue.len().div_ceil(self.limits.capacity).saturating_sub(state.dialing);
        if wanted == 0 || !self.is_full(state) {
            return;
        }
        let unused = state.by_id.iter().filter(|(_, entry)| entry.ready && entry.in_flight == 0);
        let unused: Vec<_> = unused.map(|(id, _)| *id).take(wanted).collect();
        for id in unused {
            state.dismiss(id, actions);
        }
    }

    /// Assigns connections with room to the calls that have waited longest.
    fn grant(&self, state: &mut Entries<L>, actions: &mut Actions<L>) {
        while !state.queue.is_empty() {
            let Some(host) = self.with_room(state) else { return };
            // Whoever called may be anywhere.
            let Some((id, _)) = state.least_loaded(host, || None) else { return };
            let Some((_, call)) = state.queue.pop_first() else { return };
            self.start(state, id, call, actions);
        }
    }

    /// Counts `call` as in flight on the connection `id`.
    fn start(&self, state: &mut Entries<L>, id: u64, call: Arc<Call<L>>, actions: &mut Actions<L>) {
        let Some(entry) = state.by_id.get_mut(&id) else { return };
        entry.endpoint.takes(1);
        self.endpoints.began(&entry.endpoint);
        let idle = (entry.in_flight == 0).then(|| call.begun.since(entry.used));
        entry.used = call.begun;
        entry.in_flight += 1;
        let turn = entry.assigned;
        entry.assigned += 1;
        state.in_flight += 1;
        let connection = entry.connection.clone();
        if entry.in_flight >= self.limits.capacity {
            state.unready(id);
        }
        actions.start(Start { id, connection, call, turn, idle });
    }
}

/// Time between dials to an endpoint on probation that has a connection.
pub(super) const SLOWLY: Duration = Duration::from_millis(50);
