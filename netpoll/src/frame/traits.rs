//! The three faces of a frame: found ([`Frame::Scan`]), read ([`Decode`]), written ([`Encode`]).

use std::{hash::Hash, time::Duration};

use super::{
    arena::Arena,
    decoder::Decoder,
    encoder::Encoder,
    error::{DecodeError, EncodeError, FrameErrorKind},
    guarded,
    input::Input,
    marks::{Route, Status},
    scan::{Progress, Scanner},
    window::Window,
};
use crate::{Error, ErrorKind, buf::LinkBuffer, guard::Place};

/// A message format that a connection speaks.
///
/// Finding a frame's end ([`Scan`](Self::Scan)) is apart from decoding it ([`At`](Self::At)): the
/// scanner resumes as bytes arrive and borrows nothing; the decoder runs once, over exactly one
/// complete frame, and can borrow all of it.
///
/// # `#[derive(Frame)]`
///
#[doc = include_str!("options.md")]
///
#[doc = include_str!("grammar.md")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a frame",
    label = "not a frame",
    note = "derive it: `#[derive(Frame)]`"
)]
pub trait Frame {
    /// The scanner that finds the frame's end.
    type Scan: Scanner;

    /// The frame as it borrows from the bytes it was decoded from.
    type At<'a>: Decode<'a> + Send;

    /// The number of bytes, if it is always the same.
    const FIXED: Option<usize> = None;

    /// The least number of bytes.
    const MIN: usize = 0;

    /// The largest number of bytes; the connection's own limit holds besides.
    const MAX: usize = usize::MAX;

    /// Returns the time that a request's caller has left: [`Timed`](super::Timed), if it is.
    #[inline]
    fn deadline_of(frame: &Self::At<'_>) -> Option<Duration> {
        let _ = frame;
        None
    }

    /// Sets the time that a request's caller has left: [`Timed`](super::Timed), if it is.
    #[inline]
    fn set_deadline_of(frame: &mut Self::At<'_>, remaining: Option<Duration>) {
        let _ = (frame, remaining);
    }

    /// Returns the method that a request is for: [`Routed`](super::Routed), if it is; of an enum, the
    /// name of its variant.
    #[inline]
    fn route_of<'f>(frame: &'f Self::At<'_>) -> Option<Route<'f>> {
        let _ = frame;
        None
    }

    /// Returns the value of the metadata entry `name`: [`Annotated`](super::Annotated), if it is.
    #[inline]
    fn metadata_of<'f>(frame: &'f Self::At<'_>, name: &str) -> Option<&'f [u8]> {
        let _ = (frame, name);
        None
    }

    /// Returns whether a reply is the last one: [`Streamed`](super::Streamed), if it is.
    #[inline]
    fn ends_stream(frame: &Self::At<'_>) -> bool {
        let _ = frame;
        true
    }

    /// Returns whether the frame's sender drains the connection: [`Goodbye`](super::Goodbye), if
    /// it is.
    #[inline]
    fn says_goodbye(frame: &Self::At<'_>) -> bool {
        let _ = frame;
        false
    }

    /// Creates the frame that says that its sender drains the connection:
    /// [`Goodbye`](super::Goodbye), if it is.
    #[inline]
    fn new_goodbye() -> Option<Self::At<'static>> {
        None
    }

    /// Creates a reply that reports an outcome: [`Judged`](super::Judged), if it is and has a code
    /// for it.
    #[inline]
    fn new_fault(status: Status) -> Option<Self::At<'static>> {
        let _ = status;
        None
    }
}

/// A value that is read from one complete frame.
pub trait Decode<'a>: Sized {
    /// Reads it from `r`, which has exactly the frame's bytes.
    ///
    /// # Errors
    /// They are not of its format.
    fn decode(r: &mut Decoder<'a>) -> Result<Self, DecodeError>;
}

/// A value that is written as one frame.
pub trait Encode {
    /// Returns the number of bytes that [`encode`](Self::encode) writes.
    fn encoded_len(&self) -> usize;

    /// Writes it. What was written before an error is taken back by the caller.
    ///
    /// # Errors
    /// Its value cannot be expressed; or there is no memory.
    fn encode(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError>;
}

impl<T: Encode + ?Sized> Encode for &T {
    #[inline]
    fn encoded_len(&self) -> usize {
        T::encoded_len(self)
    }

