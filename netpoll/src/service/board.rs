//! The board: the requests of one connection that are handled side by side. Those that wait, those under
//! way, and those that have landed.
//!
//! ```text
//!   add ──▶ waiting ──begin_run, next_job──▶ running ──next_job──▶ landed ──next_answer──▶
//!              │                                │                     ▲
//!              │                                └─take_off─▶ aloft ───┘ land_task, then leave
//!              └── abandon: dropped             those left are waited for ──▶ the end, once
//! ```
//! Each change is one step under one lock, which also says what it asks for: runs to be queued, the turn
//! to be woken, the end to be run. The caller does that after it.
//!
//! - While requests wait, a run is queued ([`State::short_of`]). It takes the next request in the step in
//!   which it begins, and tells of answers that wait then: a handler that blocks, in the run before it,
//!   keeps neither requests nor answers back.
//! - A run that has handled anything wakes the turn when it ends, and so does a task.

use std::{
    collections::VecDeque,
    mem,
    task::{Context, Waker},
};

use slab::Slab;

use super::{call::Flow, served::Done};
use crate::primitive::Mutex;

/// Runs in a row that kept their poller, after which a board is no longer taken for a heavy one.
const CALM: u32 = 32;

/// What runs when the last request has ended.
pub(super) type End = Box<dyn FnOnce() + Send>;

/// See the module's documentation. `J` is a request that waits.
pub(super) struct Board<J> {
    /// So many at once.
    max: usize,
    /// Answers leave in the order of their requests.
    pub(super) ordered: bool,
    state: Mutex<State<J>>,
}

/// What was added asks for.
pub(super) struct Added {
    /// Runs to be queued.
    pub(super) missing: usize,
    /// There is no room for another.
    pub(super) full: bool,
}

/// What a run begins with.
pub(super) struct Begun<J> {
    /// Answers wait that the turn may not have been told of.
    pub(super) answers_wait: bool,
    /// It handles one request only.
    pub(super) heavy: bool,
    pub(super) next: Next<J>,
}

/// What a run does next.
pub(super) struct Next<J> {
    /// The request that it handles, if any, and its place among the answers.
    pub(super) job: Option<(u64, J)>,
    /// Runs to be queued for the others.
    pub(super) missing: usize,
    /// What is to run, since the connection has ended and nobody is in a handler.
    pub(super) end: Option<End>,
}

struct State<J> {
    waiting: VecDeque<(u64, J)>,
    /// Runs that are queued and have not begun.
    queued: usize,
    /// Requests that runners have in hand.
    running: usize,
    /// Futures that were not ready at once, with the waker of each that waits.
    aloft: Slab<Option<Waker>>,
    /// What landed; where answers are ordered, `None` holds the place of one that has not.
    landed: VecDeque<Option<Landed>>,
    /// The number of the first one in `landed`.
    first: u64,
    /// Requests whose answers have not left.
    open: usize,
    /// Runs left until this board is taken for calm; 0: it is.
    heavy: u32,
    /// The connection has ended.
    over: bool,
    end: Option<End>,
}

/// Requests that have their answers.
pub(super) struct Landed {
    pub(super) done: Done,
    /// It was dropped at its deadline.
    pub(super) late: bool,
    /// So many requests' answers in one: only requests that let the connection go on share an entry.
    pub(super) count: usize,
}

impl Landed {
    pub(super) fn new(done: Done, late: bool) -> Self {
        Self { done, late, count: 1 }
    }

    /// Whether nothing but bytes came of it.
    fn is_plain(&self) -> bool {
        !self.late && matches!(self.done.result, Ok(Flow::Continue))
    }
}

impl<J> State<J> {
    /// Runs that have to be queued besides those that are: one, so that who blocks holds nobody up;
    /// where handlers are known to take long one for each request, so that other workers help.
    fn short_of(&mut self) -> usize {
        let wanted = if self.heavy > 0 { self.waiting.len() } else { self.waiting.len().min(1) };
        let missing = wanted.saturating_sub(self.queued);
        self.queued += missing;
        missing
    }

    fn land(&mut self, ordered: bool, number: u64, mut landed: Landed) {
        if self.over {
            return;
        }
        if ordered {
            let place = (number - self.first) as usize;
            self.landed[place] = Some(landed);
            return;
        }
        match self.landed.back_mut() {
            Some(Some(last)) if last.is_plain() && landed.is_plain() => {
                last.done.out.join(&mut landed.done.out);
                last.count += 1;
            }
            _ => self.landed.push_back(Some(landed)),
        }
    }

    /// `more`: whether the run takes another.
    fn next_job(&mut self, more: bool) -> Next<J> {
        let job = if more { self.waiting.pop_front() } else { None };
        self.running += usize::from(job.is_some());
        Next { job, missing: self.short_of(), end: self.last_leaves() }
    }

