//! Requests handled side by side: those under way, and those that have landed.
//!
//! ```text
//!   turn: split off ──launch──▶ task on any worker ──▶ landed ──▶ turn: answers, one write for all
//! ```
//! Each request is a task of its own. When it has its answer it puts that on the connection's board and
//! schedules the connection's turn, which sends what has landed. At the connection's end the tasks that
//! wait are dropped, those that run are waited for, and the last to leave runs `on_close`.

use std::{
    collections::VecDeque,
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use slab::Slab;

use super::{
    Dispatch, Flow, Service,
    call::{Call, Out},
    request::Take,
    served::{Done, Served, State},
};
use crate::{
    buf::LinkBuffer,
    conn::{Connection, Deadline, handler::After, recv::Step, state::event},
    error::{Error, ErrorKind, Result},
    sched::{BoxFuture, Sleep, panic_error, sleep},
};

/// What runs when the last request has ended.
type End = Box<dyn FnOnce() + Send>;

/// The requests of one connection.
pub(super) struct Flights {
    /// So many at once.
    max: usize,
    /// Answers leave in the order of their requests.
    ordered: bool,
    board: Mutex<Board>,
}

#[derive(Default)]
struct Board {
    /// Those under way, with the waker of each that waits.
    aloft: Slab<Option<Waker>>,
    /// What landed; where answers are ordered, `None` holds the place of one that has not.
    landed: VecDeque<Option<Landed>>,
    /// Requests whose place was given up: the number of the first one in `landed`.
    first: u64,
    /// The connection has ended.
    over: bool,
    end: Option<End>,
}

struct Landed {
    done: Done,
    /// It was dropped at its deadline.
    late: bool,
}

impl Flights {
    /// Those of a connection, if `dispatch` has requests handled side by side.
    pub(super) fn of(dispatch: Dispatch) -> Option<Arc<Self>> {
        let Dispatch::Concurrent { max, ordered } = dispatch else { return None };
        Some(Arc::new(Self { max: max.max(1), ordered, board: Mutex::default() }))
    }

    fn count(&self) -> usize {
        let board = self.board.lock();
        if self.ordered { board.landed.len() } else { board.aloft.len() + board.landed.len() }
    }

    /// The next answer that may leave.
    fn next(&self) -> Option<Landed> {
        let mut board = self.board.lock();
        let landed = board.landed.front_mut()?.take()?;
        board.landed.pop_front();
        board.first += 1;
        Some(landed)
    }

    /// The connection has ended: what waits is dropped.
    pub(super) fn abandon(&self) {
        let (wakers, landed) = {
            let mut board = self.board.lock();
            board.over = true;
            let wakers: Vec<_> = board.aloft.iter_mut().filter_map(|(_, w)| w.take()).collect();
            (wakers, mem::take(&mut board.landed))
        };
        drop(landed);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Runs `end` when no request is under way any more: now, or on the worker of the last one.
    pub(super) fn at_the_end(&self, end: End) {
        let mut board = self.board.lock();
        if board.aloft.is_empty() {
            drop(board);
            return end();
        }
        board.end = Some(end);
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
        self.flights.as_ref().is_some_and(|flights| flights.count() > 0)
    }

    /// Has the request in `held` handled by a task of its own. `None`: there is room for another.
    pub(super) fn launch(
        &self,
        flights: &Arc<Flights>,
        state: &mut State<S>,
        step: &mut Step<'_, '_>,
        mut held: <S::Request as Take>::Held,
    ) -> Option<After> {
        let () = Self::SPLITS;
        let shared = state.session.as_ref().and_then(S::share);
        let Some(mut session) = shared else {
            let why = "a service whose requests are handled side by side shares its sessions";
            return self.flow(step, Err(Error::new(ErrorKind::Config, why)));
        };
        let deadline = self.timeout.map_or(Deadline::NONE, Deadline::after);
        let (service, conn) = (self.service.clone(), step.conn.clone());
        let ordered = flights.ordered;
        let work = Box::pin(async move {
            let mut out = LinkBuffer::new();
            let result = match S::Request::at(&mut held) {
                Err(error) => Err(error),
                Ok(request) => {
                    let out = match ordered {
                        true => Out::held(&conn, &mut out),
                        false => Out::new(&conn, &mut out),
                    };
                    let call = Call { conn: &conn, session: &mut session, out, deadline };
                    service.on_request(call, request).await
                }
            };
            out.flush();
            Done { out, result }
        });
        let flight = Flight::new(flights, step.conn, work, self.timeout.map(sleep));
        let conn = &step.conn.conn;
        conn.runtime.spawn_at(&conn.home, Box::pin(flight));
        (flights.count() >= flights.max).then_some(After::Busy)
    }

    /// Sends what has landed. `None`: the connection goes on, and has room for requests.
    pub(super) fn land(&self, step: &mut Step<'_, '_>) -> Option<After> {
        let flights = self.flights.as_ref()?;
        while let Some(Landed { done, late }) = flights.next() {
            step.out.append(done.out);
            step.out.flush();
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
        (flights.count() >= flights.max).then_some(After::Busy)
    }

    /// What follows `after` while requests are under way: their end schedules the turn.
    pub(super) fn while_aloft(&self, after: After) -> After {
        match after {
            After::Wait if self.is_aloft() => After::Busy,
            after => after,
        }
    }
}

/// The task of one request.
struct Flight {
    flights: Arc<Flights>,
    conn: Connection,
    key: usize,
    /// Its place among the answers.
    number: u64,
    work: Option<BoxFuture<Done>>,
    deadline: Option<Sleep>,
    waits: bool,
}

impl Flight {
    fn new(
        flights: &Arc<Flights>,
        conn: &Connection,
        work: BoxFuture<Done>,
        deadline: Option<Sleep>,
    ) -> Self {
        let mut board = flights.board.lock();
        let key = board.aloft.insert(None);
        let number = board.first + board.landed.len() as u64;
        if flights.ordered {
            board.landed.push_back(None);
        }
        drop(board);
        let (flights, conn) = (flights.clone(), conn.clone());
        Self { flights, conn, key, number, work: Some(work), deadline, waits: false }
    }

    /// Goes on. `None`: it waits.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Option<Landed> {
        let work = self.work.as_mut()?;
        let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
        let failed = |error| Done { out: LinkBuffer::new(), result: Err(error) };
        match polled {
            Ok(Poll::Ready(done)) => Some(Landed { done, late: false }),
            Err(payload) => {
                let done = failed(panic_error(&*payload));
                Some(Landed { done, late: false })
            }
            Ok(Poll::Pending) => {
                Pin::new(self.deadline.as_mut()?).poll(cx).is_ready().then(|| Landed {
                    done: Done { out: LinkBuffer::new(), result: Ok(Flow::Continue) },
                    late: true,
                })
            }
        }
    }

    /// Drops what the request holds; a panic in that is only logged.
    fn drop_work(&mut self) {
        let work = self.work.take();
        let dropped: Result<()> =
            catch_unwind(AssertUnwindSafe(|| drop(work))).map_err(|payload| panic_error(&*payload));
        if let Err(error) = dropped {
            tracing::warn!(%error, "dropping a request's future");
        }
    }
}

impl Future for Flight {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.flights.board.lock().over {
            return Poll::Ready(());
        }
        let Some(landed) = this.go_on(cx) else {
            if mem::replace(&mut this.waits, true) {
                return Poll::Pending;
            }
            let mut board = this.flights.board.lock();
            if board.over {
                return Poll::Ready(());
            }
            board.aloft[this.key] = Some(cx.waker().clone());
            return Poll::Pending;
        };
        this.drop_work();
        let mut board = this.flights.board.lock();
        if !board.over {
            if this.flights.ordered {
                let place = (this.number - board.first) as usize;
                board.landed[place] = Some(landed);
            } else {
                board.landed.push_back(Some(landed));
            }
        }
        Poll::Ready(())
    }
}

impl Drop for Flight {
    /// Leaves the board, after all that the request held is gone.
    fn drop(&mut self) {
        self.drop_work();
        let end = {
            let mut board = self.flights.board.lock();
            board.aloft.remove(self.key);
            if board.aloft.is_empty() { board.end.take() } else { None }
        };
        self.conn.conn.schedule(event::WAKE);
        if let Some(end) = end {
            end();
        }
    }
}
