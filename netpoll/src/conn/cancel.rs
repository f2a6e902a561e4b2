//! What a handler can ask while it works: whether anybody still waits, and until when.

use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{core::Conn, deadlines::Kind, state::GONE};
use crate::error::{Error, ErrorKind, Result};

/// Tells a handler that its work is not wanted any more: the peer went, this side closes the
/// connection, or the request's deadline has passed.
///
/// A peer that has only shut down its sending side counts as gone here: most that do have closed.
#[derive(Clone)]
pub struct Cancel(Arc<Conn>);

impl Cancel {
    pub(super) fn new(conn: Arc<Conn>) -> Self {
        Self(conn)
    }

    /// Whether it has happened. Costs a load.
    pub fn is_cancelled(&self) -> bool {
        is_cancelled(&self.0)
    }

    /// Ready when it happens. Under any executor.
    pub fn cancelled(&self) -> impl Future<Output = ()> + Send + '_ {
        self.0.until(|conn| is_cancelled(conn).then_some(()))
    }

    /// An error if it has happened, for `?` between the steps of long work.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn check(&self) -> Result<()> {
        if !self.is_cancelled() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Cancelled, format!("nobody waits for the answer ({})", self.0)))
    }
}

fn is_cancelled(conn: &Conn) -> bool {
    conn.gate.load() & GONE != 0 || conn.deadlines.passed(Kind::Request, conn.home.clock.now_ms())
}

impl fmt::Debug for Cancel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Cancel").field(&self.is_cancelled()).finish()
    }
}

/// Until when a request is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// No deadline.
    pub const NONE: Self = Self(None);

    /// A deadline `timeout` from now.
    pub fn after(timeout: Duration) -> Self {
        Self(Instant::now().checked_add(timeout))
    }

    /// When it is, if there is one.
    pub fn at(self) -> Option<Instant> {
        self.0
    }

    /// How long it is until then; zero if it has passed, `None` without a deadline.
    pub fn left(self) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.left() == Some(Duration::ZERO)
    }
}
