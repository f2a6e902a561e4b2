//! The effect of a request's result on its connection, and the connection's end.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{
    Service,
    call::Flow,
    guard::Guarded,
    handler_state::{ConnectionHandler, Ending, State, Told},
};
use crate::{
    conn::{CloseReason, Connection, core::Conn, handler::After, step::Step},
    error::{Error, ErrorKind, Result},
    guard::{self, Panicked, Place},
    observe::Budget,
    sched::BoxFuture,
};

impl<S: Service> ConnectionHandler<S> {
    /// Applies a request's result to the connection. Returns `None` if the connection goes on.
    #[inline]
    pub(super) fn flow(&self, step: &mut Step<'_, '_>, result: Result<Flow>) -> Option<After> {
        match result {
            Ok(Flow::Continue) => None,
            Ok(Flow::Close) => Some(After::Close(CloseReason::Local)),
            Ok(Flow::Detach) => Some(After::Detach),
            Err(error) => Some(self.fail(step, &error)),
        }
    }

    /// Reports `error` and ends the connection, after the answers before it are sent.
    #[cold]
    pub(super) fn fail(&self, step: &mut Step<'_, '_>, error: &Error) -> After {
        // Output of `on_error` follows the answers.
        step.send();
        self.on_error(step.conn, error);
        if error.kind() == ErrorKind::Limit {
            self.observed.iter().for_each(|observed| observed.budget(Budget::Memory));
        }
        After::Close(match error.kind() {
            ErrorKind::Panic => CloseReason::Panic,
            ErrorKind::Malformed => CloseReason::Malformed,
            ErrorKind::FrameTooLarge => CloseReason::FrameTooLarge,
            ErrorKind::Limit => CloseReason::MemoryLimit,
            ErrorKind::Truncated => CloseReason::Truncated,
            ErrorKind::TimedOut => CloseReason::HandlerTimeout,
            _ => CloseReason::HandlerError,
        })
    }

    /// Ends the connection with `error`, which concerns the bytes behind its requests: those that are in
    /// flight are answered first.
    #[cold]
    pub(super) fn end_with(
        &self,
        state: &mut State<S>,
        step: &mut Step<'_, '_>,
        error: Error,
    ) -> After {
        if !self.has_pending() {
            return self.fail(step, &error);
        }
        state.ending = Some(Ending::Failed(error));
        After::Busy
    }

    /// Carries out an end that has waited for the requests in flight.
    #[cold]
    pub(super) fn end(&self, step: &mut Step<'_, '_>, ending: Ending) -> After {
        match ending {
            Ending::Failed(error) => self.fail(step, &error),
            Ending::Closed => After::Close(CloseReason::Local),
        }
    }

    pub(super) fn late(&self, conn: &Conn) -> Error {
        let limit = self.timeout.unwrap_or_default();
        Error::new(ErrorKind::TimedOut, format!("a request took longer than {limit:?} ({conn})"))
    }

    pub(super) fn on_error(&self, conn: &Connection, error: &Error) {
        let placed = error.kind() == ErrorKind::FrameTooLarge;
        let placed =
            placed.then(|| error.clone().with_message(format!("{error} on {}", conn.peer())));
        let error = placed.as_ref().unwrap_or(error);
        self.owner.failed(conn, error);
        report(&*self.service, conn, error);
    }
}

/// Runs `on_close`. The connection's owner is told after it.
pub(super) fn end<S: Service>(
    service: &Arc<S>,
    session: Option<Guarded<S::Session>>,
    reason: CloseReason,
    told: Told,
) {
    let Some(session) = session.map(Guarded::into_inner) else { return };
    let (own, of) = (service.clone(), told.conn.clone());
    let mut ends: BoxFuture<()> = Box::pin(async move { own.on_close(&of, session, reason).await });
    let mut noop = Context::from_waker(Waker::noop());
    match guard::poll(Place::OnClose, ends.as_mut(), &mut noop) {
        Poll::Ready(ended) => has_ended(&**service, ends, ended, &told),
        Poll::Pending => {
            let own = service.clone();
            let runtime = told.conn.conn.runtime().clone();
            runtime.spawn_detached(Box::pin(async move {
                let ended = poll_fn(|cx| guard::poll(Place::OnClose, ends.as_mut(), cx)).await;
                has_ended(&*own, ends, ended, &told);
            }));
        }
    }
}

fn has_ended<S: Service>(
    service: &S,
    ends: BoxFuture<()>,
    ended: Result<(), Panicked>,
    told: &Told,
) {
    guard::discard(Place::SessionDrop, ends);
    if let Err(panicked) = ended {
        report(service, &told.conn, &panicked.into());
    }
}

/// Calls `on_error`. A panic of its own is counted and logged.
fn report<S: Service>(service: &S, conn: &Connection, error: &Error) {
    let _ = guard::run(Place::OnError, || service.on_error(conn, error));
}
