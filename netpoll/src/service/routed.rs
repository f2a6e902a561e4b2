//! The run-time part of routes by key: arguments, limits, and answers.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use super::{
    call::{Flow, Out},
    fault::Fault,
    observed::note_fault,
    payload::{FromPayload, IntoPayload},
};
use crate::{
    conn::Deadline,
    error::Result,
    frame::{Carries, Encode, Frame, Judged, Sequenced, Status},
    guard::{self, Place},
};

/// Decodes the argument of a route from the payload of `request`.
///
/// # Errors
/// [`Fault::malformed`].
pub fn argument<'a, T: FromPayload, Q: Carries<'a>>(request: &Q) -> Result<T, Fault> {
    guard::run(Place::Decode, || T::from_payload(&request.payload()))
        .unwrap_or_else(|_| Err(Fault::malformed()))
}

/// Encodes the result of a route.
///
/// # Errors
/// The handler's own fault, or the value cannot be expressed.
pub fn into_payload<T: IntoPayload>(result: T) -> Result<Vec<u8>, Fault> {
    guard::run(Place::Encode, || result.into_payload()).unwrap_or_else(|_| Err(Fault::panic()))
}

/// The most requests of one route that are handled at once, on all connections.
#[derive(Debug)]
pub struct RouteLimit {
    most: usize,
    taken: AtomicUsize,
}

impl RouteLimit {
    /// Creates a limit of `most` requests.
    pub const fn new(most: usize) -> Self {
        Self { most, taken: AtomicUsize::new(0) }
    }

    /// Takes a place.
    ///
    /// # Errors
    /// All are taken: a fault with [`Status::Limit`].
    pub(super) fn place(&'static self) -> Result<RoutePlace, Fault> {
        if self.taken.fetch_add(1, Relaxed) >= self.most {
            self.taken.fetch_sub(1, Relaxed);
            return Err(Fault::new(Status::Limit, "too many requests of this method"));
        }
        Ok(RoutePlace(Some(self)))
    }
}

/// A request's place among those of its route, given back when this is dropped.
#[derive(Debug)]
pub struct RoutePlace(Option<&'static RouteLimit>);

impl Drop for RoutePlace {
    fn drop(&mut self) {
        if let Some(limit) = self.0 {
            limit.taken.fetch_sub(1, Relaxed);
        }
    }
}

/// Takes a place of the route for a request with `argument`.
///
/// # Errors
/// The argument's fault, or one with [`Status::Limit`].
pub fn enter<T>(
    limit: Option<&'static RouteLimit>,
    argument: Result<T, Fault>,
) -> Result<(T, RoutePlace), Fault> {
    let argument = argument?;
    let place = limit.map_or(Ok(RoutePlace(None)), RouteLimit::place)?;
    Ok((argument, place))
}

/// Returns the deadline of a route whose requests have `millis` milliseconds.
pub fn route_deadline(deadline: Deadline, millis: u64) -> Deadline {
    let own = Duration::from_millis(millis);
    match deadline.left() {
        Some(left) if left < own => deadline,
        _ => Deadline::after(own),
    }
}

/// Answers the request with the sequence number `number`.
///
/// # Errors
/// The protocol has no status for the fault: it closes the connection. Or the answer cannot be written.
pub fn answer<R, Q>(outcome: Result<Vec<u8>, Fault>, number: Q, out: &mut Out<'_>) -> Result<Flow>
where
    R: Frame,
    Q: Copy,
    for<'a> R::At<'a>: Carries<'a> + Judged + Default + Sequenced<Seq = Q> + Encode,
{
    match outcome {
        Ok(payload) => put::<R::At<'_>>(&payload, number, out)?,
        Err(fault) => {
            out.judge(fault.status());
            note_fault(fault.status());
            let Some(mut reply) = R::new_fault(fault.status()) else { return Err(fault.into()) };
            reply.set_seq(number);
            out.put(&reply)?;
        }
    }
    Ok(Flow::Continue)
}

fn put<'p, F>(payload: &'p [u8], number: F::Seq, out: &mut Out<'_>) -> Result<()>
where
    F: Carries<'p> + Default + Sequenced + Encode,
{
    let mut reply = F::default();
    reply.set_payload(payload)?;
    reply.set_seq(number);
    out.put(&reply)
}
