//! A turn's requests: found, handled one at a time, and gone on with.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use super::{
    Dispatch, Service,
    call::{Call, Out},
    guard::{guarded, poll},
    lent::Lent,
    request::Take,
    served::{Done, Phase, Served, State},
};
use crate::{
    buf::LinkBuffer,
    conn::{
        CloseReason, Deadline,
        deadlines::Kind,
        frames::{Budget, Found, Next},
        handler::After,
        recv::Step,
    },
    error::{Error, Result},
    sched::block_on,
};

/// Answers of a turn that are sent before its end.
const ANSWERS: usize = 128 * 1024;

impl<S: Service> Served<S> {
    /// Goes on with a request's future. `None`: it is done, and the connection goes on.
    pub(super) fn go_on(&self, state: &mut State<S>, step: &mut Step<'_, '_>) -> Option<After> {
        let Phase::Busy(future) = &mut state.phase else { return None };
        let conn = &step.conn.conn;
        let done = match poll(future, step.conn) {
            Poll::Ready(done) => done,
            Poll::Pending if conn.deadlines.passed(Kind::Request, conn.shard.clock.now_ms()) => {
                Done { out: LinkBuffer::new(), result: Err(self.late(conn)) }
            }
            Poll::Pending => return Some(After::Busy),
        };
        // Dropping the future brings the session and a lent reader back.
        state.phase = Phase::Open;
        state.session = state.slot.lock().take();
        conn.deadlines.clear(Kind::Request);
        step.take_back();
        step.out.append(done.out);
        self.flow(step, done.result)
    }

    /// Finds requests and has them handled, until nothing is left or the budget is spent.
    pub(super) fn work(&self, state: &mut State<S>, step: &mut Step<'_, '_>) -> After {
        if !step.has_room() {
            // Also where each turn's answers are few: what the peer does not take must not grow.
            return After::Full;
        }
        let max = step.conn.options().max_frame;
        let mut budget = Budget::new();
        loop {
            let scan = &mut state.scan;
            match budget.next(step, |recv| S::Request::find(scan, recv, max)) {
                Ok(Next::Request(n)) => {
                    if let Some(after) = self.request(state, step, n) {
                        return after;
                    }
                    if step.answered() >= ANSWERS && !step.send() {
                        return After::Full;
                    }
                }
                Ok(Next::Quiet) => return self.quiet(step),
                Ok(Next::Eof) => return self.at_eof(state, step, max),
                Ok(Next::Over(after)) => return after,
                Err(error) => return self.fail(step, &error),
            }
        }
    }

    /// Nothing more is there to read now.
    fn quiet(&self, step: &Step<'_, '_>) -> After {
        let idle = step.recv.as_ref().is_some_and(|recv| recv.input.is_empty());
        if idle && self.ward.drains() && !self.is_aloft() {
            return After::Close(CloseReason::Shutdown);
        }
        After::Wait
    }

    /// The peer sends no more, and what is left is no whole frame by its own account.
    fn at_eof(&self, state: &mut State<S>, step: &mut Step<'_, '_>, max: usize) -> After {
        let Some(recv) = &step.recv else { return After::Wait };
        match S::Request::find(&mut state.scan, recv, max) {
            Ok(Found::Request(n)) => self.request(state, step, n).unwrap_or(After::Again),
            Ok(Found::Need(_)) => After::Wait,
            Err(error) => {
                self.fail(step, &error);
                After::Close(CloseReason::Eof)
            }
        }
    }

    /// Has the request of `n` bytes handled. `None`: the connection goes on.
    fn request(&self, state: &mut State<S>, step: &mut Step<'_, '_>, n: usize) -> Option<After> {
        if let Some(board) = &self.board {
            return match S::Request::hold(&mut state.scan, &step.conn.conn, &mut step.recv, n) {
                Ok(held) => self.launch(board, state, step, held),
                Err(error) => Some(self.fail(step, &error)),
            };
        }
        let deadline = self.timeout.map_or(Deadline::NONE, |timeout| {
            step.conn.conn.set_deadline(Kind::Request, Some(timeout));
            step.conn.conn.arm();
            Deadline::after(timeout)
        });
        if S::DISPATCH == Dispatch::Async {
            return match S::Request::hold(&mut state.scan, &step.conn.conn, &mut step.recv, n) {
                Ok(held) => {
                    self.start(state, step, held, deadline);
                    self.go_on(state, step)
                }
                Err(error) => Some(self.fail(step, &error)),
            };
        }
        let session = state.session.as_mut().expect("an open connection has a session");
        let lent = S::Request::lend(&mut state.scan, &step.conn.conn, &mut step.recv, n);
        let mut lent = match lent {
            Ok(lent) => lent,
            Err(error) => return Some(self.fail(step, &error)),
        };
        let out = Out::new(step.conn, step.out);
        let result = guarded(|| {
            let request = S::Request::lent(&mut lent, &step.recv, n)?;
            let call = Call { conn: step.conn, session, out, deadline };
            complete(pin!(self.service.on_request(call, request)), deadline, || {
                self.late(&step.conn.conn)
            })
        });
        S::Request::settle(lent, &mut step.recv, n);
        if self.timeout.is_some() {
            step.conn.conn.deadlines.clear(Kind::Request);
        }
        step.take_back();
        self.flow(step, result)
    }

    /// Makes the future of a request that workers poll.
    fn start(
        &self,
        state: &mut State<S>,
        step: &Step<'_, '_>,
        mut held: <S::Request as Take>::Held,
        deadline: Deadline,
    ) {
        let (service, conn) = (self.service.clone(), step.conn.clone());
        let session = state.session.take().expect("an open connection has a session");
        let mut lent = Lent::new(session, &state.slot);
        state.phase = Phase::Busy(Box::pin(async move {
            let mut out = LinkBuffer::new();
            let result = match S::Request::at(&mut held) {
                Err(error) => Err(error),
                Ok(request) => {
                    let session = lent.get();
                    let call =
                        Call { conn: &conn, session, out: Out::new(&conn, &mut out), deadline };
                    service.on_request(call, request).await
                }
            };
            out.flush();
            Done { out, result }
        }));
    }
}

/// The result of a handler that is ready at once, as sync ones are; another blocks this worker, which
/// gives its poller away.
#[inline(always)] // the future is a handler's whole state: as a call's argument it is copied
fn complete<T>(
    mut future: Pin<&mut impl Future<Output = Result<T>>>,
    deadline: Deadline,
    late: impl FnOnce() -> Error,
) -> Result<T> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => {
            block_on::wait_for(future, deadline.moment()).unwrap_or_else(|| Err(late()))
        }
    }
}
