//! A connection's turns, for models: a state word, and a queue that has room for one.

use std::mem;

use crate::{primitive::Mutex, sched::state_word::StateWord};

/// Who has the connection, as `Conn` and its shard's queue say it.
pub(super) struct Turns {
    pub(super) state_word: StateWord,
    queued: Mutex<usize>,
}

impl Turns {
    pub(super) fn new(state_word: StateWord) -> Self {
        Self { state_word, queued: Mutex::default() }
    }

    /// Notes `bits` and queues a turn if none is, as `Conn::schedule`. Gives the word before.
    pub(super) fn schedule(&self, bits: u32) -> u32 {
        let before = self.state_word.notify(bits);
        if StateWord::must_queue(before) {
            *self.queued.lock() += 1;
        }
        before
    }

    /// Returns whether a turn is queued.
    pub(super) fn is_queued(&self) -> bool {
        *self.queued.lock() > 0
    }

    /// Runs `turn` on the word that began it if one is queued, as `Conn::run`. False: none was.
    pub(super) fn run(&self, turn: impl FnOnce(u32)) -> bool {
        match mem::take(&mut *self.queued.lock()) {
            0 => return false,
            n => assert_eq!(n, 1, "a turn is queued twice"),
        }
        turn(self.state_word.begin());
        if self.state_word.end(false) {
            *self.queued.lock() += 1;
        }
        true
    }
}
