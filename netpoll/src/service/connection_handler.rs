//! The connection handler: opens a connection for its service, dispatches its requests, and ends it.
//!
//! ```text
//!   Fresh ──▶ Opening(future) ──▶ Open ◀──────▶ Busy(future)        any ──▶ Over
//!   on_prepare, on_connect          on_request (sync) │ (async)           on_close
//! ```

use std::{
    mem,
    sync::atomic::Ordering::{Acquire, Relaxed},
    task::Poll,
};

use super::{
    Dispatch, Service,
    dispatch::Requests,
    guard::{Guarded, guarded, malformed, poll},
    handler_state::{ConnectionHandler, Phase, State, Told},
    in_flight::OnEnd,
    outcome::end,
};
use crate::{
    conn::{
        CloseReason, Connection,
        handler::{After, Handler},
        pump,
        step::Step,
    },
    error::{Error, ErrorKind},
    guard::{self, Place},
    observe::Budget,
};

impl<S: Service> ConnectionHandler<S> {
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
            Ok(mut session) => {
                let detach = S::detach(&mut session);
                state.session = Some(session);
                state.phase = Phase::Open;
                conn.conn.opened();
                detach.map(|detach| {
                    state.detached = detach.into_task();
                    After::Detach
                })
            }
            Err(error) => Some(self.fail(step, &error)),
        }
    }

    /// Finds and handles requests until nothing is left or the budget is spent.
    fn work(&self, state: &mut State<S>, step: &mut Step<'_, '_>) -> After {
        if !step.has_room() {
            // Even if each turn answers little: output that the peer does not read must not grow.
            return After::Full;
        }
        let max_frame = step.conn.options().max_frame;
        if self.observed.is_some() {
            state.times.begin_turn();
        }
        let after = pump::run(&mut Requests { handler: self, state, max_frame }, step);
        if let (Some(observed), Ok(after)) = (&self.observed, &after) {
            match after {
                After::Again => observed.budget(Budget::Turn),
                After::Full => observed.budget(Budget::Output),
                _ => {}
            }
        }
        after.unwrap_or_else(|error| {
            if error.kind() == ErrorKind::Eof && !self.has_pending() {
                self.fail(step, &error);
                return After::Close(CloseReason::Eof);
            }
            self.end_with(state, step, error)
        })
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

    fn half_closed(&self, conn: &Connection) {
        if let Err(panicked) = guard::run(Place::OnHalfClose, || self.service.on_half_close(conn)) {
            self.on_error(conn, &panicked.into());
            conn.conn.abort(CloseReason::Panic);
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
        let (phase, watch, _pending) = {
            let mut state = self.state.lock();
            let phase = mem::replace(&mut state.phase, Phase::Over);
            (phase, state.watch.take(), state.pending.take())
        };
        // A future that is under way returns the session and a reader on loan.
        guard::discard(Place::HandlerDrop, phase);
        // Its drop tells that the request was cancelled.
        drop(watch);
    }

    fn closed(&self, conn: &Connection, reason: CloseReason) {
        self.give_up();
        let task = self.state.lock().detached.take();
        if let Some(task) = task {
            conn.conn.spawn(task);
        }
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

    fn in_flight(&self) -> usize {
        if let Some(table) = &self.in_flight {
            return table.open();
        }
        // Who has the lock handles a request, as a rule.
        self.state.try_lock().map_or(1, |state| usize::from(matches!(state.phase, Phase::Busy(_))))
    }

    fn inline(&self) -> bool {
        S::DISPATCH == Dispatch::Inline
    }
}
