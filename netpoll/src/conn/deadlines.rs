//! A connection's deadlines: stores, not operations of the timer wheel.
//!
//! Each deadline is a tick of [`Clock`](crate::timer::Clock), 0 where there is none. One entry of
//! the wheel stands for all of them, at the earliest of when it was set; a deadline that moves later
//! leaves it there, and the entry that fires too early is set anew.

use crate::primitive::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Relaxed},
};

/// What has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The next byte of a silent connection.
    Idle,
    /// The last byte of a frame that has begun.
    Frame,
    /// The next byte of output that the peer takes.
    Write,
    /// The end of the request that is handled.
    Request,
    /// The peer's end, after this side has sent its own.
    Linger,
    /// The end of the transport's handshake.
    Handshake,
    /// The next look whether anybody holds a detached connection whose peer went.
    Unheld,
}

const KINDS: [Kind; 7] = [
    Kind::Idle,
    Kind::Frame,
    Kind::Write,
    Kind::Request,
    Kind::Linger,
    Kind::Handshake,
    Kind::Unheld,
];

/// See the module's documentation.
// `fresh` comes first: most turns look at it alone.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Deadlines {
    /// A deadline was set since somebody looked whether the wheel has an entry for it.
    fresh: AtomicBool,
    at: [AtomicU64; KINDS.len()],
    /// Where the entry of the wheel stands, 0 for none.
    armed: AtomicU64,
}

impl Deadlines {
    pub(crate) fn set(&self, kind: Kind, at: u64) {
        self.at[kind as usize].store(at, Relaxed);
        self.renew();
    }

    /// Moves a deadline to `at`, if that is later: the entry of the wheel, which stands no later than the
    /// old one, stays. Not beside a [`clear`](Self::clear) of the same kind.
    pub(crate) fn postpone(&self, kind: Kind, at: u64) {
        match self.get(kind) {
            None => self.set(kind, at),
            Some(before) if before < at => self.at[kind as usize].store(at, Relaxed),
            Some(_) => {}
        }
    }

    pub(crate) fn clear(&self, kind: Kind) {
        self.at[kind as usize].store(0, Relaxed);
    }

    pub(crate) fn get(&self, kind: Kind) -> Option<u64> {
        match self.at[kind as usize].load(Relaxed) {
            0 => None,
            at => Some(at),
        }
    }

    /// Whether `kind` has a deadline that has passed.
    pub(crate) fn passed(&self, kind: Kind, now: u64) -> bool {
        self.get(kind).is_some_and(|at| at <= now)
    }

    /// Whether any deadline has passed.
    pub(crate) fn any_passed(&self, now: u64) -> bool {
        KINDS.into_iter().any(|kind| self.passed(kind, now))
    }

    /// The tick at which the wheel must have an entry that it has not.
    pub(crate) fn to_arm(&self) -> Option<u64> {
        if !self.fresh.load(Relaxed) {
            return None;
        }
        self.fresh.swap(false, AcqRel);
        let first = KINDS.into_iter().filter_map(|kind| self.get(kind)).min()?;
        // The turn and a writer may both come here: a later entry must not hide an earlier one.
        let sooner = |armed| (armed == 0 || armed > first).then_some(first);
        self.armed.fetch_update(AcqRel, Relaxed, sooner).ok().map(|_| first)
    }

    /// The wheel fired at `now`. False: this entry is not the one that counts.
    pub(crate) fn fired(&self, now: u64) -> bool {
        let due = |armed| (armed <= now).then_some(0);
        if self.armed.fetch_update(AcqRel, Relaxed, due).is_err() {
            return false;
        }
        // Deadlines that have not passed need an entry again.
        self.renew();
        true
    }

    /// Has the wheel looked after. All changes of the mark are swaps, so that they have one order: of two
    /// threads that set a deadline, whoever takes the marks of both sees both deadlines.
    fn renew(&self) {
        self.fresh.swap(true, AcqRel);
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::{collections::BTreeSet, sync::Arc};

    use super::*;
    use crate::primitive::{Mutex, atomic::Ordering::Release, thread};

    /// A connection's deadlines and its poller's wheel.
    #[derive(Default)]
    struct Model {
        deadlines: Deadlines,
        wheel: Mutex<BTreeSet<u64>>,
        /// The turn is queued.
        queued: AtomicBool,
    }

    impl Model {
        /// As `Conn::arm`.
        fn arm(&self) {
            if let Some(at) = self.deadlines.to_arm() {
                self.wheel.lock().insert(at);
            }
        }

        /// As `Source::on_timer` of a connection, for what the wheel has until `now`.
        fn fire(&self, now: u64) {
            let due: Vec<_> = self.wheel.lock().iter().copied().filter(|at| *at <= now).collect();
            for at in due {
                self.wheel.lock().remove(&at);
                if !self.deadlines.fired(now) {
                } else if self.deadlines.any_passed(now) {
                    self.queued.store(true, Release);
                } else {
                    self.arm();
                }
            }
        }

        /// The turn, if it is queued: which of `kinds` it finds passed.
        fn turn(&self, now: u64, kinds: &[Kind]) -> Vec<Kind> {
            if !self.queued.swap(false, AcqRel) {
                return Vec::new();
            }
            let passed = kinds.iter().copied().filter(|kind| self.deadlines.passed(*kind, now));
            let passed: Vec<_> = passed.inspect(|kind| self.deadlines.clear(*kind)).collect();
            self.arm();
            passed
        }
    }

    /// An entry fires while the turn moves its deadline and a writer sets another, sooner or later than
    /// that: each is noticed at its time.
    #[test]
    fn loom_each_deadline_is_noticed_in_time() {
        for (idle, write) in [(6, 5), (5, 6), (6, 2)] {
            loom::model(move || {
                let model = Arc::new(Model::default());
                model.deadlines.set(Kind::Idle, 3);
                model.arm();
                let threads = [(Kind::Idle, idle), (Kind::Write, write)].map(|(kind, at)| {
                    let model = model.clone();
                    thread::spawn(move || {
                        model.deadlines.set(kind, at);
                        model.arm();
                    })
                });
                model.fire(3);
                for thread in threads {
                    thread.join().unwrap();
                }
                let mut noticed = Vec::new();
                for now in 3..=6 {
                    model.fire(now);
                    let passed = model.turn(now, &[Kind::Idle, Kind::Write]);
                    noticed.extend(passed.into_iter().map(|kind| (kind, now)));
                }
                noticed.sort_by_key(|(kind, _)| *kind as usize);
                let expected = [(Kind::Idle, idle), (Kind::Write, write.max(3))];
                assert_eq!(noticed, expected);
            });
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_that_is_postponed_leaves_the_entry_of_the_wheel() {
        let deadlines = Deadlines::default();
        deadlines.postpone(Kind::Idle, 50);
        assert_eq!(deadlines.to_arm(), Some(50));
        for (to, at) in [(70, 70), (60, 70)] {
            deadlines.postpone(Kind::Idle, to);
            assert_eq!((deadlines.get(Kind::Idle), deadlines.to_arm()), (Some(at), None));
        }
        assert!(deadlines.fired(50) && !deadlines.any_passed(50));
        assert_eq!(deadlines.to_arm(), Some(70));
    }
}
