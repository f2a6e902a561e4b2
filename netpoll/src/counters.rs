//! Counters at the cost of plain stores.
//!
//! Each thread writes counters of its own, with a load and a store and no locked instruction; a
//! reader sums them. A worker's counters belong to its runtime's [`Group`]; those of any other
//! thread belong to the process and are part of every runtime's sum.

use std::{
    cell::{Cell, RefCell},
    ptr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What is counted.
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum Counter { $($(#[$doc])* $name,)* }
        const COUNT: usize = [$(Counter::$name,)*].len();
    };
}

counters! {
    /// Turns that workers ran.
    Turns,
    /// Requests whose handlers were called.
    Requests,
    /// Pollers that were given to another worker, by a wait of the library's own.
    HandOversByWait,
    /// Pollers that the monitor took from a worker.
    HandOversByMonitor,
    /// Turns that a worker took from another poller's queue.
    Steals,
    /// Wake-ups of parked pollers.
    WakeUps,
    /// Handlers that panicked.
    Panics,
    /// Bytes read from sockets.
    BytesIn,
    /// Bytes written to sockets.
    BytesOut,
    /// Events that the selector gave.
    Events,
    /// Events dropped because their source was gone.
    StaleEvents,
    /// Sends that left together with others.
    Gathered,
    /// `read` and its like.
    SysRead,
    /// `write`, `writev` and their like.
    SysWrite,
    /// `epoll_wait`, `kevent`.
    SysWait,
    /// `epoll_ctl` and its like.
    SysControl,
    /// `accept4`.
    SysAccept,
    /// `connect`.
    SysConnect,
    /// Writes to a wake-up descriptor.
    SysWake,
    /// `shutdown` and `close` of sockets.
    SysClose,
    /// Datagrams received.
    DatagramsIn,
    /// Datagrams sent.
    DatagramsOut,
    /// Datagrams that were not of their handler's format.
    DatagramsMalformed,
    /// Datagrams longer than their limit.
    DatagramsTruncated,
    /// Handlers of datagrams that failed.
    DatagramsFailed,
    /// Replies dropped since too many waited.
    DatagramsDropped,
    /// Datagrams that the system refused to send.
    DatagramsUnsent,
}

struct Cells([AtomicU64; COUNT]);

/// The counters of one runtime's threads.
#[derive(Default)]
pub(crate) struct Group(Mutex<Threads>);

#[derive(Default)]
struct Threads {
    live: Vec<&'static Cells>,
    retired: [u64; COUNT],
}

/// This thread's place in a group; folded into the group's sum when the thread ends.
struct Membership {
    group: Arc<Group>,
    cells: &'static Cells,
}

static OUTSIDE: LazyLock<Arc<Group>> = LazyLock::new(Arc::default);

/// Cells of threads that have ended, all zero. They are never freed, but used again, so that a thread
/// finds its own without a check whether they are still there.
static SPARE: Mutex<Vec<&'static Cells>> = Mutex::new(Vec::new());

thread_local! {
    static CELLS: Cell<Option<&'static Cells>> = const { Cell::new(None) };
    static MINE: RefCell<Option<Membership>> = const { RefCell::new(None) };
}

impl Group {
    /// Counts what this thread does from now on in this group. A thread that is ending counts nothing
    /// more.
    pub(crate) fn join(self: &Arc<Self>) {
        let _ = MINE.try_with(|mine| {
            let spare = SPARE.lock().pop();
            let cells = spare.unwrap_or_else(|| {
                Box::leak(Box::new(Cells([const { AtomicU64::new(0) }; COUNT])))
            });
            self.0.lock().live.push(cells);
            drop(mine.replace(Some(Membership { group: self.clone(), cells })));
            CELLS.set(Some(cells));
        });
    }

    /// This group's sums and the process's, at one moment each.
    pub(crate) fn sums(&self) -> Sums {
        let mut sums = Sums([0; COUNT]);
        self.add_to(&mut sums);
        OUTSIDE.add_to(&mut sums);
        sums
    }

    fn add_to(&self, sums: &mut Sums) {
        let threads = self.0.lock();
        for (i, sum) in sums.0.iter_mut().enumerate() {
            *sum += threads.retired[i];
            *sum += threads.live.iter().map(|c| c.0[i].load(Relaxed)).sum::<u64>();
        }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        CELLS.set(None);
        let mut threads = self.group.0.lock();
        threads.live.retain(|cells| !ptr::eq(*cells, self.cells));
        for (sum, cell) in threads.retired.iter_mut().zip(&self.cells.0) {
            *sum += cell.swap(0, Relaxed);
        }
        drop(threads);
        SPARE.lock().push(self.cells);
    }
}

/// The counters of one thread, which another one reads. They may be a later thread's when that has ended.
#[derive(Clone, Copy)]
pub(crate) struct ThreadCounts(&'static Cells);

impl ThreadCounts {
    /// Returns those of this thread, which has joined a group.
    pub(crate) fn of_this_thread() -> Option<Self> {
        CELLS.get().map(Self)
    }

    pub(crate) fn get(self, counter: Counter) -> u64 {
        self.0.0[counter as usize].load(Relaxed)
    }
}

/// Adds `n` to this thread's `counter`.
#[inline]
pub(crate) fn add(counter: Counter, n: u64) {
    match CELLS.get() {
        Some(cells) => {
            let cell = &cells.0[counter as usize];
            cell.store(cell.load(Relaxed) + n, Relaxed);
        }
        None => add_first(counter, n),
    }
}

#[cold]
fn add_first(counter: Counter, n: u64) {
    OUTSIDE.join();
    if let Some(cells) = CELLS.get() {
        cells.0[counter as usize].store(n, Relaxed);
    }
}

/// Sums of all counters.
#[derive(Clone, Copy)]
pub(crate) struct Sums([u64; COUNT]);

impl std::ops::Index<Counter> for Sums {
    type Output = u64;
    fn index(&self, counter: Counter) -> &u64 {
        &self.0[counter as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_ended_stays_in_the_sum() {
        let group = Arc::new(Group::default());
        let before = group.sums()[Counter::Steals];
        let inner = group.clone();
        std::thread::spawn(move || {
            inner.join();
            add(Counter::Steals, 2);
            add(Counter::Steals, 3);
        })
        .join()
        .unwrap();
        assert_eq!(group.sums()[Counter::Steals] - before, 5);
        assert!(group.0.lock().live.is_empty());
    }
}
