//! The receive slot: hands a connection's receive state to a reader and back, beside a turn that may
//! end the connection.
//!
//! ```text
//!   reader                          turn that ends the connection
//!   set READING, take the state      CLOSING or ABORTING was set before
//!   put it back                     take the state: finish
//!   clear READING                   there is none: leave
//!   it ends: queue the turn
//! ```
//! The slot says who has the state, since each step is one swap. Either the turn finds it there, or the
//! reader, which puts it back later, finds that the connection ends.

use super::state::mark;
use crate::{primitive::AtomicCell, sched::state_word::StateWord};

/// The place of the receive state while nobody has it.
pub(super) type ReceiveSlot<T> = AtomicCell<Option<Box<T>>>;

/// The reason why a reader cannot have the receive state.
pub(super) enum Taken {
    /// Another reader has it.
    ByReader,
    /// A turn has it, or it is gone with the connection; the word then.
    ByTurn(u32),
}

/// Takes the state for a reader.
pub(super) fn borrow<T>(slot: &ReceiveSlot<T>, state_word: &StateWord) -> Result<Box<T>, Taken> {
    if state_word.set(mark::READING) & mark::READING != 0 {
        return Err(Taken::ByReader);
    }
    let state = slot.take();
    state.ok_or_else(|| Taken::ByTurn(state_word.clear(mark::READING)))
}

/// Puts a reader's state back: the word after that, by which the reader queues the turn.
pub(super) fn give_back<T>(
    slot: &ReceiveSlot<T>,
    state_word: &StateWord,
    state: Option<Box<T>>,
) -> u32 {
    slot.store(state);
    state_word.clear(mark::READING)
}

#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use super::*;
    use crate::{
        conn::{
            disconnect,
            state::{OVER, event, fresh},
            turns_models::Turns,
        },
        primitive::{
            atomic::{
                AtomicUsize,
                Ordering::{AcqRel, Acquire},
            },
            thread,
        },
    };

    struct Model {
        turns: Turns,
        slot: ReceiveSlot<u8>,
        users: AtomicUsize,
        closes: AtomicUsize,
    }

    impl Model {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                turns: Turns::new(fresh(None)),
                slot: ReceiveSlot::new(Some(Box::new(7))),
                users: AtomicUsize::new(0),
                closes: AtomicUsize::new(0),
            })
        }

        fn used(&self) {
            assert_eq!(self.users.fetch_add(1, AcqRel), 0, "two have the receive state");
            self.users.fetch_sub(1, AcqRel);
        }

        /// A reader that comes, reads and goes, as `Reader` does.
        fn read(&self) -> bool {
            let Ok(state) = borrow(&self.slot, &self.turns.state_word) else { return false };
            self.used();
            let word = give_back(&self.slot, &self.turns.state_word, Some(state));
            if word & (OVER | mark::CLOSING) != 0 {
                self.turns.schedule(event::WAKE);
            }
            true
        }

        /// Runs the turn if it is queued, as `Conn::take_turn`.
        fn turn(&self) -> bool {
            self.turns.run(|began| {
                let word = began | self.turns.state_word.load();
                if word & (mark::CLOSING | OVER) != 0
                    && let Some(state) = self.slot.take()
                {
                    self.used();
                    match disconnect::finish(&self.turns.state_word) {
                        None => self.slot.store(Some(state)),
                        Some(_) => drop(self.closes.fetch_add(1, AcqRel)),
                    }
                }
            })
        }
    }

    /// Two readers come and go while the connection is closed: one has the state at a time, and the
    /// connection ends once.
    #[test]
    fn loom_a_connection_ends_after_its_reader() {
        for how in [mark::CLOSING, mark::ABORTING] {
            loom::model(move || {
                let model = Model::new();
                let readers = [0, 1].map(|_| {
                    let model = model.clone();
                    thread::spawn(move || drop(model.read()))
                });
                model.turns.schedule(how | event::FLUSH);
                model.turn();
                for reader in readers {
                    reader.join().unwrap();
                }
                while model.turn() {}
                assert_eq!(model.closes.load(Acquire), 1);
                assert!(!model.read(), "an ended connection has no state");
            });
        }
    }

    /// Of two readers of an open connection one has the state at least, and it is there again after them.
    #[test]
    fn loom_a_reader_leaves_the_half_to_the_next() {
        loom::model(|| {
            let model = Model::new();
            let other = thread::spawn({
                let model = model.clone();
                move || model.read()
            });
            let mine = model.read();
            assert!(other.join().unwrap() || mine);
            assert!(model.read(), "the state did not come back");
        });
    }
}
