//! Requests handled side by side: those that wait, those under way, and those that have landed.
//!
//! ```text
//!   turn: split off ──launch──▶ waiting ──runner──▶ landed ──▶ turn: answers, one write for all
//!                                          │           ▲
//!                                          └─▶ flight ─┘   a future that is not ready at once
//! ```
//! The connection's turn splits requests off its input and leaves them on the board. A [`Runner`] takes
//! them from there, one after the other, on any worker: what is ready at once lands at once, and what
//! waits goes on as a [`Flight`](super::flight::Flight), a task of its own. While requests wait, another
//! run of the runner is queued: a handler that blocks its worker loses the poller, and the worker that
//! takes it over finds that run and goes on with the rest.
//!
//! What landed schedules the turn, which sends it. At the connection's end what waits is dropped, what
//! runs is waited for, and the last to leave runs `on_close`.

use std::{
    collections::VecDeque,
    mem,
    sync::Arc,
    task::{Context, Waker},
};

use parking_lot::Mutex;
use slab::Slab;

use super::{
    Dispatch, Service,
    call::Flow,
    request::Take,
    runner::Runner,
    served::{Done, Served, State},
};
use crate::{
    conn::{Deadline, handler::After, recv::Step},
    error::{Error, ErrorKind},
};

/// Runs in a row that kept their poller, after which a board is no longer taken for a heavy one.
const CALM: u32 = 32;

/// What runs when the last request has ended.
pub(super) type End = Box<dyn FnOnce() + Send>;

/// The requests of one connection.
pub(super) struct Flights<S: Service> {
    /// So many at once.
    max: usize,
    /// Answers leave in the order of their requests.
    pub(super) ordered: bool,
    board: Mutex<Board<S>>,
}

/// A request that waits for a runner.
pub(super) struct Job<S: Service> {
    pub(super) held: <S::Request as Take>::Held,
    pub(super) session: S::Session,
    pub(super) deadline: Deadline,
    /// Its place among the answers.
    pub(super) number: u64,
}

/// What a run begins with.
pub(super) struct Begun {
    /// Answers wait that the turn may not have been told of.
    pub(super) answers_wait: bool,
    /// It handles one request only.
    pub(super) heavy: bool,
}

/// What a run does next.
pub(super) struct Next<S: Service> {
    /// The request that it handles, if any.
    pub(super) job: Option<Job<S>>,
    /// Runs to be queued for the others.
    pub(super) missing: usize,
    /// What is to run, since the connection has ended and nobody is in a handler.
    pub(super) end: Option<End>,
}

struct Board<S: Service> {
    waiting: VecDeque<Job<S>>,
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
    count: usize,
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

impl<S: Service> Board<S> {
    /// Runs that have to be queued besides those that are: one, so that who blocks holds nobody up;
    /// where handlers are known to take long one for each request, so that other workers help.
    fn short_of(&mut self) -> usize {
        let wanted = if self.heavy > 0 { self.waiting.len() } else { self.waiting.len().min(1) };
        let missing = wanted.saturating_sub(self.queued);
        self.queued += missing;
        missing
    }

    fn land(&mut self, ordered: bool, number: u64, landed: Landed) {
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
                last.done.out.join(landed.done.out);
                last.count += 1;
            }
            _ => self.landed.push_back(Some(landed)),
        }
    }

    /// What runs if nobody is in a handler any more.
    fn last_leaves(&mut self) -> Option<End> {
        if self.running == 0 && self.aloft.is_empty() { self.end.take() } else { None }
    }
}

