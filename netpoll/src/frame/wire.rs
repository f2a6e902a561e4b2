//! [`Wire`], which every field's type implements.

use super::{
    cursor::{Cursor, Stop},
    decoder::Decoder,
    encoder::Encoder,
    endian::Be,
    error::{DecodeError, EncodeError, FrameErrorKind},
};

/// A type that can stand in a frame: how to pass it, read it, and write it.
///
/// Either its bytes say where they end, as an integer's or a derived frame's do, or it *fills* the
/// region that it is given, as a slice of bytes does: then the field before it, a delimiter or the
/// frame's own end says how many bytes those are.
///
/// `S` is how integers stand in it: [`Be`], the default, [`Le`](super::Le), or another
/// [`Repr`](super::Repr). A type that has an order of its own implements it for every `S`.
///
/// `#[derive(Frame)]` implements it. By hand:
///
/// ```
/// use netpoll::frame::{Cursor, DecodeError, EncodeError, Decoder, Stop, Wire, Encoder};
///
/// /// A colour: three bytes.
/// #[derive(Debug, PartialEq)]
/// struct Rgb([u8; 3]);
///
/// impl<'a, S> Wire<'a, S> for Rgb {
///     const FIXED: Option<usize> = Some(3);
///     const MIN: usize = 3;
///     type Skip = ();
///     fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
///         r.take().map(Rgb)
///     }
///     fn size(&self) -> usize {
///         3
///     }
///     fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
///         w.write(&self.0)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand in a frame",
    label = "not `Wire`",
    note = "derive it: `#[derive(Frame)]`; or read and write this field by functions of your own: \
            `#[frame(with = module)]`",
    note = "if its `#[frame(args(..))]` or `#[frame(tag = ..)]` asks for arguments, pass them: \
            `#[frame(args(..))]` on the field"
)]
pub trait Wire<'a, S = Be>: Sized {
    /// The number of bytes, if it is always the same.
    const FIXED: Option<usize> = None;

    /// The least number of bytes.
    const MIN: usize;

    /// True if it takes all bytes of the region that it is read from, so that something else has
    /// to say how many they are.
    const FILLS: bool = false;

    /// True if [`put`](Self::put) always writes [`size`](Self::size) bytes, so that a derived
    /// frame around it need not check it. The library's own types and derived ones do.
    #[doc(hidden)]
    const EXACT: bool = false;

    /// The state that [`skip`](Self::skip) keeps while bytes are missing.
    type Skip: Default + Send + 'static;

    /// Passes its bytes, looking only at those that say where it ends.
    ///
    /// `state` is the default at its first byte. Where bytes are missing, the same call is made
    /// again when more have arrived, with the same state, at the position that was last
    /// [committed](Cursor::commit), here or before.
    ///
    /// A type of fixed size has no need to implement it, and one that fills its region is never
    /// asked.
    ///
    /// # Errors
    /// Bytes are missing; or its end cannot be told.
    fn skip(state: &mut Self::Skip, c: &mut Cursor<'_>) -> Result<(), Stop> {
        let _ = state;
        match Self::FIXED {
            Some(n) => c.skip(n),
            None => Err(c.fail(FrameErrorKind::Other("nothing says how long this is".to_owned()))),
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// The bytes are not of its format.
    fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError>;

    /// Reads it from the next `n` bytes, all of which it has to take.
    ///
    /// # Errors
    /// The region has fewer; some are left over; or they are not of its format.
    #[inline]
    fn get_sized(r: &mut Decoder<'a>, n: usize) -> Result<Self, DecodeError> {
        r.within(n, |r| {
            let value = Self::get(r)?;
            r.finish()?;
            Ok(value)
        })
    }

    /// Returns the number of bytes that [`put`](Self::put) writes.
    fn size(&self) -> usize;

    /// Writes it.
    ///
    /// # Errors
    /// Its value cannot be expressed; or there is no memory.
    fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError>;
}

/// A type that can stand in a frame if it is told something: a [`Wire`] with arguments, which
/// `#[frame(args(..))]` and `#[frame(tag = arg)]` on a derived type ask for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` takes no arguments",
    label = "not a frame with `#[frame(args(..))]` or `#[frame(tag = arg)]`"
)]
pub trait WireArgs<'a>: Sized {
    /// The arguments.
    type Args: Copy;

    /// The least number of bytes.
    const MIN: usize;

    /// True if [`put_with`](Self::put_with) always writes [`size`](Self::size) bytes, so that a derived
    /// frame around it need not check it. The library's own types and derived ones do.
    #[doc(hidden)]
    const EXACT: bool = false;

    /// The state that [`skip_with`](Self::skip_with) keeps while bytes are missing.
    type Skip: Default + Send + 'static;

    /// Passes its bytes, looking only at those that say where it ends; see [`Wire::skip`].
    ///
    /// # Errors
    /// Those of the method it stands for.
    fn skip_with(state: &mut Self::Skip, c: &mut Cursor<'_>, args: Self::Args) -> Result<(), Stop>;

    /// Reads it; see [`Wire::get`].
    ///
    /// # Errors
    /// Those of the method it stands for.
    fn get_with(r: &mut Decoder<'a>, args: Self::Args) -> Result<Self, DecodeError>;

    /// Returns the number of bytes that [`put_with`](Self::put_with) writes.
    fn size(&self) -> usize;

    /// Writes it; see [`Wire::put`].
    ///
    /// # Errors
    /// Those of the method it stands for.
    fn put_with(&self, w: &mut Encoder<'_>, args: Self::Args) -> Result<(), EncodeError>;
}

#[diagnostic::do_not_recommend]
impl<'a, S, T: Wire<'a, S>> Wire<'a, S> for Box<T> {
    const FIXED: Option<usize> = T::FIXED;
    const MIN: usize = T::MIN;
    const FILLS: bool = T::FILLS;
    const EXACT: bool = T::EXACT;
    type Skip = T::Skip;

    #[inline]
    fn skip(state: &mut Self::Skip, c: &mut Cursor<'_>) -> Result<(), Stop> {
        T::skip(state, c)
    }

    #[inline]
    fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        T::get(r).map(Box::new)
    }

    #[inline]
    fn size(&self) -> usize {
        T::size(self)
    }

    #[inline]
    fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        T::put(self, w)
    }
}

