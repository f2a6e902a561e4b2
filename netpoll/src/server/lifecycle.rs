//! The end of a server, and what brings it about.

use std::sync::{
    Arc, OnceLock, Weak,
    atomic::{
        AtomicBool, AtomicUsize,
        Ordering::{AcqRel, Acquire, Release},
    },
};

use super::{open::OpenConnections, report::ShutdownReport};
use crate::{
    error::Error,
    poller::{Event, Token},
    sched::{
        completion::Completion,
        shard::Shard,
        shared::Shared,
        turn::{Ready, Source},
    },
};

/// The state of a server that [`EventLoop::serve`](super::EventLoop::serve) waits for: it ends with a
/// shutdown of its own or of its runtime, and it fails with its last listener.
pub(super) struct Lifecycle {
    /// The report of the shutdown.
    ended: Completion<ShutdownReport>,
    /// The report, or the error of the last listener.
    left: Completion<Result<ShutdownReport, Error>>,
    /// Listeners that accept.
    listeners: AtomicUsize,
    /// False from the beginning of the shutdown on.
    ready: AtomicBool,
    runtime: Arc<Shared>,
    open: Weak<OpenConnections>,
    /// The registration by which the runtime tells that it shuts down.
    registered: OnceLock<(Arc<Shard>, Token)>,
}

impl Lifecycle {
    /// Creates the state of a server with this many listeners, registered with its runtime.
    pub(super) fn start(
        runtime: &Arc<Shared>,
        open: &Arc<OpenConnections>,
        listeners: usize,
    ) -> Arc<Self> {
        let this = Arc::new(Self {
            ended: Completion::default(),
            left: Completion::default(),
            listeners: AtomicUsize::new(listeners),
            ready: AtomicBool::new(true),
            runtime: runtime.clone(),
            open: Arc::downgrade(open),
            registered: OnceLock::new(),
        });
        let shard = runtime.place();
        let token = shard.poller.insert(this.clone());
        // Nobody else has it yet.
        let _ = this.registered.set((shard.clone(), token));
        this
    }

    /// Notes that the server is not ready for new clients from now on.
    pub(super) fn retire(&self) {
        self.ready.store(false, Release);
    }

    /// Returns true while the server is ready for new clients.
    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Acquire)
    }

    /// Ends the server with `report`; returns the report of its first end.
    pub(super) fn end(&self, report: ShutdownReport) -> ShutdownReport {
        self.retire();
        self.ended.set(report.clone());
        let report = self.ended.get().unwrap_or(report);
        self.left.set(Ok(report.clone()));
        if let Some((shard, token)) = self.registered.get() {
            self.runtime.remove(shard, *token, None);
        }
        report
    }

    /// Notes that a listener has failed.
    pub(super) fn listener_failed(&self, error: Error) {
        if self.listeners.fetch_sub(1, AcqRel) == 1 {
            self.retire();
            self.left.set(Err(error));
        }
    }

    /// The end by a shutdown.
    pub(super) fn ended(&self) -> &Completion<ShutdownReport> {
        &self.ended
    }

    /// The end by a shutdown, or the failure of the last listener.
    pub(super) fn left(&self) -> &Completion<Result<ShutdownReport, Error>> {
        &self.left
    }
}

impl Source for Lifecycle {
    fn on_event(self: Arc<Self>, _event: Event, _ready: &mut Ready) {}

    fn on_timer(self: Arc<Self>, _now: u64, _ready: &mut Ready) {}

    fn on_shutdown(self: Arc<Self>) {
        // A drain that is under way reports by itself.
        let report = match self.open.upgrade() {
            Some(open) if open.is_draining() => return,
            Some(open) => open.report_of_all(),
            None => ShutdownReport::default(),
        };
        self.end(report);
    }
}
