//! The right to write: of many threads that have output, one writes to the socket.
//!
//! ```text
//!   sender                          writer                          turn that ends the connection
//!   WRITING was clear: writes       clear MORE, take what waits     set FINISHED
//!   else: append, set MORE          write                           WRITING was clear: close
//!                                   clear WRITING                   else: wait for the writer
//!                                   MORE, or room: begin again      which schedules the turn
//! ```
//! All steps are of one word, so that they have one order:
//! - who appends and then finds `WRITING` set has set `MORE` before the writer clears `WRITING`, and
//!   the writer looks at `MORE` after that: nothing is left behind;
//! - the selector sets `WRITABLE` before it looks for a writer, and a writer that found the socket
//!   full looks at `WRITABLE` after it has cleared `WRITING`: no room is missed;
//! - `FINISHED` and `WRITING` are set in one order: either the turn sees the writer, and waits, or the
//!   writer sees the end, and does not touch the socket, whose number may be another's by then.

use super::state::mark;
use crate::sched::state_word::StateWord;

/// Whose output it is.
pub(super) trait Outlet {
    /// What is written.
    type Bytes: Default;

    fn state_word(&self) -> &StateWord;

    /// Takes `bytes` and puts them behind what waits.
    fn append(&self, bytes: &mut Self::Bytes);

    /// Takes what waits, with `last` behind it, and writes it; `last` is left empty. True: the socket is
    /// full, and what is left waits again, in front.
    fn write(&self, last: &mut Self::Bytes) -> bool;

    /// The writer has stopped for now; `word` is the state_word's from just before.
    fn stopped(&self, word: u32);

    /// The connection has ended: throws away what waits.
    fn ended(&self);
}

/// Sends `bytes` after all that was given before. They are left where the connection has ended.
pub(super) fn send<O: Outlet>(outlet: &O, bytes: &mut O::Bytes) {
    if claim(outlet.state_word()) {
        return write_out(outlet, bytes);
    }
    outlet.append(bytes);
    flush(outlet);
}

/// Sends as [`send`] does, but offers `bytes` to `gather` first where nobody writes. If that takes them, the
/// right to write stays taken until [`resume`].
pub(super) fn offer<O: Outlet>(
    outlet: &O,
    bytes: &mut O::Bytes,
    gather: impl FnOnce(&mut O::Bytes) -> bool,
) {
    if !claim(outlet.state_word()) {
        outlet.append(bytes);
        flush(outlet);
    } else if !gather(bytes) {
        write_out(outlet, bytes);
    }
}

/// Goes on after the bytes that an [`offer`] took have been sent, as far as possible: writes what waits, and
/// gives the right to write back.
pub(super) fn resume<O: Outlet>(outlet: &O) {
    write_out(outlet, &mut O::Bytes::default());
}

/// Writes what waits, unless another thread does, which then goes on.
pub(super) fn flush<O: Outlet>(outlet: &O) {
    if outlet.state_word().set(mark::WRITING | mark::MORE) & mark::WRITING == 0 {
        write_out(outlet, &mut O::Bytes::default());
    }
}

/// Runs `f` as a writer, so that nobody closes the socket meanwhile. `None`: somebody writes, or the
/// connection has ended.
pub(super) fn borrow<O: Outlet, T>(outlet: &O, f: impl FnOnce() -> T) -> Option<T> {
    let state_word = outlet.state_word();
    if state_word.load() & mark::FINISHED != 0 || !claim(state_word) {
        return None;
    }
    let result = (state_word.load() & mark::FINISHED == 0).then(f);
    if release(outlet, mark::MORE) {
        write_out(outlet, &mut O::Bytes::default());
    }
    result
}

/// Ends the writing; only by the turn. The word before: if it has `WRITING`, a writer still uses the
/// socket, and [`Outlet::stopped`] or [`Outlet::ended`] is called after that.
pub(super) fn finish(state_word: &StateWord) -> u32 {
    state_word.set(mark::FINISHED)
}

/// True: this thread writes, until it [`release`]s.
fn claim(state_word: &StateWord) -> bool {
    state_word.set(mark::WRITING) & mark::WRITING == 0
}

