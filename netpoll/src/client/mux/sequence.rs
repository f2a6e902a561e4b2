//! The sequence numbers by which replies find their calls.

use crate::frame::{Frame, Sequenced};

/// An integer type that can number a frame.
pub trait SequenceNumber: Copy + Send + Sync + 'static {
    /// The largest sequence number of the type.
    const MAX: u64;

    /// Converts from a number up to [`MAX`](Self::MAX).
    fn from_number(number: u64) -> Self;

    /// Converts to a number; a negative value becomes one above [`MAX`](Self::MAX).
    fn number(self) -> u64;
}

macro_rules! sequences {
    ($($ty:ty),*) => {$(
        impl SequenceNumber for $ty {
            const MAX: u64 = <$ty>::MAX as u64;

            #[inline]
            fn from_number(number: u64) -> Self {
                number as Self
            }

            #[inline]
            fn number(self) -> u64 {
                self as u64
            }
        }
    )*};
}

sequences!(u8, u16, u32, u64, i8, i16, i32, i64);

/// A frame that carries a sequence number, by which a reply finds its call. Every derived frame with an
/// integer field marked `#[frame(seq)]` is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no number by which a reply finds its call",
    label = "lacks a number",
    note = "mark the number's field with `#[frame(seq)]`, or have one call at a time for each \
            connection: `Client::pool`",
    note = "the numbers of requests and of replies have one type"
)]
pub trait MuxFrame: Frame {
    /// The number's type.
    type Seq: SequenceNumber;

    /// Returns the number of `frame`.
    fn seq_of(frame: &Self::At<'_>) -> Self::Seq;

    /// Sets the number of `frame`.
    fn number(frame: &mut Self::At<'_>, seq: Self::Seq);
}

#[diagnostic::do_not_recommend]
impl<F, S> MuxFrame for F
where
    S: SequenceNumber,
    F: Frame + Sequenced<Seq = S>,
    for<'a> F::At<'a>: Sequenced<Seq = S>,
{
    type Seq = S;

    #[inline]
    fn seq_of(frame: &F::At<'_>) -> S {
        frame.seq()
    }

    #[inline]
    fn number(frame: &mut F::At<'_>, seq: S) {
        frame.set_seq(seq);
    }
}
