//! The connection handler: opens a connection for its service, dispatches its requests, and ends it.
//!
//! ```text
//!   Fresh ──▶ Opening(future) ──▶ Open ◀──────▶ Busy(future)        any ──▶ Over
//!   on_prepare, on_connect          on_request (sync) │ (async)           on_close
//! ```

use std::{
    mem,
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
    batch_runner::Job,
    call::Flow,
    concurrent,
    guard::{Guarded, guarded, malformed, poll},
    in_flight::{InFlight, OnEnd},
    last_hook::LastHooks,
    loan::Slot,
    outcome::end,
    request::Take,
};
use crate::{
    buf::LinkBuffer,
    conn::{
        CloseReason, Connection,
        handler::{After, Handler},
        recv::Step,
    },
    error::{Error, ErrorKind, Result},
    guard::{self, Place},
    sched::BoxFuture,
};

/// The owner of a connection: the server that accepted it, or a dialled connection's own user.
pub(crate) trait ConnectionOwner: Send + Sync {
    /// Called when `on_prepare` refuses the connection.
    fn refused(&self);

    /// Returns whether connections are to end as soon as they are idle.
    fn drains(&self) -> bool;

    /// Called for each error that `on_error` is told of.
    fn failed(&self, conn: &Connection, error: &Error);

    /// Called when the connection has ended.
    fn closed(&self, conn: &Connection);
}

/// The handler of one connection for the service `S`.
// As in `Conn`, the fields that every turn touches come first; the session has any size.
#[repr(C)]
pub(crate) struct ConnectionHandler<S: Service> {
    pub(super) timeout: Option<Duration>,
    pub(super) service: Arc<S>,
    pub(super) owner: Arc<dyn ConnectionOwner>,
    /// The requests that are handled concurrently, if they are.
    pub(super) in_flight: Option<Arc<InFlight<Job<S>>>>,
    /// True if the next turn scans the rest of the input anew.
    again: AtomicBool,
    last_hooks: LastHooks,
    state: Mutex<State<S>>,
}

#[repr(C)]
pub(super) struct State<S: Service> {
    pub(super) phase: Phase<S::Session>,
    pub(super) scan: Guarded<<S::Request as Take>::Scan>,
    /// The end that waits for the concurrent requests in flight.
    pub(super) ending: Option<Ending>,
    pub(super) session: Option<S::Session>,
    /// The slot that a future returns the session to.
    pub(super) slot: Slot<S::Session>,
}

pub(super) enum Phase<T> {
    Fresh,
    /// `on_prepare` has let it in.
    Prepared,
    Opening(BoxFuture<Result<T>>),
    Open,
    Busy(BoxFuture<Done>),
    Over,
}

/// The end of a connection that reads no more requests, and still answers those in flight.
pub(super) enum Ending {
    /// An error, such as malformed bytes behind the last request.
    Failed(Error),
    /// A handler's wish.
    Closed,
}

/// The output of a request's future: its answer and its result.
pub(super) struct Done {
    pub(super) out: LinkBuffer,
    pub(super) result: Result<Flow>,
}

impl<S: Service> ConnectionHandler<S> {
    pub(crate) fn new(
        service: Arc<S>,
        owner: Arc<dyn ConnectionOwner>,
        timeout: Option<Duration>,
    ) -> Self {
        let state = State {
            phase: Phase::Fresh,
            session: None,
            slot: Slot::default(),
            scan: Guarded::new(Place::Scan, Default::default()),
            ending: None,
        };
        let in_flight = concurrent::in_flight_table();
        let state = Mutex::new(state);
        Self {
            service,
            owner,
            timeout,
            state,
            in_flight,
            again: AtomicBool::new(false),
            last_hooks: LastHooks::default(),
        }
    }

    pub(super) fn service(&self) -> &S {
        &self.service
    }

    /// Makes the next turn scan its input anew.
    pub(super) fn look_again(&self) {
        self.again.store(true, Release);
    }

    /// Runs `on_prepare`. `Some`: it refuses the connection.
    fn judge(&self, state: &mut State<S>, conn: &Connection) -> Option<After> {
        let error = match guarded(Place::OnPrepare, || self.service.on_prepare(conn)) {
            Ok(()) => {
                state.phase = Phase::Prepared;
                return None;
            }
            Err(error) => error,
        };
        tracing::debug!(%error, peer = %conn.peer(), "a connection was refused");
        if error.kind() == ErrorKind::Panic {
            self.on_error(conn, &error);
        }
        self.owner.refused();
        state.phase = Phase::Over;
        Some(After::Abort(CloseReason::HandlerError))
    }

