//! Size classes: powers of two, the header included.

use super::raw::HEADER;

const SMALLEST: u32 = 6;
const LARGEST: u32 = 21;

/// The number of classes.
pub(super) const CLASSES: usize = (LARGEST - SMALLEST + 1) as usize;

/// The most bytes of a class on a thread's shelf; one block at least.
const SHELF_BYTES: usize = 256 << 10;
/// The most blocks of a class on a thread's shelf.
const SHELF_BLOCKS: usize = 256;

/// The most bytes of a class in the depot.
const DEPOT_BYTES: usize = 4 << 20;

/// A size class, by its place in the order of sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class(u8);

impl Class {
    /// Returns the class of a block of exactly `total` bytes, if blocks of that size are cached.
    #[inline]
    pub(super) fn of_block(total: usize) -> Option<Self> {
        (total.is_power_of_two() && (1 << SMALLEST..=1 << LARGEST).contains(&total))
            .then(|| Self((total.trailing_zeros() - SMALLEST) as u8))
    }

    /// Returns the smallest class whose blocks hold `capacity` bytes.
    #[inline]
    pub(super) fn for_capacity(capacity: usize) -> Option<Self> {
        let total = capacity.checked_add(HEADER)?;
        if total > 1 << LARGEST {
            return None;
        }
        let bits = usize::BITS - (total - 1).leading_zeros();
        Some(Self(bits.saturating_sub(SMALLEST) as u8))
    }

    /// Returns the size of its blocks in bytes, the header included.
    #[inline]
    pub(super) fn total(self) -> usize {
        1 << (u32::from(self.0) + SMALLEST)
    }

    /// Returns its place: below [`CLASSES`].
    #[inline]
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Returns how many of its blocks a shelf holds.
    #[inline]
    pub(super) fn on_shelf(self) -> usize {
        (SHELF_BYTES / self.total()).clamp(1, SHELF_BLOCKS)
    }

    /// Returns how many of its blocks move between a shelf and the depot at once.
    pub(super) fn batch(self) -> usize {
        (self.on_shelf() / 2).max(1)
    }

    /// Returns how many of its blocks the depot holds.
    pub(super) fn in_depot(self) -> usize {
        (DEPOT_BYTES / self.total()).min(1 << 12)
    }

    /// Returns all classes, the smallest first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..CLASSES as u8).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_for_a_capacity_is_the_smallest_that_holds_it() {
        for class in Class::all() {
            assert_eq!(Class::of_block(class.total()), Some(class));
            assert_eq!(Class::for_capacity(class.total() - HEADER), Some(class));
            let next = Class::for_capacity(class.total() - HEADER + 1);
            assert_eq!(next.map(Class::index), Some(class.index() + 1).filter(|&i| i < CLASSES));
        }
        assert_eq!(Class::for_capacity(0).unwrap().total(), 64);
        assert_eq!(Class::for_capacity(usize::MAX), None);
        assert_eq!(Class::of_block(96), None);
    }
}
