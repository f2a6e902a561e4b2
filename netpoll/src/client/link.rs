//! The handler of a client's connection: finds the frames that come, and gives them to its lane.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Weak,
};

use parking_lot::Mutex;

use super::hub::Lane;
use crate::{
    buf::LinkSlice,
    conn::{
        CloseReason, Connection,
        frames::{self, Found},
        handler::{After, Handler},
        recv::{Filled, Step},
        state::mark,
    },
    error::{Error, ErrorKind, Result},
    frame::Frame,
    sched::panic_error,
};

/// Frames that one turn takes at most: then it goes to the back of the queue.
const FRAMES: usize = 256;

/// Bytes that one turn reads at most.
const BYTES: usize = 512 * 1024;

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
    lane: Weak<L>,
    state: Mutex<State<F, L>>,
}

struct State<F: Frame, L: Receiver> {
    scan: F::Scan,
    batch: L::Batch,
}

impl<F: Frame, L: Receiver> Link<F, L> {
    pub(super) fn new(lane: Weak<L>) -> Self {
        let state = State { scan: Default::default(), batch: L::Batch::default() };
        Self { lane, state: Mutex::new(state) }
    }
}

impl<F: Frame, L: Receiver> State<F, L> {
    /// Takes frames until nothing is left or the budget is spent.
    fn work(&mut self, lane: &L, step: &mut Step<'_, '_>) -> Result<After> {
        let max = step.conn.options().max_frame;
        let (mut frames, mut bytes) = (FRAMES, BYTES);
        loop {
            let Some(recv) = &mut step.recv else { return Ok(After::Wait) };
            if frames == 0 || bytes == 0 {
                return Ok(After::Again);
            }
            let there = recv.input.len();
            match frames::find::<F>(&mut self.scan, recv, max)? {
                Found::Request(n) => {
                    frames -= 1;
                    let frame = recv.input.slice(n)?;
                    lane.received(frame, !recv.input.is_empty(), &mut self.batch)?;
                }
                Found::Need(n) => match step.read(n - there) {
                    Ok(Filled::Some) => {
                        let now = step.recv.as_ref().map_or(there, |recv| recv.input.len());
                        bytes = bytes.saturating_sub(now - there);
                    }
                    Ok(Filled::Eof) if there == 0 => return Ok(After::Wait),
                    // What is left may be a frame that the end completes.
                    Ok(Filled::Eof) => {}
                    Ok(Filled::Nothing) => {
                        if there > 0 {
                            lane.began()?;
                        }
                        return Ok(quiet(step));
                    }
                    Err(error) if error.kind() == ErrorKind::Io => {
                        return Ok(After::Abort(CloseReason::Reset));
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }
}

/// Nothing more is there to read now.
fn quiet(step: &Step<'_, '_>) -> After {
    // A hang-up that came after the read has set both: what came before it is read first.
    if step.conn.conn.gate.load() & (mark::HUNG_UP | mark::READABLE) == mark::HUNG_UP {
        return After::Abort(CloseReason::Reset);
    }
    After::Wait
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
        let Some(lane) = self.lane.upgrade() else { return After::Abort(CloseReason::Local) };
        let state = &mut *self.state.lock();
        // Scanners and decoders are users' code.
        let worked = catch_unwind(AssertUnwindSafe(|| {
            let worked = state.work(&lane, step);
            lane.deliver(&mut state.batch);
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
        if let Some(lane) = self.lane.upgrade() {
            lane.fault(error.copy());
        }
    }

    fn idle(&self, _: &Connection) -> bool {
        self.lane.upgrade().is_none_or(|lane| lane.rests())
    }

    fn give_up(&self) {}

    fn closed(&self, _: &Connection, _: CloseReason) {}
}
