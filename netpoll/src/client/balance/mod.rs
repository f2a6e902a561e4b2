//! Load balancing: the less loaded of two random endpoints, among those that are not ejected.
//!
//! The caller supplies the time in milliseconds, and the seed of the random choices.

#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use slab::Slab;

use super::health::{Ejection, Health, Outcome};
use crate::{addr::Address, error::Error, random::Random};

/// The endpoints of one client, with the health of each.
///
/// An endpoint that is no longer listed is never chosen; its entry is removed when nobody holds it.
#[derive(Debug)]
pub(super) struct Balance {
    entries: Slab<Entry>,
    /// True if a listed endpoint is not healthy.
    unsound: bool,
    policy: Ejection,
    random: Random,
}

#[derive(Debug)]
struct Entry {
    endpoint: Arc<Endpoint>,
    health: Health,
    /// The error of the last dial, if it failed.
    error: Option<Error>,
}

/// One address. Dials and connections to it hold it.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// Its number among the endpoints that are held or listed.
    pub(super) index: usize,
    /// The address in text form, for dials and errors.
    pub(super) address: String,
    /// Calls in flight; changed under the lock of `Connections`.
    load: AtomicUsize,
    listed: AtomicBool,
    /// True if an answered call changes nothing.
    well: AtomicBool,
    /// True if it was ejected, and no call has been answered since.
    probation: AtomicBool,
}

impl Endpoint {
    pub(super) fn new(index: usize, address: String) -> Self {
        let (load, probation) = (AtomicUsize::new(0), false.into());
        Self { index, address, load, listed: true.into(), well: true.into(), probation }
    }

    /// Returns whether it may get more calls.
    pub(super) fn is_listed(&self) -> bool {
        self.listed.load(Relaxed)
    }

    /// Returns whether it is healthy and no call has failed since one was answered.
    pub(super) fn is_well(&self) -> bool {
        self.well.load(Relaxed)
    }

    /// Returns whether it was ejected, and no call has been answered since: it is dialled slowly.
    pub(super) fn is_on_probation(&self) -> bool {
        self.probation.load(Relaxed)
    }

    /// Adds calls in flight. The lock of `Connections` is held.
    pub(super) fn takes(&self, calls: usize) {
        self.load.store(self.load() + calls, Relaxed);
    }

    /// Subtracts calls that have ended. The lock of `Connections` is held.
    pub(super) fn gives_back(&self, calls: usize) {
        self.load.store(self.load() - calls, Relaxed);
    }

    /// Returns whether the [`Balance`] need not be told of `outcome`.
    pub(super) fn expects(&self, outcome: Outcome) -> bool {
        outcome != Outcome::Failed && self.is_well()
    }

    fn load(&self) -> usize {
        self.load.load(Relaxed)
    }
}

impl Balance {
    pub(super) fn new(policy: Ejection, random: Random) -> Self {
        Self { entries: Slab::new(), unsound: false, policy, random }
    }

    /// Replaces the list. Endpoints that were listed before keep their health.
    pub(super) fn list(&mut self, addresses: &[Address]) {
        let names: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        self.entries.retain(|_, entry| {
            let listed = names.contains(&entry.endpoint.address);
            entry.endpoint.listed.store(listed, Relaxed);
            listed || Arc::strong_count(&entry.endpoint) > 1
        });
        for name in names {
            if self.entries.iter().all(|(_, entry)| entry.endpoint.address != name) {
                let place = self.entries.vacant_entry();
                let endpoint = Arc::new(Endpoint::new(place.key(), name));
                place.insert(Entry { endpoint, health: Health::new(), error: None });
            }
        }
        self.note_unsound();
    }

    /// Returns the listed endpoints.
    pub(super) fn listed(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.entries().map(|entry| &entry.endpoint)
    }

    /// Returns the errors of the last dials to endpoints that cannot be reached.
    pub(super) fn errors(&self) -> impl Iterator<Item = &Error> {
        self.entries().filter_map(|entry| entry.error.as_ref())
    }

    /// Chooses a `usable` endpoint at `now`: one whose ejection is over, for its trial; else the less
    /// loaded of two; else, if all are ejected, one that is connected. `usable` is told whether the
    /// endpoint may be dialled.
    pub(super) fn choose(
        &mut self,
        now: u64,
        usable: impl Fn(&Endpoint, bool) -> bool,
    ) -> Option<&Arc<Endpoint>> {
        let index = if self.unsound {
            let alone = !self.entries().any(|entry| entry.health.is_sound());
            self.awaits_trial(now, alone, &usable)
                .or_else(|| self.less_loaded_of_two(&usable))
                .or_else(|| self.any_connected(alone, &usable))
        } else {
            self.less_loaded_of_two(&usable)
        };
        index.map(|index| &self.entries[index].endpoint)
    }