/// Only for the thread that set `WRITING`, which this clears.
fn write_out<O: Outlet>(outlet: &O, last: &mut O::Bytes) {
    loop {
        let word = outlet.state_word().load();
        if word & mark::MORE != 0 {
            // Before what waits is taken: who appends after that sets it again.
            outlet.state_word().clear(mark::MORE);
        }
        if word & mark::FINISHED != 0 {
            outlet.ended();
            let word = outlet.state_word().clear(mark::WRITING | mark::MORE);
            return outlet.stopped(word);
        }
        let full = outlet.write(last);
        if !release(outlet, if full { mark::WRITABLE } else { mark::MORE }) {
            return;
        }
    }
}

/// Clears `WRITING`. True: it is set again and the caller has to write, since somebody came before it
/// was cleared and left, with `news`: more to write, or that there is room again.
fn release<O: Outlet>(outlet: &O, news: u32) -> bool {
    let state_word = outlet.state_word();
    outlet.stopped(state_word.clear(mark::WRITING));
    state_word.load() & news != 0 && claim(state_word)
}

#[cfg(all(test, loom))]
mod models {
    use std::{mem, sync::Arc};

    use super::*;
    use crate::{
        conn::state::event,
        primitive::{
            Mutex,
            atomic::{
                AtomicBool, AtomicUsize,
                Ordering::{AcqRel, Acquire, Relaxed},
            },
            thread,
        },
    };

    /// A connection without a socket: its turn does what the real one does with the output.
    struct Model {
        state_word: StateWord,
        waiting: Mutex<Vec<u8>>,
        pending: AtomicUsize,
        /// What the socket takes.
        room: AtomicUsize,
        open: AtomicBool,
        out: Mutex<Vec<u8>>,
        queued: Mutex<usize>,
        low: usize,
    }

    impl Model {
        fn new(room: usize) -> Arc<Self> {
            Arc::new(Self {
                state_word: StateWord::new(mark::WRITABLE),
                waiting: Mutex::default(),
                pending: AtomicUsize::new(0),
                room: AtomicUsize::new(room),
                open: AtomicBool::new(true),
                out: Mutex::default(),
                queued: Mutex::default(),
                low: 0,
            })
        }

        fn send(&self, byte: u8) {
            send(self, &mut vec![byte]);
        }

        fn schedule(&self, bits: u32) {
            if StateWord::must_queue(self.state_word.notify(bits)) {
                *self.queued.lock() += 1;
            }
        }

        /// Runs the turn if it is queued.
        fn turn(&self) -> bool {
            if mem::take(&mut *self.queued.lock()) == 0 {
                return false;
            }
            let word = self.state_word.begin();
            if self.pending.load(Acquire) > 0 {
                flush(self);
            }
            let word = word | self.state_word.load();
            let drained =
                self.state_word.load() & mark::WRITING == 0 && self.pending.load(Acquire) == 0;
            let closes = word & mark::CLOSING != 0 && drained;
            if (closes || word & (mark::ABORTING | mark::FINISHED) != 0)
                && self.open.load(Relaxed)
                && finish(&self.state_word) & mark::WRITING == 0
            {
                assert!(self.open.swap(false, AcqRel), "closed twice");
            }
            if self.state_word.end(false) {
                *self.queued.lock() += 1;
            }
            true
        }

        /// All three bytes of a test left, 1 before 2.
        fn assert_sent(&self) {
            let out = self.out.lock().clone();
            assert_eq!((out.len(), self.pending.load(Relaxed)), (3, 0), "{out:?}");
            assert!(out.iter().position(|&b| b == 1) < out.iter().position(|&b| b == 2));
        }

        /// The peer takes a byte: what the selector does then.
        fn take_one(&self) {
            self.room.fetch_add(1, AcqRel);
            self.schedule(event::IO | mark::WRITABLE);
        }
    }

    impl Outlet for Model {
        type Bytes = Vec<u8>;

        fn state_word(&self) -> &StateWord {
            &self.state_word
        }

        fn append(&self, bytes: &mut Vec<u8>) {
            self.pending.fetch_add(bytes.len(), AcqRel);
            self.waiting.lock().append(bytes);
        }

