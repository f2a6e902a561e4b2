//! A table that grows and is read without a lock.

use std::sync::OnceLock;

/// Entries of a part, and parts.
const PART: usize = 64;

type Part<T> = Box<[OnceLock<T>]>;

/// Values by a small index, each made when it is first asked for.
pub(super) struct Table<T> {
    parts: [OnceLock<Part<T>>; PART],
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { parts: [const { OnceLock::new() }; PART] }
    }
}

impl<T> Table<T> {
    /// Returns the value at `index`, which `make` makes if there is none. Those past the table's end share its last
    /// place.
    #[inline]
    pub(super) fn get(&self, index: usize, make: impl FnOnce() -> T) -> &T {
        let index = index.min(PART * PART - 1);
        let part =
            self.parts[index / PART].get_or_init(|| (0..PART).map(|_| OnceLock::new()).collect());
        part[index % PART].get_or_init(make)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_made_once() {
        let table = Table::default();
        for (index, value) in
            [(0, 1), (63, 2), (64, 3), (0, 9), (64, 9), (9_999_999, 4), (4_095, 9)]
        {
            table.get(index, || value);
        }
        let all = [0, 63, 64, 4_095].map(|index| *table.get(index, || 9));
        assert_eq!(all, [1, 2, 3, 4]);
    }
}
