//! What the lengths of a struct count.

use super::model::{Field, Fields, Range, RangeKind};

/// The fields `from..=to` that a length counts: all of their bytes on the wire.
pub(super) struct Counted {
    /// The length's own field.
    pub(super) field: usize,
    pub(super) from: usize,
    pub(super) to: usize,
    /// True if it counts one field and nothing else, by name.
    pub(super) single: bool,
}

impl Counted {
    /// Returns whether the region begins with or before the length itself.
    pub(super) fn is_open(&self) -> bool {
        self.from <= self.field + 1
    }
}

impl Field {
    /// Returns whether all bytes of a range that it is alone in are its value.
    fn fills(&self) -> bool {
        let a = &self.attrs;
        let plain = a.cond.is_none() && a.tail.is_none() && a.align.is_none() && self.pad() == 0;
        a.rest.is_some() && plain
    }
}

impl Fields {
    /// Returns the fields that `range`, an attribute of the field `at`, covers.
    pub(super) fn covered(&self, range: &Range, at: usize) -> Option<(usize, usize)> {
        let last = self.list.len() - 1;
        Some(match &range.kind {
            RangeKind::Rest => (at + 1, last),
            RangeKind::Frame => (0, last),
            RangeKind::Field(name) => {
                let i = self.position(name)?;
                (i, i)
            }
            RangeKind::From(name) => (self.position(name)?, last),
            RangeKind::FromTo(from, to) => (self.position(from)?, self.position(to)?),
        })
    }

    /// Returns all lengths.
    pub(super) fn lengths(&self) -> Vec<Counted> {
        let counted = |(field, f): (usize, &Field)| {
            let len = &f.attrs.len.as_ref()?.value;
            let (from, to) = self.covered(&len.of, field)?;
            let single = matches!(len.of.kind, RangeKind::Field(_))
                || from == to && from > field && self.list[from].fills();
            Some(Counted { field, from, to, single })
        };
        self.list.iter().enumerate().filter_map(counted).collect()
    }

    /// Returns the length that counts the field `i` alone.
    pub(super) fn length_of(&self, i: usize) -> Option<usize> {
        self.lengths().iter().find(|c| c.single && c.from == i).map(|c| c.field)
    }

    /// Returns the lengths that count more than one field, or a range.
    pub(super) fn regions(&self) -> Vec<Counted> {
        let mut regions: Vec<_> = self.lengths().into_iter().filter(|c| !c.single).collect();
        // The outer one is entered first.
        regions.sort_by_key(|c| (c.from.max(c.field + 1), std::cmp::Reverse(c.to)));
        regions
    }
}
