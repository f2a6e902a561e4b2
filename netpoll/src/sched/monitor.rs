//! The monitor: takes a shard from a turn that runs long while the shard has other work.
//!
//! It looks at each shard's [`Ownership`](super::ownership::Ownership) and remembers which turn it saw. The same
//! turn at the next look has run for at least the interval: if its shard has work, or after
//! [`PATIENCE`] looks in any case, the shard is taken and given to another worker.
//!
//! The interval is `handoff_after` while hand-overs are frequent, and doubles, up to
//! [`LONGEST`], after every [`CALM`] looks without one. After [`QUIET`] looks in which nothing ran at
//! all the monitor sleeps until a driver has something to do again: an idle process wakes nobody.

use std::{
    sync::{Arc, OnceLock, Weak},
    thread::{self, JoinHandle, Thread},
    time::{Duration, Instant},
};

use super::{ownership::Ticket, shared::Shared};
use crate::{
    counters::{self, Counter},
    guard::{self, Place},
    mem,
    observe::{HandOver, HandOverCause},
    poller::Parking,
    sys,
    throttle::Throttle,
};

/// The longest interval between two looks.
const LONGEST: Duration = Duration::from_millis(2);
/// Looks without a hand-over after which the interval doubles.
const CALM: u32 = 64;
/// Looks at the same turn after which a shard without work is taken too.
const PATIENCE: u32 = 8;
/// Looks with all drivers parked after which the monitor sleeps.
const QUIET: u32 = 50;

/// A driver that ran no turn for so long gives its cached memory back.
const REST: Duration = Duration::from_secs(1);

/// How often an owner is looked for while no thread can be made.
const RESTAFF: Duration = Duration::from_millis(10);

/// How often the shared cache of memory is made smaller by what nobody needed.
const SHRINK: Duration = Duration::from_secs(1);
/// So often before a sleep: workers give up their own caches after a second, the shared one is empty
/// two calls later.
const SHRINKS: u32 = 4;

/// The handle through which drivers keep the monitor awake.
pub(crate) struct Monitor {
    parking: Parking,
    thread: OnceLock<Thread>,
}

impl Monitor {
    pub(super) fn new() -> Self {
        Self { parking: Parking::new(), thread: OnceLock::new() }
    }

    /// Starts the monitor's thread.
    pub(super) fn start(&self, shared: &Arc<Shared>) -> std::io::Result<JoinHandle<()>> {
        let weak = Arc::downgrade(shared);
        let shortest = shared.settings.handoff_after;
        let handle = thread::Builder::new()
            .name("netpoll-monitor".into())
            .spawn(move || Looker::new(weak, shortest).run())?;
        self.thread.set(handle.thread().clone()).expect("the monitor starts once");
        Ok(handle)
    }

    /// A driver has something to do: the monitor has to be awake.
    pub(super) fn keep_awake(&self) {
        if self.parking.claim()
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}

/// What a look saw of a shard.
#[derive(Clone, Copy)]
struct Seen {
    running: Option<Ticket>,
    /// Looks that saw the same turn running.
    looks: u32,
    turns: u64,
    /// When the count of turns changed last; `None`: the driver was asked to rest since.
    busy: Option<Instant>,
}

impl Default for Seen {
    fn default() -> Self {
        Self { running: None, looks: 0, turns: 0, busy: Some(Instant::now()) }
    }
}

struct Looker {
    shared: Weak<Shared>,
    shortest: Duration,
    interval: Duration,
    seen: Vec<Seen>,
    calm: u32,
    quiet: u32,
    /// When the shared cache was last made smaller.
    shrunk: Instant,
    log: Throttle,
    /// When stalls were last looked for.
    stalls: Instant,
    /// When owners for vacant shards were last looked for.
    vacant: Instant,
    no_thread: Throttle,
}

impl Looker {
    fn new(shared: Weak<Shared>, shortest: Duration) -> Self {
        Self {
            shared,
            shortest,
            interval: LONGEST.max(shortest),
            seen: Vec::new(),
            calm: 0,
            quiet: 0,
            shrunk: Instant::now(),
            log: Throttle::every(Duration::from_secs(1)),
            stalls: Instant::now(),
            vacant: Instant::now(),
            no_thread: Throttle::every(Duration::from_secs(1)),
        }
    }

    fn run(mut self) {
        // The default slack of 50 us would make an interval of 100 us half as long again.
        if let Err(error) = sys::set_timer_slack(1_000) {
            tracing::debug!(%error, "the monitor's timer stays coarse");
        }
        if let Some(shared) = self.shared.upgrade() {
            shared.counters.join();
        }
        loop {
            let Some(shared) = self.shared.upgrade() else { return };
            if shared.is_stopped() {
                return;
            }
            self.restaff(&shared);
            let _ = guard::run(Place::Worker, || self.look(&shared));
            self.look_for_stalls(&shared);
            if self.shrunk.elapsed() >= SHRINK {
                mem::shrink();
                self.shrunk = Instant::now();
            }
            if self.quiet >= QUIET {
                self.sleep(shared);
            } else {
                drop(shared);
                thread::park_timeout(self.interval);
            }
        }
    }

