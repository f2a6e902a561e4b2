//! The registry of a server's open connections, and the limit on their number.
//!
//! A slot is reserved before its connection is made, because several listeners may accept at once. A
//! shutdown sets the draining flag first and then wakes every connection in the registry: a connection
//! that is inserted later finds the flag set.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    mem,
    task::{Poll, Waker},
};

use crate::{
    guard,
    primitive::{
        Mutex,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    sched::block_on,
    timer::Moment,
};

/// Open connections by their ids; see the module's documentation. `T` is a connection.
pub(super) struct Registry<T> {
    max: usize,
    /// Slots in use, of `max`.
    reserved: AtomicUsize,
    open: Mutex<BTreeMap<u64, T>>,
    /// Woken when the last connection is removed while the server drains.
    waiter: Mutex<Option<Waker>>,
    draining: AtomicBool,
}

impl<T: Clone> Registry<T> {
    /// An empty registry for at most `max` connections.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            reserved: AtomicUsize::new(0),
            open: Mutex::default(),
            waiter: Mutex::default(),
            draining: AtomicBool::new(false),
        }
    }

    pub(super) fn max(&self) -> usize {
        self.max
    }

    pub(super) fn len(&self) -> usize {
        self.open.lock().len()
    }

    /// Returns the connections that are open now, in the order of their ids.
    pub(super) fn snapshot(&self) -> Vec<T> {
        self.open.lock().values().cloned().collect()
    }

    /// Returns the connection of this id, if it is open.
    pub(super) fn get(&self, id: u64) -> Option<T> {
        self.open.lock().get(&id).cloned()
    }

    /// Reserves a slot for a connection; false if all `max` are in use.
    pub(super) fn reserve(&self) -> bool {
        let next = |reserved| (reserved < self.max).then_some(reserved + 1);
        self.reserved.fetch_update(AcqRel, Relaxed, next).is_ok()
    }

    /// Releases a slot for which no connection was made.
    pub(super) fn release(&self) {
        self.reserved.fetch_sub(1, AcqRel);
    }

    /// Adds a connection, for which a slot was reserved.
    pub(super) fn insert(&self, id: u64, conn: T) {
        self.open.lock().insert(id, conn);
    }

    /// Removes a connection and releases its slot, if it is in the registry; returns it.
    pub(super) fn remove(&self, id: u64) -> Option<T> {
        let (removed, may_be_last) = {
            let mut open = self.open.lock();
            let removed = open.remove(&id);
            if removed.is_some() {
                self.release();
            }
            // One may be left whose handler is who waits.
            (removed, open.len() <= 1)
        };
        if may_be_last && self.is_draining() {
            let waiter = mem::take(&mut *self.waiter.lock());
            waiter.into_iter().for_each(guard::wake);
        }
        removed
    }

    /// True once a drain has begun: connections close as soon as they have nothing to do.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Acquire)
    }

    /// Begins the drain; false if it had begun before.
    pub(super) fn begin_drain(&self) -> bool {
        !self.draining.swap(true, AcqRel)
    }

    /// Waits until no connection is left but `own`, or until `until`. Only for the thread that began the
    /// drain.
    pub(super) fn wait_until_only(&self, own: Option<u64>, until: Option<Moment>) {
        let only = || self.open.lock().keys().all(|id| Some(*id) == own);
        let emptied = poll_fn(|cx| {
            // Stored before the check, so that a removal after the check finds it.
            *self.waiter.lock() = Some(cx.waker().clone());
            if only() { Poll::Ready(()) } else { Poll::Pending }
        });
        block_on::wait_for(emptied, until);
        self.waiter.lock().take();
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use super::*;
    use crate::primitive::atomic::Ordering::Release;
    use crate::primitive::thread;

    /// A connection that can be woken to check its server.
    #[derive(Default)]
    struct Conn {
        told: AtomicBool,
        waits: Mutex<Option<Waker>>,
    }

    impl Conn {
        fn tell(&self) {
            self.told.store(true, Release);
            let told = mem::take(&mut *self.waits.lock());
            told.into_iter().for_each(guard::wake);
        }

        /// Its turns: it closes once the server drains, and checks that when it is woken.
        fn live(&self, registry: &Registry<Arc<Conn>>, id: u64) {
            if !registry.is_draining() {
                let told = poll_fn(|cx| {
                    *self.waits.lock() = Some(cx.waker().clone());
                    if self.told.load(Acquire) { Poll::Ready(()) } else { Poll::Pending }
                });
                block_on::wait_for(told, None);
            }
            registry.remove(id);
        }
    }

    /// One connection is open and another is accepted while the drain begins: both close, and the
    /// draining thread is woken.
    #[test]
    fn loom_a_drained_server_is_empty() {
        loom::model(|| {
            let registry = Arc::new(Registry::new(2));
            let conns = [1, 2].map(|id| (id, Arc::new(Conn::default())));
            assert!(registry.reserve());
            registry.insert(1, conns[0].1.clone());
            let threads = conns.map(|(id, conn)| {
                let registry = registry.clone();
                thread::spawn(move || {
                    if id == 2 {
                        assert!(registry.reserve());
                        registry.insert(id, conn.clone());
                    }
                    conn.live(&registry, id);
                })
            });
            assert!(registry.begin_drain());
            registry.snapshot().iter().for_each(|conn| conn.tell());
            registry.wait_until_only(None, None);
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!((registry.len(), registry.reserved.load(Relaxed)), (0, 0));
            assert!(!registry.begin_drain());
        });
    }

    /// Two listeners accept for one slot while it is released: it never has two connections, and it is
    /// free in the end.
    #[test]
    fn loom_a_slot_has_one_connection() {
        loom::model(|| {
            let registry = Arc::new(Registry::new(1));
            assert!(registry.reserve());
            registry.insert(0, 0);
            let accepts = |registry: &Registry<u64>, id| {
                if registry.reserve() {
                    registry.insert(id, id);
                    assert_eq!(registry.snapshot(), [id], "two have one slot");
                    registry.remove(id);
                }
            };
            let threads = [1, 2].map(|id| {
                let registry = registry.clone();
                thread::spawn(move || accepts(&registry, id))
            });
            registry.remove(0);
            for thread in threads {
                thread.join().unwrap();
            }
            assert!(registry.reserve() && !registry.reserve());
        });
    }
}
