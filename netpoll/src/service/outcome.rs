//! The effect of a request's result on its connection, and the connection's end.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{Service, call::Flow, connection_handler::ConnectionHandler, guard::guarded};
use crate::{
    conn::{CloseReason, Connection, core::Conn, handler::After, recv::Step},
    error::{Error, ErrorKind, Result},
    sched::{BoxFuture, CatchPanic},
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
    pub(super) fn fail(&self, step: &mut Step<'_, '_>, error: &Error) -> After {
        // Output of `on_error` follows the answers.
        step.send();
        self.on_error(step.conn, error);
        After::Close(match error.kind() {
            ErrorKind::Panic => CloseReason::Panic,
            ErrorKind::Malformed => CloseReason::Malformed,
            ErrorKind::FrameTooLarge => CloseReason::FrameTooLarge,
            ErrorKind::Limit => CloseReason::MemoryLimit,
            ErrorKind::TimedOut => CloseReason::HandlerTimeout,
            _ => CloseReason::HandlerError,
        })
    }

    pub(super) fn late(&self, conn: &Conn) -> Error {
        let limit = self.timeout.unwrap_or_default();
        Error::new(ErrorKind::TimedOut, format!("a request took longer than {limit:?} ({conn})"))
    }

    pub(super) fn on_error(&self, conn: &Connection, error: &Error) {
        tell(&*self.service, conn, error);
    }
}

/// Runs `on_close`.
pub(super) fn end<S: Service>(
    service: &Arc<S>,
    conn: &Connection,
    session: S::Session,
    reason: CloseReason,
) {
    let (own, of) = (service.clone(), conn.clone());
    let mut ends: BoxFuture<()> = Box::pin(async move { own.on_close(&of, session, reason).await });
    match guarded(|| Ok(ends.as_mut().poll(&mut Context::from_waker(Waker::noop())))) {
        Ok(Poll::Ready(())) => {}
        Ok(Poll::Pending) => {
            let (own, of) = (service.clone(), conn.clone());
            conn.conn.runtime.spawn_detached(Box::pin(async move {
                if let Err(error) = CatchPanic(ends).await {
                    tell(&*own, &of, &error);
                }
            }));
        }
        Err(error) => tell(&**service, conn, &error),
    }
}

/// Calls `on_error`.
fn tell<S: Service>(service: &S, conn: &Connection, error: &Error) {
    let told = guarded(|| {
        service.on_error(conn, error);
        Ok(())
    });
    if let Err(error) = told {
        tracing::warn!(%error, "on_error");
    }
}
