//! What is lent to a request, and comes back whatever happens to the request.

use std::sync::Arc;

use parking_lot::Mutex;

/// Where it comes back to.
pub(super) type Slot<T> = Arc<Mutex<Option<T>>>;

/// A value on loan: in its slot when this is dropped.
pub(super) struct Lent<T> {
    value: Option<T>,
    slot: Slot<T>,
}

impl<T> Lent<T> {
    pub(super) fn new(value: T, slot: &Slot<T>) -> Self {
        Self { value: Some(value), slot: slot.clone() }
    }

    pub(super) fn get(&mut self) -> &mut T {
        self.value.as_mut().expect("it is there until the drop")
    }
}

impl<T> Drop for Lent<T> {
    fn drop(&mut self) {
        *self.slot.lock() = self.value.take();
    }
}
