//! Stripes: parts of a value that are written by one thread each, by plain stores, and summed by whoever reads.
//!
//! A thread takes a number when it first records, and gives it back when it ends. The stripe of that number is then
//! the thread's own in every value, so it needs no locked instruction to add to it. The lock under which numbers
//! change hands orders the stores of one owner before the loads of the next. A thread for which no number is left,
//! or which is ending, adds to a stripe that all such threads share.

use std::{
    cell::{Cell, RefCell},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

/// Stripes that have an owner at most: one for each bit of [`TAKEN`].
const OWNED: usize = u64::BITS as usize;

/// The `MINE` of a thread that has not asked for a number yet.
const UNKNOWN: usize = usize::MAX;

/// The `MINE` of a thread that has none.
const NONE: usize = OWNED;

/// The numbers that threads have.
static TAKEN: Mutex<u64> = Mutex::new(0);

thread_local! {
    static MINE: Cell<usize> = const { Cell::new(UNKNOWN) };
    static NUMBER: RefCell<Option<Number>> = const { RefCell::new(None) };
}

/// A number that this thread has, given back when this is dropped.
struct Number(usize);

impl Number {
    /// Takes the least number that is free.
    fn take() -> Option<Self> {
        let mut taken = TAKEN.lock();
        let least = taken.trailing_ones() as usize;
        *taken |= 1_u64.checked_shl(taken.trailing_ones())?;
        Some(Self(least))
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        // Destructors of other thread-local values may record later.
        MINE.set(NONE);
        *TAKEN.lock() &= !(1 << self.0);
    }
}

/// Gives this thread a number, if one is left and the thread is not ending.
#[cold]
fn first() -> usize {
    let number = NUMBER.try_with(|number| {
        *number.borrow_mut() = Number::take();
        number.borrow().as_ref().map_or(NONE, |number| number.0)
    });
    let mine = number.unwrap_or(NONE);
    MINE.set(mine);
    mine
}

/// A value of type `T` for each thread's number, made when it is first added to, and a shared one.
pub(super) struct Stripes<T> {
    owned: [OnceLock<Box<T>>; OWNED],
    shared: T,
}

/// A thread's way of adding to the cells of its stripe.
#[derive(Clone, Copy)]
pub(super) enum Access {
    /// No other thread writes to them.
    Own,
    /// Others do.
    Shared,
}

impl Access {
    /// Replaces the value of `cell` by what `change` makes of it.
    #[inline]
    pub(super) fn update(self, cell: &AtomicU64, change: impl Fn(u64) -> u64) {
        match self {
            Self::Own => cell.store(change(cell.load(Relaxed)), Relaxed),
            Self::Shared => {
                let _ = cell.fetch_update(Relaxed, Relaxed, |value| Some(change(value)));
            }
        }
    }
}

impl<T> Stripes<T> {
    /// Creates the value of the threads without a number; the others are made when they are needed.
    pub(super) fn new(shared: T) -> Self {
        Self { owned: [const { OnceLock::new() }; OWNED], shared }
    }

    /// Returns this thread's stripe, which `make` makes if there is none.
    #[inline]
    pub(super) fn mine(&self, make: impl FnOnce() -> T) -> (&T, Access) {
        let mut mine = MINE.get();
        if mine == UNKNOWN {
            mine = first();
        }
        match self.owned.get(mine) {
            Some(stripe) => (stripe.get_or_init(|| Box::new(make())), Access::Own),
            None => (&self.shared, Access::Shared),
        }
    }

    /// Returns the stripe of the threads without a number.
    pub(super) fn shared(&self) -> &T {
        &self.shared
    }

    /// Returns all stripes that there are.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        let owned = self.owned.iter().filter_map(OnceLock::get).map(|stripe| &**stripe);
        owned.chain([&self.shared])
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn threads_with_and_without_a_number_lose_nothing() {
        // More threads than numbers, all alive at once; then as many again, which take over the numbers.
        const THREADS: usize = OWNED + 6;
        let stripes = Stripes::new(AtomicU64::new(0));
        for _ in 0..2 {
            let barrier = Barrier::new(THREADS);
            let shared = AtomicU64::new(0);
            std::thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        let (_, access) = stripes.mine(AtomicU64::default);
                        if matches!(access, Access::Shared) {
                            shared.fetch_add(1, Relaxed);
                        }
                        barrier.wait();
                        for _ in 0..1_000 {
                            let (cell, access) = stripes.mine(AtomicU64::default);
                            access.update(cell, |n| n + 1);
                        }
                        barrier.wait();
                    });
                }
            });
            // Threads of other tests may have numbers too.
            assert!(shared.into_inner() >= 6);
        }
        let sum: u64 = stripes.all().map(|cell| cell.load(Relaxed)).sum();
        assert_eq!(sum, 2 * 1_000 * THREADS as u64);
    }
}
