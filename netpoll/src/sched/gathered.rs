//! Gathered output: what turns send, and what leaves at their end.
//!
//! The list has two parts. *Sends*, which only a runtime with a ring gathers, leave in one system call. *Lines* are
//! connections for which a turn has put output in line, and which leave by a call each, however often the turn sent
//! to them; without a ring at the end of that turn.
//!
//! For a send, a turn gives its output to its shard's list instead of writing it, together with the right to write to
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

/// Gathered sends after which they leave, however many turns are ready; and lines after which a turn
/// writes at once.
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

    /// Writes what waits in line, unless another thread does.
    fn send_line(self: Arc<Self>);
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
pub(super) struct GatherList<T = Gathered, L = Arc<dyn Sender>> {
    list: Mutex<List<T, L>>,
    len: AtomicUsize,
}

/// What was gathered, or room for it.
pub(super) struct List<T = Gathered, L = Arc<dyn Sender>> {
    pub(super) sends: Vec<T>,
    pub(super) lines: Vec<L>,
}

impl<T, L> Default for List<T, L> {
    fn default() -> Self {
        Self { sends: Vec::new(), lines: Vec::new() }
    }
}

impl<T, L> GatherList<T, L> {
    pub(super) fn new() -> Self {
        Self { list: Mutex::new(List::default()), len: AtomicUsize::new(0) }
    }

    /// The number of sends and lines that wait. A hint when other threads push.
    pub(super) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Adds what `make` gives, if `owned` still says so under the lock.
    pub(super) fn push(&self, owned: impl FnOnce() -> bool, make: impl FnOnce() -> T) -> bool {
        let mut list = self.list.lock();
        if !owned() {
            return false;
        }
        list.sends.push(make());
        self.note_len(&list);
        true
    }

    /// Adds the line that `make` gives, unless one `is` the same, if `owned` still says so under the lock.
    pub(super) fn push_line(
        &self,
        owned: impl FnOnce() -> bool,
        is: impl FnMut(&L) -> bool,
        make: impl FnOnce() -> L,
    ) -> bool {
        let mut list = self.list.lock();
        if !owned() {
            return false;
        }
        if list.lines.iter().any(is) {
            return true;
        }
        if list.lines.len() >= MOST {
            return false;
        }
        list.lines.push(make());
        self.note_len(&list);
        true
    }

    fn note_len(&self, list: &List<T, L>) {
        self.len.store(list.sends.len() + list.lines.len(), Relaxed);
    }

    /// Takes the lines alone.
    pub(super) fn take_lines(&self) -> Vec<L> {
        let mut list = self.list.lock();
        let lines = std::mem::take(&mut list.lines);
        self.note_len(&list);
        lines
    }

    /// Moves the list into `into`, which is empty. It takes the lock in any case, so that a new owner sees
    /// what a late turn pushed before the shard was revoked.
    pub(super) fn take(&self, into: &mut List<T, L>) {
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
                let mut taken = List::default();
                list.take(&mut taken);
                left.fetch_add(taken.sends.len(), AcqRel);
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

    /// A turn puts output in a line twice while the monitor revokes its shard and a standby takes over: all of it
    /// leaves, by whoever has it last.
    #[test]
    fn loom_output_in_line_leaves_whoever_has_the_shard() {
        loom::model(|| {
            let shard = Arc::new((Ownership::vacant(), GatherList::<usize, u8>::new()));
            // What waits in the line, and what has left it.
            let bytes = Arc::new([0, 0].map(AtomicUsize::new));
            let flush = |bytes: &[AtomicUsize; 2]| {
                bytes[1].fetch_add(bytes[0].swap(0, AcqRel), AcqRel);
            };
            let send = move |list: &GatherList<usize, u8>, bytes: &[AtomicUsize; 2]| {
                let mut taken = List::default();
                list.take(&mut taken);
                taken.lines.iter().for_each(|_| flush(bytes));
            };
            assert!(shard.0.claim());
            let ticket = shard.0.lend();
            let monitor = thread::spawn({
                let (shard, bytes) = (shard.clone(), bytes.clone());
                move || {
                    if shard.0.running() == Some(ticket) && shard.0.revoke(ticket) {
                        assert!(shard.0.claim());
                        send(&shard.1, &bytes);
                    }
                }
            });
            for _ in 0..2 {
                bytes[0].fetch_add(1, AcqRel);
                if !shard.1.push_line(|| shard.0.running() == Some(ticket), |_| true, || 7) {
                    flush(&bytes);
                }
            }
            if shard.0.reclaim(ticket) {
                send(&shard.1, &bytes);
            }
            monitor.join().unwrap();
            assert_eq!((bytes[1].load(Acquire), shard.1.len()), (2, 0));
        });
    }
}
