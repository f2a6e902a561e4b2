//! A home: one poller with its run queue and its timer wheel.

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
    drive::Drive,
    queue::RunQueue,
    turn::{Source, Turn},
};
use crate::{
    poller::{Poller, Token},
    timer::{Clock, Wheel},
};

/// See the module's documentation. Everything here may be used from any thread.
pub(crate) struct Home {
    pub(crate) index: usize,
    pub(crate) poller: Poller<Arc<dyn Source>>,
    pub(crate) queue: RunQueue,
    pub(crate) drive: Drive,
    pub(super) wheel: Mutex<Wheel>,
    pub(crate) clock: Clock,
    /// Connections that live here, for the balance.
    pub(crate) load: AtomicUsize,
    /// The driver is to give its cached memory back: it had nothing to do for a while.
    rest: AtomicBool,
}

impl Home {
    pub(super) fn new(index: usize) -> io::Result<Self> {
        let clock = Clock::default();
        Ok(Self {
            index,
            poller: Poller::new()?,
            queue: RunQueue::new(),
            drive: Drive::vacant(),
            wheel: Mutex::new(Wheel::new(clock.now_ms())),
            clock,
            load: AtomicUsize::new(0),
            rest: AtomicBool::new(false),
        })
    }

    /// Queues a turn that became ready, and wakes the driver if it is parked.
    pub(crate) fn push(&self, turn: Arc<dyn Turn>) {
        self.queue.push(turn);
        self.poller.wake_if_parked();
    }

    /// Fires `token`'s source at tick `at` (in milliseconds of [`Home::clock`]).
    pub(crate) fn arm(&self, at: u64, token: Token) {
        let sooner = {
            let mut wheel = self.wheel.lock();
            let before = wheel.next_expiry();
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

    /// Whether a new driver would find something to do.
    pub(super) fn has_work(&self) -> bool {
        self.queue.len() + self.queue.aside() > 0
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
