//! The pump: reads until a frame is there and has it handled, again and again, within a turn's budget.

use std::ops::ControlFlow::{self, Break, Continue};

use super::{
    frames::Found,
    handler::After,
    reason::CloseReason,
    recv::{Filled, Recv},
    state::{OVER, mark},
    step::Step,
};
use crate::error::{Error, ErrorKind, Result};

/// Frames that one turn handles at most: then it goes to the back of the queue.
const FRAMES: usize = 256;

/// Bytes that one turn reads at most.
const BYTES: usize = 512 * 1024;

/// The receiving side of a handler, for the time of a step: what it does with each frame.
pub(crate) trait Receive {
    /// Looks for a frame at the start of the input, which is not empty.
    ///
    /// # Errors
    /// The bytes are no frame, or too large a one, or the stream ends within one.
    fn find(&mut self, recv: &Recv) -> Result<Found>;

    /// Handles the frame of `n` bytes that was found. `Break` ends the step.
    ///
    /// # Errors
    /// The frame is not what this side can take.
    fn frame(&mut self, step: &mut Step<'_, '_>, n: usize) -> Result<ControlFlow<After>>;

    /// Ends a step in which nothing more is there to read now.
    ///
    /// # Errors
    /// What is there of a frame is not what this side can take.
    fn quiet(&mut self, step: &mut Step<'_, '_>) -> Result<After>;
}

/// Reads and has frames handled until nothing is left or the budget is spent.
///
/// # Errors
/// Those of `receive`, or of what came; or there is no memory.
#[inline]
pub(crate) fn run(receive: &mut impl Receive, step: &mut Step<'_, '_>) -> Result<After> {
    let (mut frames, mut bytes) = (FRAMES, BYTES);
    loop {
        // A reader on loan has the input.
        let Some(recv) = &step.recv else { return Ok(After::Wait) };
        let mut word = step.conn.conn.state_word.load();
        if word & (mark::CLOSING | OVER) != 0 {
            // A handler has closed the connection: what was pipelined behind its request is not begun.
            return Ok(After::Wait);
        }
        let there = recv.input.len();
        let mut wanted = 1;
        if there > 0 {
            if frames == 0 {
                return Ok(After::Again);
            }
            match receive.find(recv)? {
                Found::Frame(n) => {
                    frames -= 1;
                    match receive.frame(step, n)? {
                        Continue(()) => continue,
                        Break(after) => return Ok(after),
                    }
                }
                // The end of the stream ends no frame here.
                Found::Need(_) if recv.eof => return Ok(After::Wait),
                Found::Need(n) => wanted = n - there,
            }
        }
        if !recv.is_drained(word) {
            if bytes == 0 {
                return Ok(After::Again);
            }
            match step.read(wanted) {
                Ok(Filled::Some(n)) => {
                    bytes = bytes.saturating_sub(n);
                    continue;
                }
                Ok(Filled::Eof) if there == 0 => return Ok(After::Wait),
                // What is left may be a frame that only the end delimits.
                Ok(Filled::Eof) => continue,
                Ok(Filled::Nothing) => word = step.conn.conn.state_word.load(),
                Err(error) => return broken(error),
            }
        }
        // A hang-up that came after the last read has set both: what came before it is read first.
        if word & (mark::HUNG_UP | mark::READABLE) == mark::HUNG_UP {
            return Ok(After::Abort(CloseReason::Reset));
        }
        return receive.quiet(step);
    }
}

/// Judges the `error` of a read.
///
/// # Errors
/// There is no memory to read into, or what came is not what the transport takes.
#[cold]
fn broken(error: Error) -> Result<After> {
    if error.kind() != ErrorKind::Io {
        return Err(error);
    }
    tracing::debug!(%error, "a connection broke");
    Ok(After::Abort(CloseReason::Reset))
}
