//! The order of output behind a transport: what waits for the handshake, and what the last word shuts out.
//!
//! ```text
//!   sender                        turn: handshake complete     turn: all else is written
//!   lock                          lock                         set LAST_WORD, once
//!     not open: hold the bytes      open                       lock
//!     LAST_WORD: throw them away    seal what was held           close, queue
//!     else: seal, queue           unlock, write                unlock, write
//!   unlock, write                 put the receive state back
//!                                 clear HANDSHAKING
//! ```
//! - Whoever finds the transport open under the lock finds nothing held: what was given before is queued.
//! - `LAST_WORD` is set before the lock is taken: a sender under the lock has queued its bytes before the last
//!   word is, or sees the mark, and nothing follows the last word.
//! - Whoever finds `HANDSHAKING` cleared finds the receive state in its slot.

use crate::{
    conn::{receive_slot::ReceiveSlot, state::mark},
    error::Result,
    sched::state_word::StateWord,
};

/// The sending side of a transport, under its lock.
pub(super) trait Sealing {
    /// Plain output.
    type Bytes;

    /// Returns whether the handshake is complete.
    fn is_open(&self) -> bool;

    /// Keeps `plain` until the handshake is complete.
    fn hold(&mut self, plain: &mut Self::Bytes);

    /// Seals what was held, and queues it.
    ///
    /// # Errors
    /// The transport's.
    fn seal_held(&mut self) -> Result<()>;

    /// Seals `plain`, and queues it.
    ///
    /// # Errors
    /// The transport's.
    fn seal(&mut self, plain: &mut Self::Bytes) -> Result<()>;
}

/// Passes `plain` on, behind all that was given before.
///
/// # Errors
/// The transport's.
pub(super) fn send<S: Sealing>(
    sealing: &mut S,
    state_word: &StateWord,
    plain: &mut S::Bytes,
) -> Result<()> {
    if !sealing.is_open() {
        sealing.hold(plain);
        return Ok(());
    }
    if state_word.load() & mark::LAST_WORD != 0 {
        return Ok(());
    }
    sealing.seal(plain)
}

/// Opens the transport by `open`: the handshake is complete.
///
/// # Errors
/// The transport's.
pub(super) fn open<S: Sealing>(sealing: &mut S, open: impl FnOnce(&mut S)) -> Result<()> {
    open(sealing);
    sealing.seal_held()
}

/// Ends the handshaking phase: puts the receive state back, and then lets users have the connection. The word
/// before, by which the caller wakes them.
pub(super) fn finish_handshake<T>(
    slot: &ReceiveSlot<T>,
    state_word: &StateWord,
    recv: Box<T>,
) -> u32 {
    slot.store(Some(recv));
    state_word.clear(mark::HANDSHAKING)
}

/// Returns whether the last word falls to the caller; only by a turn, once all output has been written.
pub(super) fn claim_last_word(state_word: &StateWord) -> bool {
    let never = mark::LAST_WORD | mark::HANDSHAKING | mark::HUNG_UP;
    state_word.set_unless(mark::LAST_WORD, never)
}

#[cfg(all(test, loom))]
mod models {
    use std::{mem, sync::Arc};

    use super::*;
    use crate::{
        conn::{
            receive_slot,
            state::{check, event, fresh},
            turns_models::Turns,
            waiters::{News, Waiters},
            write_lock::{self, Outlet, Written},
        },
        primitive::{
            Mutex,
            atomic::{
                AtomicBool, AtomicUsize,
                Ordering::{AcqRel, Acquire},
            },
            thread,
        },
        sched::block_on,
        transport::Role,
    };

    /// The last word on a model's wire.
    const BYE: u8 = 0xFF;

    /// A connection whose transport seals by copying, over a socket with room for all.
    struct Model {
        turns: Turns,
        transport: Mutex<Transport>,
        waiting: Mutex<Vec<u8>>,
        pending: AtomicUsize,
        wire: Mutex<Vec<u8>>,
        slot: ReceiveSlot<u8>,
        waiters: Waiters,
        closed: AtomicBool,
    }

    #[derive(Default)]
    struct Transport {
        open: bool,
        early: Vec<u8>,
    }

    /// The model's lock, held.
    struct Locked<'a>(&'a Model, &'a mut Transport);

    impl Sealing for Locked<'_> {
        type Bytes = Vec<u8>;

        fn is_open(&self) -> bool {
            self.1.open
        }

        fn hold(&mut self, plain: &mut Vec<u8>) {
            self.1.early.append(plain);
        }

        fn seal_held(&mut self) -> Result<()> {
            self.0.append(&mut mem::take(&mut self.1.early));
            Ok(())
        }

