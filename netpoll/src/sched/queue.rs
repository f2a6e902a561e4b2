//! The run queue: turns that are ready, in the order in which they became so.
//!
//! The driver of the poller takes from it, and idle workers steal from it. One short lock; `len` is
//! kept beside it, so that a look at an empty or short queue costs a load.
//!
//! A turn that is taken from its front may have to wait for memory that others displaced since it last
//! ran: with each one the queue tells of the two behind it, for their memory to be fetched meanwhile.
//!
//! While `max_workers` handlers run, a driver may not start one: it does what needs no handler and
//! defers the turn ([`RunQueue::defer`]). What was deferred comes first again.

use std::{collections::VecDeque, sync::Arc};

use super::turn::Turn;
use crate::primitive::{
    Mutex,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// See the module's documentation.
pub(crate) struct RunQueue<T: ?Sized = dyn Turn> {
    lists: Mutex<Lists<T>>,
    fresh: AtomicUsize,
    aside: AtomicUsize,
    ahead: Ahead<T>,
}

/// Is told of a turn before which so many others come.
pub(crate) type Ahead<T> = fn(usize, &Arc<T>);

struct Lists<T: ?Sized> {
    closed: bool,
    fresh: VecDeque<Arc<T>>,
    aside: VecDeque<Arc<T>>,
}

impl<T: ?Sized> RunQueue<T> {
    pub(crate) fn new(ahead: Ahead<T>) -> Self {
        Self {
            lists: Mutex::new(Lists {
                closed: false,
                fresh: VecDeque::new(),
                aside: VecDeque::new(),
            }),
            fresh: AtomicUsize::new(0),
            aside: AtomicUsize::new(0),
            ahead,
        }
    }

    /// Turns that are ready and were not deferred. A hint when other threads push.
    pub(crate) fn len(&self) -> usize {
        self.fresh.load(Relaxed)
    }

    /// Turns that were deferred. A hint, as [`Self::len`].
    pub(crate) fn deferred(&self) -> usize {
        self.aside.load(Relaxed)
    }

    pub(crate) fn push(&self, turn: Arc<T>) {
        let mut lists = self.lists.lock();
        if lists.closed {
            // Unlocked first: the turn's drop may end anything.
            drop(lists);
            return drop(turn);
        }
        lists.fresh.push_back(turn);
        self.fresh.store(lists.fresh.len(), Relaxed);
    }

    /// Appends all of `turns` under one lock.
    pub(crate) fn extend(&self, turns: &mut Vec<Arc<T>>) {
        if turns.is_empty() {
            return;
        }
        let mut lists = self.lists.lock();
        lists.fresh.extend(turns.drain(..));
        self.fresh.store(lists.fresh.len(), Relaxed);
    }

    /// Drops what is queued and what is pushed from now on: nobody runs it any more, and a turn that
    /// stayed would hold its runtime, and the runtime the queue.
    pub(crate) fn close(&self) {
        let left = {
            let mut lists = self.lists.lock();
            lists.closed = true;
            (std::mem::take(&mut lists.fresh), std::mem::take(&mut lists.aside))
        };
        self.fresh.store(0, Relaxed);
        self.aside.store(0, Relaxed);
        drop(left);
    }

    /// Keeps `turn`, which is ready, until a handler may be started.
    pub(crate) fn defer(&self, turn: Arc<T>) {
        let mut lists = self.lists.lock();
        lists.aside.push_back(turn);
        self.aside.store(lists.aside.len(), Relaxed);
    }

    /// The oldest turn, deferred ones first. For whoever may start a handler.
    pub(crate) fn pop(&self) -> Option<Arc<T>> {
        let aside = if self.deferred() == 0 { None } else { self.pop_deferred() };
        aside.or_else(|| self.pop_fresh())
    }

    /// The oldest turn that was deferred. It takes the lock in any case: who has just made room for a
    /// handler either finds a turn here, or whoever defers one later sees the room.
    pub(crate) fn pop_deferred(&self) -> Option<Arc<T>> {
        let mut lists = self.lists.lock();
        let turn = lists.aside.pop_front();
        self.aside.store(lists.aside.len(), Relaxed);
        turn
    }

    /// The oldest turn that was not deferred.
    pub(crate) fn pop_fresh(&self) -> Option<Arc<T>> {
        let mut lists = self.lists.lock();
        let turn = lists.fresh.pop_front();
        self.fresh.store(lists.fresh.len(), Relaxed);
        for (before, turn) in lists.fresh.iter().take(2).enumerate() {
            (self.ahead)(before, turn);
        }
        turn
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::RefCell;

    thread_local! {
        static TOLD: RefCell<Vec<(usize, u8)>> = const { RefCell::new(Vec::new()) };
    }

    #[test]
    fn each_turn_is_announced_twice_before_it_is_taken() {
        let queue = RunQueue::<u8>::new(|before, turn| {
            TOLD.with_borrow_mut(|told| told.push((before, **turn)));
        });
        queue.extend(&mut [1, 2, 3, 4].map(Arc::new).into());
        for (turn, ahead) in [(1, &[(0, 2), (1, 3)][..]), (2, &[(0, 3), (1, 4)]), (3, &[(0, 4)])] {
            assert_eq!(*queue.pop().unwrap(), turn);
            assert_eq!(TOLD.take(), ahead);
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::primitive::{atomic::Ordering::SeqCst, thread};

    /// Owner and thief take from a queue while another thread pushes: each item once, none lost.
    #[test]
    fn loom_each_turn_is_taken_once() {
        loom::model(|| {
            let queue = Arc::new(RunQueue::<AtomicUsize>::new(|_, _| {}));
            let items = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
            queue.push(items[0].clone());
            let take = |queue: &RunQueue<AtomicUsize>| {
                if let Some(item) = queue.pop() {
                    item.fetch_add(1, SeqCst);
                }
            };
            let pusher = thread::spawn({
                let (queue, item) = (queue.clone(), items[1].clone());
                move || queue.defer(item)
            });
            let thief = thread::spawn({
                let queue = queue.clone();
                move || take(&queue)
            });
            take(&queue);
            pusher.join().unwrap();
            thief.join().unwrap();
            while queue.len() + queue.deferred() > 0 {
                take(&queue);
            }
            assert!(items.iter().all(|item| item.load(SeqCst) == 1));
        });
    }
}
