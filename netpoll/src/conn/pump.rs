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
use crate::error::{ErrorKind, Result};

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
        let word = step.conn.conn.state_word.load();
        if word & (mark::CLOSING | OVER) != 0 {
            // A handler has closed the connection: what was pipelined behind its request is not begun.
            return Ok(After::Wait);
        }
        if frames == 0 {
            return Ok(After::Again);
        }
        let there = recv.input.len();
        let mut wanted = 1;
        if there > 0 {
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
        if bytes == 0 {
            return Ok(After::Again);
        }
        let word = if recv.is_drained(word) {
            word
        } else {
            match read(step, wanted, &mut bytes)? {
                Read::More => continue,
                Read::Over(after) => return Ok(after),
                Read::Nothing(word) => word,
            }
        };
        // A hang-up that came after the last read has set both: what came before it is read first.
        if word & (mark::HUNG_UP | mark::READABLE) == mark::HUNG_UP {
            return Ok(After::Abort(CloseReason::Reset));
        }
        return receive.quiet(step);
    }
}

/// What a read brought the turn.
enum Read {
    /// More bytes, or the end of the stream behind some: the next look finds more.
    More,
    /// Nothing is there now; the state word after that.
    Nothing(u32),
    /// The end of the step.
    Over(After),
}

/// Reads once; `budget` is less by what came.
#[inline]
fn read(step: &mut Step<'_, '_>, wanted: usize, budget: &mut usize) -> Result<Read> {
    let before = |recv: &Recv| (recv.came, recv.input.len());
    let (came, there) = step.recv.as_deref().map_or((0, 0), before);
    Ok(match step.read(wanted) {
        Ok(Filled::Some) => {
            // Behind a transport both count: what came, and what it became.
            let (now, here) = step.recv.as_deref().map_or((came, there), before);
            *budget = budget.saturating_sub(((now - came) as usize).max(here - there));
            Read::More
        }
        Ok(Filled::Eof) if there == 0 => Read::Over(After::Wait),
        // What is left may be a frame that only the end delimits.
        Ok(Filled::Eof) => Read::More,
        Ok(Filled::Nothing) => Read::Nothing(step.conn.conn.state_word.load()),
        Err(error) if error.kind() == ErrorKind::Io => {
            tracing::debug!(%error, "a connection broke");
            Read::Over(After::Abort(CloseReason::Reset))
        }
        // There is no memory to read into, or what came is not what the transport takes.
        Err(error) => return Err(error),
    })
}
