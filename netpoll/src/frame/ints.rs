//! Integers on the wire, in the orders [`Be`], [`Le`] and [`U24`].

use super::{
    cursor::{Cursor, Stop},
    decoder::Decoder,
    encoder::Encoder,
    endian::{Be, Le, U24},
    error::{DecodeError, EncodeError, FrameErrorKind},
    wire::Wire,
};

/// A representation of the integer `T` on the wire.
pub trait Repr<T> {
    /// The number of bytes, if it is always the same.
    const FIXED: Option<usize>;
    /// The least number of bytes.
    const MIN: usize;
    /// True if it takes all bytes of its region, as decimal digits do.
    const FILLS: bool = false;

    /// True if [`put`](Self::put) always writes [`size`](Self::size) bytes.
    #[doc(hidden)]
    const EXACT: bool = false;

    /// Reads it while the frame's end is looked for.
    ///
    /// # Errors
    /// Bytes are missing; or they are not such a number.
    fn scan(c: &mut Cursor<'_>) -> Result<T, Stop>;

    /// Reads it from a complete frame.
    ///
    /// # Errors
    /// The bytes are not such a number.
    fn get(r: &mut Decoder<'_>) -> Result<T, DecodeError>;

    /// Returns the number of bytes of `value`.
    fn size(value: T) -> usize;

    /// Writes it.
    ///
    /// # Errors
    /// It does not fit; or there is no memory.
    fn put(value: T, w: &mut Encoder<'_>) -> Result<(), EncodeError>;
}

/// An integer with a fixed place in a run of bytes.
pub trait Fixed<S>: Sized + Copy {
    /// Bytes that it takes.
    const SIZE: usize;

    /// Reads it from the beginning of `bytes`.
    ///
    /// # Panics
    /// If there are fewer than [`SIZE`](Self::SIZE).
    fn load(bytes: &[u8]) -> Self;

    /// Writes it to the beginning of `bytes`; what does not fit is cut off.
    ///
    /// # Panics
    /// If there are fewer than [`SIZE`](Self::SIZE).
    fn store(self, bytes: &mut [u8]);

    /// Returns whether [`store`](Self::store) cuts nothing off.
    #[inline]
    fn fits(self) -> bool {
        true
    }
}

/// An integer type: what the other integers are converted through.
pub trait Int: Copy + Default + Eq + Send + 'static {
    /// Returns its value, which every integer type but `u128` always holds.
    fn widen(self) -> i128;

    /// Returns the integer of this value.
    fn narrow(value: i128) -> Option<Self>;
}

macro_rules! ints {
    ($($t:ident $n:literal),+) => {$(
        impl Int for $t {
            #[inline]
            fn widen(self) -> i128 {
                self as i128
            }
            #[inline]
            fn narrow(value: i128) -> Option<Self> {
                value.try_into().ok()
            }
        }

        #[diagnostic::do_not_recommend]
        impl<'a, S: Repr<$t>> Wire<'a, S> for $t {
            const FIXED: Option<usize> = S::FIXED;
            const MIN: usize = S::MIN;
            const FILLS: bool = S::FILLS;
            const EXACT: bool = S::EXACT;
            type Skip = ();

            #[inline]
            fn skip((): &mut (), c: &mut Cursor<'_>) -> Result<(), Stop> {
                match S::FIXED {
                    Some(n) => c.skip(n),
                    None => S::scan(c).map(drop),
                }
            }
            #[inline]
            fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
                S::get(r)
            }
            #[inline]
            fn size(&self) -> usize {
                S::size(*self)
            }
            #[inline]
            fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
                S::put(*self, w)
            }
        }

        ints!(@order $t $n Be from_be_bytes to_be_bytes);
        ints!(@order $t $n Le from_le_bytes to_le_bytes);
    )+};
    (@order $t:ident $n:literal $E:ident $from:ident $to:ident) => {
        impl Repr<$t> for $E {
            const FIXED: Option<usize> = Some($n);
            const MIN: usize = $n;
            const EXACT: bool = true;

            #[inline]
            fn scan(c: &mut Cursor<'_>) -> Result<$t, Stop> {
                c.take().map($t::$from)
            }
            #[inline]
            fn get(r: &mut Decoder<'_>) -> Result<$t, DecodeError> {
                r.take().map($t::$from)
            }
            #[inline]
            fn size(_: $t) -> usize {
                $n
            }
            #[inline]
            fn put(value: $t, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
                w.array(value.$to())
            }
        }

        impl Fixed<$E> for $t {
            const SIZE: usize = $n;

            #[inline]
            fn load(bytes: &[u8]) -> Self {
                $t::$from(*bytes.first_chunk().expect("a whole integer"))
            }
            #[inline]
            fn store(self, bytes: &mut [u8]) {
                bytes[..$n].copy_from_slice(&self.$to());
            }
        }
    };
}

