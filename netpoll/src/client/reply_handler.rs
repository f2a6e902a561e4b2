//! The handler of a client's connection: finds replies and passes them to the [`CallConnection`].

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use parking_lot::Mutex;

use super::hub::CallConnection;
use crate::{
    buf::LinkSlice,
    conn::{
        CloseReason, Connection,
        frames::{self, Budget, Next},
        handler::{After, Handler},
        recv::Step,
    },
    error::{Error, ErrorKind, Result},
    frame::Frame,
    sched::panic_error,
};

/// A [`CallConnection`] as the connection's turn uses it.
pub(super) trait ReplyReceiver: CallConnection {
    /// Replies gathered in a turn.
    type Batch: Default + Send + 'static;

    /// Takes a frame; `more` tells whether bytes follow it.
    ///
    /// # Errors
    /// The frame is unrequested or malformed: the connection is poisoned.
    fn received(&self, bytes: LinkSlice, more: bool, batch: &mut Self::Batch) -> Result<()>;

    /// Notes that a part of a frame came.
    ///
    /// # Errors
    /// The bytes are unrequested: the connection is poisoned.
    fn began(&self) -> Result<()>;

    /// Delivers the batch: nothing more is there for now.
    fn deliver(&self, batch: &mut Self::Batch);

    /// Sets the error for which the connection is about to end.
    fn fault(&self, error: Error);

    /// Retires the connection if it has no call; returns whether it may be closed.
    fn rests(&self) -> bool;
}

/// Receives replies of the format `F`.
pub(super) struct ReplyHandler<F: Frame, L: ReplyReceiver> {
    state: Mutex<State<F, L>>,
}

struct State<F: Frame, L: ReplyReceiver> {
    /// None once the connection is closed.
    connection: Option<Arc<L>>,
    scan: F::Scan,
    batch: L::Batch,
}

impl<F: Frame, L: ReplyReceiver> ReplyHandler<F, L> {
    pub(super) fn new(connection: Arc<L>) -> Self {
        let (scan, batch) = (Default::default(), L::Batch::default());
        Self { state: Mutex::new(State { connection: Some(connection), scan, batch }) }
    }

    fn connection(&self) -> Option<Arc<L>> {
        self.state.lock().connection.clone()
    }
}

/// Takes frames until none is left or the budget is spent.
fn work<F: Frame, L: ReplyReceiver>(
    connection: &L,
    scan: &mut F::Scan,
    batch: &mut L::Batch,
    step: &mut Step<'_, '_>,
) -> Result<After> {
    let max = step.conn.options().max_frame;
    let mut budget = Budget::new();
    loop {
        match budget.next(step, |recv| frames::find::<F>(scan, recv, max))? {
            Next::Request(n) => {
                let Some(recv) = &mut step.recv else { return Ok(After::Wait) };
                let frame = recv.input.slice(n)?;
                connection.received(frame, !recv.input.is_empty(), batch)?;
            }
            // The next look knows that no more comes.
            Next::Eof => {}
            Next::Quiet => {
                if step.recv.as_ref().is_some_and(|recv| !recv.input.is_empty()) {
                    connection.began()?;
                }
                return Ok(After::Wait);
            }
            Next::Over(after) => return Ok(after),
        }
    }
}

/// Returns the reason for ending a connection on which `error` was found.
fn reason(error: &Error) -> CloseReason {
    match error.kind() {
        ErrorKind::FrameTooLarge => CloseReason::FrameTooLarge,
        ErrorKind::Limit => CloseReason::MemoryLimit,
        ErrorKind::Panic => CloseReason::Panic,
        ErrorKind::Eof => CloseReason::Eof,
        _ => CloseReason::Malformed,
    }
}

impl<F: Frame + 'static, L: ReplyReceiver> Handler for ReplyHandler<F, L> {
    fn step(&self, step: &mut Step<'_, '_>) -> After {
        let State { connection, scan, batch } = &mut *self.state.lock();
        let Some(connection) = connection else { return After::Abort(CloseReason::Local) };
        // Scanners and decoders are users' code.
        let worked = catch_unwind(AssertUnwindSafe(|| {
            let worked = work::<F, L>(connection, scan, batch, step);
            connection.deliver(batch);
            worked
        }))
        .unwrap_or_else(|payload| Err(panic_error(&*payload)));
        worked.unwrap_or_else(|error| {
            let reason = reason(&error);
            connection.fault(error);
            After::Abort(reason)
        })
    }

    fn disconnected(&self, _: &Connection, _: CloseReason) {}

    fn failed(&self, _: &Connection, error: &Error) {
        if let Some(connection) = self.connection() {
            connection.fault(error.clone());
        }
    }

    fn idle(&self, _: &Connection) -> bool {
        self.connection().is_none_or(|connection| connection.rests())
    }

    fn give_up(&self) {}

    fn closed(&self, _: &Connection, _: CloseReason) {
        // The call connection holds the connection, which holds this.
        let connection = self.state.lock().connection.take();
        drop(connection);
    }

    fn brief(&self) -> bool {
        true
    }
}
