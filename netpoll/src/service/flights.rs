//! Requests handled side by side: how a connection's turn begins them, and sends their answers.
//!
//! ```text
//!   turn: split off ──launch──▶ waiting ──runner──▶ landed ──▶ turn: answers, one write for all
//!                                          │           ▲
//!                                          └─▶ flight ─┘   a future that is not ready at once
//! ```
//! The connection's turn splits requests off its input and leaves them on the [`board`](super::board). A
//! [`Runner`] takes them from there, one after the other, on any worker: what is ready at once lands at
//! once, and what waits goes on as a [`Flight`](super::flight::Flight), a task of its own. While requests
//! wait, another [`run`](super::run) is queued: a handler that blocks its worker loses the poller, and the
//! worker that takes it over finds that run and goes on with the rest.
//!
//! What landed schedules the turn, which sends it. At the connection's end what waits is dropped, what
//! runs is waited for, and the last to leave runs `on_close`.

use std::sync::Arc;

use super::{
    Dispatch, Service,
    board::{Added, Board, Landed},
    request::Take,
    run::Owner,
    runner::{Job, Runner},
    served::{Served, State},
};
use crate::{
    conn::{Deadline, handler::After, recv::Step},
    error::{Error, ErrorKind},
};

/// The board of a connection, if its requests are handled side by side.
pub(super) fn board_of<S: Service>() -> Option<Arc<Board<Job<S>>>> {
    let Dispatch::Concurrent { max, ordered } = S::DISPATCH else { return None };
    Some(Arc::new(Board::new(max, ordered)))
}

impl<S: Service> Served<S> {
    /// A request that is handled side by side with others needs bytes of its own.
    const SPLITS: () = assert!(
        <S::Request as Take>::SPLITS || !matches!(S::DISPATCH, Dispatch::Concurrent { .. }),
        "requests that are handled side by side are frames: a reader or a codec is one for the connection"
    );

    /// Whether requests are under way, side by side.
    pub(super) fn is_aloft(&self) -> bool {
        self.board.as_ref().is_some_and(|board| board.open() > 0)
    }

    /// Leaves the request in `held` to a runner. `None`: there is room for another.
    pub(super) fn launch(
        &self,
        board: &Arc<Board<Job<S>>>,
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
        let Added { missing, full } = board.add(Job { held, session, deadline });
        if missing > 0 {
            Runner::new(board, &self.service, step.conn).queue_runs(missing);
        }
        full.then_some(After::Busy)
    }

    /// Sends what has landed. `None`: the connection goes on, and has room for requests.
    pub(super) fn land(&self, step: &mut Step<'_, '_>) -> Option<After> {
        let board = self.board.as_ref()?;
        loop {
            let (landed, full) = board.next_answer();
            let Some(Landed { mut done, late, .. }) = landed else {
                return full.then_some(After::Busy);
            };
            step.out.flush();
            step.out.join(&mut done.out);
            if late {
                // Others answer for themselves; in order, none can be left out.
                let error = self.late(&step.conn.conn);
                if board.ordered {
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
