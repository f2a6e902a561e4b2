//! The calls of one connection, by number.
//!
//! Numbers are handed out in turn, from 1 to the largest, then from 1 again; one that is in use is
//! passed over. Zero is never handed out: what comes under it is a push.
//!
//! The number of a call that was abandoned may still come, with a late reply. Where numbers are many it
//! comes long before its turn comes again. Where they are few it stays in use until it comes.

use std::collections::HashMap;

use crate::client::spread::Spread;

/// Numbers are many if there are so many: a million calls a second take half an hour.
const MANY: u64 = (1 << 31) - 1;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Table<C> {
    entries: HashMap<u64, Entry<C>, Spread>,
    max: u64,
    next: u64,
    /// All numbers have been handed out once.
    wrapped: bool,
    abandoned: u64,
    over: bool,
}

/// Who has a number.
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

impl<C> Table<C> {
    /// A table of the numbers up to `max`.
    pub(super) fn new(max: u64) -> Self {
        let entries = HashMap::default();
        Self { entries, max, next: 1, wrapped: false, abandoned: 0, over: false }
    }

    /// The number for `call`. `None`: no more calls can be taken.
    pub(super) fn insert(&mut self, call: C) -> Option<u64> {
        if self.over || self.entries.len() as u64 >= self.max {
            return None;
        }
        while self.entries.contains_key(&self.next) {
            self.advance();
        }
        let number = self.next;
        self.advance();
        self.entries.insert(number, Entry::Waiting(call));
        Some(number)
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

    /// Whether half of all numbers are in use for calls that were abandoned.
    pub(super) fn is_spent(&self) -> bool {
        self.abandoned > self.max / 2
    }

    /// Takes no more calls, and gives those that wait.
    pub(super) fn close(&mut self) -> Vec<C> {
        self.over = true;
        let entries = std::mem::take(&mut self.entries);
        entries
            .into_values()
            .filter_map(|entry| match entry {
                Entry::Waiting(call) => Some(call),
                Entry::Abandoned => None,
            })
            .collect()
    }
}