        fn seal(&mut self, plain: &mut Vec<u8>) -> Result<()> {
            self.0.append(plain);
            Ok(())
        }
    }

    impl Model {
        fn new(role: Role) -> Arc<Self> {
            Arc::new(Self {
                turns: Turns::new(fresh(Some(role))),
                transport: Mutex::default(),
                waiting: Mutex::default(),
                pending: AtomicUsize::new(0),
                wire: Mutex::default(),
                slot: ReceiveSlot::new(Some(Box::new(7))),
                waiters: Waiters::default(),
                closed: AtomicBool::new(false),
            })
        }

        /// As `Conn::send`.
        fn send(&self, byte: u8) {
            {
                let transport = &mut *self.transport.lock();
                let mut locked = Locked(self, transport);
                send(&mut locked, &self.turns.state_word, &mut vec![byte]).unwrap();
            }
            write_lock::flush(self);
        }

        /// As `Conn::has_sent_all`.
        fn has_sent_all(&self) -> bool {
            let is_drained = || {
                self.turns.state_word.load() & mark::WRITING == 0 && self.pending.load(Acquire) == 0
            };
            if !is_drained() {
                return false;
            }
            if claim_last_word(&self.turns.state_word) {
                let transport = self.transport.lock();
                self.append(&mut vec![BYE]);
                drop(transport);
                write_lock::flush(self);
            }
            is_drained()
        }

        /// As `Conn::take_turn`: the handshake, which is complete at once, or the end.
        fn turn(&self) -> bool {
            self.turns.run(|word| {
                let state_word = &self.turns.state_word;
                let word = word | state_word.load();
                check(word);
                if word & mark::CLOSING != 0 {
                    if self.has_sent_all() && write_lock::finish(state_word) & mark::WRITING == 0 {
                        self.closed.fetch_or(true, AcqRel);
                    }
                } else if word & mark::HANDSHAKING != 0
                    && let Some(recv) = self.slot.take()
                {
                    {
                        let transport = &mut *self.transport.lock();
                        open(&mut Locked(self, transport), |locked| locked.1.open = true).unwrap();
                    }
                    write_lock::flush(self);
                    let before = finish_handshake(&self.slot, state_word, recv);
                    self.waiters.wake(state_word, before, News::Setup.bit());
                }
                check(state_word.load());
            })
        }

        /// As the dialler: begins the handshake, once the connect is complete.
        fn begin_handshake(&self) {
            self.turns.schedule(event::WAKE | mark::HANDSHAKING);
        }
    }

    impl Outlet for Model {
        type Bytes = Vec<u8>;

        fn state_word(&self) -> &StateWord {
            &self.turns.state_word
        }

        fn append(&self, bytes: &mut Vec<u8>) {
            self.pending.fetch_add(bytes.len(), AcqRel);
            self.waiting.lock().append(bytes);
        }

        fn write(&self, last: &mut Vec<u8>) -> Written {
            assert!(!self.closed.load(Acquire), "a write to a closed socket");
            let mut bytes = mem::take(&mut *self.waiting.lock());
            bytes.append(last);
            self.pending.fetch_sub(bytes.len(), AcqRel);
            self.wire.lock().append(&mut bytes);
            Written::All
        }

        fn stopped(&self, word: u32) {
            let drained = word & mark::CLOSING != 0 && self.pending.load(Acquire) == 0;
            if drained || word & mark::FINISHED != 0 {
                self.turns.schedule(event::FLUSH);
            }
        }

        fn ended(&self) {
            let thrown = mem::take(&mut *self.waiting.lock());
            self.pending.fetch_sub(thrown.len(), AcqRel);
        }
    }

    fn check_model(model: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(model);
    }

    /// Output that is given while the handshake completes leaves once, in its order.
    #[test]
    fn loom_output_before_the_handshake_leaves_in_order() {
        check_model(|| {
            let model = Model::new(Role::Server);
            model.turns.schedule(event::IO);
            let sender = thread::spawn({
                let model = model.clone();
                move || {
                    model.send(1);
                    model.send(2);
                }
            });
            model.send(7);
            while model.turn() {}
            model.send(8);
            sender.join().unwrap();
            let wire = model.wire.lock();
            let at = |byte| wire.iter().position(|&b| b == byte).expect("it left");
            assert!(wire.len() == 4 && at(1) < at(2) && at(7) < at(8), "{:?}", *wire);
        });
    }

    /// A connection closes beside a sender: the last word is said once, and nothing follows it.
    #[test]
    fn loom_nothing_follows_the_last_word() {
        check_model(|| {
            let model = Model::new(Role::Server);
            model.turns.schedule(event::IO);
            model.turn();
            let sender = thread::spawn({
                let model = model.clone();
                move || {
                    model.send(1);
                    model.send(2);
                }
            });
            model.send(7);
            model.turns.schedule(mark::CLOSING | event::FLUSH);
            model.turn();
            sender.join().unwrap();
            while model.turn() {}
            let wire = model.wire.lock();
            assert!(model.closed.load(Acquire), "it stays open");
            assert_eq!(wire.iter().filter(|&&b| b == BYE).count(), 1);
            assert_eq!(wire.last(), Some(&BYE), "{:?}", *wire);
            assert!(wire.contains(&7), "what was sent before the close is lost");
            let at = |byte| wire.iter().position(|&b| b == byte);
            assert!(at(2).is_none() || at(1) < at(2) && at(1).is_some(), "{:?}", *wire);
        });
    }

    /// Whoever is told that a dialled connection has shaken hands can read it.
    #[test]
    fn loom_a_connection_that_has_shaken_hands_can_be_read() {
        check_model(|| {
            let model = Model::new(Role::Client);
            model.begin_handshake();
            let turn = thread::spawn({
                let model = model.clone();
                move || while model.turn() {}
            });
            let state_word = &model.turns.state_word;
            let shaken = || (state_word.load() & mark::HANDSHAKING == 0).then_some(());
            let shaken = model.waiters.until(state_word, News::Setup, shaken);
            assert_eq!(block_on::wait_for(shaken, None), Some(()));
            assert!(
                receive_slot::borrow(&model.slot, state_word).is_ok(),
                "the state is not there"
            );
            turn.join().unwrap();
        });
    }
}
