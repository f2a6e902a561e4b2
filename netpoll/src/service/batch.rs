//! A batch: one visit of a worker to the in-flight table, which handles waiting requests one after the
//! other.

use std::sync::Arc;

use super::in_flight::{BatchStart, Completed, InFlight};
use crate::sched::BoxFuture;

/// The most requests that one batch handles. The rest goes to the back of the queue.
const REQUESTS: usize = 128;

/// The owner of an in-flight table, as batches and tasks see it.
pub(super) trait BatchOwner: Send + Sync + 'static {
    /// A request that waits.
    type Job;

    /// The table.
    fn in_flight(&self) -> &InFlight<Self::Job>;

    /// Queues `batches` batches.
    fn queue_batches(self: &Arc<Self>, batches: usize);

    /// Schedules the turn, which looks at the table.
    fn wake_turn(&self);

    /// Gives `task` to the workers.
    fn spawn(&self, task: BoxFuture<()>);

    /// Returns whether this thread's poller was taken from it.
    fn is_late(&self) -> bool;
}

/// Runs one batch, for each that was queued. `handle` returns the answer of a request, or `None` if the
/// request goes on as a task.
pub(super) fn run<O: BatchOwner>(
    owner: &Arc<O>,
    mut handle: impl FnMut(u64, O::Job) -> Option<Completed>,
) {
    let table = owner.in_flight();
    let BatchStart { answers_wait, heavy, mut next } = table.begin_batch();
    if answers_wait {
        // Those of a batch that may be in a handler which takes long.
        owner.wake_turn();
    }
    let most = if heavy { 1 } else { REQUESTS };
    for handled in 1.. {
        owner.queue_batches(next.missing);
        if let Some(end) = next.end {
            end();
        }
        let Some((number, job)) = next.job else {
            if handled > 1 {
                table.end_batch(owner.is_late());
                owner.wake_turn();
            }
            return;
        };
        let completed = handle(number, job).map(|completed| (number, completed));
        next = table.next_job(completed, handled < most);
    }
}
