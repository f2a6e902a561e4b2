//! Who gets what of the slots: calls their lanes, endpoints their dials.
//!
//! All of it is decided under the lock of the [slots](super::slots).

use std::sync::Arc;

use super::{
    balance::Endpoint,
    call::{Call, Place},
    seats::{Phase, State},
    slots::Slots,
    steps::{Start, Steps},
};

impl<L> Slots<L> {
    /// Gives `call` a lane that has room. False: there is none.
    pub(super) fn take(
        &self,
        state: &mut State<L>,
        call: &Arc<Call<L>>,
        steps: &mut Steps<L>,
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
                // It will have a lane, for those who come later.
                if state.host(&endpoint).dialing == 0 {
                    self.occupy(state, &endpoint, steps);
                }
                let Some(other) = self.with_room(state) else { return false };
                other
            }
        };
        let Some((id, seat)) = state.least_loaded(host) else { return false };
        if seat.in_flight > 0
            && state.hosts[host].dialing == 0
            && seat.endpoint.is_well()
            && self.may_dial(state, &seat.endpoint)
        {
            let endpoint = seat.endpoint.clone();
            self.occupy(state, &endpoint, steps);
        }
        self.start(state, id, call.clone(), steps);
        true
    }

    /// An endpoint with a lane that has room: its number.
    fn with_room(&self, state: &State<L>) -> Option<usize> {
        self.sole(state).or_else(|| {
            self.endpoints.choose(|endpoint, _| state.has_room(endpoint), |endpoint| endpoint.index)
        })
    }

    /// The same where there is nothing to choose.
    fn sole(&self, state: &State<L>) -> Option<usize> {
        self.endpoints.sole().filter(|host| state.is_ready(*host))
    }

    /// Puts `call` into the queue.
    pub(super) fn queue(&self, state: &mut State<L>, call: &Arc<Call<L>>, steps: &mut Steps<L>) {
        if call.move_to(Place::Queue) {
            state.queue.insert(call.ticket(), call.clone());
            self.settle(state, steps);
        }
    }

    /// Brings those who wait and what there is together.
    pub(super) fn settle(&self, state: &mut State<L>, steps: &mut Steps<L>) {
        if state.queue.is_empty() {
            return;
        }
        self.grant(state, steps);
        self.refill(state, steps);
        self.note_due(steps);
    }

    /// Has the resolver asked if that is due.
    pub(super) fn note_due(&self, steps: &mut Steps<L>) {
        if self.endpoints.is_due() {
            steps.more().resolves = true;
        }
    }

    /// Dials for those who wait. If nothing can come of that, they fail.
    fn refill(&self, state: &mut State<L>, steps: &mut Steps<L>) {
        while state.dialing.saturating_mul(self.limits.capacity) < state.queue.len()
            && self.dial(state, steps)
        {}
        self.make_way(state, steps);
        let hopeless = state.dialing == 0 && state.lanes.is_empty() && !state.queue.is_empty();
        if hopeless && !self.endpoints.is_asking() {
            self.give_up(state, steps);
        }
    }

    /// Fails all who wait.
    pub(super) fn give_up(&self, state: &mut State<L>, steps: &mut Steps<L>) {
        let why = self.endpoints.why_not();
        while let Some((_, call)) = state.queue.pop_first() {
            steps.more().failed.push((call, why.clone()));
        }
        state.tell_if_drained(steps);
    }

    /// Begins a dial. False: there may be no more now.
    pub(super) fn dial(&self, state: &mut State<L>, steps: &mut Steps<L>) -> bool {
        let next = self
            .endpoints
            .choose(|endpoint, may_dial| may_dial && self.may_dial(state, endpoint), Arc::clone);
        if let Some(endpoint) = &next {
            self.occupy(state, endpoint, steps);
        }
        next.is_some()
    }

    /// A slot of `endpoint` for a dial.
    fn occupy(&self, state: &mut State<L>, endpoint: &Arc<Endpoint>, steps: &mut Steps<L>) {
        self.endpoints.dials(endpoint);
        state.dialing += 1;
        let host = state.host(endpoint);
        host.used += 1;
        host.dialing += 1;
        steps.more().dials.push(endpoint.clone());
    }

    fn may_dial(&self, state: &State<L>, endpoint: &Endpoint) -> bool {
        state.phase != Phase::Closed
            && !self.is_full(state)
            && state.used(endpoint) < self.limits.per_host
    }

    fn is_full(&self, state: &State<L>) -> bool {
        state.lanes.len() + state.dialing >= self.limits.connections
    }

    /// Where all slots are taken and calls wait all the same, lanes that nobody may use, since their
    /// endpoint fails, give theirs to others.
    fn make_way(&self, state: &mut State<L>, steps: &mut Steps<L>) {
        let wanted = state.queue.len().div_ceil(self.limits.capacity).saturating_sub(state.dialing);
        if wanted == 0 || !self.is_full(state) {
            return;
        }
        let unused = state.lanes.iter().filter(|(_, seat)| seat.ready && seat.in_flight == 0);
        let unused: Vec<_> = unused.map(|(id, _)| *id).take(wanted).collect();
        for id in unused {
            state.dismiss(id, steps);
        }
    }

    /// Gives lanes that have room to those who have waited longest.
    fn grant(&self, state: &mut State<L>, steps: &mut Steps<L>) {
        while !state.queue.is_empty() {
            let Some(host) = self.with_room(state) else { return };
            let Some((id, _)) = state.least_loaded(host) else { return };
            let Some((_, call)) = state.queue.pop_first() else { return };
            self.start(state, id, call, steps);
        }
    }

    /// Counts `call` as in flight on the lane `id`.
    fn start(&self, state: &mut State<L>, id: u64, call: Arc<Call<L>>, steps: &mut Steps<L>) {
        let Some(seat) = state.lanes.get_mut(&id) else { return };
        seat.endpoint.takes(1);
        self.endpoints.began(&seat.endpoint);
        let idle = (seat.in_flight == 0).then(|| call.begun.since(seat.used));
        seat.used = call.begun;
        seat.in_flight += 1;
        state.in_flight += 1;
        let lane = seat.lane.clone();
        if seat.in_flight >= self.limits.capacity {
            state.unready(id);
        }
        steps.start(Start { id, lane, call, idle });
    }
}
