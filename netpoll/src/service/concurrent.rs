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
    Dispatch, Service,
    batch::BatchOwner,
    batch_runner::{BatchRunner, Job},
    connection_handler::{ConnectionHandler, State},
    in_flight::{Added, Completed, InFlight},
    request::Take,
};
use crate::{
    conn::{Deadline, handler::After, recv::Step},
    error::{Error, ErrorKind},
};

/// Creates the in-flight table of a connection whose requests are handled concurrently.
pub(super) fn in_flight_table<S: Service>() -> Option<Arc<InFlight<Job<S>>>> {
    let Dispatch::Concurrent { max, ordered } = S::DISPATCH else { return None };
    Some(Arc::new(InFlight::new(max, ordered)))
}

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

    /// Leaves the request in `held` to a batch. Returns `None` if there is room for another.
    pub(super) fn queue_request(
        &self,
        table: &Arc<InFlight<Job<S>>>,
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
        let Added { missing, full } = table.add(Job { held, session, deadline });
        if missing > 0 {
            BatchRunner::new(table, &self.service, step.conn).queue_batches(missing);
        }
        full.then_some(After::Busy)
    }

    /// Sends the answers of completed requests. Returns `None` if the connection goes on and has room
    /// for requests.
    pub(super) fn send_completed(&self, step: &mut Step<'_, '_>) -> Option<After> {
        let table = self.in_flight.as_ref()?;
        loop {
            let (completed, full) = table.next_answer();
            let Some(Completed { mut done, late, .. }) = completed else {
                return full.then_some(After::Busy);
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
            } else if let Some(after) = self.flow(step, done.result) {
                return Some(after);
            }
        }
    }

    /// Replaces a wait by [`After::Busy`] while requests are in flight: their completion schedules the
    /// turn.
    pub(super) fn busy_while_pending(&self, after: After) -> After {
        match after {
            After::Wait if self.has_pending() => After::Busy,
            after => after,
        }
    }
}
