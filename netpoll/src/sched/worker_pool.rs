//! The workers: standbys, growth to `max_workers`, decay.
//!
//! A worker is a *driver* (has a shard), *late* (in a turn whose shard was given away) or a *standby*
//! (parked). Handlers run in drivers and in late workers; `late + shards <= max_workers` is the
//! condition for starting one ([`WorkerPool::may_start`]). So there are at most `max_workers + shards`
//! threads: at the limit a shard still finds a driver, which then only does I/O.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, OnceLock, Weak, atomic::AtomicUsize},
    thread::{self, JoinHandle, ThreadId},
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::{shared::Shared, worker};
use crate::primitive::atomic::{
    AtomicIsize,
    Ordering::{AcqRel, Relaxed},
};

/// How long a standby waits for work before its thread ends.
const KEEP_STANDBY: Duration = Duration::from_secs(10);

/// See the module's documentation.
pub(crate) struct WorkerPool {
    /// How many workers may be late while handlers still start.
    may_be_late: isize,
    state: Mutex<State>,
    /// Workers in a turn whose shard was given away. For a moment below zero, when a turn ends between
    /// the loss of its shard and the count of it.
    late: AtomicIsize,
    /// Threads that have not come to their end.
    alive: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// Shards without an owner, for which no worker could be had.
    vacant: Vec<usize>,
    /// The last to come is the first to go: its stack and shelf are warm.
    standbys: Vec<Arc<ParkedWorker>>,
    threads: HashMap<ThreadId, JoinHandle<()>>,
    stopped: bool,
}

/// Where a standby waits for a shard. `shard` is set under the pool's lock.
#[derive(Default)]
struct ParkedWorker {
    shard: OnceLock<usize>,
    called: Condvar,
}

impl WorkerPool {
    pub(super) fn new(max_workers: usize, shards: usize) -> Self {
        let may_be_late = isize::try_from(max_workers.saturating_sub(shards)).unwrap_or(isize::MAX);
        Self {
            may_be_late,
            state: Mutex::default(),
            late: AtomicIsize::new(0),
            alive: AtomicUsize::new(0),
        }
    }

    /// Whether one more handler may start.
    pub(super) fn may_start(&self) -> bool {
        self.late.load(Relaxed) <= self.may_be_late
    }

    /// A turn has lost its shard: one more worker is late, until [`Self::back`].
    pub(super) fn lost(&self) {
        self.late.fetch_add(1, Relaxed);
    }

    /// A late worker's turn has ended.
    pub(super) fn back(&self) {
        self.late.fetch_sub(1, Relaxed);
    }

    /// Workers that are late.
    pub(super) fn late(&self) -> usize {
        usize::try_from(self.late.load(Relaxed)).unwrap_or(0)
    }

    /// Workers alive, and how many of them are standbys.
    pub(super) fn size(&self) -> (usize, usize) {
        let state = self.state.lock();
        (state.threads.len(), state.standbys.len())
    }

    /// Finds an owner for a shard that has none: a standby, or a new thread.
    ///
    /// # Errors
    /// No thread can be made. The shard is noted as vacant, for [`Self::restaff`] and for the next worker
    /// that comes free.
    pub(super) fn staff(&self, shared: &Weak<Shared>, shard: usize) -> io::Result<()> {
        let mut state = self.state.lock();
        if let Some(parked) = state.standbys.pop() {
            parked.shard.set(shard).expect("a parked worker has no shard yet");
            drop(state);
            parked.called.notify_one();
            return Ok(());
        }
        if state.stopped {
            return Ok(());
        }
        let shared = shared.clone();
        let spawned = thread::Builder::new()
            .name("netpoll-worker".into())
            .spawn(move || worker::main(&shared, shard));
        match spawned {
            Ok(handle) => {
                // Under the lock, which the thread takes before it ends.
                self.alive.fetch_add(1, Relaxed);
                state.threads.insert(handle.thread().id(), handle);
                Ok(())
            }
            Err(error) => {
                state.vacant.push(shard);
                Err(error)
            }
        }
    }

