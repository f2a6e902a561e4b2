//! A handler under a deadline and the guard: a missed deadline and a panic are faults of its request.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
};

use super::fault::Fault;
use crate::{
    conn::Deadline,
    guard::{self, Place},
    sched::sleep,
};

/// Runs the future of a handler until `deadline`.
///
/// # Errors
/// [`Fault::panic`] or [`Fault::timeout`].
pub async fn within<M: Future>(
    deadline: Deadline,
    make: impl FnOnce() -> M,
) -> Result<M::Output, Fault> {
    let future = guard::run(Place::Handler, make).map_err(|_| Fault::panic())?;
    let mut future = pin!(Some(future));
    let mut alarm = None;
    let result = poll_fn(|cx| {
        let polled = future.as_mut().as_pin_mut().map(|f| guard::poll(Place::Handler, f, cx));
        match polled {
            Some(Poll::Ready(result)) => return Poll::Ready(result.map_err(|_| Fault::panic())),
            Some(Poll::Pending) | None => {}
        }
        if let Some(left) = deadline.left() {
            if left.is_zero() {
                return Poll::Ready(Err(Fault::timeout()));
            }
            let alarm = alarm.get_or_insert_with(|| sleep(left));
            if Pin::new(alarm).poll(cx).is_ready() {
                return Poll::Ready(Err(Fault::timeout()));
            }
        }
        Poll::Pending
    })
    .await;
    // A destructor that panics changes nothing about the result.
    let _ = guard::run(Place::HandlerDrop, || future.set(None));
    result
}
