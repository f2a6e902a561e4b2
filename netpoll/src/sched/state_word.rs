//! The state_word: one atomic word that says who runs what is scheduled, and what happened meanwhile.
//!
//! ```text
//!            notify(bits): first one in queues it                  end(): nothing new
//!   idle ───────────────────────────────▶ queued ──begin()──▶ running ──────────────▶ idle
//!                                           ▲                    │
//!                                           └────────────────────┘ end(): bits came: queue again
//! ```
//! - [`StateWord::TURN`] is set while the owner is queued or running: whoever sets it queues the owner,
//!   exactly once. The thread that took it from the queue is the only one that runs it.
//! - [`StateWord::RUNNING`] is set from `begin` to `end`.
//! - The low byte but these two holds *events*: set by anyone, taken by `begin`. None is lost: `end`
//!   leaves the state_word only in the same step in which it sees that there is none.
//! - The other bits are *marks* that stay until they are cleared by name.

use crate::primitive::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Acquire, Relaxed},
};

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct StateWord(AtomicU32);

impl StateWord {
    /// Queued or running.
    pub(crate) const TURN: u32 = 1;
    /// Running.
    pub(crate) const RUNNING: u32 = 1 << 1;
    /// The bits that `begin` takes and `end` looks for.
    pub(crate) const EVENTS: u32 = 0xFC;

    pub(crate) fn new(word: u32) -> Self {
        Self(AtomicU32::new(word))
    }

    /// The word as it is now.
    pub(crate) fn load(&self) -> u32 {
        self.0.load(Acquire)
    }

    /// Sets event bits. The word before; if [`Self::must_queue`] says so of it, the caller queues the
    /// owner.
    #[must_use]
    pub(crate) fn notify(&self, events: u32) -> u32 {
        self.0.fetch_or(events | Self::TURN, AcqRel)
    }

    /// Whether the `notify` that returned `before` made its caller the one who queues.
    pub(crate) fn must_queue(before: u32) -> bool {
        before & Self::TURN == 0
    }

    /// Sets bits without scheduling anything; the word before.
    pub(crate) fn set(&self, bits: u32) -> u32 {
        self.0.fetch_or(bits, AcqRel)
    }

    /// Sets bits, unless one of `unless` is set. Whether it did.
    pub(crate) fn set_unless(&self, bits: u32, unless: u32) -> bool {
        let free = |word| (word & unless == 0).then_some(word | bits);
        self.0.fetch_update(AcqRel, Acquire, free).is_ok()
    }

    /// Clears bits; the word before.
    pub(crate) fn clear(&self, bits: u32) -> u32 {
        self.0.fetch_and(!bits, AcqRel)
    }

    /// Starts a turn: takes the events. Only for the thread that took the owner from its queue.
    /// The word before, with the events.
    pub(crate) fn begin(&self) -> u32 {
        let mut word = self.0.load(Relaxed);
        loop {
            debug_assert!(word & Self::TURN != 0, "a turn without the state_word");
            let running = (word & !Self::EVENTS) | Self::RUNNING;
            match self.0.compare_exchange_weak(word, running, AcqRel, Relaxed) {
                Ok(before) => return before,
                Err(now) => word = now,
            }
        }
    }

    /// Ends a turn. True: events came meanwhile (or `again`), the state_word stays taken and the caller
    /// queues the owner once more.
    #[must_use]
    pub(crate) fn end(&self, again: bool) -> bool {
        let mut word = self.0.load(Relaxed);
        loop {
            let requeue = again || word & Self::EVENTS != 0;
            let cleared = if requeue { Self::RUNNING } else { Self::RUNNING | Self::TURN };
            match self.0.compare_exchange_weak(word, word & !cleared, AcqRel, Relaxed) {
                Ok(_) => return requeue,
                Err(now) => word = now,
            }
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::primitive::{Mutex, atomic::AtomicUsize, thread};
    use std::sync::Arc;

    /// Two threads notify, two workers serve a queue: every event is seen by a turn, turns never
    /// overlap, and nothing stays queued.
    #[test]
    fn loom_no_event_is_lost_and_turns_never_overlap() {
        const EVENT: u32 = 1 << 2;
        loom::model(|| {
            let state_word = Arc::new(StateWord::new(0));
            let queue = Arc::new(Mutex::new(0_usize));
            let inside = Arc::new(AtomicUsize::new(0));
            let seen = Arc::new(AtomicUsize::new(0));
            let serve = {
                let (state_word, queue, inside, seen) =
                    (state_word.clone(), queue.clone(), inside.clone(), seen.clone());
                move || {
                    let taken = {
                        let mut queued = queue.lock();
                        let any = *queued > 0;
                        *queued -= usize::from(any);
                        any
                    };
                    if !taken {
                        return;
                    }
                    assert_eq!(inside.fetch_add(1, AcqRel), 0, "two turns at once");
                    if state_word.begin() & EVENT != 0 {
                        seen.fetch_add(1, AcqRel);
                    }
                    inside.fetch_sub(1, AcqRel);
                    if state_word.end(false) {
                        *queue.lock() += 1;
                    }
                }
            };
            let notify = {
                let (state_word, queue) = (state_word.clone(), queue.clone());
                move || {
                    if StateWord::must_queue(state_word.notify(EVENT)) {
                        *queue.lock() += 1;
                    }
                }
            };
            let threads = [thread::spawn(notify.clone()), thread::spawn(serve.clone())];
            notify();
            serve();
            for thread in threads {
                thread.join().unwrap();
            }
            while *queue.lock() > 0 {
                serve();
            }
            assert!(seen.load(Acquire) >= 1);
            assert_eq!(state_word.load() & (StateWord::TURN | StateWord::RUNNING | EVENT), 0);
        });
    }
}
