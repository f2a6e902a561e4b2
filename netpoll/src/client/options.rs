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
    idempotent: bool,
    pub(super) hedge: Option<Duration>,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl CallOptions {
    /// Returns options that keep the client's timeout.
    pub fn new() -> Self {
        Self { timeout: None, deadline: Deadline::NONE, idempotent: false, hedge: None }
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

    /// Allows to repeat the call on another connection after its connection was lost. Default: false.
    ///
    /// The server may then handle the request more than once. A call is repeated three times at most, and a
    /// client repeats one call for ten that are answered, beyond a reserve of 256: a server that fails gets
    /// no storm of repeats.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Sends the request a second time if there is no reply `after` this time; the first reply counts, and
    /// the other call is cancelled. The call must be [idempotent](Self::idempotent). Default: never.
    ///
    /// With several endpoints or connections the second request goes to another one, as a rule. A good
    /// time is what 95 of 100 calls take at most.
    pub fn hedge(mut self, after: impl Into<Option<Duration>>) -> Self {
        self.hedge = after.into();
        self
    }

    /// Returns whether the call may be repeated.
    pub(super) fn is_idempotent(&self) -> bool {
        self.idempotent
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
