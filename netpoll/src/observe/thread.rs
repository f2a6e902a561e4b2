//! What each worker's thread is busy with, where the monitor can see it.
//!
//! A record belongs to one thread, which alone writes to it, by plain stores. The monitor reads it beside the
//! thread's counters: as long as the counts of turns and requests are the same, so is the handler.

use std::{
    cell::Cell,
    sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;

use super::outcome::Outcome;

/// The `running` of a thread that has nothing to do.
const IDLE: u64 = 0;

/// The `running` of a thread whose turn is no connection's.
const OTHER: u64 = u64::MAX;

/// Records of threads that have ended. They are never freed, but used again.
static SPARE: Mutex<Vec<&'static Record>> = Mutex::new(Vec::new());

thread_local! {
    static MINE: Cell<Option<&'static Record>> = const { Cell::new(None) };
    /// What this thread has polled awaits a future of the same runtime.
    static AWAITS: Cell<bool> = const { Cell::new(false) };
    /// The outcome of the request that this thread handles, if it was answered by a fault.
    static NOTED: Cell<Option<Outcome>> = const { Cell::new(None) };
}

/// What a thread is busy with.
#[derive(Debug, Default)]
pub(crate) struct Record {
    running: AtomicU64,
    route: AtomicU32,
    wait: AtomicU8,
}

/// What a thread that is busy waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For nothing that the library knows of.
    None,
    /// In a wait of the library's own.
    Library,
    /// There, for a future that was spawned on the same runtime.
    Task,
}

/// The work of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Running {
    Nothing,
    /// A turn of the connection of this number.
    Connection(u64),
    /// Another turn, such as a spawned future's.
    Other,
}

impl Record {
    pub(crate) fn running(&self) -> Running {
        match self.running.load(Relaxed) {
            IDLE => Running::Nothing,
            OTHER => Running::Other,
            id => Running::Connection(id),
        }
    }

    /// The bits of the route.
    pub(crate) fn route(&self) -> u32 {
        self.route.load(Relaxed)
    }

    pub(crate) fn wait(&self) -> Wait {
        match self.wait.load(Relaxed) {
            0 => Wait::None,
            1 => Wait::Library,
            _ => Wait::Task,
        }
    }
}

/// This thread's record, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Membership(&'static Record);

impl Membership {
    /// Gives this thread a record.
    pub(crate) fn new() -> Self {
        let record = SPARE.lock().pop();
        let record = record.unwrap_or_else(|| Box::leak(Box::default()));
        MINE.set(Some(record));
        Self(record)
    }

    pub(crate) fn record(&self) -> &'static Record {
        self.0
    }

    /// Notes that a turn begins, of a connection or of something else.
    #[inline]
    pub(crate) fn runs(&self, connection: Option<u64>) {
        self.0.running.store(connection.unwrap_or(OTHER), Relaxed);
        self.0.route.store(0, Relaxed);
    }

    /// Notes that the thread has nothing to do.
    #[inline]
    pub(crate) fn rests(&self) {
        self.0.running.store(IDLE, Relaxed);
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let _ = MINE.try_with(|mine| mine.set(None));
        self.rests();
        self.0.wait.store(0, Relaxed);
        SPARE.lock().push(self.0);
    }
}

/// Returns the number of the connection whose turn this thread runs, if it runs one's.
pub(crate) fn connection() -> Option<u64> {
    match MINE.get()?.running() {
        Running::Connection(id) => Some(id),
        _ => None,
    }
}

/// Returns the bits of the route of the request that this thread handles, as far as it is known.
pub(super) fn route() -> u32 {
    MINE.get().map_or(0, Record::route)
}

/// Sets the bits of the route of the request that this thread handles.
#[inline]
pub(super) fn set_route(bits: u32) {
    if let Some(record) = MINE.get() {
        record.route.store(bits, Relaxed);
    }
}

/// Notes that this thread handles a request of `connection`, in whatever turn.
pub(super) fn on_behalf(connection: u64, route: u32) {
    if let Some(record) = MINE.get() {
        record.running.store(connection, Relaxed);
        record.route.store(route, Relaxed);
    }
}

/// Notes that this thread waits in the library from now on.
pub(crate) fn begin_wait() {
    if let Some(record) = MINE.get() {
        record.wait.store(if AWAITS.get() { 2 } else { 1 }, Relaxed);
    }
}

/// Notes that the future which this thread polls awaits another one of the same runtime.
pub(crate) fn awaits_task() {
    AWAITS.set(true);
}

/// Notes that this thread does not wait, and is about to poll what it waited for.
pub(crate) fn end_wait() {
    AWAITS.set(false);
    if let Some(record) = MINE.get() {
        record.wait.store(0, Relaxed);
    }
}

/// Notes the outcome of the request that this thread handles, which is answered by a fault.
pub(crate) fn note(outcome: Outcome) {
    NOTED.set(Some(outcome));
}

/// Takes the outcome that was noted.
pub(crate) fn take_noted() -> Option<Outcome> {
    NOTED.take()
}
