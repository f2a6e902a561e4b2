//! Choices under all that may happen to endpoints.

use std::time::Duration;

use proptest::{prelude::*, sample::Index};

use super::*;
use crate::error::ErrorKind;

const POLICY: Ejection = Ejection {
    failures: 3,
    first: Duration::from_millis(100),
    longest: Duration::from_millis(1_000),
    longest_alone: Duration::from_millis(200),
};

fn addresses(n: u16) -> Vec<Address> {
    (1..=n).map(|port| Address::Tcp { host: "h".into(), port }).collect()
}

fn balance(n: u16, seed: u64) -> Balance {
    let mut balance = Balance::new(POLICY, Random::seeded(seed));
    balance.list(&addresses(n));
    balance
}

fn refused() -> Error {
    Error::new(ErrorKind::Io, "refused")
}

impl Balance {
    fn begins(&mut self, endpoint: &Endpoint, now: u64) {
        endpoint.takes(1);
        if !endpoint.is_well() {
            self.tries(endpoint, now);
        }
    }

    fn ends(&mut self, endpoint: &Endpoint, outcome: Outcome, now: u64) {
        endpoint.gives_back(1);
        if !endpoint.expects(outcome) {
            self.ended(endpoint, outcome, now);
        }
    }

    fn loads(&self) -> impl Iterator<Item = usize> {
        self.entries.iter().map(|(_, entry)| entry.endpoint.load())
    }

    /// Chooses for a call, where all are connected.
    fn call(&mut self, now: u64) -> Arc<Endpoint> {
        let endpoint = self.choose(now, |_, _| true).unwrap().clone();
        self.begins(&endpoint, now);
        endpoint
    }

    /// A call that ends at once: whose it was.
    fn whole_call(&mut self, outcome: Outcome, now: u64) -> usize {
        let endpoint = self.call(now);
        self.ends(&endpoint, outcome, now);
        endpoint.index
    }

    /// Has all calls of `down` fail until it is ejected.
    fn eject(&mut self, down: usize, now: u64) {
        while self.entries[down].health.is_sound() {
            let outcome = |at| if at == down { Outcome::Failed } else { Outcome::Answered };
            let endpoint = self.call(now);
            self.ends(&endpoint, outcome(endpoint.index), now);
        }
    }
}

#[test]
fn who_fails_is_left_out_then_tried_once() {
    let mut it = balance(3, 1);
    it.eject(2, 0);
    for _ in 0..100 {
        assert_ne!(it.whole_call(Outcome::Answered, 10), 2);
    }
    let trial = it.call(100);
    assert_eq!(trial.index, 2, "its time is over");
    for _ in 0..100 {
        assert_ne!(it.whole_call(Outcome::Answered, 5_000), 2, "one trial at a time");
    }
    it.ends(&trial, Outcome::Answered, 5_000);
    let again = (0..100).filter(|_| it.whole_call(Outcome::Answered, 5_000) == 2).count();
    assert!(again > 10, "{again} of 100");
}

#[test]
fn where_all_are_down_none_is_dialled_before_its_time() {
    let mut it = balance(3, 2);
    let mut order = Vec::new();
    for now in 0..3 {
        let endpoint = it.choose(now, |_, dials| dials).unwrap().clone();
        it.tries(&endpoint, now);
        it.unreachable(&endpoint, &refused(), now);
        order.push(endpoint.index);
    }
    assert!(it.choose(3, |_, dials| dials).is_none());
    assert!(it.choose(3, |endpoint, _| endpoint.index == 1).is_some(), "it has a connection");
    let first = (3..).find_map(|now| it.choose(now, |_, dials| dials).cloned()).unwrap();
    assert!(order.contains(&first.index));
    order.sort_unstable();
    assert_eq!(order, [0, 1, 2]);
}

#[test]
fn the_last_sound_one_stays_whatever_its_calls_do() {
    let mut it = balance(2, 3);
    it.eject(0, 0);
    for _ in 0..100 {
        assert_eq!(it.whole_call(Outcome::Failed, 0), 1);
    }
}

#[test]
fn who_is_listed_no_more_drains() {
    let mut it = balance(2, 4);
    let held = [it.call(0), it.call(0)];
    assert_ne!(held[0].index, held[1].index, "by load");
    let [stays, goes] = held;
    it.list(&[stays.address.parse().unwrap()]);
    assert!(stays.is_listed() && !goes.is_listed());
    for _ in 0..50 {
        assert_eq!(it.whole_call(Outcome::Answered, 0), stays.index);
    }
    // One that comes back while it drains is what it was.
    let address = goes.address.parse().unwrap();
    it.list(&[address]);
    assert!(goes.is_listed() && goes.load() == 1);
    it.list(&[]);
    assert!(it.choose(0, |_, _| true).is_none());
    it.ends(&goes, Outcome::Failed, 0);
    assert_eq!((it.entries.len(), it.listed().count()), (2, 0));
    drop((stays, goes));
    it.list(&addresses(1));
    assert_eq!(it.entries.len(), 1);
}