    /// Finds owners for shards that lost theirs when no thread could be made.
    fn restaff(&mut self, shared: &Shared) {
        if self.vacant.elapsed() < RESTAFF || !shared.pool.has_vacant() {
            return;
        }
        self.vacant = Instant::now();
        match shared.restaff() {
            Ok(()) => tracing::info!("all shards have workers again"),
            Err(error) => {
                if let Some(skipped) = self.no_thread.admit(shared.settings.clock) {
                    tracing::error!(%error, skipped, "no thread for a worker: a shard waits for one");
                }
            }
        }
    }

    /// Parks until a driver has something to do.
    fn sleep(&mut self, shared: Arc<Shared>) {
        shared.monitor.parking.begin();
        // A driver that ended its wait before this line is seen here; a later one sees the flag.
        if shared.shards.iter().all(|shard| shard.poller.is_parked()) && !shared.is_stopped() {
            // Caches that nobody used for a while go back to the system before the last sleep.
            let mut shrinks = SHRINKS;
            let mut shrunk = Instant::now();
            while shared.monitor.parking.is_parked() {
                let next = self.look_for_stalls(&shared);
                match (next, shrinks > 0) {
                    (Some(next), _) => thread::park_timeout(next.min(SHRINK)),
                    (None, true) => thread::park_timeout(SHRINK),
                    (None, false) => thread::park(),
                }
                if shrinks > 0 && shrunk.elapsed() >= SHRINK {
                    self.let_rest(&shared);
                    mem::shrink();
                    shrinks -= 1;
                    shrunk = Instant::now();
                }
            }
        }
        shared.monitor.parking.end();
        self.quiet = 0;
    }

    /// Looks for handlers that take long, if it is time to. Returns the time until the next look, if one is
    /// needed while nothing else happens.
    fn look_for_stalls(&mut self, shared: &Shared) -> Option<Duration> {
        let interval = shared.stalls.interval()?;
        if self.stalls.elapsed() < interval {
            return Some(interval);
        }
        self.stalls = Instant::now();
        let watches =
            guard::run(Place::Worker, || shared.stalls.look(&shared.view())).unwrap_or(true);
        watches.then_some(interval)
    }

    /// Asks drivers that have had nothing to do for a while to give their cached memory back.
    fn let_rest(&mut self, shared: &Arc<Shared>) {
        self.seen.resize(shared.shards.len(), Seen::default());
        for (shard, seen) in shared.shards.iter().zip(&mut self.seen) {
            let turns = shard.ownership.turns();
            if turns != seen.turns {
                (seen.turns, seen.busy) = (turns, Some(Instant::now()));
            } else if seen.busy.is_some_and(|since| since.elapsed() >= REST)
                && shard.poller.is_parked()
            {
                seen.busy = None;
                shard.rest();
            }
        }
    }

    fn look(&mut self, shared: &Arc<Shared>) {
        self.let_rest(shared);
        let mut taken = false;
        let mut parked = true;
        for (shard, seen) in shared.shards.iter().zip(&mut self.seen) {
            parked &= shard.poller.is_parked();
            let running = shard.ownership.running();
            if running.is_none() || running != seen.running {
                (seen.running, seen.looks) = (running, 0);
                continue;
            }
            seen.looks += 1;
            let Some(ticket) = running else { continue };
            if (shard.has_work() || seen.looks >= PATIENCE) && shard.ownership.revoke(ticket) {
                shared.pool.lost();
                counters::add(Counter::HandOversByMonitor, 1);
                shared.settings.observers.handed_over(&HandOver {
                    poller: shard.index,
                    cause: HandOverCause::Monitor,
                    connection: None,
                });
                shared.staff(shard.index);
                taken = true;
                if let Some(skipped) = self.log.admit(shard.clock) {
                    let (shard, late) = (shard.index, shared.pool.late());
                    tracing::debug!(
                        shard,
                        late,
                        skipped,
                        "a turn runs long: its poller changes hands"
                    );
                }
            }
        }
        self.quiet = if parked { self.quiet + 1 } else { 0 };
        if taken {
            self.calm = 0;
            self.interval = self.shortest;
        } else {
            self.calm += 1;
            if self.calm >= CALM {
                self.calm = 0;
                self.interval = (self.interval * 2).min(LONGEST.max(self.shortest));
            }
        }
    }
}