        fn write(&self, last: &mut Vec<u8>) -> bool {
            self.pending.fetch_add(last.len(), AcqRel);
            let mut bytes = mem::take(&mut *self.waiting.lock());
            bytes.append(last);
            let mut asked_again = false;
            while !bytes.is_empty() && self.state_word.load() & mark::WRITABLE != 0 || asked_again {
                assert!(self.open.load(Acquire), "a write to a closed socket");
                if self.room.load(Acquire) > 0 {
                    self.room.fetch_sub(1, AcqRel);
                    self.out.lock().push(bytes.remove(0));
                    self.pending.fetch_sub(1, AcqRel);
                    if mem::take(&mut asked_again) {
                        self.state_word.set(mark::WRITABLE);
                    }
                } else if asked_again {
                    break;
                } else {
                    self.state_word.clear(mark::WRITABLE);
                    asked_again = true;
                }
            }
            let full = !bytes.is_empty();
            if full {
                let mut waiting = self.waiting.lock();
                bytes.extend(mem::take(&mut *waiting));
                *waiting = bytes;
            }
            full
        }

        fn stopped(&self, word: u32) {
            let drained = word & mark::CLOSING != 0 && self.pending.load(Acquire) == 0;
            if drained || word & (mark::FINISHED | mark::ABORTING) != 0 {
                self.schedule(event::FLUSH);
            }
            let low = self.pending.load(Acquire) <= self.low;
            if word & mark::FULL != 0 && low && self.state_word.clear(mark::FULL) & mark::FULL != 0
            {
                self.schedule(event::FLUSH);
            }
        }

        fn ended(&self) {
            self.waiting.lock().clear();
            self.pending.store(0, Relaxed);
        }
    }

    fn check(model: impl Fn() + Send + Sync + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(2);
        builder.check(model);
    }

    /// Two threads send, the socket takes a byte at a time: all leaves, each thread's in its order.
    #[test]
    fn loom_nothing_that_was_sent_is_left_behind() {
        check(|| {
            let model = Model::new(1);
            let sender = thread::spawn({
                let model = model.clone();
                move || {
                    model.send(1);
                    model.send(2);
                }
            });
            let selector = thread::spawn({
                let model = model.clone();
                move || {
                    model.take_one();
                    model.turn();
                }
            });
            model.send(7);
            sender.join().unwrap();
            selector.join().unwrap();
            model.take_one();
            while model.turn() {}
            model.assert_sent();
        });
    }

    /// As above with room for all: no event comes to help.
    #[test]
    fn loom_a_writer_goes_on_until_nobody_came() {
        check(|| {
            let model = Model::new(3);
            let sender = thread::spawn({
                let model = model.clone();
                move || {
                    model.send(1);
                    model.send(2);
                }
            });
            model.send(7);
            sender.join().unwrap();
            model.assert_sent();
        });
    }

    /// A close sends what was sent before it, and the socket is closed once, when nobody uses it.
    #[test]
    fn loom_a_socket_is_closed_after_its_last_use() {
        for how in [mark::CLOSING, mark::ABORTING] {
            check(move || {
                let model = Model::new(3);
                model.send(7);
                let sender = thread::spawn({
                    let model = model.clone();
                    move || model.send(1)
                });
                let user = thread::spawn({
                    let model = model.clone();
                    move || {
                        borrow(&*model, || assert!(model.open.load(Acquire), "a closed socket"));
                    }
                });
                model.schedule(how | event::FLUSH);
                model.turn();
                sender.join().unwrap();
                user.join().unwrap();
                while model.turn() {}
                assert!(!model.open.load(Relaxed), "it stays open");
                assert_eq!(model.out.lock()[0], 7);
                assert_eq!(model.state_word.load() & mark::WRITING, 0);
            });
        }
    }

    /// A turn that stops at the high mark goes on, whoever writes the rest.
    #[test]
    fn loom_a_turn_at_the_high_mark_goes_on() {
        check(|| {
            let model = Model::new(2);
            let sender = thread::spawn({
                let model = model.clone();
                move || model.send(1)
            });
            model.send(2);
            // As `Conn::await_low_mark`.
            model.state_word.set(mark::FULL);
            let goes_on = model.pending.load(Acquire) <= model.low;
            sender.join().unwrap();
            assert!(goes_on || *model.queued.lock() > 0);
        });
    }
}
