//! The workers: standbys, growth to `max_workers`, decay.
//!
//! A worker is a *driver* (has a home), *late* (in a turn whose home was given away) or a *standby*
//! (parked). Handlers run in drivers and in late workers; `late + homes <= max_workers` is the
//! condition for starting one ([`Crew::may_start`]). So there are at most `max_workers + homes`
//! threads: at the limit a home still finds a driver, which then only does I/O.

use std::{
    collections::HashMap,
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
pub(crate) struct Crew {
    /// How many workers may be late while handlers still start.
    may_be_late: isize,
    state: Mutex<State>,
    /// Workers in a turn whose home was given away. For a moment below zero, when a turn ends between
    /// the loss of its home and the count of it.
    late: AtomicIsize,
    /// Threads that have not come to their end.
    alive: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// Homes without a driver, for which no worker could be had.
    vacant: Vec<usize>,
    /// The last to come is the first to go: its stack and shelf are warm.
    standbys: Vec<Arc<Berth>>,
    threads: HashMap<ThreadId, JoinHandle<()>>,
    stopped: bool,
}

/// Where a standby waits for a home. `home` is set under the crew's lock.
#[derive(Default)]
struct Berth {
    home: OnceLock<usize>,
    called: Condvar,
}

impl Crew {
    pub(super) fn new(max_workers: usize, homes: usize) -> Self {
        let may_be_late = isize::try_from(max_workers.saturating_sub(homes)).unwrap_or(isize::MAX);
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

    /// A turn has lost its home: one more worker is late, until [`Self::back`].
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

    /// Finds a driver for a home that has none: a standby, or a new thread.
    pub(super) fn staff(&self, shared: &Weak<Shared>, home: usize) {
        let mut state = self.state.lock();
        if let Some(berth) = state.standbys.pop() {
            berth.home.set(home).expect("a berth in the list is free");
            drop(state);
            berth.called.notify_one();
            return;
        }
        if state.stopped {
            return;
        }
        let shared = shared.clone();
        let spawned = thread::Builder::new()
            .name("netpoll-worker".into())
            .spawn(move || worker::main(&shared, home));
        match spawned {
            Ok(handle) => {
                // Under the lock, which the thread takes before it ends.
                self.alive.fetch_add(1, Relaxed);
                state.threads.insert(handle.thread().id(), handle);
            }
            Err(error) => {
                state.vacant.push(home);
                drop(state);
                tracing::error!(%error, home, "no thread for a worker: a poller waits for one to come free");
            }
        }
    }

    /// The next home for a worker that has none. Waits as a standby; `None`: the thread ends.
    pub(super) fn next_home(&self) -> Option<usize> {
        let mut state = self.state.lock();
        if state.stopped {
            return None;
        }
        if let Some(home) = state.vacant.pop() {
            return Some(home);
        }
        let berth = Arc::new(Berth::default());
        state.standbys.push(berth.clone());
        let until = Instant::now() + KEEP_STANDBY;
        loop {
            let timed_out = berth.called.wait_until(&mut state, until).timed_out();
            if let Some(home) = berth.home.get() {
                return Some(*home);
            }
            if state.stopped {
                return None;
            }
            if timed_out {
                state.standbys.retain(|other| !Arc::ptr_eq(other, &berth));
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

    /// Sends the standbys home; nobody is hired any more. The threads that are still alive.
    pub(super) fn stop(&self) -> Vec<JoinHandle<()>> {
        let (standbys, threads) = {
            let mut state = self.state.lock();
            state.stopped = true;
            (std::mem::take(&mut state.standbys), std::mem::take(&mut state.threads))
        };
        for berth in standbys {
            berth.called.notify_one();
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

    /// At the limit of handlers, one ends while the driver puts a turn aside: one of the two starts it,
    /// once, and nobody waits for a third.
    #[test]
    fn loom_what_was_put_aside_starts_when_there_is_room() {
        loom::model(|| {
            let crew = Arc::new(Crew::new(1, 1));
            crew.lost();
            let queue = Arc::new(RunQueue::<atomic::AtomicUsize>::new(|_, _| {}));
            let turns = [0, 1].map(atomic::AtomicUsize::new).map(Arc::new);
            queue.push(turns[0].clone());
            // As `Worker::help`.
            let late = primitive::thread::spawn({
                let (crew, queue) = (crew.clone(), queue.clone());
                move || {
                    crew.back();
                    while crew.may_start()
                        && let Some(turn) = queue.pop_aside()
                    {
                        crew.lost();
                        turn.fetch_add(10, AcqRel);
                        crew.back();
                    }
                }
            });
            queue.push(turns[1].clone());
            // As `Worker::drive`, up to its park.
            loop {
                for _ in 0..queue.len() + queue.aside() {
                    if crew.may_start() {
                        queue.pop().inspect(|turn| drop(turn.fetch_add(10, AcqRel)));
                    } else if let Some(turn) = queue.pop_fresh() {
                        queue.put_aside(turn);
                    }
                }
                if queue.len() == 0 && !(queue.aside() > 0 && crew.may_start()) {
                    break;
                }
            }
            late.join().unwrap();
            assert_eq!(turns.map(|turn| turn.load(Relaxed)), [10, 11]);
        });
    }
}
