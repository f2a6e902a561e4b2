//! The agreement between a driver that goes to sleep and those who push work for it.
//!
//! ```text
//!   driver                          pusher
//!   parked = true                   push
//!   fence                           fence
//!   look at the queues, sleep       if parked: parked = false, wake
//! ```
//!
//! With a sequentially consistent fence on both sides, either the driver sees the push or the
//! pusher sees `parked`: no push is slept through, and a pusher pays a wake-up only for a driver
//! that is really about to sleep or asleep. Of several pushers, the swap lets one pay.

use crate::primitive::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
    fence,
};

#[derive(Debug)]
pub(super) struct Parking {
    parked: AtomicBool,
}

impl Parking {
    pub(super) fn new() -> Self {
        Self { parked: AtomicBool::new(false) }
    }

    /// The driver will look at its queues once more and sleep.
    pub(super) fn begin(&self) {
        self.parked.store(true, Relaxed);
        fence(SeqCst);
    }

    /// The driver is awake.
    pub(super) fn end(&self) {
        self.parked.store(false, Relaxed);
    }

    /// After a push: whether the driver sleeps or may, and it falls to the caller to wake it.
    pub(super) fn claim(&self) -> bool {
        fence(SeqCst);
        self.parked.load(Relaxed) && self.parked.swap(false, Relaxed)
    }

    pub(super) fn is_parked(&self) -> bool {
        self.parked.load(Relaxed)
    }
}
