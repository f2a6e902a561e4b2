//! The health of an endpoint: outlier ejection.
//!
//! ```text
//!            a dial fails, or calls in a row            its time is over
//!      ┌───────┐ ────────────────▶ ┌─────────┐ ──────────────────────▶ ┌──────────┐
//!      │ sound │                   │ ejected │ a dial, then one call   │ on trial │
//!      └───────┘                   └─────────┘ ◀────────────────────── └──────────┘
//!          ▲                                    a failure: for longer        │
//!          └─────────────────────────────────────────────────────────────────┘
//!                                   the call is answered
//! ```
//! An endpoint is *alone* if no other one is sound. It is ejected by failed dials only, for a short time,
//! and is sound again once a dial succeeds: no other endpoint can take its calls.

use std::time::Duration;

use crate::random::Random;

/// The policy of ejection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ejection {
    /// Failed calls in a row that eject. A failed dial ejects at once.
    pub(super) failures: u32,
    /// Duration of the first ejection; each further one lasts twice as long.
    pub(super) first: Duration,
    /// Longest duration of an ejection.
    pub(super) longest: Duration,
    /// Longest duration for an endpoint that is alone.
    pub(super) longest_alone: Duration,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            failures: 5,
            first: Duration::from_millis(20),
            longest: Duration::from_secs(10),
            longest_alone: Duration::from_millis(500),
        }
    }
}

/// The outcome of a call, for the health of its endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A reply came.
    Answered,
    /// The connection ended, the reply was malformed, or none came in time.
    Failed,
    /// Unknown: its caller gave it up.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Sound,
    /// Begin and duration in milliseconds.
    Ejected(u64, u64),
    OnTrial,
}

/// The health of one endpoint. Times are in milliseconds.
#[derive(Debug)]
pub(super) struct Health {
    state: State,
    /// Failures in a row while it is sound.
    failures: u32,
    /// Ejections in a row.
    ejections: u32,
}

impl Health {
    pub(super) fn new() -> Self {
        Self { state: State::Sound, failures: 0, ejections: 0 }
    }

    pub(super) fn is_sound(&self) -> bool {
        self.state == State::Sound
    }

    /// Returns whether it is sound and no call failed since one was answered.
    pub(super) fn is_well(&self) -> bool {
        self.is_sound() && self.failures == 0 && self.ejections == 0
    }

    /// Returns whether it was ejected, and no call has been answered since.
    pub(super) fn is_on_probation(&self) -> bool {
        self.ejections > 0
    }

    /// Returns whether its ejection is over, so that it may be tried.
    pub(super) fn awaits_trial(&self, now: u64, alone: bool, policy: &Ejection) -> bool {
        let State::Ejected(since, length) = self.state else { return false };
        let most = if alone { millis(policy.longest_alone) } else { u64::MAX };
        since + length.min(most) <= now
    }

    /// Begins the trial of an endpoint that [awaited](Self::awaits_trial) it.
    pub(super) fn try_again(&mut self) {
        self.state = State::OnTrial;
    }

    /// Notes that a dial has succeeded. The trial continues with a call, unless the endpoint is alone.
    pub(super) fn connected(&mut self, now: u64, alone: bool, policy: &Ejection) {
        if self.is_sound() {
            return;
        }
        if alone {
            (self.state, self.failures) = (State::Sound, policy.failures.saturating_sub(1));
        } else {
            self.state = State::Ejected(now, 0);
        }
    }

    /// Notes that a dial has failed. Of several that began together, one counts.
    pub(super) fn unreachable(&mut self, now: u64, policy: &Ejection, random: &mut Random) {
        // One that has just connected is ejected for no time, until its trial.
        if !matches!(self.state, State::Ejected(_, length) if length > 0) {
            self.eject(now, policy, random);
        }
    }

    /// Notes the end of a call.
    pub(super) fn ended(
        &mut self,
        outcome: Outcome,
        now: u64,
        alone: bool,
        policy: &Ejection,
        random: &mut Random,
    ) {
        match (self.state, outcome) {
            // The call began before: an old connection may work while no new one can be made.
            (State::Ejected(..), _) | (State::Sound, Outcome::Unknown) => {}
            (_, Outcome::Answered) => *self = Self::new(),
            (State::OnTrial, Outcome::Unknown) => self.state = State::Ejected(now, 0),
            (State::OnTrial, Outcome::Failed) => self.eject(now, policy, random),
            (State::Sound, Outcome::Failed) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures >= policy.failures && !alone {
                    self.eject(now, policy, random);
                }
            }
        }
    }

    fn eject(&mut self, now: u64, policy: &Ejection, random: &mut Random) {
        self.state = State::Ejected(now, policy.length(self.ejections, random));
        self.ejections = self.ejections.saturating_add(1);
        self.failures = 0;
    }
}

