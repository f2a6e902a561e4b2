//! The options of a single call.

use std::time::Duration;

use crate::{
    conn::Deadline,
    timer::{Clock, Moment},
};

/// Options of a single call: its own timeout and deadline.
///
/// ```
/// use std::time::Duration;
/// use netpoll::{Deadline, client::CallOptions};
///
/// // At most half a second, and no longer than the deadline of the request being handled.
/// fn options(handlers: Deadline) -> CallOptions {
///     CallOptions::new().timeout(Duration::from_millis(500)).deadline(handlers)
/// }
/// # options(Deadline::NONE);
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct CallOptions {
    timeout: Option<Duration>,
    deadline: Deadline,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl CallOptions {
    /// Returns options that keep the client's timeout.
    pub fn new() -> Self {
        Self { timeout: None, deadline: Deadline::NONE }
    }

    /// Limits the time from now to the reply: waiting for a connection, dialling it, and the exchange.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Inherits the deadline of a handler; the earlier of the two counts.
    ///
    /// The call ends a little before that deadline (a tenth of the handler's time, 20 ms at most), so that
    /// the handler can still answer when the call has failed.
    pub fn deadline(mut self, deadline: Deadline) -> Self {
        self.deadline = deadline;
        self
    }

    /// Returns the time of a call that begins now, of a client with `timeout`.
    pub(super) fn span(&self, clock: Clock, timeout: Duration) -> Span {
        let (begun, own) = (clock.now(), self.timeout.unwrap_or(timeout));
        let limit = self.deadline.left_to_calls().map_or(own, |inherited| inherited.min(own));
        Span { begun, limit, until: begun.after(limit) }
    }
}

/// The time that a call has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) begun: Moment,
    /// Longest duration.
    pub(super) limit: Duration,
    /// The deadline.
    pub(super) until: Moment,
}