ints!(u8 1, u16 2, u32 4, u64 8, u128 16, i8 1, i16 2, i32 4, i64 8, i128 16);

/// For sizes and counts alone: on the wire it would differ between machines.
impl Int for usize {
    #[inline]
    fn widen(self) -> i128 {
        self as i128
    }
    #[inline]
    fn narrow(value: i128) -> Option<Self> {
        value.try_into().ok()
    }
}

macro_rules! u24 {
    ($t:ident $E:ident $to:ident $low:expr) => {
        impl Fixed<U24<$E>> for $t {
            const SIZE: usize = 3;

            #[inline]
            fn load(bytes: &[u8]) -> Self {
                u24!(@load $t $E bytes)
            }
            #[inline]
            fn store(self, bytes: &mut [u8]) {
                bytes[..3].copy_from_slice(&self.$to()[$low]);
            }
            #[inline]
            fn fits(self) -> bool {
                let unused = $t::BITS - 24;
                self << unused >> unused == self
            }
        }
    };
    (@load u32 Be $b:ident) => { u32::from_be_bytes([0, $b[0], $b[1], $b[2]]) };
    (@load u32 Le $b:ident) => { u32::from_le_bytes([$b[0], $b[1], $b[2], 0]) };
    (@load i32 Be $b:ident) => { i32::from_be_bytes([$b[0], $b[1], $b[2], 0]) >> 8 };
    (@load i32 Le $b:ident) => { i32::from_le_bytes([0, $b[0], $b[1], $b[2]]) >> 8 };
}

u24!(u32 Be to_be_bytes 1..4);
u24!(u32 Le to_le_bytes 0..3);
u24!(i32 Be to_be_bytes 1..4);
u24!(i32 Le to_le_bytes 0..3);

impl<E, T: Int + Fixed<U24<E>>> Repr<T> for U24<E> {
    const FIXED: Option<usize> = Some(3);
    const MIN: usize = 3;
    const EXACT: bool = true;

    #[inline]
    fn scan(c: &mut Cursor<'_>) -> Result<T, Stop> {
        c.take::<3>().map(|bytes| T::load(&bytes))
    }
    #[inline]
    fn get(r: &mut Decoder<'_>) -> Result<T, DecodeError> {
        r.take::<3>().map(|bytes| T::load(&bytes))
    }
    #[inline]
    fn size(_: T) -> usize {
        3
    }
    #[inline]
    fn put(value: T, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        if !value.fits() {
            return Err(w.fail(FrameErrorKind::Range(value.widen())));
        }
        let mut bytes = [0; 3];
        value.store(&mut bytes);
        w.array(bytes)
    }
}

macro_rules! floats {
    ($($t:ident $bits:ident $n:literal),+) => {$(
        #[diagnostic::do_not_recommend]
        impl<'a, S: Repr<$bits>> Wire<'a, S> for $t {
            const FIXED: Option<usize> = S::FIXED;
            const MIN: usize = S::MIN;
            const EXACT: bool = S::EXACT;
            type Skip = ();

            #[inline]
            fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
                S::get(r).map($t::from_bits)
            }
            #[inline]
            fn size(&self) -> usize {
                S::size(self.to_bits())
            }
            #[inline]
            fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
                S::put(self.to_bits(), w)
            }
        }
    )+};
}

floats!(f32 u32 4, f64 u64 8);

/// One byte, 0 or 1.
#[diagnostic::do_not_recommend]
impl<'a, S> Wire<'a, S> for bool {
    const FIXED: Option<usize> = Some(1);
    const MIN: usize = 1;
    const EXACT: bool = true;
    type Skip = ();

    #[inline]
    fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let at = r.pos();
        let [byte] = r.take()?;
        boolean(byte, at)
    }
    #[inline]
    fn size(&self) -> usize {
        1
    }
    #[inline]
    fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        w.array([u8::from(*self)])
    }
}

/// Returns `byte`, which stands at the offset `at`, as a `bool`.
///
/// # Errors
/// It is neither 0 nor 1.
#[inline]
pub fn boolean(byte: u8, at: usize) -> Result<bool, DecodeError> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::new(FrameErrorKind::Bool(byte), at)),
    }
}
