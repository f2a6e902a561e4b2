//! Which endpoint is next: the less loaded of two, of those that are not ejected.
//!
//! Time is what the caller says, in milliseconds; chance is what the seed says.

#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use slab::Slab;

use super::health::{Ejection, Health, Outcome};
use crate::{addr::Address, error::Error, random::Random};

/// The endpoints of one client, with what is known of each.
///
/// One that is not listed any more is chosen no more; it is gone when nobody holds it.
#[derive(Debug)]
pub(super) struct Balance {
    entries: Slab<Entry>,
    /// Whether one that is listed is not sound.
    unsound: bool,
    policy: Ejection,
    random: Random,
}

#[derive(Debug)]
struct Entry {
    endpoint: Arc<Endpoint>,
    health: Health,
    /// What the last dial said, if it failed.
    error: Option<Error>,
}

/// One address. Whoever dials it, or has a connection to it, holds it.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// Its number among those that are held or listed.
    pub(super) index: usize,
    /// As it is dialled, and named in errors.
    pub(super) address: String,
    /// Calls in flight; changed under the slots' lock.
    load: AtomicUsize,
    listed: AtomicBool,
    /// Whether an answered call changes nothing.
    well: AtomicBool,
}

impl Endpoint {
    pub(super) fn new(index: usize, address: String) -> Self {
        let (load, listed, well) = (AtomicUsize::new(0), true.into(), true.into());
        Self { index, address, load, listed, well }
    }

    /// Whether it may be given more calls.
    pub(super) fn is_listed(&self) -> bool {
        self.listed.load(Relaxed)
    }

    /// Whether it is sound, and no call has failed of late.
    pub(super) fn is_well(&self) -> bool {
        self.well.load(Relaxed)
    }

    /// So many more calls are in flight. Under the slots' lock, as [`gives_back`](Self::gives_back).
    pub(super) fn takes(&self, calls: usize) {
        self.load.store(self.load() + calls, Relaxed);
    }

    /// So many calls have ended.
    pub(super) fn gives_back(&self, calls: usize) {
        self.load.store(self.load() - calls, Relaxed);
    }

    /// Whether the [`Balance`] need not be told that a call has ended so.
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

    /// Makes `addresses` the list. Those that were on it keep what is known of them.
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

    /// Those that are listed.
    pub(super) fn listed(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.entries().map(|entry| &entry.endpoint)
    }

    /// What the last dials said of those that cannot be reached.
    pub(super) fn errors(&self) -> impl Iterator<Item = &Error> {
        self.entries().filter_map(|entry| entry.error.as_ref())
    }

    /// Chooses, at `now`, one that is `usable`: one whose ejection is over, for its trial; else the
    /// less loaded of two; else, where all are ejected, one all the same. `usable` is told whether the
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

    /// Whether one that is listed is not sound, so that a choice depends on the time.
    pub(super) fn has_unsound(&self) -> bool {
        self.unsound
    }

    /// A dial of `endpoint` begins, or a call while it is not [well](Endpoint::is_well).
    pub(super) fn tries(&mut self, endpoint: &Endpoint, now: u64) {
        let alone = self.is_alone(endpoint);
        let entry = &mut self.entries[endpoint.index];
        if entry.health.awaits_trial(now, alone, &self.policy) {
            entry.health.try_again();
        }
    }

    /// A dial has succeeded.
    pub(super) fn connected(&mut self, endpoint: &Endpoint, now: u64) {
        let alone = self.is_alone(endpoint);
        let entry = &mut self.entries[endpoint.index];
        entry.error = None;
        entry.health.connected(now, alone, &self.policy);
        entry.note();
        self.note_unsound();
    }

    /// A dial has failed.
    pub(super) fn unreachable(&mut self, endpoint: &Endpoint, error: &Error, now: u64) {
        let entry = &mut self.entries[endpoint.index];
        entry.error = Some(error.clone());
        entry.health.unreachable(now, &self.policy, &mut self.random);
        entry.note();
        self.note_unsound();
    }

    /// A call at `endpoint` has ended, not as [expected](Endpoint::expects).
    pub(super) fn ended(&mut self, endpoint: &Endpoint, outcome: Outcome, now: u64) {
        let alone = self.is_alone(endpoint);
        let entry = &mut self.entries[endpoint.index];
        entry.health.ended(outcome, now, alone, &self.policy, &mut self.random);
        entry.note();
        self.note_unsound();
    }

    /// The entries that are listed.
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(_, entry)| entry).filter(|entry| entry.endpoint.is_listed())
    }

    fn note_unsound(&mut self) {
        let unsound = self.entries().any(|entry| !entry.health.is_sound());
        self.unsound = unsound;
    }

    /// Whether no other endpoint is sound.
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

    /// Where none is sound, one that has a connection: it may serve, though no new one can be made.
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
    }
}
