//! Layers that refuse requests when the server has too much to do.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{Incoming, Layer};
use crate::{frame::Status, service::fault::Fault};

/// Refuses requests while too many are in progress, on all connections together.
///
/// A refused request is answered by [`Status::Limit`] at once: it does not wait.
#[derive(Debug)]
pub struct ConcurrencyLimit {
    most: usize,
    taken: Arc<AtomicUsize>,
}

impl ConcurrencyLimit {
    /// Creates a limit of `most` requests in progress.
    pub fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }
}

/// A request's place among those in progress, given back when this is dropped.
#[derive(Debug)]
pub struct Permit(Arc<AtomicUsize>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Layer for ConcurrencyLimit {
    type State = Permit;

    fn before(&self, _: &mut Incoming<'_>) -> Result<Permit, Fault> {
        let before = self.taken.fetch_add(1, Relaxed);
        let permit = Permit(self.taken.clone());
        if before < self.most {
            return Ok(permit);
        }
        Err(Fault::new(Status::Limit, "too many requests are in progress"))
    }
}

/// Refuses requests that have waited too long for a worker: their callers get an answer at once, and the
/// server catches up with those that are still of use.
///
/// A refused request is answered by [`Status::Unavailable`].
#[derive(Clone, Copy, Debug)]
pub struct LoadShed {
    longest: Duration,
}

impl LoadShed {
    /// Creates a layer that refuses requests which have waited for longer than `longest`.
    pub fn after(longest: Duration) -> Self {
        Self { longest }
    }
}

impl Layer for LoadShed {
    type State = ();
    const TIMED: bool = true;

    fn before(&self, request: &mut Incoming<'_>) -> Result<(), Fault> {
        if request.waited() <= self.longest {
            return Ok(());
        }
        Err(Fault::new(Status::Unavailable, "the server is overloaded"))
    }
}
