//! Waiting for what arrives at a place that has no turn of its own, such as a listener without a server.

use super::{
    state::{OVER, fresh, mark},
    waiters::{News, Waiters},
};
use crate::sched::state_word::StateWord;

/// A mark that something may have arrived, and the waiters for it.
pub(crate) struct Arrivals {
    state_word: StateWord,
    waiters: Waiters,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self { state_word: fresh(None), waiters: Waiters::default() }
    }
}

impl Arrivals {
    /// Tells the waiters that something may have arrived.
    pub(crate) fn tell(&self) {
        let before = self.state_word.set(mark::READABLE);
        self.waiters.wake(&self.state_word, before, News::Bytes.bit());
    }

    /// Tells the waiters that nothing arrives any more.
    pub(crate) fn end(&self) {
        let before = self.state_word.set(mark::FINISHED | mark::ABORTING);
        self.waiters.wake(&self.state_word, before, News::Bytes.bit());
    }

    /// Returns true after [`end`](Self::end).
    pub(crate) fn has_ended(&self) -> bool {
        self.state_word.load() & OVER != 0
    }

    /// Begins a look at what has arrived: news that come from now on are kept for the next wait.
    pub(crate) fn look(&self) {
        self.state_word.clear(mark::READABLE);
    }

    /// Waits until something has arrived since the last look, or nothing arrives any more.
    pub(crate) async fn wait(&self) {
        let word = &self.state_word;
        let told = || (word.load() & (mark::READABLE | OVER) != 0).then_some(());
        self.waiters.until(word, News::Bytes, told).await;
    }
}
