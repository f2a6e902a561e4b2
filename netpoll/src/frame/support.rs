//! What derived frames call, beyond the public traits: each a step that an expansion would
//! otherwise spell out.

use std::fmt::Display;

use super::{
    ascii,
    checksum::Checksum,
    cursor::{Cursor, Stop},
    fault::{DecodeError, EncodeError, Fault},
    ints::Int,
    prefix::Prefix,
    reader::Reader,
    wire::Wire,
    writer::Writer,
};

/// The next `N` bytes, which are the fields `names`, each with the offset where it ends.
#[inline]
pub fn run<const N: usize>(
    r: &mut Reader<'_>,
    names: &[(&str, usize)],
) -> Result<[u8; N], DecodeError> {
    match r.take() {
        Ok(bytes) => Ok(bytes),
        Err(e) => Err(cut(e, r.left(), names)),
    }
}

#[cold]
#[inline(never)]
fn cut(e: DecodeError, left: usize, names: &[(&str, usize)]) -> DecodeError {
    match names.iter().find(|(_, end)| *end > left) {
        Some((name, _)) => e.in_field(name),
        None => e,
    }
}

/// An integer of 1 to 8 bytes, most significant first.
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

/// What a group of bits can be.
pub trait Bits: Copy {
    /// Its bits.
    fn to_bits(self) -> u64;
    /// The value of these bits, which fit.
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

/// `value` at the place that [`get_bits`] reads.
#[inline]
pub fn put_bits<T: Bits>(
    w: &Writer<'_>,
    value: T,
    shift: u32,
    width: u32,
) -> Result<u64, EncodeError> {
    let bits = value.to_bits();
    if bits > u64::MAX >> (64 - width) {
        return Err(w.fail(Fault::Range(bits.into())));
    }
    Ok(bits << shift)
}

/// `value`, if it is not cut off where it is stored.
#[inline]
pub fn fitting<T: Int + super::ints::Fixed<S>, S>(
    w: &Writer<'_>,
    value: T,
) -> Result<T, EncodeError> {
    if value.fits() { Ok(value) } else { Err(w.fail(Fault::Range(value.widen()))) }
}

/// What a length, size or count can be given as.
#[diagnostic::on_unimplemented(
    message = "a size is an integer, or a `Result` of one, not `{Self}`",
    label = "not a size"
)]
pub trait Size {
    /// The number.
    fn number(self) -> Result<i64, Fault>;
}

impl<T: Int> Size for T {
    #[inline]
    fn number(self) -> Result<i64, Fault> {
        Ok(self.widen().min(i64::MAX.into()) as i64)
    }
}

impl<T: Int, E: Display> Size for Result<T, E> {
    fn number(self) -> Result<i64, Fault> {
        match self {
            Ok(n) => n.number(),
            Err(e) => Err(Fault::Other(e.to_string())),
        }
    }
}

/// The bytes that `number` counts: `number * unit + bias`, at most `max`.
#[inline]
fn amount(number: impl Size, unit: i64, bias: i64, max: usize) -> Result<usize, Fault> {
    let n = number.number()?.saturating_mul(unit).saturating_add(bias);
    match usize::try_from(n) {
        Ok(size) if size <= max => Ok(size),
        Ok(size) => Err(Fault::TooLarge { size, max }),
        Err(_) => Err(Fault::Length(n.into())),
    }
}

/// The bytes that `number` counts, in a scan.
#[inline]
pub fn scan_amount(
    c: &Cursor<'_>,
    number: impl Size,
    unit: i64,
    bias: i64,
    max: usize,
) -> Result<usize, Stop> {
    amount(number, unit, bias, max).map_err(|fault| c.fault(fault))
}

/// The bytes that `number` counts, in a decoder.
#[inline]
pub fn get_amount(
    r: &Reader<'_>,
    number: impl Size,
    unit: i64,
    bias: i64,
    max: usize,
) -> Result<usize, DecodeError> {
    amount(number, unit, bias, max).map_err(|fault| r.fail(fault))
}

/// A count, in a scan.
#[inline]
pub fn scan_count(c: &Cursor<'_>, number: impl Size) -> Result<i64, Stop> {
    number.number().map_err(|fault| c.fault(fault))
}

/// A count, in a decoder.
#[inline]
pub fn get_count(r: &Reader<'_>, number: impl Size) -> Result<i64, DecodeError> {
    number.number().map_err(|fault| r.fail(fault))
}

