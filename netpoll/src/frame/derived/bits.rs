//! Groups of bits.

use crate::frame::{
    encoder::Encoder,
    error::{EncodeError, FrameErrorKind},
};

/// Returns an integer of 1 to 8 bytes, most significant first.
#[inline]
pub fn load_bits(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// The inverse of [`load_bits`].
#[inline]
pub fn store_bits(bits: u64, bytes: &mut [u8]) {
    let all = bits.to_be_bytes();
    let unused = all.len() - bytes.len();
    bytes.copy_from_slice(&all[unused..]);
}

/// A type that a group of bits can have.
pub trait Bits: Copy {
    /// Returns its bits.
    fn to_bits(self) -> u64;
    /// Returns the value of these bits, which fit.
    fn from_bits(bits: u64) -> Self;
}

impl Bits for bool {
    #[inline]
    fn to_bits(self) -> u64 {
        self.into()
    }
    #[inline]
    fn from_bits(bits: u64) -> Self {
        bits != 0
    }
}

macro_rules! bits {
    ($($t:ident),+) => {$(
        impl Bits for $t {
            #[inline]
            fn to_bits(self) -> u64 {
                self.into()
            }
            #[inline]
            fn from_bits(bits: u64) -> Self {
                bits as $t
            }
        }
    )+};
}

bits!(u8, u16, u32, u64);

/// Of `all` bits, the `width` that end `shift` bits before the last.
#[inline]
pub fn get_bits<T: Bits>(all: u64, shift: u32, width: u32) -> T {
    T::from_bits(all >> shift & (u64::MAX >> (64 - width)))
}

/// Returns `value` at the place that [`get_bits`] reads.
#[inline]
pub fn put_bits<T: Bits>(
    w: &Encoder<'_>,
    value: T,
    shift: u32,
    width: u32,
) -> Result<u64, EncodeError> {
    let bits = value.to_bits();
    if bits > u64::MAX >> (64 - width) {
        return Err(w.fail(FrameErrorKind::Range(bits.into())));
    }
    Ok(bits << shift)
}
