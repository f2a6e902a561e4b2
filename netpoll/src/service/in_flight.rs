//! The in-flight table: the requests of one connection that are handled concurrently.
//!
//! ```text
//!   add ──▶ waiting ──begin_batch, next_job──▶ running ──next_job──▶ completed ──next_answer──▶
//!              │                                  │                     ▲
//!              │                                  └─begin_task─▶ task ──┘ complete_task, then end_task
//!              └── abandon: dropped               those left are waited for ──▶ the end, once
//! ```
//! Each change is one step under one lock. Its result names the follow-up work (batches to queue, the
//! turn to wake, the end to run), which the caller does after it has released the lock.
//!
//! - While requests wait, a batch is queued ([`State::short_of`]). A batch takes its first request in the
//!   step in which it begins, and reports answers that wait at that moment: a handler that blocks in the
//!   batch before it delays neither requests nor answers.
//! - A batch that has handled anything wakes the turn when it ends, and so does a task.

use std::{
    collections::VecDeque,
    mem,
    task::{Context, Waker},
};

use slab::Slab;

use super::{call::Flow, done::Done};
use crate::{
    guard::{self, Place},
    primitive::Mutex,
};

/// The number of consecutive batches that must keep their poller before a table counts as light again.
const LIGHT_AFTER: u32 = 32;

/// The work that runs when the last request has ended.
pub(super) type OnEnd = Box<dyn FnOnce() + Send>;

/// The in-flight table of one connection. `J` is a request that waits.
pub(super) struct InFlight<J> {
    /// The most requests at once.
    max: usize,
    /// True if answers leave in the order of their requests.
    pub(super) ordered: bool,
    state: Mutex<State<J>>,
}

/// The follow-up work of [`InFlight::add`].
pub(super) struct Added {
    /// The number of batches to queue.
    pub(super) missing: usize,
    /// True if the table is full.
    pub(super) full: bool,
}

/// The start of a batch.
pub(super) struct BatchStart<J> {
    /// True if answers wait that the turn may not know of.
    pub(super) answers_wait: bool,
    /// True if the batch handles one request only.
    pub(super) heavy: bool,
    pub(super) next: Next<J>,
}

/// The next step of a batch.
pub(super) struct Next<J> {
    /// The next request, if any, with its number among the answers.
    pub(super) job: Option<(u64, J)>,
    /// The number of batches to queue for the other requests.
    pub(super) missing: usize,
    /// The end to run: the connection has ended and no handler runs any more.
    pub(super) end: Option<OnEnd>,
}

struct State<J> {
    waiting: VecDeque<(u64, J)>,
    /// Batches that are queued and have not begun.
    queued: usize,
    /// Requests whose handlers batches are running.
    running: usize,
    /// Requests whose futures were not ready at once, each with its waker while it waits.
    tasks: Slab<Option<Waker>>,
    /// Completed requests; where answers are ordered, `None` holds the place of a pending one.
    completed: VecDeque<Option<Completed>>,
    /// The number of the first entry of `completed`.
    first: u64,
    /// Requests whose answers have not left.
    open: usize,
    /// The number of batches left until this table counts as light; 0 if it is light.
    heavy: u32,
    /// True if the connection has ended.
    over: bool,
    end: Option<OnEnd>,
}

/// The answer of a request, or the joined answers of several.
pub(super) struct Completed {
    pub(super) done: Done,
    /// True if the request was dropped at its deadline.
    pub(super) late: bool,
    /// The number of requests that it answers. Only requests after which the connection goes on share
    /// an entry.
    pub(super) count: usize,
}

impl Completed {
    pub(super) fn new(done: Done, late: bool) -> Self {
        Self { done, late, count: 1 }
    }

    /// Returns whether it is bytes and nothing else, so that it can be joined with others.
    fn is_plain(&self) -> bool {
        !self.late && matches!(self.done.result, Ok(Flow::Continue))
    }
}

impl<J> State<J> {
    /// Counts the batches to queue in addition to those that are queued: one, so that a handler that
    /// blocks delays no other request; or one for each request where handlers are known to take long,
    /// so that other workers help.
    fn short_of(&mut self) -> usize {
        let wanted = if self.heavy > 0 { self.waiting.len() } else { self.waiting.len().min(1) };
        let missing = wanted.saturating_sub(self.queued);
        self.queued += missing;
        missing
    }

    fn complete(&mut self, ordered: bool, number: u64, mut completed: Completed) {
        if self.over {
            return;
        }
        if ordered {
            let place = (number - self.first) as usize;
            self.completed[place] = Some(completed);
            return;
        }
        match self.completed.back_mut() {
            Some(Some(last)) if last.is_plain() && completed.is_plain() => {
                last.done.out.join(&mut completed.done.out);
                last.count += 1;
            }
            _ => self.completed.push_back(Some(completed)),
        }
    }

    /// Takes the next request, if the batch wants `more`.
    fn next_job(&mut self, more: bool) -> Next<J> {
        let job = if more { self.waiting.pop_front() } else { None };
        self.running += usize::from(job.is_some());
        Next { job, missing: self.short_of(), end: self.take_end() }
    }

