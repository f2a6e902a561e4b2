//! A shard: one poller with its run queue and its timer wheel.

use std::{
    io,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use parking_lot::Mutex;

use super::{
    gathered::GatherList,
    ownership::Ownership,
    queue::RunQueue,
    turn::{self, Source, Turn},
    waiting::Waiting,
};
use crate::{
    poller::{Poller, Token},
    timer::{Clock, Wheel},
};

/// Entries of a wheel that are not worth a sweep.
const SWEEP_LEAST: usize = 4096;

/// See the module's documentation. Everything here may be used from any thread.
pub(crate) struct Shard {
    pub(crate) index: usize,
    pub(crate) poller: Poller<Arc<dyn Source>>,
    pub(crate) queue: RunQueue,
    pub(crate) ownership: Ownership,
    pub(super) wheel: Mutex<Wheel>,
    /// Futures of handlers of connections that live here.
    pub(crate) waiting: Waiting,
    /// Output that leaves after turns, and before the owner waits.
    pub(super) gathered: GatherList,
    /// With so many entries, those of sources that are gone are removed from the wheel.
    sweep_at: AtomicUsize,
    pub(crate) clock: Clock,
    /// Connections that live here, for the balance.
    pub(crate) load: AtomicUsize,
    /// The driver is to give its cached memory back: it had nothing to do for a while.
    rest: AtomicBool,
}

impl Shard {
    pub(super) fn new(index: usize, clock: Clock) -> io::Result<Self> {
        Ok(Self {
            index,
            poller: Poller::new()?,
            queue: RunQueue::new(turn::fetch_ahead),
            ownership: Ownership::vacant(),
            wheel: Mutex::new(Wheel::new(clock.now_ms())),
            waiting: Waiting::default(),
            gathered: GatherList::new(),
            sweep_at: AtomicUsize::new(SWEEP_LEAST),
            clock,
            load: AtomicUsize::new(0),
            rest: AtomicBool::new(false),
        })
    }

    /// A number that no other shard of the process has meanwhile: its place in memory.
    pub(crate) fn number(&self) -> usize {
        (&raw const *self).addr()
    }

    /// Queues a turn that became ready, and wakes the driver if it is parked.
    pub(crate) fn push(&self, turn: Arc<dyn Turn>) {
        self.queue.push(turn);
        self.poller.wake_if_parked();
    }

    /// Fires `token`'s source at tick `at` (in milliseconds of [`Shard::clock`]).
    pub(crate) fn arm(&self, at: u64, token: Token) {
        let sooner = {
            let mut wheel = self.wheel.lock();
            let before = wheel.next_expiry();
            if wheel.len() >= self.sweep_at.load(Relaxed) {
                self.sweep(&mut wheel);
            }
            wheel.insert(at, token.into());
            before.is_none_or(|before| at < before)
        };
        if sooner {
            self.poller.wake_if_parked();
        }
    }

    /// Has the driver, which had nothing to do for a while, give its cached memory back.
    pub(super) fn rest(&self) {
        self.rest.store(true, Release);
        self.poller.wake();
    }

    /// Whether the driver was asked to [`rest`](Self::rest).
    pub(super) fn rests(&self) -> bool {
        self.rest.load(Relaxed) && self.rest.swap(false, Acquire)
    }

    /// Removes what no source is left for: connections that ended, waits that were dropped. Each time
    /// at twice as many entries as stayed, so that it costs an entry a look or two in all.
    #[cold]
    fn sweep(&self, wheel: &mut Wheel) {
        wheel.retain(|key| self.poller.is_registered(key.into()));
        self.sweep_at.store(SWEEP_LEAST.max(2 * wheel.len()), Relaxed);
    }

    /// Whether a new driver would find something to do.
    pub(super) fn has_work(&self) -> bool {
        self.queue.len() + self.queue.deferred() + self.gathered.len() > 0
            || self.poller.has_events()
            || self.wheel.lock().next_expiry().is_some_and(|at| at <= self.clock.now_ms())
    }

    /// Entries in the timer wheel.
    pub(super) fn timers(&self) -> usize {
        self.wheel.lock().len()
    }

    pub(crate) fn load(&self) -> usize {
        self.load.load(Relaxed)
    }
}
