//! Integers of variable length: [`Varint`] and [`Zigzag`], seven bits a byte.

use super::{
    cursor::{Cursor, Stop},
    decoder::Decoder,
    encoder::Encoder,
    error::{DecodeError, EncodeError, FrameErrorKind, ScanError},
    ints::{Int, Repr},
    prefix::Prefix,
};

/// Seven bits a byte, the least significant first; all bytes but the last have the top bit set
/// (LEB128, as in Protocol Buffers).
#[derive(Clone, Copy, Debug)]
pub struct Varint;

/// Signed integers as [`Varint`] writes 0, 1, 2, 3 .. for 0, -1, 1, -2 .. .
#[derive(Clone, Copy, Debug)]
pub struct Zigzag;

/// The most bytes of a 64-bit integer.
const MOST: usize = 10;

/// Reads from `next` the seven-bit groups of one integer.
#[inline]
fn groups<E>(
    mut next: impl FnMut() -> Result<u8, E>,
    broken: impl FnOnce() -> E,
) -> Result<u64, E> {
    let mut value = 0u64;
    for i in 0..MOST as u32 {
        let byte = next()?;
        let group = u64::from(byte & 0x7f);
        if i == 9 && group > 1 {
            break;
        }
        value |= group << (7 * i);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(broken())
}

#[inline]
fn scan(c: &mut Cursor<'_>) -> Result<u64, Stop> {
    let at = c.pos();
    groups(|| c.take().map(|[byte]| byte), || ScanError::new(FrameErrorKind::Varint, at).into())
}

#[inline]
fn get(r: &mut Decoder<'_>) -> Result<u64, DecodeError> {
    let at = r.pos();
    groups(|| r.take().map(|[byte]| byte), || DecodeError::new(FrameErrorKind::Varint, at))
}

#[inline]
fn size(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

#[inline]
fn put(mut value: u64, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
    if value < 0x80 {
        return w.array([value as u8]);
    }
    let (mut bytes, n) = ([0; MOST], size(value));
    for (i, byte) in bytes[..n].iter_mut().enumerate() {
        *byte = (value & 0x7f) as u8 | if i + 1 < n { 0x80 } else { 0 };
        value >>= 7;
    }
    w.write(&bytes[..n])
}

/// Returns the bits of `value` as an unsigned 64-bit integer.
fn unsigned<T: Int>(value: T) -> u64 {
    value.widen() as u64
}

fn zigzag<T: Int>(value: T) -> u64 {
    let n = value.widen() as i64;
    (n << 1 ^ n >> 63) as u64
}

fn unzigzag(n: u64) -> i128 {
    i128::from((n >> 1) as i64 ^ -((n & 1) as i64))
}

impl<T: Int> Repr<T> for Varint {
    const FIXED: Option<usize> = None;
    const MIN: usize = 1;
    const EXACT: bool = true;

    #[inline]
    fn scan(c: &mut Cursor<'_>) -> Result<T, Stop> {
        let n = scan(c)?;
        T::narrow(n.into()).ok_or_else(|| c.fail(FrameErrorKind::Varint))
    }
    #[inline]
    fn get(r: &mut Decoder<'_>) -> Result<T, DecodeError> {
        let n = get(r)?;
        T::narrow(n.into()).ok_or_else(|| r.fail(FrameErrorKind::Varint))
    }
    #[inline]
    fn size(value: T) -> usize {
        size(unsigned(value))
    }
    #[inline]
    fn put(value: T, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        if value.widen() < 0 {
            return Err(w.fail(FrameErrorKind::Range(value.widen())));
        }
        put(unsigned(value), w)
    }
}

impl<T: Int> Repr<T> for Zigzag {
    const FIXED: Option<usize> = None;
    const MIN: usize = 1;
    const EXACT: bool = true;

    #[inline]
    fn scan(c: &mut Cursor<'_>) -> Result<T, Stop> {
        let n = scan(c)?;
        T::narrow(unzigzag(n)).ok_or_else(|| c.fail(FrameErrorKind::Varint))
    }
    #[inline]
    fn get(r: &mut Decoder<'_>) -> Result<T, DecodeError> {
        let n = get(r)?;
        T::narrow(unzigzag(n)).ok_or_else(|| r.fail(FrameErrorKind::Varint))
    }
    #[inline]
    fn size(value: T) -> usize {
        size(zigzag(value))
    }
    #[inline]
    fn put(value: T, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        put(zigzag(value), w)
    }
}

impl<S> Prefix<S> for Varint {
    const MIN: usize = 1;
    const EXACT: bool = true;

    #[inline]
    fn scan(c: &mut Cursor<'_>) -> Result<i64, Stop> {
        <Self as Repr<i64>>::scan(c)
    }
    #[inline]
    fn get(r: &mut Decoder<'_>) -> Result<i64, DecodeError> {
        <Self as Repr<i64>>::get(r)
    }
    #[inline]
    fn size(n: i64) -> usize {
        <Self as Repr<i64>>::size(n)
    }
    #[inline]
    fn put(n: i64, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        <Self as Repr<i64>>::put(n, w)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::arena::Arena, *};
    use crate::buf::LinkBuffer;

    fn wire<S: Repr<T>, T: Int + std::fmt::Debug>(value: T) -> Vec<u8> {
        let mut out = LinkBuffer::new();
        super::super::write(&mut out, |w| S::put(value, w)).unwrap();
        out.flush();
        let (bytes, arena) = (out.to_vec(), Arena::new());
        assert_eq!(bytes.len(), S::size(value));
        assert_eq!(S::get(&mut Decoder::new(&out, bytes.len(), &arena)).unwrap(), value);
        bytes
    }

    #[test]
    fn as_protocol_buffers_write_them() {
        assert_eq!(wire::<Varint, u32>(0), [0]);
        assert_eq!(wire::<Varint, u32>(300), [0xac, 2]);
        assert_eq!(wire::<Varint, u64>(u64::MAX), [[0xff; 9].as_slice(), &[1]].concat());
        assert_eq!(wire::<Zigzag, i32>(-1), [1]);
        assert_eq!(wire::<Zigzag, i64>(i64::MIN), [[0xff; 9].as_slice(), &[1]].concat());
        assert_eq!(wire::<Zigzag, i16>(64), [0x80, 1]);
    }

    #[test]
    fn too_many_bits_are_an_error() {
        let arena = Arena::new();
        for bytes in [&[0xff; 11][..], &[0x80, 0x80, 4]] {
            let got = <Varint as Repr<u16>>::get(&mut Decoder::new(bytes, bytes.len(), &arena));
            assert_eq!(got.unwrap_err().kind(), &FrameErrorKind::Varint);
        }
    }
}
