//! The budget of repeated calls.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Repeats that a client has at first, and saves at most.
const RESERVE: u32 = 256;

/// Answered calls that earn a repeat.
const CALLS: u32 = 10;

/// A count of repeats that a client may make, in tenths. Relaxed: a repeat more or less does no harm.
#[derive(Debug)]
pub(super) struct Budget(AtomicU32);

impl Budget {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(RESERVE * CALLS))
    }

    /// Notes that a call was answered.
    pub(super) fn earn(&self) {
        let now = self.0.load(Relaxed);
        // As a rule it is full, and nothing is written.
        if now < RESERVE * CALLS {
            let _ = self.0.compare_exchange(now, now + 1, Relaxed, Relaxed);
        }
    }

    /// Takes a repeat, if there is one.
    pub(super) fn take(&self) -> bool {
        self.0.fetch_update(Relaxed, Relaxed, |now| now.checked_sub(CALLS)).is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_one_in_ten_beyond_the_reserve() {
        let budget = Budget::new();
        let takes = || (0..).take_while(|_| budget.take()).count();
        assert_eq!(takes(), RESERVE as usize);
        (0..100).for_each(|_| budget.earn());
        assert_eq!(takes(), 10);
        (0..1_000_000).for_each(|_| budget.earn());
        assert_eq!(takes(), RESERVE as usize, "no more is saved");
    }
}
