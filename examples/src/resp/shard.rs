//! A part of the keys, with their deadlines in order.

use std::collections::{BTreeSet, HashMap};

use super::value::Value;

/// A part of the keys. Times are milliseconds since 1970.
///
/// Invariant: `deadlines` holds (deadline, key) for exactly the entries that have a deadline.
#[derive(Debug, Default)]
pub(super) struct Shard {
    entries: HashMap<Box<[u8]>, Entry>,
    deadlines: BTreeSet<(i64, Box<[u8]>)>,
}

/// A key's value, and when it goes away.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) value: Value,
    deadline: Option<i64>,
}

impl Entry {
    pub(super) fn deadline(&self) -> Option<i64> {
        self.deadline
    }
}

impl Shard {
    /// Whether any key here has a deadline: only then does the time matter.
    pub(super) fn has_deadlines(&self) -> bool {
        !self.deadlines.is_empty()
    }

    /// How many keys have a deadline.
    pub(super) fn deadlines(&self) -> usize {
        self.deadlines.len()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Removes up to `most` keys whose deadline has passed; gives how many it removed.
    pub(super) fn sweep(&mut self, now: i64, most: usize) -> usize {
        for removed in 0..most {
            match self.deadlines.first() {
                Some((deadline, _)) if *deadline <= now => {}
                _ => return removed,
            }
            if let Some((_, key)) = self.deadlines.pop_first() {
                self.entries.remove(&key);
            }
        }
        most
    }

    /// The entry of `key`, if it is there and its deadline has not passed.
    pub(super) fn get(&mut self, key: &[u8], now: impl FnOnce() -> i64) -> Option<&mut Entry> {
        if self.has_deadlines() {
            let deadline = self.entries.get(key)?.deadline;
            if deadline.is_some_and(|deadline| deadline <= now()) {
                self.remove(key);
                return None;
            }
        }
        self.entries.get_mut(key)
    }

    /// The keys and values whose deadline has not passed.
    pub(super) fn live(&self, now: i64) -> impl Iterator<Item = &[u8]> {
        let lives = move |entry: &Entry| entry.deadline.is_none_or(|deadline| deadline > now);
        self.entries.iter().filter(move |(_, entry)| lives(entry)).map(|(key, _)| &**key)
    }

    /// Sets `key` to `value`, with its deadline if it shall have one.
    pub(super) fn insert(&mut self, key: &[u8], value: Value, deadline: Option<i64>) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.value = value;
        } else {
            self.entries.insert(key.into(), Entry { value, deadline: None });
        }
        self.set_deadline(key, deadline);
    }

    /// Gives `key` a deadline, or takes it away.
    pub(super) fn set_deadline(&mut self, key: &[u8], deadline: Option<i64>) {
        if deadline.is_none() && self.deadlines.is_empty() {
            return;
        }
        let Some(entry) = self.entries.get_mut(key) else { return };
        if let Some(old) = std::mem::replace(&mut entry.deadline, deadline) {
            self.deadlines.remove(&(old, key.into()));
        }
        if let Some(new) = deadline {
            self.deadlines.insert((new, key.into()));
        }
    }

    /// Removes `key`; tells whether it was there.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        let Some(entry) = self.entries.remove(key) else { return false };
        if let Some(deadline) = entry.deadline {
            self.deadlines.remove(&(deadline, key.into()));
        }
        true
    }

    /// Removes all keys.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::Text;
    use super::*;

    fn value() -> Value {
        Value::Text(Text::copied(b"v"))
    }

    #[test]
    fn deadlines_follow_their_keys() {
        let mut shard = Shard::default();
        shard.insert(b"a", value(), Some(10));
        shard.insert(b"b", value(), Some(20));
        shard.insert(b"a", value(), None);
        assert_eq!(shard.deadlines(), 1);
        shard.set_deadline(b"b", Some(30));
        shard.set_deadline(b"gone", Some(30));
        assert_eq!(shard.deadlines(), 1);
        assert!(shard.remove(b"b"));
        assert!(!shard.has_deadlines());
        assert_eq!(shard.len(), 1);
    }

    #[test]
    fn a_sweep_removes_what_is_due_and_no_more_than_asked() {
        let mut shard = Shard::default();
        for n in 0..10u8 {
            shard.insert(&[n], value(), Some(i64::from(n)));
        }
        assert_eq!(shard.sweep(4, 3), 3);
        assert_eq!(shard.sweep(4, 100), 2);
        assert_eq!(shard.len(), 5);
        assert_eq!(shard.live(7).count(), 2);
    }

    #[test]
    fn a_key_that_is_due_is_gone_for_readers() {
        let mut shard = Shard::default();
        shard.insert(b"a", value(), Some(10));
        assert!(shard.get(b"a", || 9).is_some());
        assert!(shard.get(b"a", || 10).is_none());
        assert_eq!(shard.len(), 0);
    }
}
