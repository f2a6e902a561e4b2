//! Models of the in-flight table over all interleavings, with its batches and its tasks.

mod world;

use std::sync::Arc;

use super::batch::BatchOwner;
use crate::primitive::atomic::Ordering::{Acquire, Release};
use world::{Model, Work};

/// Two workers, and room for two requests of three: each is answered once, where it must be in order.
#[test]
fn loom_each_request_is_answered_once() {
    for (ordered, late) in [(true, false), (false, false), (false, true)] {
        loom::model(move || {
            let model = Model::new(ordered, late, &[Work::Lone; 3]);
            let other = model.beside(Model::work);
            model.work();
            other.join().unwrap();
            model.work();
            model.assert_left(&[1, 2, 3]);
        });
    }
}

/// The same where answers that say nothing but bytes leave together.
#[test]
fn loom_answers_that_leave_together_are_counted() {
    loom::model(|| {
        let model = Model::new(false, false, &[Work::Plain; 3]);
        let other = model.beside(Model::work);
        model.work();
        other.join().unwrap();
        model.work();
        model.assert_left(&[0, 0, 0]);
    });
}

/// A handler that blocks until the request before it was answered: that answer leaves meanwhile.
#[test]
fn loom_an_answer_leaves_beside_a_handler_that_blocks() {
    for ordered in [true, false] {
        loom::model(move || {
            let model = Model::new(ordered, false, &[Work::Lone, Work::Blocks]);
            let other = model.beside(|model| model.work_until(2));
            model.work_until(2);
            other.join().unwrap();
            model.assert_left(&[1, 2]);
        });
    }
}

/// A request that waits as a task, and the event that it waits for: it is answered, and where answers
/// are ordered the one behind it too.
#[test]
fn loom_a_task_completes_and_wakes_the_turn() {
    for ordered in [true, false] {
        loom::model(move || {
            let model = Model::new(ordered, false, &[Work::Waits, Work::Lone]);
            let teller = model.beside(|model| model.tell());
            let other = model.beside(Model::work);
            model.work();
            teller.join().unwrap();
            other.join().unwrap();
            model.work();
            model.assert_left(&[1, 2]);
        });
    }
}

/// The connection ends beside its requests: nobody waits any more, and the end comes once, after all.
#[test]
fn loom_the_end_comes_after_the_last_request() {
    for input in [[Work::Lone, Work::Plain, Work::Plain], [Work::Waits, Work::Plain, Work::Waits]] {
        loom::model(move || {
            let model = Model::new(false, false, &input);
            let other = model.beside(|model| {
                model.closes.store(true, Release);
                model.wake_turn();
                model.work();
            });
            model.work();
            other.join().unwrap();
            model.work();
            assert_eq!(model.ends.load(Acquire), 1);
            assert_eq!(Arc::strong_count(&model.alive), 1);
        });
    }
}
