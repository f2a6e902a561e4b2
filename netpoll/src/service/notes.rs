//! The notes of one request: what its layers attach for the handler, and its outcome so far.

use std::any::Any;

use parking_lot::Mutex;

use super::Service;
use crate::{frame::Status, sched, timer::Moment};

/// The notes of a request that layers look at.
#[derive(Debug)]
pub(super) struct Notes {
    /// The number of bytes of the request.
    pub(super) size: usize,
    /// The time at which it had arrived as a whole.
    pub(super) arrived: Option<Moment>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    values: Vec<Box<dyn Any + Send + Sync>>,
    status: Status,
    bytes: usize,
}

impl Notes {
    pub(super) fn new(size: usize, arrived: Option<Moment>) -> Self {
        let state = State { values: Vec::new(), status: Status::Ok, bytes: 0 };
        Self { size, arrived, state: Mutex::new(state) }
    }

    /// Attaches a value, in place of an earlier one of its type.
    pub(super) fn attach<T: Send + Sync + 'static>(&self, value: T) {
        let mut boxed: Box<dyn Any + Send + Sync> = Box::new(value);
        let mut state = self.state.lock();
        match state.values.iter_mut().find(|old| old.is::<T>()) {
            // The old one is dropped without the lock.
            Some(old) => std::mem::swap(old, &mut boxed),
            None => return state.values.push(boxed),
        }
        drop(state);
        drop(boxed);
    }

    /// Returns a clone of the attached value of the type `T`.
    pub(super) fn attached<T: Clone + 'static>(&self) -> Option<T> {
        self.state.lock().values.iter().find_map(|value| value.downcast_ref::<T>()).cloned()
    }

    /// Notes the outcome that the answer reports.
    pub(super) fn judge(&self, status: Status) {
        self.state.lock().status = status;
    }

    /// Notes that a frame of `bytes` bytes was written as an answer.
    pub(super) fn answered(&self, bytes: usize) {
        self.state.lock().bytes += bytes;
    }

    /// Returns the outcome and the size of the answer so far.
    pub(super) fn outcome(&self) -> (Status, usize) {
        let state = self.state.lock();
        (state.status, state.bytes)
    }
}

/// Returns the notes of a request of `n` bytes that has just arrived, if layers look at it.
#[inline]
pub(super) fn notes<S: Service>(n: usize) -> Option<Notes> {
    S::LAYERED.then(|| Notes::new(n, S::TIMED.then(|| sched::clock().now())))
}
