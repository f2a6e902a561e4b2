//! The order of the end: `on_disconnect` once if the peer left first, then the close, once.
//!
//! ```text
//!   a turn beside the connection's own     turn that ends the connection
//!   set DISCONNECTED, unless FINISHED     set FINISHED
//!   on_disconnect                         DISCONNECTED without TOLD: leave
//!   set TOLD                              neither: on_disconnect falls to it
//!   FINISHED was set: queue the turn      close, on_close
//! ```
//! All steps are of one word, so that they have one order: either the poller sees `FINISHED` and leaves
//! the telling to the turn, or the turn sees `DISCONNECTED` and waits for `TOLD`.

use super::{state::mark, write_lock};
use crate::sched::state_word::StateWord;

/// Returns `true` if a [`claim`] may succeed on `word`: a look that saves a turn.
pub(super) fn may_claim(word: u32) -> bool {
    word & mark::OPEN != 0 && word & (mark::DISCONNECTED | mark::FINISHED) == 0
}

/// Beside a turn: whether `on_disconnect` falls to the caller, who says so by [`told`] after it.
pub(super) fn claim(state_word: &StateWord) -> bool {
    // Once it is finished the end itself sees to it.
    let too_late = mark::DISCONNECTED | mark::FINISHED;
    state_word.load() & mark::OPEN != 0 && state_word.set_unless(mark::DISCONNECTED, too_late)
}

/// After the `on_disconnect` of a [`claim`]. True: the turn that ends the connection waits for this,
/// and the caller queues it.
pub(super) fn told(state_word: &StateWord) -> bool {
    state_word.set(mark::TOLD) & mark::FINISHED != 0
}

/// The peer's going is not told any more, if it was not yet: this side was the first.
pub(super) fn waive(state_word: &StateWord) {
    state_word.set_unless(mark::DISCONNECTED | mark::TOLD, mark::DISCONNECTED);
}

/// Ends the connection; only by the turn. `None`: a writer uses the socket or `on_disconnect` runs, and
/// whoever does that queues the turn again. Else the word from before.
pub(super) fn finish(state_word: &StateWord) -> Option<u32> {
    let word = write_lock::finish(state_word);
    let tells = word & (mark::DISCONNECTED | mark::TOLD) == mark::DISCONNECTED;
    (word & mark::WRITING == 0 && !tells).then_some(word)
}

/// Whether `on_disconnect` falls to the turn whose [`finish`] gave `word`, if the peer went.
pub(super) fn is_untold(word: u32) -> bool {
    word & (mark::DISCONNECTED | mark::TOLD | mark::OPEN) == mark::OPEN
}

#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use super::*;
    use crate::{
        conn::{
            state::{event, fresh},
            turns_models::Turns,
        },
        primitive::{
            Mutex,
            atomic::{
                AtomicUsize,
                Ordering::{AcqRel, Acquire},
            },
            thread,
        },
    };

    /// A connection without its bytes: its poller and its turn do what the real ones do at the end.
    struct Model {
        turns: Turns,
        recv: Mutex<Option<()>>,
        disconnects: AtomicUsize,
        closes: AtomicUsize,
    }

    impl Model {
        fn new() -> Arc<Self> {
            let model = Self {
                turns: Turns::new(fresh(None)),
                recv: Mutex::new(Some(())),
                disconnects: AtomicUsize::new(0),
                closes: AtomicUsize::new(0),
            };
            model.turns.state_word.set(mark::OPEN);
            Arc::new(model)
        }

        fn disconnected(&self) {
            assert_eq!(self.closes.load(Acquire), 0, "a disconnect after the close");
            assert_eq!(self.disconnects.fetch_add(1, AcqRel), 0, "two disconnects");
        }

        /// As `Conn::disconnect`.
        fn disconnect(&self) {
            if claim(&self.turns.state_word) {
                self.disconnected();
                if told(&self.turns.state_word) {
                    self.turns.schedule(event::FLUSH);
                }
            }
        }

        /// As `Source::on_event` of a hang-up.
        fn hang_up(&self) {
            let before = self.turns.schedule(event::IO | mark::HUNG_UP | mark::READABLE);
            if before & StateWord::RUNNING != 0 {
                self.disconnect();
            }
        }

        /// Runs the turn if it is queued: its handler returns and asks for the close.
        fn turn(&self, word: u32) -> bool {
            self.turns.run(|began| {
                let recv = self.recv.lock().take();
                if recv.is_none() {
                    return;
                }
                self.turns.state_word.set(word);
                match finish(&self.turns.state_word) {
                    None => *self.recv.lock() = recv,
                    Some(word) => {
                        let gone = (began | word) & mark::HUNG_UP != 0;
                        if gone && is_untold(word) {
                            self.disconnected();
                        }
                        assert_eq!(self.closes.fetch_add(1, AcqRel), 0, "two closes");
                    }
                }
            })
        }
    }

    /// The peer hangs up, and this side closes, while a turn runs: one close, and one disconnect at most
    /// before it, whoever tells.
    #[test]
    fn loom_a_hang_up_is_told_once_before_the_close() {
        for how in [mark::CLOSING, mark::ABORTING] {
            loom::model(move || {
                let model = Model::new();
                model.turns.schedule(event::WAKE);
                let poller = thread::spawn({
                    let model = model.clone();
                    move || {
                        model.hang_up();
                        model.turn(how);
                    }
                });
                let closer = thread::spawn({
                    let model = model.clone();
                    move || {
                        model.turns.schedule(how | event::FLUSH);
                    }
                });
                model.turn(how);
                poller.join().unwrap();
                closer.join().unwrap();
                while model.turn(how) {}
                assert_eq!(model.closes.load(Acquire), 1);
                assert!(model.recv.lock().is_none());
            });
        }
    }

    /// A turn that tells of the hang-up that a busy handler does not see, and a poller that does.
    #[test]
    fn loom_turn_and_poller_tell_once() {
        loom::model(|| {
            let model = Model::new();
            model.turns.schedule(event::IO | mark::READ_CLOSED);
            let poller = thread::spawn({
                let model = model.clone();
                move || model.hang_up()
            });
            model.disconnect();
            model.turn(mark::CLOSING);
            poller.join().unwrap();
            while model.turn(mark::CLOSING) {}
            assert_eq!(model.disconnects.load(Acquire), 1);
            assert_eq!(model.closes.load(Acquire), 1);
        });
    }

    /// A side that closed first tells of no peer, unless the peer's going is being told already.
    #[test]
    fn loom_a_waived_disconnect_is_not_told() {
        loom::model(|| {
            let model = Model::new();
            model.turns.schedule(event::FLUSH | mark::CLOSING);
            let poller = thread::spawn({
                let model = model.clone();
                move || model.hang_up()
            });
            waive(&model.turns.state_word);
            let before = model.disconnects.load(Acquire);
            model.turn(mark::CLOSING);
            poller.join().unwrap();
            while model.turn(mark::CLOSING) {}
            assert_eq!(model.disconnects.load(Acquire), before);
            assert_eq!(model.closes.load(Acquire), 1);
        });
    }
}