macro_rules! tuple {
    ($($T:ident $i:tt),+; $last:ident) => {
        /// One after the other.
        #[diagnostic::do_not_recommend]
        impl<'a, S, $($T: Wire<'a, S>),+> Wire<'a, S> for ($($T,)+) {
            const FIXED: Option<usize> = sum([$($T::FIXED),+]);
            const MIN: usize = 0 $(+ $T::MIN)+;
            const FILLS: bool = $last::FILLS;
            const EXACT: bool = true $(&& $T::EXACT)+;
            type Skip = (u8, $($T::Skip),+);

            fn skip(state: &mut Self::Skip, c: &mut Cursor<'_>) -> Result<(), Stop> {
                if let Some(n) = Self::FIXED {
                    return c.skip(n);
                }
                let mut owed = Self::MIN;
                $(
                    owed -= $T::MIN;
                    if state.0 == $i {
                        c.owe(owed);
                        tuple!(@state state $i, |s| $T::skip(s, c))?;
                        c.settle(owed);
                        state.0 += 1;
                        c.commit();
                    }
                )+
                Ok(())
            }

            #[inline]
            fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
                Ok(($($T::get(r).map_err(|e| e.in_field(stringify!($i)))?,)+))
            }

            #[inline]
            fn size(&self) -> usize {
                0 $(+ self.$i.size())+
            }

            #[inline]
            fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
                $(self.$i.put(w).map_err(|e| e.in_field(stringify!($i)))?;)+
                Ok(())
            }
        }
    };
    (@state $state:ident 0, |$s:ident| $call:expr) => {{ let $s = &mut $state.1; $call }};
    (@state $state:ident 1, |$s:ident| $call:expr) => {{ let $s = &mut $state.2; $call }};
    (@state $state:ident 2, |$s:ident| $call:expr) => {{ let $s = &mut $state.3; $call }};
    (@state $state:ident 3, |$s:ident| $call:expr) => {{ let $s = &mut $state.4; $call }};
}

tuple!(A 0, B 1; B);
tuple!(A 0, B 1, C 2; C);
tuple!(A 0, B 1, C 2, D 3; D);

/// The sum of sizes that are all fixed.
pub(super) const fn sum<const N: usize>(sizes: [Option<usize>; N]) -> Option<usize> {
    let mut total = 0;
    let mut i = 0;
    while i < N {
        match sizes[i] {
            Some(n) => total += n,
            None => return None,
        }
        i += 1;
    }
    Some(total)
}
