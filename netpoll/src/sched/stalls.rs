//! Stalls: handlers that run or wait for longer than `stall_after`. The monitor looks for them.
//!
//! - A handler that occupies a thread is seen by the thread's [record](crate::observe::thread::Record) and its
//!   counters: as long as neither another turn nor another request was counted, the same one runs.
//! - A handler's future that was not ready at once is listed at its connection's shard ([`Waiting`](super::waiting::Waiting)) until it is
//!   done.
//!
//! Both are told of once, and listed by [`Runtime::stalls`](super::Runtime::stalls) as long as they last.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::shard::Shard;
use crate::{
    addr::PeerAddress,
    counters::{Counter, ThreadCounts},
    facts::ConnectionId,
    observe::{
        Observers, Route, Scope, Stall, StallPlace,
        thread::{Record, Running, Wait},
    },
    sys,
    throttle::Throttle,
    timer::Clock,
};

/// The longest interval between two looks for stalls.
const LONGEST: Duration = Duration::from_millis(100);

/// A server, as stalls ask for the connections of handlers.
pub(crate) trait Directory: Send + Sync {
    /// Returns what is known of the connection of this number, if it is the server's.
    fn find(&self, connection: u64) -> Option<Found>;
}

/// What a look for stalls sees of its runtime.
pub(super) struct View<'a> {
    pub(super) shards: &'a [Arc<Shard>],
    /// Another handler may start.
    pub(super) may_start: bool,
    pub(super) observers: &'a Observers,
    pub(super) clock: Clock,
}

/// A server's connection.
pub(crate) struct Found {
    pub(crate) scope: Arc<Scope>,
    pub(crate) peer: PeerAddress,
    /// True if its handlers read from their peer themselves: to wait for that is no stall.
    pub(crate) reads: bool,
}

/// The handlers that are looked after; see the module's documentation.
pub(crate) struct Stalls {
    after: Option<Duration>,
    inspects: bool,
    threads: Mutex<Vec<Thread>>,
    servers: Mutex<Vec<Weak<dyn Directory>>>,
    /// Stalls that were told of.
    count: AtomicU64,
    /// The last look saw a deadlock.
    deadlock: AtomicBool,
    log: Throttle,
}

/// A worker's thread.
struct Thread {
    record: &'static Record,
    counts: ThreadCounts,
    /// The thread's number in the system.
    number: Option<u32>,
    /// Turns and requests that were counted at the last look.
    seen: u64,
    /// The first look that saw the same.
    since: Instant,
    told: bool,
}

impl Thread {
    fn count(&self) -> u64 {
        self.counts.get(Counter::Turns) + self.counts.get(Counter::Requests)
    }

    /// Returns whether it runs what it ran at the last look.
    fn is_same(&self) -> bool {
        self.record.running() != Running::Nothing && self.count() == self.seen
    }
}

impl Stalls {
    pub(super) fn new(after: Option<Duration>, inspects: bool) -> Self {
        Self {
            after,
            inspects,
            threads: Mutex::default(),
            servers: Mutex::default(),
            count: AtomicU64::new(0),
            deadlock: AtomicBool::new(false),
            log: Throttle::every(Duration::from_secs(1)),
        }
    }

    /// Looks after this thread from now on, until [`leave`](Self::leave).
    pub(super) fn join(&self, record: &'static Record, counts: ThreadCounts) {
        let (number, since) = (sys::thread_number(), Instant::now());
        let thread = Thread { record, counts, number, seen: 0, since, told: false };
        self.threads.lock().push(thread);
    }

    pub(super) fn leave(&self, record: &'static Record) {
        self.threads.lock().retain(|thread| !std::ptr::eq(thread.record, record));
    }

    /// Adds a server whose connections stalls may name.
    pub(crate) fn add_server(&self, server: Weak<dyn Directory>) {
        let mut servers = self.servers.lock();
        servers.retain(|server| server.strong_count() > 0);
        servers.push(server);
    }

    /// Stalls that were told of so far.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// Time between two looks, if there is anything to look for.
    pub(super) fn interval(&self) -> Option<Duration> {
        let after = self.after?;
        Some((after / 10).clamp(Duration::from_millis(1), LONGEST))
    }

