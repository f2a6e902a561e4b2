//! What one call may have of its own.

use std::time::Duration;

use crate::{
    conn::Deadline,
    timer::{Clock, Moment},
};

/// Until when a call waits, where that is not its client's timeout.
///
/// ```
/// use std::time::Duration;
/// use netpoll::{Deadline, client::CallOptions};
///
/// // At most half a second, and never longer than whoever waits for this side's own answer.
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
    /// The client's timeout.
    pub fn new() -> Self {
        Self { timeout: None, deadline: Deadline::NONE }
    }

    /// Longest time from now to the reply: for the wait for a connection, its dial, and the exchange.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// A handler's own deadline, which the call inherits: the earlier of the two counts.
    pub fn deadline(mut self, deadline: Deadline) -> Self {
        self.deadline = deadline;
        self
    }

    /// When a call is over at the latest that begins now, of a client with `timeout`.
    pub(super) fn span(&self, clock: Clock, timeout: Duration) -> Span {
        let (begun, own) = (clock.now(), self.timeout.unwrap_or(timeout));
        let limit = self.deadline.moment().map_or(own, |inherited| inherited.left().min(own));
        Span { begun, limit, until: begun.after(limit) }
    }
}

/// The time that a call has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) begun: Moment,
    /// How long it lasts at most.
    pub(super) limit: Duration,
    /// Until when.
    pub(super) until: Moment,
}
