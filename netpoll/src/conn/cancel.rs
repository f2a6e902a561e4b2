//! What a handler can ask while it works: whether anybody still waits, and until when.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use super::{connection::Connection, core::Conn, deadlines::Kind, wait::News};
use crate::{
    error::{Error, ErrorKind, Result},
    sched,
    timer::Moment,
};

/// Tells a handler that its work is not wanted any more: the peer went, this side closes the
/// connection, or the request's deadline has passed.
///
/// A peer that has only shut down its sending side counts as gone here: most that do have closed. With
/// [`keep_half_open`](crate::ConnectionOptions::keep_half_open) it counts once this side has shut down its own.
#[derive(Clone)]
pub struct Cancel {
    conn: Arc<Conn>,
    /// The deadline of the one request that this is for, of several.
    deadline: Deadline,
}

impl Cancel {
    pub(super) fn new(conn: Arc<Conn>) -> Self {
        Self { conn, deadline: Deadline::NONE }
    }

    /// The same, and it happens at `deadline` too.
    pub(crate) fn or_at(self, deadline: Deadline) -> Self {
        Self { deadline, ..self }
    }

    /// Returns true if the work was cancelled. Costs a load.
    pub fn is_cancelled(&self) -> bool {
        happened(&self.conn, self.deadline)
    }

    /// Ready when it happens. Under any executor.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + '_ {
        let deadline = self.deadline;
        let mut alarm = deadline.left().map(|left| sched::sleep_on(&self.conn.runtime, left));
        let mut told =
            self.conn.until(News::End, move |conn| happened(conn, deadline).then_some(()));
        poll_fn(move |cx| match (Pin::new(&mut told).poll(cx), &mut alarm) {
            (Poll::Pending, Some(alarm)) => Pin::new(alarm).poll(cx),
            (told, _) => told,
        })
    }

    /// An error if it has happened, for `?` between the steps of long work.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn check(&self) -> Result<()> {
        if !self.is_cancelled() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Cancelled,
            format!("nobody waits for the answer ({})", self.conn),
        ))
    }
}

impl Connection {
    /// Tells when the peer went, or this side gave the connection up.
    pub fn cancel(&self) -> Cancel {
        Cancel::new(self.conn.clone())
    }
}

fn happened(conn: &Conn, deadline: Deadline) -> bool {
    conn.is_given_up(conn.state_word.load())
        || conn.deadlines.passed(Kind::Request, conn.shard.clock.now_ms())
        || deadline.has_passed()
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_cancelled()).finish()
    }
}

/// The most time that a handler keeps of a deadline that its calls inherit, in microseconds.
const MARGIN: u32 = 20_000;

/// The time until which a request is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    at: Option<Moment>,
    /// The time before it at which calls that inherit it end, in microseconds.
    margin: u32,
}

impl Deadline {
    /// No deadline.
    pub const NONE: Self = Self { at: None, margin: 0 };

    /// A deadline `timeout` from now.
    pub fn after(timeout: Duration) -> Self {
        let margin =
            u32::try_from(timeout.as_micros() / 10).map_or(MARGIN, |tenth| tenth.min(MARGIN));
        Self { at: Some(sched::clock().after(timeout)), margin }
    }

    /// Returns the time left to a call that inherits this deadline: it ends a little before, so that the
    /// handler can still answer when the call has failed.
    pub(crate) fn left_to_calls(self) -> Option<Duration> {
        Some(self.left()?.saturating_sub(Duration::from_micros(self.margin.into())))
    }

    /// When it is, if there is one that an `Instant` can express.
    pub fn at(self) -> Option<Instant> {
        self.at?.instant()
    }

    pub(crate) fn moment(self) -> Option<Moment> {
        self.at
    }

    /// Returns the time that is left: zero if the deadline has passed, `None` without one.
    pub fn left(self) -> Option<Duration> {
        self.at.map(Moment::left)
    }

    /// Returns true if the deadline has passed.
    pub fn has_passed(self) -> bool {
        self.left() == Some(Duration::ZERO)
    }
}
