//! The glue between a connection and its service: opens it, has its requests handled, and ends it.
//!
//! ```text
//!   Fresh ──▶ Opening(future) ──▶ Open ◀──────▶ Busy(future)        any ──▶ Over
//!   on_prepare, on_connect          on_request (sync) │ (async)           on_close
//! ```

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    task::Poll,
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    Dispatch, Service,
    board::Board,
    call::Flow,
    flights,
    guard::{guarded, poll},
    lent::Slot,
    outcome::end,
    request::Take,
    runner::Job,
};
use crate::{
    buf::LinkBuffer,
    conn::{
        CloseReason, Connection,
        handler::{After, Handler},
        recv::Step,
        state::mark,
    },
    error::{Error, ErrorKind, Result},
    sched::{BoxFuture, panic_error},
};

/// Who watches over a connection: the server that accepted it.
pub(crate) trait Ward: Send + Sync {
    /// The connection was refused by `on_prepare`.
    fn refused(&self);

    /// Whether connections end as soon as they have nothing to do.
    fn drains(&self) -> bool;

    /// The connection has ended.
    fn closed(&self, conn: &Connection);
}

/// See the module's documentation.
// As in `Conn`, what every turn touches comes first; the session has any size.
#[repr(C)]
pub(crate) struct Served<S: Service> {
    pub(super) timeout: Option<Duration>,
    pub(super) service: Arc<S>,
    pub(super) ward: Arc<dyn Ward>,
    /// Requests that are handled side by side, if they are.
    pub(super) board: Option<Arc<Board<Job<S>>>>,
    /// What the last request left is to be looked at again.
    again: AtomicBool,
    state: Mutex<State<S>>,
}

#[repr(C)]
pub(super) struct State<S: Service> {
    pub(super) phase: Phase<S::Session>,
    pub(super) scan: <S::Request as Take>::Scan,
    pub(super) session: Option<S::Session>,
    /// Where a future brings the session back to.
    pub(super) slot: Slot<S::Session>,
}

pub(super) enum Phase<T> {
    Fresh,
    Opening(BoxFuture<Result<T>>),
    Open,
    Busy(BoxFuture<Done>),
    Over,
}

/// What a request's future gives: its answer, and how it went.
pub(super) struct Done {
    pub(super) out: LinkBuffer,
    pub(super) result: Result<Flow>,
}

impl<S: Service> Served<S> {
    pub(crate) fn new(service: Arc<S>, ward: Arc<dyn Ward>, timeout: Option<Duration>) -> Self {
        let state = State {
            phase: Phase::Fresh,
            session: None,
            slot: Slot::default(),
            scan: Default::default(),
        };
        let board = flights::board_of();
        let state = Mutex::new(state);
        Self { service, ward, timeout, state, board, again: AtomicBool::new(false) }
    }

    pub(super) fn service(&self) -> &S {
        &self.service
    }

    /// The next turn looks at its input as if nobody had seen it.
    pub(super) fn look_again(&self) {
        self.again.store(true, Release);
    }

    /// Runs `on_connect` as far as it gets. `None`: the connection is open.
    fn open(&self, state: &mut State<S>, step: &mut Step<'_, '_>) -> Option<After> {
        let conn = step.conn;
        if let Phase::Fresh = state.phase {
            match guarded(|| self.service.on_prepare(conn)) {
                Ok(()) => {}
                Err(error) => {
                    tracing::debug!(%error, peer = %conn.peer(), "a connection was refused");
                    if error.kind() == ErrorKind::Panic {
                        self.on_error(conn, &error);
                    }
                    self.ward.refused();
                    state.phase = Phase::Over;
                    return Some(After::Abort(CloseReason::HandlerError));
                }
            }
            let (service, own) = (self.service.clone(), conn.clone());
            state.phase = Phase::Opening(Box::pin(async move { service.on_connect(&own).await }));
        }
        let Phase::Opening(future) = &mut state.phase else { return None };
        match poll(future, conn) {
            Poll::Pending => Some(After::Busy),
            Poll::Ready(Ok(session)) => {
                state.session = Some(session);
                state.phase = Phase::Open;
                conn.conn.state_word.set(mark::OPEN);
                None
            }
            Poll::Ready(Err(error)) => {
                state.phase = Phase::Over;
                Some(self.fail(step, &error))
            }
        }
    }
}

impl<S: Service> Handler for Served<S> {
    fn step(&self, step: &mut Step<'_, '_>) -> After {
        let state = &mut *self.state.lock();
        if let Some(after) = self.open(state, step).or_else(|| self.go_on(state, step)) {
            return after;
        }
        if let Some(after) = self.land(step) {
            return after;
        }
        match state.phase {
            Phase::Over => After::Wait,
            _ => {
                if self.again.load(Relaxed) && self.again.swap(false, Acquire) {
                    state.scan = Default::default();
                }
                // A scanner is users' code too.
                let after = catch_unwind(AssertUnwindSafe(|| self.work(state, step)))
                    .unwrap_or_else(|payload| self.fail(step, &panic_error(&*payload)));
                self.while_aloft(after)
            }
        }
    }

    fn disconnected(&self, conn: &Connection, reason: CloseReason) {
        let ran = guarded(|| {
            self.service.on_disconnect(conn, reason);
            Ok(())
        });
        if let Err(error) = ran {
            self.on_error(conn, &error);
        }
    }

    fn failed(&self, conn: &Connection, error: &Error) {
        self.on_error(conn, error);
    }

    fn idle(&self, conn: &Connection) -> bool {
        guarded(|| Ok(self.service.on_idle(conn))).unwrap_or_else(|error| {
            self.on_error(conn, &error);
            true
        })
    }

    fn give_up(&self) {
        if let Some(board) = &self.board {
            board.abandon();
        }
        let phase = mem::replace(&mut self.state.lock().phase, Phase::Over);
        // A future that is under way brings the session and a lent reader back.
        let dropped = guarded(|| {
            drop(phase);
            Ok(())
        });
        if let Err(error) = dropped {
            tracing::warn!(%error, "dropping a request's future");
        }
    }

    fn closed(&self, conn: &Connection, reason: CloseReason) {
        self.give_up();
        let session = {
            let mut state = self.state.lock();
            state.session.take().or_else(|| state.slot.lock().take())
        };
        if let Some(session) = session {
            let (service, own) = (self.service.clone(), conn.clone());
            if let Some(board) = &self.board {
                let end = move || end(&service, &own, session, reason);
                board.at_the_end(Box::new(end));
            } else {
                end(&service, &own, session, reason);
            }
        }
        self.ward.closed(conn);
    }

    fn inline(&self) -> bool {
        S::DISPATCH == Dispatch::Inline
    }
}
