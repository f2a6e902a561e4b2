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
//!
//! `parked` is only ever changed by swaps: so its changes have one order, by which a claim belongs
//! to one park.

use crate::primitive::atomic::{
    AtomicBool,
    Ordering::{AcqRel, Relaxed, SeqCst},
    fence,
};

#[derive(Debug)]
pub(crate) struct Parking {
    parked: AtomicBool,
}

impl Parking {
    pub(crate) fn new() -> Self {
        Self { parked: AtomicBool::new(false) }
    }

    /// The driver will look at its queues once more and sleep.
    pub(crate) fn begin(&self) {
        self.parked.swap(true, AcqRel);
        fence(SeqCst);
    }

    /// The driver is awake.
    pub(crate) fn end(&self) {
        self.parked.swap(false, AcqRel);
    }

    /// After a push: whether the driver sleeps or may, and it falls to the caller to wake it.
    pub(crate) fn claim(&self) -> bool {
        fence(SeqCst);
        self.parked.load(Relaxed) && self.parked.swap(false, AcqRel)
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.parked.load(Relaxed)
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use crate::primitive::{Condvar, Mutex, atomic::AtomicUsize, thread, wait};
    use std::sync::Arc;

    /// What an eventfd is to a driver: a ring before the wait ends it at once.
    #[derive(Default)]
    struct Bell {
        rung: Mutex<bool>,
        ring: Condvar,
    }

    impl Bell {
        fn ring(&self) {
            *self.rung.lock() = true;
            self.ring.notify_one();
        }

        fn wait(&self) {
            let mut rung = self.rung.lock();
            while !*rung {
                rung = wait(&self.ring, rung);
            }
            *rung = false;
        }
    }

    /// Were a push slept through, the driver would wait for ever: loom reports that.
    #[test]
    fn loom_no_push_is_slept_through() {
        const PUSHERS: usize = 2;
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let parking = Arc::new(Parking::new());
            let bell = Arc::new(Bell::default());
            let pushed = Arc::new(AtomicUsize::new(0));
            let pushers: Vec<_> = (0..PUSHERS)
                .map(|_| {
                    let (parking, bell, pushed) = (parking.clone(), bell.clone(), pushed.clone());
                    thread::spawn(move || {
                        pushed.fetch_add(1, Relaxed);
                        let mine = parking.claim();
                        if mine {
                            bell.ring();
                        }
                        mine
                    })
                })
                .collect();
            let (mut seen, mut parks) = (0, 0);
            while seen < PUSHERS {
                parking.begin();
                parks += 1;
                let now = pushed.load(Relaxed);
                if now == seen {
                    bell.wait();
                }
                parking.end();
                seen = pushed.load(Relaxed);
            }
            let paid = pushers.into_iter().map(|p| p.join().unwrap());
            assert!(paid.filter(|&mine| mine).count() <= parks);
        });
    }

    /// One goes to sleep unless another is awake, who ends its sleep meanwhile, as monitor and driver do:
    /// it sees that, or is woken.
    #[test]
    fn loom_nobody_sleeps_beside_one_who_is_awake() {
        loom::model(|| {
            let [driver, monitor] = [(); 2].map(|()| Arc::new(Parking::new()));
            let bell = Arc::new(Bell::default());
            driver.begin();
            let awakes = thread::spawn({
                let (driver, monitor, bell) = (driver.clone(), monitor.clone(), bell.clone());
                move || {
                    driver.end();
                    if monitor.claim() {
                        bell.ring();
                    }
                }
            });
            monitor.begin();
            if driver.is_parked() {
                bell.wait();
            }
            monitor.end();
            awakes.join().unwrap();
        });
    }
}