/// Equal numbers of calls, which end at random: loads stay close to each other.
#[test]
fn loads_stay_together_as_calls_come_and_go() {
    for seed in 0..20 {
        let (mut it, mut random) = (balance(10, seed), Random::seeded(!seed));
        let mut held: Vec<_> = (0..500).map(|_| it.call(0)).collect();
        for _ in 0..2_000 {
            let ends = held.swap_remove(random.below(held.len()));
            it.ends(&ends, Outcome::Answered, 0);
            held.push(it.call(0));
            let (least, most) = (it.loads().min().unwrap(), it.loads().max().unwrap());
            assert!(least >= 50 - 12 && most <= 50 + 8, "seed {seed}: {least} to {most}");
        }
    }
}

proptest! {
    /// Calls begin and end in any order: the one that has more than any other is never chosen.
    #[test]
    fn the_most_loaded_is_not_chosen(
        seed: u64,
        n in 2u16..20,
        actions in prop::collection::vec((any::<bool>(), any::<Index>()), 1..400),
    ) {
        let mut it = balance(n, seed);
        let mut held: Vec<Arc<Endpoint>> = Vec::new();
        for (begins, which) in actions {
            if begins || held.is_empty() {
                let most = it.loads().max().unwrap();
                let is_alone = it.loads().filter(|load| *load == most).count() == 1;
                let endpoint = it.call(0);
                prop_assert!(endpoint.load() <= most || !is_alone, "{it:?}");
                held.push(endpoint);
            } else {
                let endpoint = held.swap_remove(which.index(held.len()));
                it.ends(&endpoint, Outcome::Answered, 0);
            }
        }
        prop_assert_eq!(it.loads().sum::<usize>(), held.len());
    }

    /// No endpoint has many more than its share, however many calls begin.
    #[test]
    fn loads_stay_together(seed: u64, n in 2u16..40, calls in 0usize..1_000) {
        let mut it = balance(n, seed);
        for call in 1..=calls {
            let most = call.div_ceil(n.into()) + 8;
            prop_assert!(it.call(0).load() <= most, "{it:?}");
        }
    }

    /// Whatever happens: one that is ejected is chosen only for its trial, or where none is sound;
    /// one is dialled only if it is sound or on trial; a choice fails only where nothing may be
    /// dialled; and nobody is on trial whom nothing under way will tell of.
    #[test]
    fn choices_keep_the_rules(
        seed: u64,
        actions in prop::collection::vec((0u8..12, any::<Index>(), 0u64..120), 1..300),
    ) {
        const OUTCOMES: [Outcome; 3] = [Outcome::Answered, Outcome::Failed, Outcome::Unknown];
        let all = addresses(6);
        let mut it = balance(6, seed);
        let (mut calls, mut dials, mut now) = (Vec::new(), Vec::new(), 0);
        for (what, which, later) in actions {
            match what {
                0..3 if !calls.is_empty() => {
                    let endpoint: Arc<Endpoint> = calls.swap_remove(which.index(calls.len()));
                    it.ends(&endpoint, OUTCOMES[usize::from(what)], now);
                }
                3..5 if !dials.is_empty() => {
                    let endpoint: Arc<Endpoint> = dials.swap_remove(which.index(dials.len()));
                    if what == 3 {
                        it.connected(&endpoint, now);
                    } else {
                        it.unreachable(&endpoint, &refused(), now);
                    }
                }
                5 => it.list(&all[which.index(all.len())..]),
                6 => now += later,
                _ => {
                    let alone = !it.entries().any(|entry| entry.health.is_sound());
                    let may: Vec<_> = it.entries().filter(|entry| {
                        let health = &entry.health;
                        health.is_sound() || health.awaits_trial(now, alone, &POLICY)
                    }).map(|entry| entry.endpoint.index).collect();
                    let calls_now = what < 9;
                    let chosen = it.choose(now, |_, may_dial| may_dial || calls_now).cloned();
                    let nobody = if calls_now { it.listed().count() == 0 } else { may.is_empty() };
                    prop_assert_eq!(chosen.is_none(), nobody, "{:?}", it);
                    let Some(chosen) = chosen else { continue };
                    let fits = may.contains(&chosen.index);
                    prop_assert!(fits || may.is_empty() && calls_now, "{it:?}");
                    if calls_now {
                        it.begins(&chosen, now);
                        calls.push(chosen);
                    } else {
                        it.tries(&chosen, now);
                        dials.push(chosen);
                    }
                }
            }
            prop_assert_eq!(it.loads().sum::<usize>(), calls.len());
            for entry in it.entries() {
                let told = [&calls, &dials].iter().any(|held| {
                    held.iter().any(|held| held.index == entry.endpoint.index)
                });
                let health = &entry.health;
                let later = health.awaits_trial(u64::MAX, true, &POLICY);
                prop_assert!(told || health.is_sound() || later, "{it:?}");
            }
        }
    }
}