impl Ejection {
    /// Returns the milliseconds of the ejection after `before` others. Half of it is random, so that not
    /// all clients come back together.
    fn length(&self, before: u32, random: &mut Random) -> u64 {
        let factor = 1u32.checked_shl(before).unwrap_or(u32::MAX);
        let whole = millis(self.first.saturating_mul(factor).min(self.longest));
        let half = usize::try_from(whole / 2).unwrap_or(usize::MAX).min(1 << 30);
        (half + random.below(half + 1)) as u64
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Ejection = Ejection {
        failures: 3,
        first: Duration::from_millis(100),
        longest: Duration::from_millis(1_500),
        longest_alone: Duration::from_millis(200),
    };

    struct Patient {
        health: Health,
        random: Random,
        alone: bool,
    }

    impl Patient {
        fn new() -> Self {
            Self { health: Health::new(), random: Random::seeded(1), alone: false }
        }

        fn call(&mut self, outcome: Outcome, now: u64) {
            self.health.ended(outcome, now, self.alone, &POLICY, &mut self.random);
        }

        fn unreachable(&mut self, now: u64) {
            self.health.unreachable(now, &POLICY, &mut self.random);
        }

        /// Milliseconds from `now` until its ejection is over.
        fn ejected(&self, now: u64) -> u64 {
            assert!(!self.health.is_sound());
            let over = |t: &u64| self.health.awaits_trial(*t, self.alone, &POLICY);
            (now..).find(over).unwrap() - now
        }
    }

    #[test]
    fn failures_on_end_eject_and_an_answer_forgets_them() {
        let mut it = Patient::new();
        for outcome in [Outcome::Failed, Outcome::Failed, Outcome::Answered, Outcome::Failed] {
            it.call(outcome, 0);
        }
        it.call(Outcome::Unknown, 0);
        it.call(Outcome::Failed, 0);
        assert!(it.health.is_sound() && !it.health.is_well());
        it.call(Outcome::Failed, 0);
        assert!(!it.health.is_sound());
    }

    #[test]
    fn each_ejection_lasts_twice_as_long_up_to_a_limit() {
        let (mut it, mut now) = (Patient::new(), 0);
        for most in [100, 200, 400, 800, 1_500, 1_500] {
            it.unreachable(now);
            it.unreachable(now);
            let length = it.ejected(now);
            assert!((most / 2..=most).contains(&length), "{length} of {most}");
            now += length;
            it.health.try_again();
        }
        it.call(Outcome::Answered, now);
        assert!(it.health.is_well());
        it.unreachable(now);
        assert!(it.ejected(now) <= 100, "it began anew");
    }

    #[test]
    fn a_trial_is_a_dial_and_then_a_call() {
        let mut it = Patient::new();
        it.unreachable(0);
        it.health.try_again();
        assert!(!it.health.awaits_trial(u64::MAX, false, &POLICY), "one at a time");
        it.health.connected(500, false, &POLICY);
        assert!(!it.health.is_sound() && it.health.awaits_trial(500, false, &POLICY));
        it.health.try_again();
        it.call(Outcome::Unknown, 600);
        assert!(it.health.awaits_trial(600, false, &POLICY), "nothing is known");
        it.health.try_again();
        it.call(Outcome::Failed, 700);
        assert!((100..=200).contains(&it.ejected(700)));
    }

    #[test]
    fn what_began_before_says_nothing_of_one_that_is_ejected() {
        let mut it = Patient::new();
        it.unreachable(0);
        let length = it.ejected(0);
        it.call(Outcome::Answered, 0);
        (0..10).for_each(|_| it.call(Outcome::Failed, 0));
        assert_eq!((it.ejected(0), it.health.ejections), (length, 1));
    }

    #[test]
    fn an_endpoint_that_is_alone_is_ejected_by_dials_only_and_for_a_short_time() {
        let mut it = Patient::new();
        it.alone = true;
        (0..100).for_each(|_| it.call(Outcome::Failed, 0));
        assert!(it.health.is_sound());
        for _ in 0..10 {
            it.unreachable(0);
            assert!((50..=200).contains(&it.ejected(0)));
            it.health.try_again();
        }
        it.health.connected(0, true, &POLICY);
        assert!(it.health.is_sound());
        it.alone = false;
        it.call(Outcome::Failed, 0);
        assert!(!it.health.is_sound(), "the first call was its trial");
    }

    #[test]
    fn jitter_spreads_and_never_overflows() {
        let policy = Ejection::default();
        let lengths: std::collections::HashSet<_> =
            (0..100).map(|seed| policy.length(8, &mut Random::seeded(seed))).collect();
        assert!(lengths.len() > 50, "{lengths:?}");
        for before in [31, 32, 1_000, u32::MAX] {
            assert!(policy.length(before, &mut Random::seeded(0)) <= 10_000);
        }
    }
}
