//! Where a clock's time comes from: the system, or a test that turns it on by hand.

use std::{
    fmt, ptr,
    sync::LazyLock,
    task::Waker,
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

static BASE: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A time that stands still until it is [`advance`](Self::advance)d.
#[derive(Default)]
pub(crate) struct Hand(Mutex<State>);

#[derive(Default)]
struct State {
    age: Duration,
    /// Threads that wait for a time.
    parked: Vec<Waker>,
    /// Who waits for a time otherwise; told until it gives false.
    others: Vec<Box<dyn Fn() -> bool + Send>>,
}

/// All there ever were: a deadline that was read off one may be looked at when nobody else knows of it.
static HANDS: Mutex<Vec<&'static Hand>> = Mutex::new(Vec::new());

impl Hand {
    /// A new one. It stays for the life of the process, some hundred bytes.
    pub(crate) fn new() -> &'static Self {
        let hand: &'static Self = Box::leak(Box::default());
        HANDS.lock().push(hand);
        hand
    }

    pub(crate) fn age(&self) -> Duration {
        self.0.lock().age
    }

    /// Turns the time on, and tells all who wait for one.
    pub(crate) fn advance(&self, by: Duration) {
        let parked = {
            let mut state = self.0.lock();
            state.age = state.age.saturating_add(by);
            std::mem::take(&mut state.parked)
        };
        parked.into_iter().for_each(Waker::wake);
        loop {
            let (age, others) = {
                let mut state = self.0.lock();
                (state.age, std::mem::take(&mut state.others))
            };
            let others: Vec<_> = others.into_iter().filter(|tell| tell()).collect();
            let mut state = self.0.lock();
            state.others.extend(others);
            // Who turned it on meanwhile did not find those that were being told.
            if state.age == age {
                return;
            }
        }
    }
}

/// See the module's documentation.
#[derive(Clone, Copy, Default)]
pub(super) struct Source(Option<&'static Hand>);

impl Source {
    pub(super) fn of(hand: &'static Hand) -> Self {
        Self(Some(hand))
    }

    pub(super) fn age(self) -> Duration {
        self.0.map_or_else(|| BASE.elapsed(), Hand::age)
    }

    pub(super) fn instant(self, age: Duration) -> Option<Instant> {
        match self.0 {
            None => BASE.checked_add(age),
            // As far from now as it is from the time that stands.
            Some(hand) => Instant::now().checked_add(age.saturating_sub(hand.age())),
        }
    }

    pub(super) fn limit(self, left: Duration) -> Option<Duration> {
        match self.0 {
            Some(_) if !left.is_zero() => None,
            _ => Some(left),
        }
    }

    pub(super) fn park(self, age: Duration, waker: &Waker) {
        let Some(hand) = self.0 else {
            return thread::park_timeout(age.saturating_sub(self.age()));
        };
        {
            let mut state = hand.0.lock();
            if state.age >= age {
                return;
            }
            // Who turns the time on after this wakes the thread, parked or about to.
            state.parked.push(waker.clone());
        }
        thread::park();
    }

    pub(super) fn on_change(self, tell: impl Fn() -> bool + Send + 'static) {
        if let Some(hand) = self.0 {
            hand.0.lock().others.push(Box::new(tell));
        }
    }
}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Some(a), Some(b)) => ptr::eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }
}

impl Eq for Source {}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.0.map(Hand::age)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn who_is_being_told_of_a_time_is_told_of_the_next() {
        let hand = Hand::new();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sees = seen.clone();
        Source::of(hand).on_change(move || {
            let first = {
                let mut seen = sees.lock();
                seen.push(hand.age());
                seen.len() == 1
            };
            if first {
                let other = thread::spawn(|| hand.advance(Duration::from_secs(1)));
                other.join().unwrap();
            }
            true
        });
        hand.advance(Duration::from_secs(1));
        assert_eq!(*seen.lock(), [1, 2].map(Duration::from_secs));
    }
}