    /// What runs if nobody is in a handler any more.
    fn last_leaves(&mut self) -> Option<End> {
        if self.running == 0 && self.aloft.is_empty() { self.end.take() } else { None }
    }
}

impl<J> Board<J> {
    /// A board for `max` requests at once, of which one is the least.
    pub(super) fn new(max: usize, ordered: bool) -> Self {
        let state = Mutex::new(State {
            waiting: VecDeque::new(),
            queued: 0,
            running: 0,
            aloft: Slab::new(),
            landed: VecDeque::new(),
            first: 0,
            open: 0,
            heavy: 0,
            over: false,
            end: None,
        });
        Self { max: max.max(1), ordered, state }
    }

    /// Requests whose answers have not left.
    pub(super) fn open(&self) -> usize {
        self.state.lock().open
    }

    /// A request waits for a run. Only by the turn.
    pub(super) fn add(&self, job: J) -> Added {
        let mut state = self.state.lock();
        let number = state.first + state.landed.len() as u64;
        if self.ordered {
            state.landed.push_back(None);
        }
        state.waiting.push_back((number, job));
        state.open += 1;
        Added { missing: state.short_of(), full: state.open >= self.max }
    }

    /// The next answers that may leave, and whether there is no room for another request then. Only by the
    /// turn.
    pub(super) fn next_answer(&self) -> (Option<Landed>, bool) {
        let mut state = self.state.lock();
        let landed = state.landed.front_mut().and_then(Option::take);
        if let Some(landed) = &landed {
            state.landed.pop_front();
            state.first += 1;
            state.open -= landed.count;
        }
        (landed, state.open >= self.max)
    }

    /// A run begins. In one step: were the request taken in a later one, the run before could land an
    /// answer between the two and take that request, and nobody would tell of the answer.
    pub(super) fn begin_run(&self) -> Begun<J> {
        let mut state = self.state.lock();
        state.queued -= 1;
        Begun {
            answers_wait: matches!(state.landed.front(), Some(Some(_))),
            heavy: state.heavy > 0,
            next: state.next_job(true),
        }
    }

    /// What a run does next: `landed` is what it had in hand, with its number, and `more` whether it
    /// takes another.
    pub(super) fn next_job(&self, landed: Option<(u64, Landed)>, more: bool) -> Next<J> {
        let mut state = self.state.lock();
        if let Some((number, landed)) = landed {
            state.running -= 1;
            state.land(self.ordered, number, landed);
        }
        state.next_job(more)
    }

    /// A run ends: `late` if its poller was taken from it.
    pub(super) fn end_run(&self, late: bool) {
        let mut state = self.state.lock();
        state.heavy = if late { CALM } else { state.heavy.saturating_sub(1) };
    }

    /// What a run had in hand goes on as a task: its key.
    pub(super) fn take_off(&self) -> usize {
        let mut state = self.state.lock();
        state.running -= 1;
        state.aloft.insert(None)
    }

    /// Whether the connection has ended.
    pub(super) fn is_over(&self) -> bool {
        self.state.lock().over
    }

    /// The task `key` waits. False: the connection has ended, and so should it.
    pub(super) fn wait(&self, key: usize, cx: &Context<'_>) -> bool {
        let mut state = self.state.lock();
        state.aloft[key] = Some(cx.waker().clone());
        !state.over
    }

    /// What the task of the request `number` gave.
    pub(super) fn land_task(&self, number: u64, landed: Landed) {
        self.state.lock().land(self.ordered, number, landed);
    }

    /// The task `key` is gone. What is to run when the connection has ended.
    #[must_use]
    pub(super) fn leave(&self, key: usize, landed: bool) -> Option<End> {
        let mut state = self.state.lock();
        state.aloft.remove(key);
        if !landed && !state.over {
            state.open -= 1;
        }
        state.last_leaves()
    }

    /// The connection has ended: what waits is dropped.
    pub(super) fn abandon(&self) {
        let (waiting, wakers, landed) = {
            let mut state = self.state.lock();
            state.over = true;
            state.open = 0;
            let wakers: Vec<_> = state.aloft.iter_mut().filter_map(|(_, w)| w.take()).collect();
            (mem::take(&mut state.waiting), wakers, mem::take(&mut state.landed))
        };
        drop((waiting, landed));
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Runs `end` when no request is under way any more: now, or on the worker of the last one.
    pub(super) fn at_the_end(&self, end: End) {
        let now = {
            let mut state = self.state.lock();
            state.end = Some(end);
            state.last_leaves()
        };
        if let Some(end) = now {
            end();
        }
    }
}