/// The number that stands for `bytes` of them: the inverse of [`get_amount`].
#[inline]
pub fn put_amount<T: Int>(
    w: &Writer<'_>,
    bytes: usize,
    unit: i64,
    bias: i64,
    max: usize,
) -> Result<T, EncodeError> {
    let excess = bytes as i64 - bias;
    if bytes > max {
        return Err(w.fail(Fault::TooLarge { size: bytes, max }));
    }
    if excess % unit != 0 {
        return Err(w.fail(Fault::Length(excess.into())));
    }
    let number = excess / unit;
    match T::narrow(number.into()) {
        Some(number) => Ok(number),
        None => Err(w.fail(Fault::Range(number.into()))),
    }
}

/// What is encoded has as many bytes, or elements, as the fields before it say.
#[inline]
pub fn same_size(w: &Writer<'_>, is: usize, said: impl Size) -> Result<(), EncodeError> {
    match said.number() {
        Ok(n) if n == is as i64 => Ok(()),
        Ok(_) => Err(w.fail(Fault::Length(is as i128))),
        Err(fault) => Err(w.fail(fault)),
    }
}

/// Asks whether `T` can stand in a frame.
pub const fn stands<T: Wire<'static, S>, S>() {}

/// The same, and whether `T` says itself how long it is; `error` is for one that does not.
#[track_caller]
pub const fn ends<T: Wire<'static, S>, S>(error: &str) {
    assert!(!T::FILLS, "{}", error);
}

/// Passes a field that has to say itself how long it is.
#[inline]
pub fn skip_own<T: Wire<'static, S>, S>(
    state: &mut T::Skip,
    c: &mut Cursor<'_>,
) -> Result<(), Stop> {
    const { assert!(!T::FILLS, "nothing says how long this field is: `prefix`, `size`, ..") };
    T::skip(state, c)
}

/// A prefix of `bytes` bytes or elements, in a scan.
#[inline]
pub fn scan_prefix<P: Prefix<S>, S>(c: &mut Cursor<'_>) -> Result<i64, Stop> {
    P::scan(c)
}

/// A prefix, in a decoder.
#[inline]
pub fn get_prefix<P: Prefix<S>, S>(r: &mut Reader<'_>) -> Result<i64, DecodeError> {
    P::get(r)
}

/// A prefix, in an encoder.
#[inline]
pub fn put_prefix<P: Prefix<S>, S>(
    w: &mut Writer<'_>,
    n: usize,
    max: usize,
) -> Result<(), EncodeError> {
    if n > max {
        return Err(w.fail(Fault::TooLarge { size: n, max }));
    }
    P::put(n as i64, w)
}

/// Passes a self-recursive type whose elements are scanned one after the other: `owed` are still
/// to come, and `one` may add to them.
pub fn flat<K: Default>(
    state: &mut Flat<K>,
    c: &mut Cursor<'_>,
    min: usize,
    mut one: impl FnMut(&mut K, &mut usize, &mut Cursor<'_>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    loop {
        let owed = state.owed.saturating_mul(min);
        if owed > c.max() {
            return Err(c.need(owed));
        }
        c.owe(owed);
        one(&mut state.one, &mut state.owed, c)?;
        c.settle(owed);
        if state.owed == 0 {
            return Ok(());
        }
        *state = Flat { owed: state.owed - 1, one: K::default() };
        c.commit();
    }
}

/// The state of [`flat`].
#[derive(Debug)]
pub struct Flat<K> {
    owed: usize,
    one: K,
}

impl<K: Default> Default for Flat<K> {
    #[inline]
    fn default() -> Self {
        Self { owed: 0, one: K::default() }
    }
}

/// `owed` grows by `n` elements of `each`.
#[inline]
pub fn owe(c: &Cursor<'_>, owed: &mut usize, n: i64, each: usize) -> Result<(), Stop> {
    let n = usize::try_from(n).map_err(|_| c.fault(Fault::Length(n.into())))?;
    *owed = owed.saturating_add(n.saturating_mul(each));
    Ok(())
}

/// The bytes from `n` to the next multiple of `align`.
#[inline]
pub const fn gap(n: usize, align: usize) -> usize {
    n.next_multiple_of(align) - n
}

/// The constant `expected` stands next, in a scan.
#[inline]
pub fn scan_constant<const N: usize>(c: &mut Cursor<'_>, expected: &[u8; N]) -> Result<(), Stop> {
    if c.take::<N>()? == *expected { Ok(()) } else { Err(c.fault(Fault::Magic)) }
}

