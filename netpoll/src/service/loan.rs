//! A value on loan to a request, which returns to its slot whatever happens to the request.

use std::sync::Arc;

use parking_lot::Mutex;

/// The place that a loan returns to.
pub(super) type Slot<T> = Arc<Mutex<Option<T>>>;

/// A value on loan: dropping the loan puts the value into its slot.
pub(super) struct Loan<T> {
    value: Option<T>,
    slot: Slot<T>,
}

impl<T> Loan<T> {
    pub(super) fn new(value: T, slot: &Slot<T>) -> Self {
        Self { value: Some(value), slot: slot.clone() }
    }

    pub(super) fn get(&mut self) -> &mut T {
        self.value.as_mut().expect("it is there until the drop")
    }
}

impl<T> Drop for Loan<T> {
    fn drop(&mut self) {
        *self.slot.lock() = self.value.take();
    }
}
