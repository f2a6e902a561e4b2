//! Upper bounds of time on a machine that others use too.
//!
//! A thread of its own sleeps a millisecond again and again, and adds up by how much too late it woke.
//! What is measured beside it may take that much longer, for each of the threads that it goes through. A thread
//! that sleeps is woken before others get their turn: for how long threads waited for a processor is what
//! Linux counts as pressure.

use std::{
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

/// Threads that follow one another in what the tests measure: client, poller, worker, and back.
const CHAIN: u32 = 4;
const NAP: Duration = Duration::from_millis(1);

/// Nanoseconds by which this machine ran a thread too late, and naps.
static LATE: AtomicU64 = AtomicU64::new(0);
static NAPS: AtomicU64 = AtomicU64::new(0);

static CANARY: LazyLock<()> = LazyLock::new(|| {
    thread::spawn(|| {
        loop {
            let since = Instant::now();
            thread::sleep(NAP);
            let late = since.elapsed().saturating_sub(NAP * 3 / 2);
            LATE.fetch_add(late.as_nanos() as u64, SeqCst);
            NAPS.fetch_add(1, SeqCst);
        }
    });
});

/// How late threads ran so far, but for the nap that is under way.
fn late() -> Duration {
    LazyLock::force(&CANARY);
    Duration::from_nanos(LATE.load(SeqCst))
}

/// How often Linux adds up the pressure.
const PRESSURE: Duration = Duration::from_millis(2_100);

/// For how long some thread of this machine has waited for a processor, where the system tells; the last
/// seconds may be missing.
fn pressure() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/pressure/cpu").ok()?;
    let total = text.lines().next()?.rsplit_once("total=")?.1;
    Some(Duration::from_micros(total.trim().parse().ok()?))
}

/// Measures from its start on.
#[derive(Clone, Copy)]
pub struct Stopwatch {
    since: Instant,
    late: Duration,
    pressure: Option<Duration>,
}

impl Stopwatch {
    pub fn start() -> Self {
        Self { late: late(), pressure: pressure(), since: Instant::now() }
    }

    pub fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// What this machine may have added to what has passed.
    pub fn noise(&self) -> Duration {
        let naps = NAPS.load(SeqCst);
        while NAPS.load(SeqCst) == naps {
            thread::sleep(NAP);
        }
        (late() - self.late) * CHAIN
    }

    /// For how long threads have waited for a processor meanwhile. Takes seconds.
    fn pressure(&self) -> Duration {
        let Some(before) = self.pressure else { return Duration::ZERO };
        thread::sleep(PRESSURE);
        pressure().map_or(Duration::ZERO, |now| now.saturating_sub(before))
    }

    /// What has passed is less than `limit`, and what this machine adds to it.
    #[track_caller]
    pub fn assert_below(&self, limit: Duration) {
        self.assert_was_below(self.elapsed(), limit);
    }

    /// As [`assert_below`](Self::assert_below), of a measurement from before.
    #[track_caller]
    pub fn assert_was_below(&self, took: Duration, limit: Duration) {
        if took >= limit {
            let noise = self.noise() + self.pressure();
            assert!(took < limit + noise, "{took:?}: not below {limit:?} and {noise:?} for noise");
        }
    }

    /// At least `least`, and below `limit`.
    #[track_caller]
    pub fn assert_within(&self, least: Duration, limit: Duration) {
        let took = self.elapsed();
        assert!(took >= least, "{took:?} is before {least:?}");
        self.assert_was_below(took, limit);
    }
}
