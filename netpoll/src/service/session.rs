//! A session that is lent to a future, and comes back whatever happens to the future.

use std::sync::Arc;

use parking_lot::Mutex;

/// Where a session comes back to.
pub(super) type Slot<S> = Arc<Mutex<Option<S>>>;

/// A session out of its slot: back in it when this is dropped.
pub(super) struct Lent<S> {
    session: Option<S>,
    slot: Slot<S>,
}

impl<S> Lent<S> {
    /// Takes the session out; `None` if it is not there.
    pub(super) fn take(slot: &Slot<S>) -> Option<Self> {
        let session = slot.lock().take()?;
        Some(Self { session: Some(session), slot: slot.clone() })
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
