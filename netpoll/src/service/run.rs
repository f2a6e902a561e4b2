//! A run: a look at the board by a worker, which handles what waits there, one request after the other.

use std::sync::Arc;

use super::board::{Begun, Board, Landed};
use crate::sched::BoxFuture;

/// Requests that one run handles at most: then the rest goes to the back of the queue.
const REQUESTS: usize = 128;

/// Whose requests are on a board: what runs and tasks ask of it.
pub(super) trait Owner: Send + Sync + 'static {
    /// A request that waits.
    type Job;

    fn board(&self) -> &Board<Self::Job>;

    /// Queues so many runs.
    fn queue_runs(self: &Arc<Self>, runs: usize);

    /// Has the turn look at the board.
    fn wake_turn(&self);

    /// Has workers poll `task`.
    fn spawn(&self, task: BoxFuture<()>);

    /// Whether this thread's poller was taken from it.
    fn is_late(&self) -> bool;
}

/// One run: for each that was queued. `handle` gives what came of a request, by its number; nothing, if
/// that goes on as a task.
pub(super) fn run<O: Owner>(owner: &Arc<O>, mut handle: impl FnMut(u64, O::Job) -> Option<Landed>) {
    let board = owner.board();
    let Begun { answers_wait, heavy, mut next } = board.begin_run();
    if answers_wait {
        // Of a run that may be in a handler which takes long.
        owner.wake_turn();
    }
    let most = if heavy { 1 } else { REQUESTS };
    for ran in 1.. {
        owner.queue_runs(next.missing);
        if let Some(end) = next.end {
            end();
        }
        let Some((number, job)) = next.job else {
            if ran > 1 {
                board.end_run(owner.is_late());
                owner.wake_turn();
            }
            return;
        };
        let landed = handle(number, job).map(|landed| (number, landed));
        next = board.next_job(landed, ran < most);
    }
}
