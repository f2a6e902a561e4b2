//! Calls of a format's functions, which users write: a panic in one of them is a malformed frame,
//! and a scanner's answer is checked before anything relies on it.

use super::{
    error::{DecodeError, EncodeError, FrameErrorKind, ScanError},
    scan::Progress,
    window::Window,
};
use crate::guard::{Panicked, Place, run};

fn panic(panicked: &Panicked) -> FrameErrorKind {
    FrameErrorKind::Panic(panicked.to_string())
}

/// Looks for a frame's end in `w` by `scan`, a scanner or a codec.
///
/// # Errors
/// That of `scan`; it panicked; or it answered what cannot be: a frame of no bytes, of more than
/// there are, or of more than `max`.
#[inline(always)] // as for the call that it guards
pub(crate) fn scan(
    place: Place,
    w: &Window<'_>,
    max: usize,
    scan: impl FnOnce() -> Result<Progress, ScanError>,
) -> Result<Progress, ScanError> {
    let progress = match run(place, scan) {
        Ok(progress) => progress?,
        Err(panicked) => return Err(ScanError::new(panic(&panicked), w.len())),
    };
    match progress {
        Progress::Ready(n) if n == 0 || n > w.len() => Err(impossible(n, w.len())),
        Progress::Ready(size) | Progress::Need(size) if size > max => {
            Err(ScanError::new(FrameErrorKind::TooLarge { size, max }, w.len()))
        }
        progress => Ok(progress),
    }
}

/// Asks `at_eof` for the length of the frame that the end of the stream ends.
///
/// # Errors
/// That of `at_eof`; it panicked; or it answered what cannot be.
pub(crate) fn at_eof(
    place: Place,
    w: &Window<'_>,
    at_eof: impl FnOnce() -> Result<Option<usize>, ScanError>,
) -> Result<Option<usize>, ScanError> {
    match run(place, at_eof) {
        Ok(Ok(Some(n))) if n == 0 || n > w.len() => Err(impossible(n, w.len())),
        Ok(length) => length,
        Err(panicked) => Err(ScanError::new(panic(&panicked), w.len())),
    }
}

/// A frame of no bytes would be found again and again; one of more than there are is not there.
#[cold]
fn impossible(n: usize, there: usize) -> ScanError {
    let why = format!("its scanner says that a frame of {n} bytes is there, of {there} received");
    ScanError::new(FrameErrorKind::Other(why), there)
}

/// Reads a complete frame by `decode`, a decoder or a codec.
///
/// # Errors
/// That of `decode`; or it panicked.
#[inline(always)] // as for the call that it guards
pub(crate) fn decode<T>(
    place: Place,
    decode: impl FnOnce() -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    match run(place, decode) {
        Ok(value) => value,
        Err(panicked) => Err(DecodeError::new(panic(&panicked), 0)),
    }
}

/// Writes a frame by `encode`, an encoder or a codec.
///
/// # Errors
/// That of `encode`; or it panicked.
#[inline]
pub(super) fn encode(encode: impl FnOnce() -> Result<(), EncodeError>) -> Result<(), EncodeError> {
    match run(Place::Encode, encode) {
        Ok(written) => written,
        Err(panicked) => Err(EncodeError::new(panic(&panicked), 0)),
    }
}
