//! The handler of a client's connection: finds replies and passes them to the [`CallConnection`].

use std::sync::{Arc, atomic::Ordering::Relaxed};

use parking_lot::Mutex;

use super::call_connection::{CallConnection, Inspect, Marks, Matching};
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
    guard::{self, Place},
};

/// Reads the marks of a frame; decoders are users' code.
pub(super) fn read_marks(inspect: Inspect, bytes: &LinkSlice) -> Result<Marks> {
    Ok(guard::run(Place::Decode, || inspect(bytes))??)
}

/// Receives replies of the format `F`.
pub(super) struct ReplyHandler<F: Frame, M: Matching> {
    state: Mutex<State<F, M>>,
}

struct State<F: Frame, M: Matching> {
    /// None once the connection is closed.
    connection: Option<Arc<CallConnection<M>>>,
    scan: F::Scan,
    batch: M::Batch,
}

impl<F: Frame, M: Matching> ReplyHandler<F, M> {
    pub(super) fn new(connection: Arc<CallConnection<M>>) -> Self {
        let (scan, batch) = (Default::default(), M::Batch::default());
        Self { state: Mutex::new(State { connection: Some(connection), scan, batch }) }
    }

    fn connection(&self) -> Option<Arc<CallConnection<M>>> {
        self.state.lock().connection.clone()
    }
}

/// Takes frames until none is left or the budget is spent.
fn work<F: Frame, M: Matching>(
    connection: &CallConnection<M>,
    scan: &mut F::Scan,
    batch: &mut M::Batch,
    step: &mut Step<'_, '_>,
) -> Result<After> {
    let max = step.conn.options().max_frame;
    let mut budget = Budget::new();
    loop {
        match budget
            .next(step, |recv| guard::run(Place::Scan, || frames::find::<F>(scan, recv, max))?)?
        {
            Next::Request(n) => {
                let Some(recv) = &mut step.recv else { return Ok(After::Wait) };
                let frame = recv.input.slice(n)?;
                // The turn alone counts.
                let received = connection.received.load(Relaxed) + n as u64;
                connection.received.store(received, Relaxed);
                M::received(connection, frame, !recv.input.is_empty(), batch)?;
            }
            // The next look knows that no more comes.
            Next::Eof => {}
            Next::Quiet => {
                if step.recv.as_ref().is_some_and(|recv| !recv.input.is_empty()) {
                    M::began(connection)?;
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
        ErrorKind::Truncated => CloseReason::Truncated,
        _ => CloseReason::Malformed,
    }
}

impl<F: Frame + 'static, M: Matching> Handler for ReplyHandler<F, M> {
    fn step(&self, step: &mut Step<'_, '_>) -> After {
        let State { connection, scan, batch } = &mut *self.state.lock();
        let Some(connection) = connection else { return After::Abort(CloseReason::Local) };
        let worked = work::<F, M>(connection, scan, batch, step);
        // What came before an error is delivered all the same.
        let delivered = M::deliver(connection, batch);
        let worked = worked.and_then(|after| delivered.map(|()| after));
        worked.unwrap_or_else(|error| {
            let reason = reason(&error);
            connection.poison(error);
            After::Abort(reason)
        })
    }

    fn disconnected(&self, _: &Connection, _: CloseReason) {}

    fn failed(&self, _: &Connection, error: &Error) {
        if let Some(connection) = self.connection() {
            connection.give_up(error.clone());
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
