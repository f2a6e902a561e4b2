//! Finding frames in a connection's input, and reading until one is there.

use super::{
    handler::After,
    reason::CloseReason,
    recv::{Filled, Recv, Step},
    state::{OVER, mark},
};
use crate::{
    error::{Error, ErrorKind, Result},
    frame::{Frame, FrameErrorKind, Progress, ScanError, Scanner, Window, guarded},
    guard::Place,
};

/// Requests that one turn handles at most: then it goes to the back of the queue.
const REQUESTS: usize = 256;

/// Bytes that one turn reads at most.
const BYTES: usize = 512 * 1024;

/// What was found at the start of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A request of this many bytes.
    Request(usize),
    /// This many bytes are needed at least, from the start of the input.
    Need(usize),
}

/// Looks for a frame of at most `max` bytes, from where `scan` has got to.
///
/// # Errors
/// The bytes are no frame, or too large a one, or the stream ends within one (`Eof`).
#[inline]
pub(crate) fn find<F: Frame>(scan: &mut F::Scan, recv: &Recv, max: usize) -> Result<Found> {
    if recv.input.is_empty() {
        return Ok(Found::Need(F::MIN.max(1)));
    }
    let window = Window::new(&recv.input);
    let bound = max.min(F::MAX);
    let progress = guarded::scan(Place::Scan, &window, bound, || scan.scan(&window, bound))
        .map_err(|e| refused(e, max))?;
    let at_eof = || guarded::at_eof(Place::Scan, &window, || scan.at_eof(&window));
    let found = found(progress, recv, at_eof)?;
    if matches!(found, Found::Request(_)) {
        *scan = F::Scan::default();
    }
    Ok(found)
}

/// Makes the error of a connection whose limit is `max_frame` from a scan's.
#[cold]
pub(crate) fn refused(e: ScanError, max_frame: usize) -> Error {
    match *e.kind() {
        FrameErrorKind::TooLarge { size, max } if max == max_frame => {
            let why = format!("frame of {size} bytes exceeds max_frame ({max})");
            Error::new(ErrorKind::FrameTooLarge, why).with_source(e)
        }
        _ => e.into(),
    }
}

/// What `progress` means, where `at_eof` says whether the stream's end ends a frame.
#[inline]
pub(crate) fn found(
    progress: Progress,
    recv: &Recv,
    at_eof: impl FnOnce() -> std::result::Result<Option<usize>, ScanError>,
) -> Result<Found> {
    match progress {
        Progress::Ready(n) => Ok(Found::Request(n)),
        // More than there is, also where a scanner asks for what it has.
        Progress::Need(n) if !recv.eof => Ok(Found::Need(n.max(recv.input.len() + 1))),
        Progress::Need(_) => at_eof()?.map(Found::Request).ok_or_else(|| {
            let there = recv.input.len();
            let why = format!("the stream ends {there} bytes into a frame");
            Error::new(ErrorKind::Eof, why)
        }),
    }
}

/// What a turn may still do before it goes to the back of the queue.
pub(crate) struct Budget {
    requests: usize,
    bytes: usize,
}

/// What a turn does next.
pub(crate) enum Next {
    /// It handles the request of this many bytes.
    Request(usize),
    /// Nothing more is there to read now.
    Quiet,
    /// The peer sends no more, and what is left is no whole frame by its own account.
    Eof,
    /// It ends.
    Over(After),
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { requests: REQUESTS, bytes: BYTES }
    }

    /// Reads until `find` finds a request, or nothing is left.
    ///
    /// # Errors
    /// Of `find`, or of what came; or there is no memory.
    #[inline]
    pub(crate) fn next(
        &mut self,
        step: &mut Step<'_, '_>,
        mut find: impl FnMut(&Recv) -> Result<Found>,
    ) -> Result<Next> {
        loop {
            let Some(recv) = &step.recv else { return Ok(Next::Over(After::Wait)) };
            let (there, before) = (recv.input.len(), recv.came);
            if step.conn.conn.state_word.load() & (mark::CLOSING | OVER) != 0 {
                // A handler has closed the connection: what was pipelined behind its request is not begun.
                return Ok(Next::Over(After::Wait));
            }
            if self.requests == 0 {
                return Ok(Next::Over(After::Again));
            }
            let n = match find(recv)? {
                Found::Need(n) => n,
                Found::Request(n) => {
                    self.requests -= 1;
                    return Ok(Next::Request(n));
                }
            };
            if self.bytes == 0 {
                return Ok(Next::Over(After::Again));
            }
            match step.read(n - there) {
                Ok(Filled::Some) => {
                    // Behind a transport both count: what came, and what it became.
                    let (came, now) =
                        step.recv.as_ref().map_or((before, there), |r| (r.came, r.input.len()));
                    let n = ((came - before) as usize).max(now - there);
                    self.bytes = self.bytes.saturating_sub(n);
                }
                Ok(Filled::Eof) if there == 0 => return Ok(Next::Over(After::Wait)),
                Ok(Filled::Eof) => return Ok(Next::Eof),
                Ok(Filled::Nothing) => return Ok(quiet(step)),
                Err(error) if error.kind() == ErrorKind::Io => {
                    tracing::debug!(%error, "a connection broke");
                    return Ok(Next::Over(After::Abort(CloseReason::Reset)));
                }
                // There is no memory to read into, or what came is not what the transport takes.
                Err(error) => return Err(error),
            }
        }
    }
}

fn quiet(step: &Step<'_, '_>) -> Next {
    // A hang-up that came after the read has set both: what came before it is read first.
    if step.conn.conn.state_word.load() & (mark::HUNG_UP | mark::READABLE) == mark::HUNG_UP {
        return Next::Over(After::Abort(CloseReason::Reset));
    }
    Next::Quiet
}
