//! A connection's deadlines: stores, not operations of the timer wheel.
//!
//! Each deadline is a tick of [`Clock`](crate::timer::Clock), 0 where there is none. One entry of
//! the wheel stands for all of them, at the earliest of when it was set; a deadline that moves later
//! leaves it there, and the entry that fires too early is set anew.

use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Relaxed, Release},
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
    /// The next look whether anybody holds a detached connection whose peer went.
    Unheld,
}

const KINDS: [Kind; 6] =
    [Kind::Idle, Kind::Frame, Kind::Write, Kind::Request, Kind::Linger, Kind::Unheld];

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
        self.fresh.store(true, Release);
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
        // A swap: of two threads that set a deadline, the later one sees both, or its mark stays.
        self.fresh.swap(false, AcqRel);
        let first = KINDS.into_iter().filter_map(|kind| self.get(kind)).min()?;
        // The turn and a writer may both come here: a later entry must not hide an earlier one.
        let sooner = |armed| (armed == 0 || armed > first).then_some(first);
        self.armed.fetch_update(AcqRel, Relaxed, sooner).ok().map(|_| first)
    }

    /// The wheel fired at `now`. False: this entry is not the one that counts.
    pub(crate) fn fired(&self, now: u64) -> bool {
        if self.armed.load(Relaxed) > now {
            return false;
        }
        self.armed.store(0, Relaxed);
        // Deadlines that have not passed need an entry again.
        self.fresh.store(true, Release);
        true
    }
}
