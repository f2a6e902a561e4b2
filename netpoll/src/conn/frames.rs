//! Finding frames in a connection's input.

use super::recv::Recv;
use crate::{
    error::{Error, ErrorKind, Result},
    frame::{Frame, FrameErrorKind, Progress, ScanError, Scanner, Window, guarded},
    guard::Place,
};

/// What was found at the start of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A frame of this many bytes.
    Frame(usize),
    /// This many bytes are needed at least, from the start of the input.
    Need(usize),
}

/// Looks for a frame of at most `max` bytes, from where `scan` has got to.
///
/// # Errors
/// The bytes are no frame, or too large a one, or the stream ends within one (`Eof`).
#[inline(always)] // one caller of a kind, in its turn
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
    if matches!(found, Found::Frame(_)) {
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
        Progress::Ready(n) => Ok(Found::Frame(n)),
        // More than there is, also where a scanner asks for what it has.
        Progress::Need(n) if !recv.eof => Ok(Found::Need(n.max(recv.input.len() + 1))),
        Progress::Need(_) => at_eof()?.map(Found::Frame).ok_or_else(|| {
            let there = recv.input.len();
            let why = format!("the stream ends {there} bytes into a frame");
            Error::new(ErrorKind::Eof, why)
        }),
    }
}
