//! Models of the right to write.

use std::{mem, sync::Arc};

use super::{
    state::{event, mark},
    turns_models::Turns,
    write_lock::{Outlet, Written, borrow, finish, flush, send},
};
use crate::{
    primitive::{
        Mutex,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
        thread,
    },
    sched::state_word::StateWord,
};

/// A connection without a socket: its turn does what the real one does with the output.
struct Model {
    turns: Turns,
    waiting: Mutex<Vec<u8>>,
    pending: AtomicUsize,
    /// What the socket takes.
    room: AtomicUsize,
    open: AtomicBool,
    out: Mutex<Vec<u8>>,
    low: usize,
}

impl Model {
    fn new(room: usize) -> Arc<Self> {
        Arc::new(Self {
            turns: Turns::new(StateWord::new(mark::WRITABLE)),
            waiting: Mutex::default(),
            pending: AtomicUsize::new(0),
            room: AtomicUsize::new(room),
            open: AtomicBool::new(true),
            out: Mutex::default(),
            low: 0,
        })
    }

    fn send(&self, byte: u8) {
        send(self, &mut vec![byte]);
    }

    /// Runs the turn if it is queued.
    fn turn(&self) -> bool {
        self.turns.run(|word| {
            let state_word = &self.turns.state_word;
            if self.pending.load(Acquire) > 0 {
                flush(self);
            }
            let word = word | state_word.load();
            let drained = state_word.load() & mark::WRITING == 0 && self.pending.load(Acquire) == 0;
            let closes = word & mark::CLOSING != 0 && drained;
            if (closes || word & (mark::ABORTING | mark::FINISHED) != 0)
                && self.open.load(Relaxed)
                && finish(state_word) & mark::WRITING == 0
            {
                assert!(self.open.swap(false, AcqRel), "closed twice");
            }
        })
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
        self.turns.schedule(event::IO | mark::WRITABLE);
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
        self.pending.fetch_add(last.len(), AcqRel);
        let mut bytes = mem::take(&mut *self.waiting.lock());
        bytes.append(last);
        let mut asked_again = false;
        while !bytes.is_empty() && self.turns.state_word.load() & mark::WRITABLE != 0 || asked_again
        {
            assert!(self.open.load(Acquire), "a write to a closed socket");
            if self.room.load(Acquire) > 0 {
                self.room.fetch_sub(1, AcqRel);
                self.out.lock().push(bytes.remove(0));
                self.pending.fetch_sub(1, AcqRel);
                if mem::take(&mut asked_again) {
                    self.turns.state_word.set(mark::WRITABLE);
                }
            } else if asked_again {
                break;
            } else {
                self.turns.state_word.clear(mark::WRITABLE);
                asked_again = true;
            }
        }
        let full = !bytes.is_empty();
        if full {
            let mut waiting = self.waiting.lock();
            bytes.extend(mem::take(&mut *waiting));
            *waiting = bytes;
        }
        if full { Written::Full } else { Written::All }
    }

    fn stopped(&self, word: u32) {
        let drained = word & mark::CLOSING != 0 && self.pending.load(Acquire) == 0;
        if drained || word & (mark::FINISHED | mark::ABORTING) != 0 {
            self.turns.schedule(event::FLUSH);
        }
        let low = self.pending.load(Acquire) <= self.low;
        if word & mark::FULL != 0
            && low
            && self.turns.state_word.clear(mark::FULL) & mark::FULL != 0
        {
            self.turns.schedule(event::FLUSH);
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
            model.turns.schedule(how | event::FLUSH);
            model.turn();
            sender.join().unwrap();
            user.join().unwrap();
            while model.turn() {}
            assert!(!model.open.load(Relaxed), "it stays open");
            assert_eq!(model.out.lock()[0], 7);
            assert_eq!(model.turns.state_word.load() & mark::WRITING, 0);
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
        model.turns.state_word.set(mark::FULL);
        let goes_on = model.pending.load(Acquire) <= model.low;
        sender.join().unwrap();
        assert!(goes_on || model.turns.is_queued());
    });
}
