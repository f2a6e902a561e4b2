//! Finding frames in a connection's input.

use super::recv::Recv;
use crate::{
    error::{Error, ErrorKind, Result},
    frame::{Frame, Progress, ScanError, Scanner, Window},
};

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
    let progress = scan.scan(&window, max.min(F::MAX))?;
    let found = found(progress, recv, || scan.at_eof(&window))?;
    if matches!(found, Found::Request(_)) {
        *scan = F::Scan::default();
    }
    Ok(found)
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
        Progress::Need(n) if !recv.eof => Ok(Found::Need(n)),
        Progress::Need(_) => at_eof()?.map(Found::Request).ok_or_else(|| {
            let there = recv.input.len();
            let why = format!("the stream ends {there} bytes into a frame");
            Error::new(ErrorKind::Eof, why)
        }),
    }
}
