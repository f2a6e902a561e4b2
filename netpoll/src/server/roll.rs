//! The roll of a server: which connections are alive, and how many there may be.
//!
//! A place is taken before the connection is made, since several listeners may accept at once. A shutdown
//! says first that the server drains and tells those that are listed then: who is listed later finds that
//! said.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    mem,
    task::{Poll, Waker},
};

use crate::{
    primitive::{
        Mutex,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    sched::park,
    timer::Moment,
};

/// See the module's documentation. `T` is a connection.
pub(super) struct Roll<T> {
    max: usize,
    /// Places taken of `max`.
    taken: AtomicUsize,
    listed: Mutex<BTreeMap<u64, T>>,
    /// Woken when the last one leaves while the server drains.
    waits: Mutex<Option<Waker>>,
    drains: AtomicBool,
}

impl<T: Clone> Roll<T> {
    /// A roll of `max` places.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            taken: AtomicUsize::new(0),
            listed: Mutex::default(),
            waits: Mutex::default(),
            drains: AtomicBool::new(false),
        }
    }

    pub(super) fn max(&self) -> usize {
        self.max
    }

    pub(super) fn len(&self) -> usize {
        self.listed.lock().len()
    }

    pub(super) fn list(&self) -> Vec<T> {
        self.listed.lock().values().cloned().collect()
    }

    /// Takes a place. False: there is none.
    pub(super) fn take_place(&self) -> bool {
        let next = |taken| (taken < self.max).then_some(taken + 1);
        self.taken.fetch_update(AcqRel, Relaxed, next).is_ok()
    }

    /// Gives a place back for which no connection was made.
    pub(super) fn give_place_back(&self) {
        self.taken.fetch_sub(1, AcqRel);
    }

    /// Lists a connection that has a place.
    pub(super) fn enter(&self, id: u64, conn: T) {
        self.listed.lock().insert(id, conn);
    }

    /// Takes a connection off the roll, with its place, if it is there.
    pub(super) fn leave(&self, id: u64) {
        let is_last = {
            let mut listed = self.listed.lock();
            if listed.remove(&id).is_some() {
                self.give_place_back();
            }
            listed.is_empty()
        };
        if is_last && self.drains() {
            let told = mem::take(&mut *self.waits.lock());
            told.into_iter().for_each(Waker::wake);
        }
    }

    /// Whether connections are to leave.
    pub(super) fn drains(&self) -> bool {
        self.drains.load(Acquire)
    }

    /// Says that connections are to leave. False: that was said before.
    pub(super) fn begin_drain(&self) -> bool {
        !self.drains.swap(true, AcqRel)
    }

    /// Waits until all have left, or `until`. For one thread, once the server drains.
    pub(super) fn wait_until_empty(&self, until: Option<Moment>) {
        let emptied = poll_fn(|cx| {
            // Before the look, so that the last one that leaves after it wakes.
            *self.waits.lock() = Some(cx.waker().clone());
            if self.len() == 0 { Poll::Ready(()) } else { Poll::Pending }
        });
        park::wait_for(emptied, until);
        self.waits.lock().take();
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use super::*;
    use crate::primitive::atomic::Ordering::Release;
    use crate::primitive::thread;

    /// A connection, which is told to look at its server.
    #[derive(Default)]
    struct Conn {
        told: AtomicBool,
        waits: Mutex<Option<Waker>>,
    }

    impl Conn {
        fn tell(&self) {
            self.told.store(true, Release);
            let told = mem::take(&mut *self.waits.lock());
            told.into_iter().for_each(Waker::wake);
        }

        /// Its turns: it leaves when it finds that the server drains, and looks when it is told to.
        fn live(&self, roll: &Roll<Arc<Conn>>, id: u64) {
            if !roll.drains() {
                let told = poll_fn(|cx| {
                    *self.waits.lock() = Some(cx.waker().clone());
                    if self.told.load(Acquire) { Poll::Ready(()) } else { Poll::Pending }
                });
                park::wait_for(told, None);
            }
            roll.leave(id);
        }
    }

    /// One connection is there and another comes when the server begins to drain: each leaves, and whoever
    /// drains hears of it.
    #[test]
    fn loom_a_drained_server_is_empty() {
        loom::model(|| {
            let roll = Arc::new(Roll::new(2));
            let conns = [1, 2].map(|id| (id, Arc::new(Conn::default())));
            assert!(roll.take_place());
            roll.enter(1, conns[0].1.clone());
            let threads = conns.map(|(id, conn)| {
                let roll = roll.clone();
                thread::spawn(move || {
                    if id == 2 {
                        assert!(roll.take_place());
                        roll.enter(id, conn.clone());
                    }
                    conn.live(&roll, id);
                })
            });
            assert!(roll.begin_drain());
            roll.list().iter().for_each(|conn| conn.tell());
            roll.wait_until_empty(None);
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!((roll.len(), roll.taken.load(Relaxed)), (0, 0));
            assert!(!roll.begin_drain());
        });
    }

    /// Two listeners accept for one place, which comes free meanwhile: never two have it, and it is there
    /// again in the end.
    #[test]
    fn loom_a_place_has_one_connection() {
        loom::model(|| {
            let roll = Arc::new(Roll::new(1));
            assert!(roll.take_place());
            roll.enter(0, 0);
            let accepts = |roll: &Roll<u64>, id| {
                if roll.take_place() {
                    roll.enter(id, id);
                    assert_eq!(roll.list(), [id], "two have one place");
                    roll.leave(id);
                }
            };
            let threads = [1, 2].map(|id| {
                let roll = roll.clone();
                thread::spawn(move || accepts(&roll, id))
            });
            roll.leave(0);
            for thread in threads {
                thread.join().unwrap();
            }
            assert!(roll.take_place() && !roll.take_place());
        });
    }
}
