//! The schedule of questions to a resolver. The caller supplies the time in milliseconds.

use std::time::Duration;

/// See [`Resolve`](super::Resolve) for the rules.
#[derive(Debug)]
pub(super) struct Refresh {
    /// Lifetime of an answer; `None` for ever.
    lifetime: Option<u64>,
    asking: bool,
    /// Time of the last answer or error.
    told: u64,
    /// Errors in a row.
    errors: u32,
    /// Time of the next question; `None` for never.
    next: Option<u64>,
}

impl Refresh {
    /// Creates a schedule that asks at once.
    pub(super) fn new(lifetime: Option<Duration>) -> Self {
        let millis = |it: Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
        let lifetime = lifetime.map(|it| millis(it).max(1));
        Self { lifetime, asking: false, told: 0, errors: 0, next: Some(0) }
    }

    /// Creates a schedule that never asks.
    pub(super) fn never() -> Self {
        Self { next: None, ..Self::new(None) }
    }

    /// Returns whether the caller has to ask now, and report the [answer](Self::answered). Without any
    /// `known` answer there is no pause after an error.
    pub(super) fn begin(&mut self, now: u64, known: bool) -> bool {
        let begins = !self.asking && self.next.is_some_and(|next| next <= now || !known);
        self.asking |= begins;
        begins
    }

    /// Returns whether a question is scheduled.
    pub(super) fn is_timed(&self) -> bool {
        self.next.is_some()
    }

    pub(super) fn is_asking(&self) -> bool {
        self.asking
    }

    pub(super) fn answered(&mut self, now: u64) {
        (self.asking, self.told, self.errors) = (false, now, 0);
        self.next = self.lifetime.map(|it| now.saturating_add(it));
    }

    /// Notes an error. The pauses grow, but never beyond the lifetime of an answer.
    pub(super) fn failed(&mut self, now: u64) {
        let pause = PAUSE << self.errors.min(6);
        (self.asking, self.told, self.errors) = (false, now, self.errors + 1);
        self.next = Some(now + pause.min(self.lifetime.unwrap_or(u64::MAX)));
    }

    /// Asks sooner: an endpoint could not be reached, so the answer may be outdated.
    pub(super) fn doubt(&mut self) {
        if self.lifetime.is_some() && self.errors == 0 {
            self.next = self.next.map(|next| next.min(self.told + PAUSE));
        }
    }
}

/// The shortest time between two questions while there is an answer, in milliseconds.
const PAUSE: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(lifetime: u64) -> Refresh {
        let mut it = Refresh::new(Some(Duration::from_millis(lifetime)));
        assert!(it.begin(5, true));
        it
    }

    #[test]
    fn a_list_is_asked_once() {
        let mut it = Refresh::new(None);
        assert!(it.begin(0, true) && !it.begin(0, true));
        it.answered(1);
        it.doubt();
        assert!(!it.begin(u64::MAX, true));
    }

    #[test]
    fn an_answer_is_renewed_when_its_time_is_over() {
        let mut it = asked(10_000);
        assert!(!it.begin(100_000, true), "it is being asked");
        it.answered(10);
        assert!(!it.begin(10_009, true) && it.begin(10_010, true));
    }

    #[test]
    fn a_doubt_asks_sooner_but_not_in_a_row() {
        let mut it = asked(10_000);
        it.answered(10);
        it.doubt();
        assert!(!it.begin(1_009, true) && it.begin(1_010, true));
        it.answered(1_020);
        it.doubt();
        assert!(!it.begin(2_019, true) && it.begin(2_020, true));
    }

    #[test]
    fn errors_are_further_and_further_apart() {
        let mut it = asked(5_000);
        it.answered(0);
        let mut now = 5_000;
        for pause in [1_000, 2_000, 4_000, 5_000, 5_000] {
            assert!(it.begin(now, true));
            it.failed(now);
            it.doubt();
            assert!(!it.begin(now + pause - 1, true), "{pause}");
            now += pause;
        }
        assert!(it.begin(now, true));
        it.answered(now);
        assert!(!it.begin(now + 4_999, true), "all is well again");
    }

    #[test]
    fn without_an_answer_nobody_waits_for_a_pause() {
        let mut it = asked(5_000);
        it.failed(10);
        assert!(!it.begin(10, true));
        assert!(it.begin(10, false) && !it.begin(10, false));
    }
}