/// The constant `expected` stands next, in a decoder.
#[inline]
pub fn get_constant<const N: usize>(
    r: &mut Reader<'_>,
    expected: &[u8; N],
) -> Result<(), DecodeError> {
    let at = r.pos();
    if r.take::<N>()? == *expected { Ok(()) } else { Err(DecodeError::new(Fault::Magic, at)) }
}

/// Whether a condition of the format holds at the offset `at`, in a scan.
#[inline]
pub fn scan_check(c: &Cursor<'_>, holds: bool, fault: impl FnOnce() -> Fault) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(c.fault(fault())) }
}

/// Whether a condition of the format holds, in a decoder.
#[inline]
pub fn get_check(at: usize, holds: bool, fault: impl FnOnce() -> Fault) -> Result<(), DecodeError> {
    if holds { Ok(()) } else { Err(DecodeError::new(fault(), at)) }
}

/// Whether a condition of the format holds, in an encoder.
#[inline]
pub fn put_check(
    w: &Writer<'_>,
    holds: bool,
    fault: impl FnOnce() -> Fault,
) -> Result<(), EncodeError> {
    if holds { Ok(()) } else { Err(w.fail(fault())) }
}

/// Passes to the delimiter's end, for a number of digits; gives the number.
#[inline]
pub fn scan_digits<T: Int>(c: &mut Cursor<'_>, delimiter: &[u8]) -> Result<T, Stop> {
    if delimiter == b"\r\n"
        && let Some(n) = c.short_number()
    {
        return T::narrow(n.into()).ok_or_else(|| c.fault(Fault::Digits));
    }
    let (text, n) = c.text::<20>(delimiter)?;
    ascii::parse(&text[..n]).ok_or_else(|| c.fault(Fault::Digits))
}

/// `value` through `f`, a function of the user's.
#[inline]
pub fn convert<A, T, E: Display>(
    at: usize,
    value: A,
    f: impl FnOnce(A) -> Result<T, E>,
) -> Result<T, DecodeError> {
    f(value).map_err(|e| DecodeError::new(Fault::Other(e.to_string()), at))
}

/// A value of `n` bytes, its type found out from its use.
#[inline]
pub fn get_sized<'a, T: Wire<'a, S>, S>(r: &mut Reader<'a>, n: usize) -> Result<T, DecodeError> {
    T::get_sized(r, n)
}

/// The bytes of a value, its type found out from its use.
#[inline]
pub fn size_of<'a, T: Wire<'a, S>, S>(value: &T) -> usize {
    value.size()
}

/// Writes a value, its type found out from its use.
#[inline]
pub fn put_value<'a, T: Wire<'a, S>, S>(value: &T, w: &mut Writer<'_>) -> Result<(), EncodeError> {
    value.put(w)
}

/// Reads the field `name` with `f`, from a region of `n` bytes, all of which it has to take.
#[inline]
pub fn get_within<'a, T>(
    r: &mut Reader<'a>,
    n: usize,
    name: &str,
    f: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    let region = r.enter(n).map_err(|e| e.in_field(name))?;
    let value = f(r)?;
    r.finish().map_err(|e| e.in_field(name))?;
    r.leave(region)?;
    Ok(value)
}

/// The checksum of the frame's bytes `from..to` is `stored`.
pub fn verify<C: Checksum>(
    r: &Reader<'_>,
    from: usize,
    to: usize,
    stored: C::Sum,
) -> Result<(), DecodeError> {
    let mut sum = C::default();
    r.range(from, to).for_each(|piece| sum.update(piece));
    let computed = sum.finish();
    if computed == stored {
        return Ok(());
    }
    let (stored, computed) = (stored.widen() as u64, computed.widen() as u64);
    Err(DecodeError::new(Fault::Checksum { stored, computed }, from))
}

/// The checksum of the bytes `from..to` that `w` has written.
pub fn checksum<C: Checksum>(w: &Writer<'_>, from: usize, to: usize) -> C::Sum {
    let mut sum = C::default();
    w.written(from, to).for_each(|piece| sum.update(piece));
    sum.finish()
}

/// The sum of sizes that are all fixed.
pub const fn sum<const N: usize>(sizes: [Option<usize>; N]) -> Option<usize> {
    super::wire::sum(sizes)
}

/// The least of `sizes`.
pub const fn least<const N: usize>(sizes: [usize; N]) -> usize {
    let mut least = sizes[0];
    let mut i = 1;
    while i < N {
        if sizes[i] < least {
            least = sizes[i];
        }
        i += 1;
    }
    least
}
