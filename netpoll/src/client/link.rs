//! The handler of a client's connection: finds the frames that come, and gives them to its lane.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use parking_lot::Mutex;

use super::hub::Lane;
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

/// A lane as its connection's turn sees it.
pub(super) trait Receiver: Lane {
    /// What is gathered in a turn.
    type Batch: Default + Send + 'static;

    /// A frame came; `more`: bytes came behind it.
    ///
    /// # Errors
    /// It should not have come: the connection is poisoned.
    fn received(&self, bytes: LinkSlice, more: bool, batch: &mut Self::Batch) -> Result<()>;

    /// A part of a frame came.
    ///
    /// # Errors
    /// As [`received`](Self::received).
    fn began(&self) -> Result<()>;

    /// Nothing more is there for now.
    fn deliver(&self, batch: &mut Self::Batch);

    /// Why its connection will end, if not by the connection's own reason.
    fn fault(&self, error: Error);

    /// Whether it may be closed, since nobody uses it; nobody does from then on.
    fn rests(&self) -> bool;
}

/// See the module's documentation. `F` is the replies' format.
pub(super) struct Link<F: Frame, L: Receiver> {
    state: Mutex<State<F, L>>,
}

struct State<F: Frame, L: Receiver> {
    /// Gone when the connection is closed.
    lane: Option<Arc<L>>,
    scan: F::Scan,
    batch: L::Batch,
}

impl<F: Frame, L: Receiver> Link<F, L> {
    pub(super) fn new(lane: Arc<L>) -> Self {
        let (scan, batch) = (Default::default(), L::Batch::default());
        Self { state: Mutex::new(State { lane: Some(lane), scan, batch }) }
    }

    fn lane(&self) -> Option<Arc<L>> {
        self.state.lock().lane.clone()
    }
}

/// Takes frames until nothing is left or the budget is spent.
fn work<F: Frame, L: Receiver>(
    lane: &L,
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
                lane.received(frame, !recv.input.is_empty(), batch)?;
            }
            // The next look knows that no more comes.
            Next::Eof => {}
            Next::Quiet => {
                if step.recv.as_ref().is_some_and(|recv| !recv.input.is_empty()) {
                    lane.began()?;
                }
                return Ok(After::Wait);
            }
            Next::Over(after) => return Ok(after),
        }
    }
}

/// Why a connection ends on which `error` was found.
fn reason(error: &Error) -> CloseReason {
    match error.kind() {
        ErrorKind::FrameTooLarge => CloseReason::FrameTooLarge,
        ErrorKind::Limit => CloseReason::MemoryLimit,
        ErrorKind::Panic => CloseReason::Panic,
        ErrorKind::Eof => CloseReason::Eof,
        _ => CloseReason::Malformed,
    }
}

impl<F: Frame + 'static, L: Receiver> Handler for Link<F, L> {
    fn step(&self, step: &mut Step<'_, '_>) -> After {
        let State { lane, scan, batch } = &mut *self.state.lock();
        let Some(lane) = lane else { return After::Abort(CloseReason::Local) };
        // Scanners and decoders are users' code.
        let worked = catch_unwind(AssertUnwindSafe(|| {
            let worked = work::<F, L>(lane, scan, batch, step);
            lane.deliver(batch);
            worked
        }))
        .unwrap_or_else(|payload| Err(panic_error(&*payload)));
        worked.unwrap_or_else(|error| {
            let reason = reason(&error);
            lane.fault(error);
            After::Abort(reason)
        })
    }

    fn disconnected(&self, _: &Connection, _: CloseReason) {}

    fn failed(&self, _: &Connection, error: &Error) {
        if let Some(lane) = self.lane() {
            lane.fault(error.clone());
        }
    }

    fn idle(&self, _: &Connection) -> bool {
        self.lane().is_none_or(|lane| lane.rests())
    }

    fn give_up(&self) {}

    fn closed(&self, _: &Connection, _: CloseReason) {
        // The lane holds the connection, which holds this.
        let lane = self.state.lock().lane.take();
        drop(lane);
    }

    fn brief(&self) -> bool {
        true
    }
}
