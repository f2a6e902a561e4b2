//! A session that is lent to a future, and comes back whatever happens to the future.

use std::sync::Arc;

use parking_lot::Mutex;

/// Where a session comes back to.
pub(super) type Slot<S> = Arc<Mutex<Option<S>>>;

/// A session on loan: in its slot when this is dropped.
pub(super) struct Lent<S> {
    session: Option<S>,
    slot: Slot<S>,
}

impl<S> Lent<S> {
    pub(super) fn new(session: S, slot: &Slot<S>) -> Self {
        Self { session: Some(session), slot: slot.clone() }
    }

    pub(super) fn get(&mut self) -> &mut S {
        self.session.as_mut().expect("it is there until the drop")
    }
}

impl<S> Drop for Lent<S> {
    fn drop(&mut self) {
        *self.slot.lock() = self.session.take();
    }
}