    /// Takes the end if no handler runs any more.
    fn take_end(&mut self) -> Option<OnEnd> {
        if self.running == 0 && self.tasks.is_empty() { self.end.take() } else { None }
    }
}

impl<J> InFlight<J> {
    /// Creates a table for at most `max` requests at once, and at least one.
    pub(super) fn new(max: usize, ordered: bool) -> Self {
        let state = Mutex::new(State {
            waiting: VecDeque::new(),
            queued: 0,
            running: 0,
            tasks: Slab::new(),
            completed: VecDeque::new(),
            first: 0,
            open: 0,
            heavy: 0,
            over: false,
            end: None,
        });
        Self { max: max.max(1), ordered, state }
    }

    /// Counts the requests whose answers have not left.
    pub(super) fn open(&self) -> usize {
        self.state.lock().open
    }

    /// Adds a request, which waits for a batch. Only the turn calls this.
    pub(super) fn add(&self, job: J) -> Added {
        let mut state = self.state.lock();
        let number = state.first + state.completed.len() as u64;
        if self.ordered {
            state.completed.push_back(None);
        }
        state.waiting.push_back((number, job));
        state.open += 1;
        Added { missing: state.short_of(), full: state.open >= self.max }
    }

    /// Takes the next answer that may leave, and tells whether the table is full afterwards. Only the
    /// turn calls this.
    pub(super) fn next_answer(&self) -> (Option<Completed>, bool) {
        let mut state = self.state.lock();
        let completed = state.completed.front_mut().and_then(Option::take);
        if let Some(completed) = &completed {
            state.completed.pop_front();
            state.first += 1;
            state.open -= completed.count;
        }
        (completed, state.open >= self.max)
    }

    /// Begins a batch and takes its first request in one step. Were the request taken in a later step,
    /// the batch before could complete a request in between and take the new one, and nobody would
    /// report the answer.
    pub(super) fn begin_batch(&self) -> BatchStart<J> {
        let mut state = self.state.lock();
        state.queued -= 1;
        BatchStart {
            answers_wait: matches!(state.completed.front(), Some(Some(_))),
            heavy: state.heavy > 0,
            next: state.next_job(true),
        }
    }

    /// Completes the request that the batch was handling, if any, and takes the next one if the batch
    /// wants `more`.
    pub(super) fn next_job(&self, completed: Option<(u64, Completed)>, more: bool) -> Next<J> {
        let mut state = self.state.lock();
        if let Some((number, completed)) = completed {
            state.running -= 1;
            state.complete(self.ordered, number, completed);
        }
        state.next_job(more)
    }

    /// Ends a batch; `late` if its poller was taken from it.
    pub(super) fn end_batch(&self, late: bool) {
        let mut state = self.state.lock();
        state.heavy = if late { LIGHT_AFTER } else { state.heavy.saturating_sub(1) };
    }

    /// Turns the request that a batch was handling into a task, and returns its key.
    pub(super) fn begin_task(&self) -> usize {
        let mut state = self.state.lock();
        state.running -= 1;
        state.tasks.insert(None)
    }

    /// Returns whether the connection has ended.
    pub(super) fn is_over(&self) -> bool {
        self.state.lock().over
    }

    /// Registers the waker of the task `key`. Returns false if the connection has ended, and the task
    /// should end too.
    pub(super) fn wait(&self, key: usize, cx: &Context<'_>) -> bool {
        let mut state = self.state.lock();
        state.tasks[key] = Some(cx.waker().clone());
        !state.over
    }

    /// Completes the request `number`, which was a task.
    pub(super) fn complete_task(&self, number: u64, completed: Completed) {
        self.state.lock().complete(self.ordered, number, completed);
    }

    /// Removes the task `key`, and returns the end if it was the last request of an ended connection.
    #[must_use]
    pub(super) fn end_task(&self, key: usize, completed: bool) -> Option<OnEnd> {
        let mut state = self.state.lock();
        state.tasks.remove(key);
        if !completed && !state.over {
            state.open -= 1;
        }
        state.take_end()
    }

    /// Drops the requests that wait and wakes the tasks: the connection has ended.
    pub(super) fn abandon(&self) {
        let (waiting, wakers, completed) = {
            let mut state = self.state.lock();
            state.over = true;
            state.open = 0;
            let wakers: Vec<_> = state.tasks.iter_mut().filter_map(|(_, w)| w.take()).collect();
            (mem::take(&mut state.waiting), wakers, mem::take(&mut state.completed))
        };
        guard::discard(Place::SessionDrop, (waiting, completed));
        wakers.into_iter().for_each(guard::wake);
    }

    /// Runs `end` when no handler runs any more: now, or on the worker of the last request.
    pub(super) fn run_at_end(&self, end: OnEnd) {
        let now = {
            let mut state = self.state.lock();
            state.end = Some(end);
            state.take_end()
        };
        if let Some(end) = now {
            end();
        }
    }
}