    #[inline]
    fn encode(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        T::encode(self, w)
    }
}

/// A frame that carries the number by which its reply finds its request.
pub trait Sequenced {
    /// The number's type.
    type Seq: Copy + Eq + Hash;

    /// Returns the number.
    fn seq(&self) -> Self::Seq;

    /// Sets it: a reply takes its request's.
    fn set_seq(&mut self, seq: Self::Seq);
}

/// Decodes the frame that the first `n` bytes of `source` are; nothing is consumed.
///
/// What has to be copied to be contiguous, which is nothing if the frame lies in one node, goes to
/// `arena`.
///
/// # Errors
/// The bytes are not of the format of `F`.
///
/// # Panics
/// If `source` has fewer than `n` bytes.
#[inline]
pub fn decode<'a, F: Frame>(
    source: impl Into<Input<'a>>,
    n: usize,
    arena: &'a Arena,
) -> Result<F::At<'a>, DecodeError> {
    let mut decoder = Decoder::new(source, n, arena);
    guarded::decode(Place::Decode, || F::At::decode(&mut decoder))
}

/// Decodes the one frame that `bytes`, a datagram's, are.
///
/// # Errors
/// The frame is longer or shorter, or the bytes are not of its format.
#[cfg(feature = "udp")]
#[inline]
pub(crate) fn decode_whole<'a, F: Frame>(
    bytes: &'a [u8],
    arena: &'a Arena,
) -> crate::Result<F::At<'a>> {
    let (mut scan, window) = (F::Scan::default(), Window::new(bytes));
    let found = match scan.scan(&window, F::MAX)? {
        Progress::Ready(n) => n,
        Progress::Need(n) => scan.at_eof(&window)?.unwrap_or(n),
    };
    if found != bytes.len() {
        let why = format!("a frame of {found} bytes or more in a datagram of {}", bytes.len());
        return Err(Error::new(ErrorKind::Malformed, why));
    }
    Ok(decode::<F>(bytes, found, arena)?)
}

/// Encodes `frame` behind what `out` holds, and flushes it there; gives its length in bytes.
///
/// # Errors
/// The frame cannot be expressed, or there is no memory; `out` is then as it was.
#[inline]
pub fn encode<T: Encode + ?Sized>(frame: &T, out: &mut LinkBuffer) -> Result<usize, EncodeError> {
    let n = write(out, |w| frame.encode(w))?;
    out.flush();
    Ok(n)
}

/// Writes one frame by `put` behind what `out` holds, without flushing it; returns its length in
/// bytes.
///
/// # Errors
/// Those of `put`, or there is no memory; `out` is then as it was.
#[inline]
pub fn write(
    out: &mut LinkBuffer,
    put: impl FnOnce(&mut Encoder<'_>) -> Result<(), EncodeError>,
) -> Result<usize, EncodeError> {
    out.compose(
        |tail| {
            let mut w = Encoder::new(tail);
            guarded::encode(|| put(&mut w))?;
            Ok(w.finish())
        },
        || EncodeError::new(FrameErrorKind::Memory, 0),
    )
}

/// Finds, decodes and encodes the one frame that `wire` is: a first test of a format.
///
/// ```
/// use netpoll::{Frame, frame};
///
/// #[derive(Frame)]
/// struct Name<'a>(#[frame(prefix = u8)] &'a str);
///
/// assert_eq!(frame::round_trip::<Name<'_>>(b"\x02me")?, b"\x02me");
/// assert!(frame::round_trip::<Name<'_>>(b"\x03me").is_err());
/// # Ok::<(), netpoll::Error>(())
/// ```
///
/// # Errors
/// The bytes are not one frame of the format `F`, or cannot be expressed in it.
pub fn round_trip<F: Frame>(wire: &[u8]) -> crate::Result<Vec<u8>>
where
    for<'a> F::At<'a>: Encode,
{
    let found = F::Scan::default().scan(&Window::new(wire), F::MAX)?;
    if found != Progress::Ready(wire.len()) {
        let message = format!("of {} bytes the scan says {found:?}", wire.len());
        return Err(Error::new(ErrorKind::Malformed, message));
    }
    let (arena, mut out) = (Arena::new(), LinkBuffer::new());
    encode(&decode::<F>(wire, wire.len(), &arena)?, &mut out)?;
    Ok(out.to_vec())
}
