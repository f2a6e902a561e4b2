//! Concurrent requests: how a connection's turn queues them, and sends their answers.
//!
//! ```text
//!   turn: split off ──queue_request──▶ waiting ──batch──▶ completed ──▶ turn: answers, one write for all
//!                                                 │           ▲
//!                                                 └─▶ task ───┘   a future that is not ready at once
//! ```
//! The connection's turn splits requests off its input and leaves them in the
//! [in-flight table](super::in_flight). A [`BatchRunner`] takes them from there, one after the other, on
//! any worker: a request that is ready at once is completed at once, and one that waits goes on as a
//! [`ConcurrentTask`](super::concurrent_task::ConcurrentTask). While requests wait, another
//! [batch](super::batch) is queued: a handler that blocks its worker loses the poller, and the worker that
//! takes the poller over finds that batch and goes on with the rest.
//!
//! A completed request schedules the turn, which sends the answer. At the connection's end the requests
//! that wait are dropped, those that run are waited for, and the last one runs `on_close`.

use std::sync::Arc;

use super::{
    Dispatch, Flow, Service,
    batch::BatchOwner,
    batch_runner::{BatchRunner, Job},
    guard::guarded,
    handler_state::{ConnectionHandler, Ending, State},
    in_flight::{Added, Completed, InFlight},
    notes::notes,
    request::Take,
};
use crate::{
    conn::{Deadline, handler::After, step::Step},
    error::{Error, ErrorKind, Result},
    guard::Place,
    observe::Watch,
};

impl<S: Service> ConnectionHandler<S> {
    /// A request that is handled concurrently needs bytes of its own.
    const SPLITS: () = assert!(
        <S::Request as Take>::SPLITS || !matches!(S::DISPATCH, Dispatch::Concurrent { .. }),
        "requests that are handled side by side are frames: a reader or a codec is one for the connection"
    );

    /// Returns whether concurrent requests are in flight.
    pub(super) fn has_pending(&self) -> bool {
        self.in_flight.as_ref().is_some_and(|table| table.open() > 0)
    }

    /// Leaves the request in `held`, of `n` bytes, to a batch. Returns `None` if there is room for another.
    pub(super) fn queue_request(
        &self,
        table: &Arc<InFlight<Job<S>>>,
        state: &mut State<S>,
        step: &mut Step<'_, '_>,
        held: <S::Request as Take>::Held,
        n: usize,
    ) -> Option<After> {
        let () = Self::SPLITS;
        let session = match guarded(Place::Handler, || shared::<S>(state.session.as_ref())) {
            Ok(session) => session,
            Err(error) => return self.flow(step, Err(error)),
        };
        let deadline = self.timeout.map_or(Deadline::NONE, Deadline::after);
        let notes = notes::<S>(n).map(Box::new);
        let watch = self.observed.as_ref().map(|observed| Watch::new(observed, n, deadline.at()));
        let Added { missing, full } = table.add(Job { held, session, deadline, watch, notes });
        if missing > 0 {
            BatchRunner::new(table, &self.service, step.conn).queue_batches(missing);
        }
        full.then_some(After::Busy)
    }

    /// Sends the answers of completed requests. Returns `None` if the connection goes on and has room
    /// for requests.
    pub(super) fn send_completed(
        &self,
        state: &mut State<S>,
        step: &mut Step<'_, '_>,
    ) -> Option<After> {
        let table = self.in_flight.as_ref()?;
        loop {
            let (completed, full) = table.next_answer();
            let Some(Completed { mut done, late, .. }) = completed else {
                if state.ending.is_none() {
                    return full.then_some(After::Busy);
                }
                if table.open() > 0 {
                    return Some(After::Busy);
                }
                return state.ending.take().map(|ending| self.end(step, ending));
            };
            step.out.flush();
            step.out.join(&mut done.out);
            if late {
                // Others answer for themselves; in order, none can be left out.
                let error = self.late(&step.conn.conn);
                if table.ordered {
                    return self.flow(step, Err(error));
                }
                self.on_error(step.conn, &error);
                continue;
            }
            let ending = match done.result {
                Ok(Flow::Continue) => continue,
                Err(error) if !table.ordered && table.open() > 0 => Ending::Failed(error),
                Ok(Flow::Close) if !table.ordered && table.open() > 0 => Ending::Closed,
                result => return self.flow(step, result),
            };
            // Requests beside this one are answered before the connection ends.
            match (&state.ending, ending) {
                (Some(_), Ending::Failed(error)) => self.on_error(step.conn, &error),
                (Some(_), Ending::Closed) => {}
                (None, ending) => state.ending = Some(ending),
            }
        }
    }

    /// Replaces a wait by [`After::Pending`] while requests are in flight: their completion schedules
    /// the turn.
    pub(super) fn after_requests(&self, after: After) -> After {
        match after {
            After::Wait if self.has_pending() => After::Pending,
            after => after,
        }
    }
}

/// Returns another handle to the session, for a request that is handled beside others.
fn shared<S: Service>(session: Option<&S::Session>) -> Result<S::Session> {
    session.and_then(S::share).ok_or_else(|| {
        let why = "a service whose requests are handled side by side shares its sessions";
        Error::new(ErrorKind::Config, why)
    })
}
