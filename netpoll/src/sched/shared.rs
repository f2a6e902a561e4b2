//! What the threads of one runtime share.

use std::{
    io,
    sync::{
        Arc, Weak,
        atomic::{
            AtomicIsize, AtomicU8, AtomicU64, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::Waker,
    thread,
};

use parking_lot::{Condvar, Mutex};

use super::{
    monitor::Monitor,
    settings::{Settings, SystemCalls},
    shard::Shard,
    stalls::{Stalls, View},
    task::Tasks,
    worker_pool::WorkerPool,
};
use crate::{
    counters::Group,
    error::{Error, ErrorKind, Result},
    guard,
    poller::Token,
    random::scatter,
};

pub(super) const RUNNING: u8 = 0;
pub(super) const CLOSING: u8 = 1;
pub(super) const STOPPED: u8 = 2;

/// See the module's documentation.
pub(crate) struct Shared {
    me: Weak<Shared>,
    pub(crate) shards: Box<[Arc<Shard>]>,
    pub(crate) pool: WorkerPool,
    pub(super) monitor: Monitor,
    pub(crate) stalls: Stalls,
    /// The system calls that run: sends are gathered with a ring alone.
    pub(super) system_calls: SystemCalls,
    pub(crate) counters: Arc<Group>,
    pub(crate) settings: Settings,
    pub(crate) gauges: Gauges,
    pub(super) tasks: Tasks,
    /// What the handles to this runtime share.
    pub(super) owner: Mutex<Weak<Owner>>,
    pub(super) phase: AtomicU8,
    turn_of: AtomicUsize,
    /// Told when the last source of a shard goes while the runtime closes.
    pub(super) emptied: Mutex<Option<Waker>>,
    pub(super) monitor_thread: Mutex<Option<thread::JoinHandle<()>>>,
    /// The result of a shutdown that is over.
    pub(super) left: Mutex<Option<usize>>,
    pub(super) shut: Condvar,
}

/// Shuts the runtime down with the last handle. Workers and connections hold what is inside, so that
/// they do not keep it running.
pub(super) struct Owner(pub(super) Arc<Shared>);

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
        let system_calls = settings.system_calls.resolve()?;
        let shared = Arc::new_cyclic(|me| Self {
            me: me.clone(),
            pool: WorkerPool::new(settings.max_workers, shards.len()),
            shards,
            monitor: Monitor::new(),
            stalls: Stalls::new(settings.stall_after, settings.inspect_stalls),
            system_calls,
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
            shared.stop_now();
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

    /// The shard for a new connection: of two, chosen at random, the one with fewer connections. In contrast
    /// to taking turns, this does not drift when connections live for different times.
    pub(crate) fn place(&self) -> &Arc<Shard> {
        let count = self.shards.len();
        if count == 1 {
            return &self.shards[0];
        }
        let n = self.turn_of.fetch_add(1, Relaxed);
        let spread = scatter(n as u64);
        let (a, b) = (spread % count, spread / count % (count - 1));
        let b = (a + 1 + b) % count;
        let (a, b) = (&self.shards[a], &self.shards[b]);
        if b.load() < a.load() { b } else { a }
    }

    /// Wakes one parked driver other than `but`'s, so that it steals.
    pub(super) fn wake_another(&self, but: usize) {
        for shard in self.shards.iter().filter(|shard| shard.index != but) {
            if shard.poller.wake_if_parked() {
                return;
            }
        }
    }

    /// Returns `true` if workers gather the sends of several turns.
    pub(crate) fn gathers(&self) -> bool {
        self.system_calls == SystemCalls::Ring
    }

    /// What a look for stalls sees.
    pub(super) fn view(&self) -> View<'_> {
        View {
            shards: &self.shards,
            may_start: self.pool.may_start(),
            observers: &self.settings.observers,
            clock: self.settings.clock,
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
}