    /// Runs `on_connect` as far as it gets. Returns `None` once the connection is open.
    fn open(&self, state: &mut State<S>, step: &mut Step<'_, '_>) -> Option<After> {
        let conn = step.conn;
        if let Phase::Fresh = state.phase
            && let Some(after) = self.judge(state, conn)
        {
            return Some(after);
        }
        if let Phase::Prepared = state.phase {
            let (service, own) = (self.service.clone(), conn.clone());
            state.phase = Phase::Opening(Box::pin(async move { service.on_connect(&own).await }));
        }
        let Phase::Opening(future) = &mut state.phase else { return None };
        let opened = match poll(Place::OnConnect, future, conn) {
            Poll::Pending => return Some(After::Busy),
            Poll::Ready(opened) => opened,
        };
        guard::discard(Place::OnConnect, mem::replace(&mut state.phase, Phase::Over));
        match opened {
            Ok(session) => {
                state.session = Some(session);
                state.phase = Phase::Open;
                conn.conn.opened();
                None
            }
            Err(error) => Some(self.fail(step, &error)),
        }
    }
}

impl<S: Service> Handler for ConnectionHandler<S> {
    fn prepare(&self, conn: &Connection) -> Option<After> {
        let state = &mut *self.state.lock();
        if matches!(state.phase, Phase::Fresh) { self.judge(state, conn) } else { None }
    }

    fn drains(&self) -> bool {
        self.owner.drains()
    }

    fn step(&self, step: &mut Step<'_, '_>) -> After {
        let state = &mut *self.state.lock();
        if let Some(after) = self.open(state, step).or_else(|| self.go_on(state, step)) {
            return after;
        }
        if let Some(after) = self.send_completed(state, step) {
            return after;
        }
        match state.phase {
            Phase::Over => After::Wait,
            _ => {
                if self.again.load(Relaxed) && self.again.swap(false, Acquire) {
                    *state.scan = Default::default();
                }
                // Handlers have guards of their own: what is caught here is a scanner's panic.
                let after = guard::run(Place::Scan, || self.work(state, step))
                    .unwrap_or_else(|panicked| self.end_with(state, step, malformed(panicked)));
                self.after_requests(after)
            }
        }
    }

    fn disconnected(&self, conn: &Connection, reason: CloseReason) {
        if !self.last_hooks.begin_disconnect() {
            return;
        }
        let ran = guard::run(Place::OnDisconnect, || self.service.on_disconnect(conn, reason));
        if let Err(panicked) = ran {
            self.on_error(conn, &panicked.into());
        }
        if let Some(end) = self.last_hooks.end_disconnect() {
            end();
        }
    }

    fn failed(&self, conn: &Connection, error: &Error) {
        self.on_error(conn, error);
    }

    fn idle(&self, conn: &Connection) -> bool {
        guard::run(Place::OnIdle, || self.service.on_idle(conn)).unwrap_or_else(|panicked| {
            self.on_error(conn, &panicked.into());
            true
        })
    }

    fn give_up(&self) {
        if let Some(table) = &self.in_flight {
            table.abandon();
        }
        let phase = mem::replace(&mut self.state.lock().phase, Phase::Over);
        // A future that is under way returns the session and a reader on loan.
        guard::discard(Place::HandlerDrop, phase);
    }

    fn closed(&self, conn: &Connection, reason: CloseReason) {
        self.give_up();
        let session = {
            let mut state = self.state.lock();
            state.session.take().or_else(|| state.slot.lock().take())
        };
        let session = session.map(|session| Guarded::new(Place::SessionDrop, session));
        let service = self.service.clone();
        // Told after the last hook: until then the connection has its place among the owner's.
        let told = Told { owner: self.owner.clone(), conn: conn.clone() };
        let end: OnEnd = Box::new(move || end(&service, session, reason, told));
        let table = self.in_flight.clone();
        let end: OnEnd = match table {
            Some(table) => Box::new(move || table.run_at_end(end)),
            None => end,
        };
        if let Some(end) = self.last_hooks.close(end) {
            end();
        }
    }

    fn inline(&self) -> bool {
        S::DISPATCH == Dispatch::Inline
    }
}

/// The notice to a connection's owner that the connection has ended, given when this is dropped.
pub(super) struct Told {
    owner: Arc<dyn ConnectionOwner>,
    pub(super) conn: Connection,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.owner.closed(&self.conn);
    }
}