    /// Tries once more to find owners for the vacant shards.
    ///
    /// # Errors
    /// No thread can be made yet.
    pub(super) fn restaff(&self, shared: &Weak<Shared>) -> io::Result<()> {
        loop {
            let Some(shard) = self.state.lock().vacant.pop() else { return Ok(()) };
            self.staff(shared, shard)?;
        }
    }

    /// Returns `true` if a shard has no owner for want of a thread.
    pub(super) fn has_vacant(&self) -> bool {
        !self.state.lock().vacant.is_empty()
    }

    /// The next shard for a worker that has none. Waits as a standby; `None`: the thread ends.
    pub(super) fn next_shard(&self) -> Option<usize> {
        let mut state = self.state.lock();
        if state.stopped {
            return None;
        }
        if let Some(shard) = state.vacant.pop() {
            return Some(shard);
        }
        let parked = Arc::new(ParkedWorker::default());
        state.standbys.push(parked.clone());
        let until = Instant::now() + KEEP_STANDBY;
        loop {
            let timed_out = parked.called.wait_until(&mut state, until).timed_out();
            if let Some(shard) = parked.shard.get() {
                return Some(*shard);
            }
            if state.stopped {
                return None;
            }
            if timed_out {
                state.standbys.retain(|other| !Arc::ptr_eq(other, &parked));
                state.threads.remove(&thread::current().id());
                return None;
            }
        }
    }

    /// A worker's thread ends. True: it was the last.
    pub(super) fn leaves(&self) -> bool {
        drop(self.state.lock());
        self.alive.fetch_sub(1, AcqRel) == 1
    }

    /// Ends the standbys and hires no more workers. Returns the threads that are still alive.
    pub(super) fn stop(&self) -> Vec<JoinHandle<()>> {
        let (standbys, threads) = {
            let mut state = self.state.lock();
            state.stopped = true;
            (std::mem::take(&mut state.standbys), std::mem::take(&mut state.threads))
        };
        for parked in standbys {
            parked.called.notify_one();
        }
        threads.into_values().collect()
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::{
        primitive::{self, atomic},
        sched::queue::RunQueue,
    };

    /// At the limit of handlers, one ends while the owner defers a turn: one of the two starts it,
    /// once, and nobody waits for a third.
    #[test]
    fn loom_a_deferred_turn_starts_when_there_is_room() {
        loom::model(|| {
            let pool = Arc::new(WorkerPool::new(1, 1));
            pool.lost();
            let queue = Arc::new(RunQueue::<atomic::AtomicUsize>::new(|_, _| {}));
            let turns = [0, 1].map(atomic::AtomicUsize::new).map(Arc::new);
            queue.push(turns[0].clone());
            // As `Worker::help`.
            let late = primitive::thread::spawn({
                let (pool, queue) = (pool.clone(), queue.clone());
                move || {
                    pool.back();
                    while pool.may_start()
                        && let Some(turn) = queue.pop_deferred()
                    {
                        pool.lost();
                        turn.fetch_add(10, AcqRel);
                        pool.back();
                    }
                }
            });
            queue.push(turns[1].clone());
            // As `Worker::drive`, up to its park.
            loop {
                for _ in 0..queue.len() + queue.deferred() {
                    if pool.may_start() {
                        queue.pop().inspect(|turn| drop(turn.fetch_add(10, AcqRel)));
                    } else if let Some(turn) = queue.pop_fresh() {
                        queue.defer(turn);
                    }
                }
                if queue.len() == 0 && !(queue.deferred() > 0 && pool.may_start()) {
                    break;
                }
            }
            late.join().unwrap();
            assert_eq!(turns.map(|turn| turn.load(Relaxed)), [10, 11]);
        });
    }
}
