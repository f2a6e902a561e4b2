//! The one switch between the real synchronisation primitives and loom's.
//!
//! Every concurrent structure of this crate takes its atomics, locks and threads from here, so that
//! the models in each file check the code that ships. `Arc` stays std's: loom's cannot
//! hold a `dyn` type, and what counts references for memory (`mem::Block`) does so with an atomic
//! from here.

#[cfg(not(loom))]
mod real {
    pub(crate) use crossbeam_utils::atomic::AtomicCell;
    pub(crate) use parking_lot::Mutex;
    pub(crate) use std::{sync::atomic, thread};
}

#[cfg(loom)]
mod real {
    pub(crate) use loom::sync::{Condvar, MutexGuard, atomic};

    /// loom's threads, for which time passes when it likes.
    pub(crate) mod thread {
        pub(crate) use loom::thread::{JoinHandle, Thread, current, park, spawn, yield_now};

        pub(crate) fn park_timeout(_: std::time::Duration) {
            yield_now();
        }
    }

    /// loom's mutex with parking_lot's signatures: no poisoning.
    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("a loom model does not panic under a lock")
        }

        pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
            self.0.try_lock().ok()
        }
    }

    /// crossbeam's cell, whose every step is one swap.
    pub(crate) struct AtomicCell<T>(Mutex<T>);

    impl<T: Default> AtomicCell<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        pub(crate) fn take(&self) -> T {
            std::mem::take(&mut *self.0.lock())
        }

        pub(crate) fn store(&self, value: T) {
            *self.0.lock() = value;
        }
    }

    /// Waits on `condvar`, giving `guard`'s lock away meanwhile.
    pub(crate) fn wait<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        condvar.wait(guard).expect("a loom model does not panic under a lock")
    }
}

pub(crate) use real::*;
