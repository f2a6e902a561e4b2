//! Gathered sends: the output of several turns, which leaves in one system call.
//!
//! A turn gives its output to its shard's list instead of writing it, together with the right to write to
//! its connection. The worker sends the list before it waits for events, and after [`MOST`] turns. The list
//! belongs to the shard, so that nothing is lost when the shard changes hands: whoever owns the shard next
//! sends the list first, and the monitor takes a list that waits for work.
//!
//! ```text
//!   turn                              worker                       next owner
//!   right to write is free: take it   before it waits:             claims the shard
//!   lock the list                     takes the list               takes the list
//!   the shard is still this turn's:   sends it, and gives each     sends it
//!     push; else write at once        right to write back
//! ```
//! A late turn finds under the list's lock that its shard was revoked. The next owner takes the list after
//! the revocation, under the same lock: either it finds the push, or the turn finds the revocation.

use std::{io, os::fd::BorrowedFd, sync::Arc};

use crate::{
    buf::LinkBuffer,
    primitive::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    sys::Outgoing,
};

/// Gathered sends after which they leave, however many turns are ready.
pub(super) const MOST: usize = 32;

/// A connection whose output is gathered.
pub(crate) trait Sender: Send + Sync {
    #[cfg_attr(
        not(all(target_os = "linux", feature = "io-uring")),
        allow(dead_code, reason = "a ring alone asks for sockets")
    )]
    /// Returns the socket, which stays open while the right to write is held.
    fn socket(&self) -> BorrowedFd<'_>;

    /// Goes on after a send of `bytes` gave `result`, or without one: writes what is left, and gives the
    /// right to write back.
    fn sent(self: Arc<Self>, bytes: LinkBuffer, result: Option<io::Result<usize>>);
}

/// Output in one piece, with the right to write to its connection.
pub(super) struct Gathered {
    pub(super) sender: Arc<dyn Sender>,
    pub(super) bytes: LinkBuffer,
}

impl Gathered {
    pub(super) fn finish(self, result: Option<io::Result<usize>>) {
        self.sender.sent(self.bytes, result);
    }
}

impl Outgoing for Gathered {
    fn socket(&self) -> BorrowedFd<'_> {
        self.sender.socket()
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.node(0)
    }
}

/// A shard's list.
pub(super) struct GatherList<T = Gathered> {
    list: Mutex<Vec<T>>,
    len: AtomicUsize,
}

impl<T> GatherList<T> {
    pub(super) fn new() -> Self {
        Self { list: Mutex::new(Vec::new()), len: AtomicUsize::new(0) }
    }

    /// The number of sends that wait. A hint when other threads push.
    pub(super) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Adds what `make` gives, if `owned` still says so under the lock.
    pub(super) fn push(&self, owned: impl FnOnce() -> bool, make: impl FnOnce() -> T) -> bool {
        let mut list = self.list.lock();
        if !owned() {
            return false;
        }
        list.push(make());
        self.len.store(list.len(), Relaxed);
        true
    }

    /// Moves the list into `into`, which is empty. It takes the lock in any case, so that a new owner sees
    /// what a late turn pushed before the shard was revoked.
    pub(super) fn take(&self, into: &mut Vec<T>) {
        let mut list = self.list.lock();
        std::mem::swap(&mut *list, into);
        self.len.store(0, Relaxed);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::{
        primitive::{
            atomic::Ordering::{AcqRel, Acquire},
            thread,
        },
        sched::ownership::Ownership,
    };

    /// A turn gathers while the monitor revokes its shard and a standby takes over: the output leaves once,
    /// by one of the three.
    #[test]
    fn loom_gathered_output_leaves_once_whoever_has_the_shard() {
        loom::model(|| {
            let shard = Arc::new((Ownership::vacant(), GatherList::<usize>::new()));
            let left = Arc::new(AtomicUsize::new(0));
            assert!(shard.0.claim());
            let send = |list: &GatherList<usize>, left: &AtomicUsize| {
                let mut taken = Vec::new();
                list.take(&mut taken);
                left.fetch_add(taken.len(), AcqRel);
            };
            let ticket = shard.0.lend();
            let monitor = thread::spawn({
                let (shard, left) = (shard.clone(), left.clone());
                move || {
                    if shard.0.running() == Some(ticket) && shard.0.revoke(ticket) {
                        assert!(shard.0.claim());
                        send(&shard.1, &left);
                    }
                }
            });
            if !shard.1.push(|| shard.0.running() == Some(ticket), || 1) {
                left.fetch_add(1, AcqRel);
            }
            if shard.0.reclaim(ticket) {
                send(&shard.1, &left);
            }
            monitor.join().unwrap();
            assert_eq!((left.load(Acquire), shard.1.len()), (1, 0));
        });
    }
}