    /// Looks for stalls and tells of those that are new. Returns true as long as another look may find one.
    pub(super) fn look(&self, view: &View<'_>) -> bool {
        let Some(after) = self.after else { return false };
        let now = Instant::now();
        let mut watches = false;
        let mut found = Vec::new();
        for thread in &mut *self.threads.lock() {
            if !thread.is_same() {
                (thread.seen, thread.since, thread.told) = (thread.count(), now, false);
                watches |= thread.record.running() != Running::Nothing;
                continue;
            }
            // Whoever is told of may end, and run another handler that nobody else sees.
            watches = true;
            if !thread.told && now.duration_since(thread.since) >= after {
                thread.told = true;
                found.push(self.of_thread(thread, now));
            }
        }
        for shard in view.shards {
            watches |= shard.waiting.look(now, after, &mut found);
        }
        let deadlock = self.is_deadlock(view);
        if deadlock && !self.deadlock.swap(true, Relaxed) && found.is_empty() {
            // The last handler was told of before it was one.
            let threads = self.threads.lock();
            found.extend(threads.iter().find(|t| t.told).map(|thread| self.of_thread(thread, now)));
        }
        if view.may_start {
            self.deadlock.store(false, Relaxed);
        }
        for stall in found {
            self.tell(view, self.named(stall, deadlock));
        }
        watches
    }

    fn tell(&self, view: &View<'_>, named: Option<(Stall, Option<Arc<Scope>>)>) {
        let Some((stall, scope)) = named else { return };
        self.count.fetch_add(1, Relaxed);
        match scope {
            // A server's observers and its runtime's.
            Some(scope) => scope.observers.stalled(&stall),
            None => view.observers.stalled(&stall),
        }
        if stall.deadlock {
            tracing::error!(target: "netpoll::stall", "{stall}");
        } else if let Some(skipped) = self.log.admit(view.clock) {
            tracing::warn!(target: "netpoll::stall", skipped, "{stall}");
        }
    }

    /// Returns the stalls that last now and were told of.
    pub(super) fn list(&self, view: &View<'_>) -> Vec<Stall> {
        let now = Instant::now();
        let threads = self.threads.lock();
        let told = threads.iter().filter(|thread| thread.told && thread.is_same());
        let mut found: Vec<_> = told.map(|thread| self.of_thread(thread, now)).collect();
        drop(threads);
        view.shards.iter().for_each(|shard| shard.waiting.list(now, &mut found));
        let deadlock = self.is_deadlock(view);
        let named = found.into_iter().filter_map(|stall| self.named(stall, deadlock));
        named.map(|(stall, _)| stall).collect()
    }

    /// Whether all places are taken by handlers that wait for futures of this runtime, and others wait for a
    /// place.
    fn is_deadlock(&self, view: &View<'_>) -> bool {
        if view.may_start || view.shards.iter().all(|shard| shard.queue.deferred() == 0) {
            return false;
        }
        let threads = self.threads.lock();
        let handles = |thread: &&Thread| matches!(thread.record.running(), Running::Connection(_));
        let mut handlers = threads.iter().filter(handles).peekable();
        handlers.peek().is_some()
            && handlers.all(|thread| thread.told && thread.record.wait() == Wait::Task)
    }

    fn of_thread(&self, thread: &Thread, now: Instant) -> Stall {
        let connection = match thread.record.running() {
            Running::Connection(id) => Some(ConnectionId::new(id)),
            _ => None,
        };
        let inspected = thread.number.filter(|_| self.inspects).and_then(sys::inspect_thread);
        Stall {
            server: None,
            route: Route::of(thread.record),
            connection,
            peer: None,
            age: now.duration_since(thread.since),
            place: match thread.record.wait() {
                Wait::None => StallPlace::Outside,
                Wait::Library => StallPlace::Library,
                Wait::Task => StallPlace::OwnTask,
            },
            deadlock: false,
            thread: inspected,
        }
    }

    /// Adds what the connection's server knows. `None`: it is no stall, but a handler that waits for its peer.
    fn named(&self, mut stall: Stall, deadlock: bool) -> Option<(Stall, Option<Arc<Scope>>)> {
        stall.deadlock = deadlock && stall.place == StallPlace::OwnTask;
        let Some(connection) = stall.connection else { return Some((stall, None)) };
        let servers: Vec<_> = self.servers.lock().iter().filter_map(Weak::upgrade).collect();
        let Some(found) = servers.iter().find_map(|server| server.find(connection.number())) else {
            return Some((stall, None));
        };
        if found.reads && matches!(stall.place, StallPlace::Library | StallPlace::Future) {
            return None;
        }
        stall.server = Some(found.scope.server.clone());
        stall.peer = Some(found.peer);
        Some((stall, Some(found.scope)))
    }
}
