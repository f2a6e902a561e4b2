//! Finding frames in a connection's input.

use super::recv::Recv;
use crate::{
    error::{Error, ErrorKind, Result},
    frame::{Frame, Progress, Scanner, Window},
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
    match scan.scan(&window, max.min(F::MAX))? {
        Progress::Ready(n) => {
            *scan = F::Scan::default();
            Ok(Found::Request(n))
        }
        Progress::Need(_) if recv.eof => match scan.at_eof(&window)? {
            Some(n) => {
                *scan = F::Scan::default();
                Ok(Found::Request(n))
            }
            None => {
                let there = recv.input.len();
                let why = format!("the stream ends {there} bytes into a frame");
                Err(Error::new(ErrorKind::Eof, why))
            }
        },
        Progress::Need(n) => Ok(Found::Need(n)),
    }
}
