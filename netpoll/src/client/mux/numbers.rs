//! The sequence numbers of one connection.
//!
//! Numbers are handed out in turn, from 1 to the largest, then from 1 again; one that is in use is
//! passed over. Zero is never handed out: what comes under it is a push.
//!
//! The number of a call that was abandoned may still come, with a late reply. Where numbers are many it
//! comes long before its turn comes again. Where they are few it stays in use until it comes.

use std::collections::HashMap;

use crate::client::hasher::BuildIdHasher;

/// Numbers are many if there are so many: a million calls a second take half an hour.
const MANY: u64 = (1 << 31) - 1;

/// Sequence numbers and the calls that own them.
#[derive(Debug)]
pub(super) struct Numbers<C> {
    entries: HashMap<u64, Entry<C>, BuildIdHasher>,
    max: u64,
    next: u64,
    /// All numbers have been handed out once.
    wrapped: bool,
    abandoned: u64,
}

/// The owner of a number.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<C> {
    Waiting(C),
    Abandoned,
}

/// Whose number it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Took<C> {
    Entry(Entry<C>),
    /// It was handed out, and is not in use.
    Late,
    /// It was never handed out.
    Unknown,
}

impl<C> Numbers<C> {
    /// The numbers up to `max`.
    pub(super) fn new(max: u64) -> Self {
        let entries = HashMap::default();
        Self { entries, max, next: 1, wrapped: false, abandoned: 0 }
    }

    /// A number that is free, for the next call. `None`: all are in use.
    pub(super) fn reserve(&mut self) -> Option<u64> {
        if self.entries.len() as u64 >= self.max {
            return None;
        }
        // Before they have all been handed out, the next one is free.
        while self.wrapped && self.entries.contains_key(&self.next) {
            self.advance();
        }
        Some(self.next)
    }

    /// Hands out `number`, which was just [reserved](Self::reserve), to `call`.
    pub(super) fn insert(&mut self, number: u64, call: C) {
        debug_assert_eq!(number, self.next);
        self.advance();
        self.entries.insert(number, Entry::Waiting(call));
    }

    fn advance(&mut self) {
        if self.next == self.max {
            (self.next, self.wrapped) = (1, true);
        } else {
            self.next += 1;
        }
    }

    /// A frame came under `number`.
    pub(super) fn take(&mut self, number: u64) -> Took<C> {
        if let Some(entry) = self.entries.remove(&number) {
            self.abandoned -= u64::from(matches!(entry, Entry::Abandoned));
            return Took::Entry(entry);
        }
        let was_handed_out =
            (1..=self.max).contains(&number) && (self.wrapped || number < self.next);
        if was_handed_out { Took::Late } else { Took::Unknown }
    }

    /// Frees `number`, under which nothing was sent. False: it was free.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        self.entries.remove(&number).is_some()
    }

    /// Nobody waits for the reply any more. False: nobody did.
    pub(super) fn abandon(&mut self, number: u64) -> bool {
        if self.max >= MANY {
            return self.remove(number);
        }
        let Some(entry) = self.entries.get_mut(&number) else { return false };
        *entry = Entry::Abandoned;
        self.abandoned += 1;
        true
    }

    /// Numbers in use.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether half of all numbers belong to abandoned calls.
    pub(super) fn is_spent(&self) -> bool {
        self.abandoned > self.max / 2
    }

    /// Frees all numbers, and gives the calls that wait.
    pub(super) fn clear(&mut self) -> Vec<C> {
        self.abandoned = 0;
        self.entries
            .drain()
            .filter_map(|(_, entry)| match entry {
                Entry::Waiting(call) => Some(call),
                Entry::Abandoned => None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<C> Numbers<C> {
        fn give(&mut self, call: C) -> Option<u64> {
            let number = self.reserve()?;
            self.insert(number, call);
            Some(number)
        }
    }

    #[test]
    fn numbers_go_round_and_pass_over_those_in_use() {
        let mut numbers = Numbers::new(4);
        assert_eq!([1, 2, 3, 4].map(|call| numbers.give(call)), [1, 2, 3, 4].map(Some));
        assert_eq!(numbers.give(5), None);
        assert_eq!(numbers.take(2), Took::Entry(Entry::Waiting(2)));
        assert_eq!(numbers.take(4), Took::Entry(Entry::Waiting(4)));
        assert_eq!([6, 7].map(|call| numbers.give(call)), [Some(2), Some(4)]);
    }

    #[test]
    fn few_numbers_stay_in_use_until_the_late_reply() {
        let mut numbers = Numbers::new(u64::from(u8::MAX));
        for call in 0..127 {
            let number = numbers.give(call).unwrap();
            assert!(!numbers.is_spent());
            assert!(numbers.abandon(number));
        }
        for call in 127..1_000 {
            let number = numbers.give(call).unwrap();
            assert!(number > 127, "{number} may still come late");
            assert_eq!(numbers.take(number), Took::Entry(Entry::Waiting(call)));
            assert_eq!(numbers.take(number), Took::Late);
        }
        assert_eq!(numbers.take(7), Took::Entry(Entry::Abandoned));
        assert_eq!(numbers.len(), 126);
        for _ in 0..2 {
            let number = numbers.give(0).unwrap();
            numbers.abandon(number);
        }
        assert!(numbers.is_spent());
        assert!(numbers.clear().is_empty());
    }

    #[test]
    fn many_numbers_are_free_at_once_and_known_to_be_late() {
        let mut numbers = Numbers::new(u64::from(u32::MAX));
        let number = numbers.give(()).unwrap();
        assert!(numbers.abandon(number));
        assert!(!numbers.abandon(number));
        assert_eq!(numbers.len(), 0);
        assert_eq!(numbers.take(number), Took::Late);
        for unknown in [0, number + 1, u64::from(u32::MAX), u64::MAX] {
            assert_eq!(numbers.take(unknown), Took::Unknown, "{unknown}");
        }
    }
}