    /// Returns whether a listed endpoint is not healthy, so that a choice depends on the time.
    pub(super) fn has_unsound(&self) -> bool {
        self.unsound
    }

    /// Notes that a dial of `endpoint` begins, or a call while it is not [well](Endpoint::is_well).
    pub(super) fn tries(&mut self, endpoint: &Endpoint, now: u64) {
        let alone = self.is_alone(endpoint);
        let entry = &mut self.entries[endpoint.index];
        if entry.health.awaits_trial(now, alone, &self.policy) {
            entry.health.try_again();
        }
    }

    /// Notes that a dial has succeeded.
    pub(super) fn connected(&mut self, endpoint: &Endpoint, now: u64) {
        let alone = self.is_alone(endpoint);
        let entry = &mut self.entries[endpoint.index];
        entry.error = None;
        entry.health.connected(now, alone, &self.policy);
        entry.note();
        self.note_unsound();
    }

    /// Notes that a dial has failed.
    pub(super) fn unreachable(&mut self, endpoint: &Endpoint, error: &Error, now: u64) {
        let entry = &mut self.entries[endpoint.index];
        entry.error = Some(error.clone());
        entry.health.unreachable(now, &self.policy, &mut self.random);
        entry.note();
        self.note_unsound();
    }

    /// Notes the end of a call at `endpoint` that was not [expected](Endpoint::expects).
    pub(super) fn ended(&mut self, endpoint: &Endpoint, outcome: Outcome, now: u64) {
        let alone = self.is_alone(endpoint);
        let entry = &mut self.entries[endpoint.index];
        entry.health.ended(outcome, now, alone, &self.policy, &mut self.random);
        entry.note();
        self.note_unsound();
    }

    /// Returns the listed entries.
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(_, entry)| entry).filter(|entry| entry.endpoint.is_listed())
    }

    fn note_unsound(&mut self) {
        let unsound = self.entries().any(|entry| !entry.health.is_sound());
        self.unsound = unsound;
    }

    /// Returns whether no other endpoint is healthy.
    fn is_alone(&self, endpoint: &Endpoint) -> bool {
        !self
            .entries()
            .any(|other| other.endpoint.index != endpoint.index && other.health.is_sound())
    }

    fn awaits_trial(
        &self,
        now: u64,
        alone: bool,
        usable: impl Fn(&Endpoint, bool) -> bool,
    ) -> Option<usize> {
        let mut waiting = self.entries().filter(|entry| {
            entry.health.awaits_trial(now, alone, &self.policy) && usable(&entry.endpoint, true)
        });
        waiting.next().map(|entry| entry.endpoint.index)
    }

    fn less_loaded_of_two(&mut self, usable: impl Fn(&Endpoint, bool) -> bool) -> Option<usize> {
        let fits = |entry: &&Entry| entry.health.is_sound() && usable(&entry.endpoint, true);
        let mut fitting = self.entries().filter(fits);
        let only = fitting.next()?.endpoint.index;
        let count = 1 + fitting.count();
        if count == 1 {
            return Some(only);
        }
        let first = self.random.below(count);
        let second = (first + 1 + self.random.below(count - 1)) % count;
        let nth = |n| self.entries().filter(fits).nth(n).map(|entry| &entry.endpoint);
        let (first, second) = (nth(first)?, nth(second)?);
        Some(if second.load() < first.load() { second.index } else { first.index })
    }

    /// Returns the least loaded endpoint with a connection, if none is healthy: old connections may work
    /// although no new one can be made.
    fn any_connected(
        &self,
        alone: bool,
        usable: impl Fn(&Endpoint, bool) -> bool,
    ) -> Option<usize> {
        let connected = self.entries().filter(|entry| usable(&entry.endpoint, false));
        let least = connected.min_by_key(|entry| entry.endpoint.load());
        least.filter(|_| alone).map(|entry| entry.endpoint.index)
    }
}

impl Entry {
    fn note(&self) {
        self.endpoint.well.store(self.health.is_well(), Relaxed);
        self.endpoint.probation.store(self.health.is_on_probation(), Relaxed);
    }
}
