//! What the threads of one runtime share.

use std::{
    future::poll_fn,
    io,
    sync::{
        Arc, Weak,
        atomic::{
            AtomicIsize, AtomicU8, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Poll, Waker},
    thread,
    time::Duration,
};

use parking_lot::{Condvar, Mutex};

use super::{
    block_on,
    builder::{LoadBalance, Settings},
    context,
    monitor::Monitor,
    runtime::Owner,
    shard::Shard,
    task::Tasks,
    worker_pool::WorkerPool,
};
use crate::{
    counters::Group,
    error::{Error, ErrorKind, Result},
    guard,
    poller::Token,
    random::scatter,
    timer::{Clock, Moment},
};

const RUNNING: u8 = 0;
const CLOSING: u8 = 1;
const STOPPED: u8 = 2;

/// How often a shutdown tells what is still registered, or was meanwhile, to close.
const TELL_AGAIN: Duration = Duration::from_millis(20);

/// How long threads that are in no handler may take to leave, on a busy machine.
const LEAVING: Duration = Duration::from_millis(100);

/// See the module's documentation.
pub(crate) struct Shared {
    me: Weak<Shared>,
    pub(crate) shards: Box<[Arc<Shard>]>,
    pub(crate) pool: WorkerPool,
    pub(super) monitor: Monitor,
    pub(crate) counters: Arc<Group>,
    pub(crate) settings: Settings,
    pub(crate) gauges: Gauges,
    pub(super) tasks: Tasks,
    /// What the handles to this runtime share.
    pub(super) owner: Mutex<Weak<Owner>>,
    phase: AtomicU8,
    turn_of: AtomicUsize,
    /// Told when the last source of a shard goes while the runtime closes.
    emptied: Mutex<Option<Waker>>,
    monitor_thread: Mutex<Option<thread::JoinHandle<()>>>,
    /// The result of a shutdown that is over.
    left: Mutex<Option<usize>>,
    shut: Condvar,
}

/// Counts that many threads change, seldom enough for a locked instruction.
#[derive(Default)]
pub(crate) struct Gauges {
    pub(crate) connections: AtomicUsize,
    pub(crate) accepted: AtomicU64,
    pub(crate) dialled: AtomicU64,
    pub(crate) refused: AtomicU64,
    /// Workers that wait in the library's own waits.
    pub(crate) waiting: AtomicIsize,
}

impl Shared {
    pub(super) fn start(settings: Settings) -> Result<Arc<Self>> {
        let shards = (0..settings.pollers)
            .map(|index| Shard::new(index, settings.clock).map(Arc::new))
            .collect::<io::Result<Box<[_]>>>()
            .map_err(|e| Error::io("making a poller", e))?;
        let shared = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            pool: WorkerPool::new(settings.max_workers, shards.len()),
            shards,
            monitor: Monitor::new(),
            counters: Arc::default(),
            settings,
            gauges: Gauges::default(),
            tasks: Tasks::default(),
            owner: Mutex::default(),
            phase: AtomicU8::new(RUNNING),
            turn_of: AtomicUsize::new(0),
            emptied: Mutex::default(),
            monitor_thread: Mutex::new(None),
            left: Mutex::new(None),
            shut: Condvar::new(),
        });
        let waits = shared.me.clone();
        shared.settings.clock.on_change(move || {
            let shared = waits.upgrade();
            shared.iter().flat_map(|shared| &shared.shards).for_each(|shard| {
                shard.poller.wake_if_parked();
            });
            shared.is_some()
        });
        if let Err(error) = shared.start_threads() {
            shared.phase.store(STOPPED, SeqCst);
            shared.stop(Clock::default().after(LEAVING));
            return Err(error);
        }
        Ok(shared)
    }

    fn start_threads(self: &Arc<Self>) -> Result<()> {
        let monitor = self.monitor.start(self).map_err(|e| Error::io("starting the monitor", e))?;
        *self.monitor_thread.lock() = Some(monitor);
        for shard in &self.shards {
            self.pool.staff(&self.me, shard.index).map_err(|e| {
                let (n, of) = (shard.index + 1, self.shards.len());
                Error::io(format_args!("starting the thread of poller {n} of {of}"), e)
            })?;
        }
        Ok(())
    }

    /// Finds a new owner for `shard`, which has none: at once, or when a thread can be made.
    pub(super) fn staff(&self, shard: usize) {
        if let Err(error) = self.pool.staff(&self.me, shard) {
            tracing::error!(%error, shard, "no thread for a worker: a shard waits for one");
            // It tries again; it may sleep, since a worker that waits does nothing.
            self.monitor.keep_awake();
        }
    }

    /// See [`WorkerPool::restaff`].
    pub(super) fn restaff(&self) -> io::Result<()> {
        self.pool.restaff(&self.me)
    }

    /// The shard for a new connection.
    pub(crate) fn place(&self) -> &Arc<Shard> {
        let count = self.shards.len();
        if count == 1 {
            return &self.shards[0];
        }
        let n = self.turn_of.fetch_add(1, Relaxed);
        match self.settings.load_balance {
            LoadBalance::RoundRobin => &self.shards[n % count],
            LoadBalance::Random => &self.shards[scatter(n as u64) % count],
            LoadBalance::LeastOfTwo => {
                let spread = scatter(n as u64);
                let (a, b) = (spread % count, spread / count % (count - 1));
                let b = (a + 1 + b) % count;
                let (a, b) = (&self.shards[a], &self.shards[b]);
                if b.load() < a.load() { b } else { a }
            }
        }
    }

    /// Wakes one parked driver other than `but`'s, so that it steals.
    pub(super) fn wake_another(&self, but: usize) {
        for shard in self.shards.iter().filter(|shard| shard.index != but) {
            if shard.poller.wake_if_parked() {
                return;
            }
        }
    }

    /// One more worker waits in a wait of the library's, or one less.
    pub(super) fn count_waiting(&self, by: isize) {
        self.gauges.waiting.fetch_add(by, Relaxed);
    }

    /// An error if the runtime shuts down.
    pub(crate) fn check_open(&self) -> Result<()> {
        if self.phase.load(SeqCst) == RUNNING {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Closed, "the runtime is shut down"))
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.phase.load(SeqCst) == STOPPED
    }

    /// Removes what is registered under `token` at `shard`.
    pub(crate) fn remove(
        &self,
        shard: &Shard,
        token: Token,
        fd: Option<std::os::fd::BorrowedFd<'_>>,
    ) {
        match fd {
            // The registration ends in any case; an error would be that the system knows of none.
            Some(fd) => drop(shard.poller.deregister(token, fd)),
            None => drop(shard.poller.forget(token)),
        }
        if self.phase.load(SeqCst) != RUNNING && shard.poller.is_empty() {
            let told = self.emptied.lock().take();
            told.into_iter().for_each(guard::wake);
        }
    }

    /// See the module `sched`. Returns the number of workers that were still in a handler at
    /// `until` and were left behind.
    pub(super) fn shutdown(&self, until: Moment) -> usize {
        context::give_away();
        if self.phase.compare_exchange(RUNNING, CLOSING, SeqCst, SeqCst).is_err() {
            return self.await_shutdown(until);
        }
        let left = self.close(until);
        *self.left.lock() = Some(left);
        self.shut.notify_all();
        left
    }

    /// Waits for the shutdown that another caller began. Returns its result, or at `until` the number of
    /// workers that are in a handler.
    fn await_shutdown(&self, until: Moment) -> usize {
        let mut left = self.left.lock();
        while left.is_none() && !until.has_passed() {
            // In steps: the deadline may be on a clock that a test turns.
            self.shut.wait_for(&mut left, TELL_AGAIN.min(until.left()));
        }
        left.unwrap_or_else(|| {
            let busy = self.shards.iter().filter(|shard| shard.ownership.running().is_some());
            self.pool.late() + busy.count()
        })
    }

    fn close(&self, until: Moment) -> usize {
        self.tasks.cancel_all();
        let registered = || self.shards.iter().map(|shard| shard.poller.len()).sum::<usize>();
        loop {
            // Again each time: a source may have been registered after the last look.
            for source in self.shards.iter().flat_map(|shard| shard.poller.sources()) {
                source.on_shutdown();
            }
            let empty = poll_fn(|cx| {
                *self.emptied.lock() = Some(cx.waker().clone());
                if registered() == 0 { Poll::Ready(()) } else { Poll::Pending }
            });
            let again = Clock::default().after(TELL_AGAIN.min(until.left()));
            if block_on::wait_for(empty, Some(again)).is_some() || until.has_passed() {
                break;
            }
        }
        // It may hold this runtime.
        self.emptied.lock().take();
        self.phase.store(STOPPED, SeqCst);
        self.stop(until)
    }

    /// Ends and joins the threads, after the phase was set.
    fn stop(&self, until: Moment) -> usize {
        self.monitor.keep_awake();
        for shard in &self.shards {
            shard.poller.wake();
        }
        self.join(until)
    }

    fn join(&self, until: Moment) -> usize {
        let mut threads = self.pool.stop();
        threads.extend(self.monitor_thread.lock().take());
        // At the deadline too, only those that are stuck are left behind.
        let leaving = Clock::default().after(LEAVING);
        let over = || until.has_passed() && leaving.has_passed();
        threads.retain(|thread| thread.thread().id() != thread::current().id());
        let mut left = 0;
        for thread in threads {
            // std has no join with a timeout; a worker leaves within microseconds of its turn's end.
            while !thread.is_finished() && !over() {
                thread::sleep(Duration::from_micros(200));
            }
            if thread.is_finished() {
                let _ = thread.join();
            } else {
                left += 1;
            }
        }
        left
    }
}
