//! Deadlines that requests carry.

use std::time::Duration;

use crate::conn::Deadline;

/// The most time that a server keeps of its caller's, so that the answer of a request that is late still
/// reaches the caller in time.
const MARGIN: Duration = Duration::from_millis(20);

/// Returns the deadline of a request whose server gives it `own`, and whose caller had `left` when it sent
/// the request.
#[inline]
pub(super) fn inherited(own: Deadline, left: Option<Duration>) -> Deadline {
    match left {
        Some(left) => sooner(own, left - (left / 10).min(MARGIN)),
        None => own,
    }
}

/// Returns the earlier one of `own` and the deadline `left` from now.
fn sooner(own: Deadline, left: Duration) -> Deadline {
    match own.left() {
        Some(has) if has <= left => own,
        _ => Deadline::after(left),
    }
}
