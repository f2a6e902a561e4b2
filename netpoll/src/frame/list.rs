//! Elements one after the other: `Vec<T>`, `[T; N]`.

use super::{
    cursor::{Cursor, Stop},
    decoder::Decoder,
    derived::put_wire,
    encoder::Encoder,
    error::{DecodeError, EncodeError, FrameErrorKind},
    wire::Wire,
};

/// Elements up to the region's end.
#[diagnostic::do_not_recommend]
impl<'a, S, T: Wire<'a, S>> Wire<'a, S> for Vec<T> {
    const MIN: usize = 0;
    const FILLS: bool = true;
    const EXACT: bool = T::EXACT;
    type Skip = ();

    fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let mut items = Vec::new();
        while r.left() > 0 {
            let before = r.left();
            items.push(T::get(r).map_err(|e| e.in_element(items.len()))?);
            if r.left() == before {
                return Err(r.fail(FrameErrorKind::Trailing(before)));
            }
        }
        Ok(items)
    }
    #[inline]
    fn size(&self) -> usize {
        size(self)
    }
    #[inline]
    fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        put(self, w)
    }
}

/// The most elements of a list that have no bytes: nothing else bounds them.
const EMPTY_MOST: usize = 65_536;

/// The most memory in bytes that a list has before its elements are read.
const RESERVE_MOST: usize = 16 << 10;

/// Returns the number of elements that `n` says, if that many can be in `left` bytes.
#[inline]
fn bounded(n: i64, min: usize, left: usize) -> Result<usize, FrameErrorKind> {
    let Ok(count) = usize::try_from(n) else { return Err(FrameErrorKind::Length(n.into())) };
    let bytes = count.saturating_mul(min);
    if bytes > left { Err(FrameErrorKind::Truncated(bytes - left)) } else { Ok(count) }
}

/// Counts the elements that have no bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Empty(usize);

impl Empty {
    /// Counts an element of `bytes` bytes, if it has none.
    #[inline]
    fn count(&mut self, bytes: usize) -> Result<(), FrameErrorKind> {
        self.0 += usize::from(bytes == 0);
        if self.0 > EMPTY_MOST {
            return Err(FrameErrorKind::TooLarge { size: self.0, max: EMPTY_MOST });
        }
        Ok(())
    }
}

/// Reads `n` elements. Memory is taken as they come, not for as many as are announced: lists nest.
///
/// # Errors
/// The region cannot hold as many; or one is broken.
#[inline]
pub fn get<'a, T: Wire<'a, S>, S>(r: &mut Decoder<'a>, n: i64) -> Result<Vec<T>, DecodeError> {
    let count = bounded(n, T::MIN, r.left()).map_err(|kind| r.fail(kind))?;
    let most = const { RESERVE_MOST / if size_of::<T>() == 0 { 1 } else { size_of::<T>() } };
    let mut items = Vec::with_capacity(count.min(most.max(4)));
    let mut empty = Empty::default();
    for i in 0..count {
        let left = r.left();
        items.push(T::get(r).map_err(|e| e.in_element(i))?);
        if T::MIN == 0 {
            empty.count(left - r.left()).map_err(|kind| r.fail(kind))?;
        }
    }
    Ok(items)
}

/// The position of a scan in a list.
#[derive(Debug)]
pub struct ListSkip<K> {
    left: Option<usize>,
    empty: Empty,
    item: K,
}

impl<K: Default> Default for ListSkip<K> {
    #[inline]
    fn default() -> Self {
        Self { left: None, empty: Empty::default(), item: K::default() }
    }
}

/// Passes as many elements as `count` says, which is asked once.
///
/// # Errors
/// Bytes are missing; or the list's end cannot be told.
pub fn skip<T: Wire<'static, S>, S>(
    state: &mut ListSkip<T::Skip>,
    c: &mut Cursor<'_>,
    count: impl FnOnce(&mut Cursor<'_>) -> Result<i64, Stop>,
) -> Result<(), Stop> {
    let mut left = match state.left {
        Some(left) => left,
        None => {
            let n = count(c)?;
            usize::try_from(n).map_err(|_| c.fail(FrameErrorKind::Length(n.into())))?
        }
    };
    if let Some(size) = T::FIXED.filter(|&size| size > 0) {
        return c.skip(left.saturating_mul(size));
    }
    state.left = Some(left);
    c.commit();
    while left > 0 {
        let (owed, at) = ((left - 1).saturating_mul(T::MIN), c.pos());
        c.owe(owed);
        T::skip(&mut state.item, c)?;
        c.settle(owed);
        left -= 1;
        let mut empty = state.empty;
        if T::MIN == 0 {
            empty.count(c.pos() - at).map_err(|kind| c.fail(kind))?;
        }
        *state = ListSkip { left: Some(left), empty, item: T::Skip::default() };
        c.commit();
    }
    state.left = None;
    Ok(())
}

/// Returns the bytes of all `items`.
#[inline]
pub fn size<'a, T: Wire<'a, S>, S>(items: &[T]) -> usize {
    match T::FIXED {
        Some(n) => n * items.len(),
        None => items.iter().map(T::size).sum(),
    }
}

/// Writes all `items`.
///
/// # Errors
/// One cannot be expressed; or there is no memory.
#[inline]
pub fn put<'a, T: Wire<'a, S>, S>(items: &[T], w: &mut Encoder<'_>) -> Result<(), EncodeError> {
    for (i, item) in items.iter().enumerate() {
        put_wire(item, w).map_err(|e| e.in_element(i))?;
    }
    Ok(())
}

/// The elements of an array, one after the other.
#[diagnostic::do_not_recommend]
impl<'a, S, T: Wire<'a, S> + Copy + Default, const N: usize> Wire<'a, S> for [T; N] {
    const FIXED: Option<usize> = match T::FIXED {
        Some(n) => Some(n * N),
        None => None,
    };
    const MIN: usize = T::MIN * N;
    const EXACT: bool = T::EXACT;
    type Skip = ListSkip<T::Skip>;

    fn skip(state: &mut Self::Skip, c: &mut Cursor<'_>) -> Result<(), Stop> {
        if let Some(n) = Self::FIXED {
            return c.skip(n);
        }
        let mut left = state.left.unwrap_or(N);
        while left > 0 {
            let owed = (left - 1) * T::MIN;
            c.owe(owed);
            T::skip(&mut state.item, c)?;
            c.settle(owed);
            left -= 1;
            *state = ListSkip { left: Some(left), item: T::Skip::default(), ..ListSkip::default() };
            c.commit();
        }
        Ok(())
    }
    fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let mut items = [T::default(); N];
        for (i, item) in items.iter_mut().enumerate() {
            *item = T::get(r).map_err(|e| e.in_element(i))?;
        }
        Ok(items)
    }
    #[inline]
    fn size(&self) -> usize {
        size(self)
    }
    #[inline]
    fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        put(self, w)
    }
}