impl<S: Service> Flights<S> {
    /// Those of a connection, if its requests are handled side by side.
    pub(super) fn of_service() -> Option<Arc<Self>> {
        let Dispatch::Concurrent { max, ordered } = S::DISPATCH else { return None };
        let board = Mutex::new(Board {
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
        Some(Arc::new(Self { max: max.max(1), ordered, board }))
    }

    fn open(&self) -> usize {
        self.board.lock().open
    }

    /// The next answers that may leave, and how many requests are open then.
    fn next_answer(&self) -> (Option<Landed>, usize) {
        let mut board = self.board.lock();
        let landed = board.landed.front_mut().and_then(Option::take);
        if let Some(landed) = &landed {
            board.landed.pop_front();
            board.first += 1;
            board.open -= landed.count;
        }
        (landed, board.open)
    }

    /// A run begins.
    pub(super) fn begin_run(&self) -> Begun {
        let mut board = self.board.lock();
        board.queued -= 1;
        Begun {
            answers_wait: matches!(board.landed.front(), Some(Some(_))),
            heavy: board.heavy > 0,
        }
    }

    /// A run ends: `late` if its poller was taken from it.
    pub(super) fn end_run(&self, late: bool) {
        let mut board = self.board.lock();
        board.heavy = if late { CALM } else { board.heavy.saturating_sub(1) };
    }

    /// What a run does next: `landed` is what it had in hand, with its number, and `more` whether it
    /// takes another.
    pub(super) fn next_job(&self, landed: Option<(u64, Landed)>, more: bool) -> Next<S> {
        let mut board = self.board.lock();
        if let Some((number, landed)) = landed {
            board.running -= 1;
            board.land(self.ordered, number, landed);
        }
        let job = if more { board.waiting.pop_front() } else { None };
        board.running += usize::from(job.is_some());
        Next { job, missing: board.short_of(), end: board.last_leaves() }
    }

    /// What a runner had in hand goes on as a task: its key.
    pub(super) fn take_off(&self) -> usize {
        let mut board = self.board.lock();
        board.running -= 1;
        board.aloft.insert(None)
    }

    /// Whether the connection has ended.
    pub(super) fn is_over(&self) -> bool {
        self.board.lock().over
    }

    /// The task `key` waits. False: the connection has ended, and so should it.
    pub(super) fn wait(&self, key: usize, cx: &Context<'_>) -> bool {
        let mut board = self.board.lock();
        board.aloft[key] = Some(cx.waker().clone());
        !board.over
    }

    /// What the task of the request `number` gave.
    pub(super) fn land_task(&self, number: u64, landed: Landed) {
        self.board.lock().land(self.ordered, number, landed);
    }

    /// The task `key` is gone. What is to run when the connection has ended.
    #[must_use]
    pub(super) fn leave(&self, key: usize, landed: bool) -> Option<End> {
        let mut board = self.board.lock();
        board.aloft.remove(key);
        if !landed && !board.over {
            board.open -= 1;
        }
        board.last_leaves()
    }

    /// The connection has ended: what waits is dropped.
    pub(super) fn abandon(&self) {
        let (waiting, wakers, landed) = {
            let mut board = self.board.lock();
            board.over = true;
            board.open = 0;
            let wakers: Vec<_> = board.aloft.iter_mut().filter_map(|(_, w)| w.take()).collect();
            (mem::take(&mut board.waiting), wakers, mem::take(&mut board.landed))
        };
        drop((waiting, landed));
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Runs `end` when no request is under way any more: now, or on the worker of the last one.
    pub(super) fn at_the_end(&self, end: End) {
        let now = {
            let mut board = self.board.lock();
            board.end = Some(end);
            board.last_leaves()
        };
        if let Some(end) = now {
            end();
        }
    }
}

impl<S: Service> Served<S> {
    /// A request that is handled side by side with others needs bytes of its own.
    const SPLITS: () = assert!(
        <S::Request as Take>::SPLITS || !matches!(S::DISPATCH, Dispatch::Concurrent { .. }),
        "requests that are handled side by side are frames: a reader or a codec is one for the connection"
    );

    /// Whether requests are under way, side by side.
    pub(super) fn is_aloft(&self) -> bool {
        self.flights.as_ref().is_some_and(|flights| flights.open() > 0)
    }

    /// Leaves the request in `held` to a runner. `None`: there is room for another.
    pub(super) fn launch(
        &self,
        flights: &Arc<Flights<S>>,
        state: &mut State<S>,
        step: &mut Step<'_, '_>,
        held: <S::Request as Take>::Held,
    ) -> Option<After> {
        let () = Self::SPLITS;
        let shared = state.session.as_ref().and_then(S::share);
        let Some(session) = shared else {
            let why = "a service whose requests are handled side by side shares its sessions";
            return self.flow(step, Err(Error::new(ErrorKind::Config, why)));
        };
        let deadline = self.timeout.map_or(Deadline::NONE, Deadline::after);
        let (missing, open) = {
            let mut board = flights.board.lock();
            let number = board.first + board.landed.len() as u64;
            if flights.ordered {
                board.landed.push_back(None);
            }
            board.waiting.push_back(Job { held, session, deadline, number });
            board.open += 1;
            (board.short_of(), board.open)
        };
        if missing > 0 {
            let runner = Runner::new(flights, &self.service, step.conn);
            runner.queue(missing);
        }
        (open >= flights.max).then_some(After::Busy)
    }

    /// Sends what has landed. `None`: the connection goes on, and has room for requests.
    pub(super) fn land(&self, step: &mut Step<'_, '_>) -> Option<After> {
        let flights = self.flights.as_ref()?;
        loop {
            let (landed, open) = flights.next_answer();
            let Some(Landed { done, late, .. }) = landed else {
                return (open >= flights.max).then_some(After::Busy);
            };
            step.out.flush();
            step.out.join(done.out);
            if late {
                // Others answer for themselves; in order, none can be left out.
                let error = self.late(&step.conn.conn);
                if flights.ordered {
                    return self.flow(step, Err(error));
                }
                self.on_error(step.conn, &error);
            } else if let Some(after) = self.flow(step, done.result) {
                return Some(after);
            }
        }
    }

    /// What follows `after` while requests are under way: their end schedules the turn.
    pub(super) fn while_aloft(&self, after: After) -> After {
        match after {
            After::Wait if self.is_aloft() => After::Busy,
            after => after,
        }
    }
}
