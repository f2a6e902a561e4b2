//! The items of a stream that a method returns, as they are sent.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use futures_core::Stream;

use super::{call::Out, fault::Fault, remote_outcome::Outcome};
use crate::{
    conn::{Cancel, Deadline},
    error::{ErrorKind, Result},
    guard::{self, Place},
};

/// The size of items that are sent before the next one is asked for.
const GATHER: usize = 32 * 1024;

/// The next step of a stream.
enum Next<T> {
    Item(T),
    /// It has no next item yet; what was written is to be sent before the wait.
    Waits,
    End,
    Panicked,
    Cancelled,
}

/// Sends the items of `items`, which `encode` turns into outcomes and `put` writes. Returns the last outcome,
/// which is not written yet; `None` if the peer has gone.
///
/// # Errors
/// An outcome cannot be written.
pub(super) async fn send<S: Stream>(
    items: S,
    mut encode: impl FnMut(S::Item) -> Outcome,
    cancel: &Cancel,
    deadline: Deadline,
    out: &mut Out<'_>,
    mut put: impl FnMut(&Outcome, &mut Out<'_>) -> Result<()>,
) -> Result<Option<Outcome>> {
    let mut items = pin!(Some(items));
    let mut cancelled = pin!(cancel.cancelled());
    let mut waits = false;
    let last = loop {
        let next = poll_fn(|cx| {
            if cancel.is_cancelled() {
                return Poll::Ready(Next::Cancelled);
            }
            let polled = guard::run(Place::Handler, || {
                items.as_mut().as_pin_mut().map(|items| items.poll_next(cx))
            });
            match polled {
                Err(_) => Poll::Ready(Next::Panicked),
                Ok(Some(Poll::Ready(Some(item)))) => Poll::Ready(Next::Item(item)),
                Ok(Some(Poll::Ready(None)) | None) => Poll::Ready(Next::End),
                Ok(Some(Poll::Pending)) if !waits => Poll::Ready(Next::Waits),
                Ok(Some(Poll::Pending)) => cancelled.as_mut().poll(cx).map(|()| Next::Cancelled),
            }
        });
        match next.await {
            Next::Item(item) => {
                waits = false;
                let outcome = guard::run(Place::Encode, || encode(item));
                let outcome = outcome.unwrap_or_else(|_| Outcome::fault(Fault::panic()));
                if outcome.ends() {
                    break Some(outcome);
                }
                put(&outcome, out)?;
                if out.len() < GATHER {
                    continue;
                }
            }
            Next::Waits => waits = true,
            Next::End => break Some(Outcome::end()),
            Next::Panicked => break Some(Outcome::fault(Fault::panic())),
            Next::Cancelled if deadline.has_passed() => {
                break Some(Outcome::fault(Fault::timeout()));
            }
            Next::Cancelled => break None,
        }
        match out.flush_async().await {
            Err(error) if error.kind() == ErrorKind::Closed => break None,
            sent => sent?,
        }
    };
    // A destructor that panics changes nothing about the outcome.
    let _ = guard::run(Place::HandlerDrop, || items.set(None));
    Ok(last)
}
