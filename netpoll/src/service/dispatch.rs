//! Dispatch: a turn finds requests, handles them one at a time, and resumes those that wait.

use std::{
    future::Future,
    mem,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use super::{
    Dispatch, Service,
    call::{Call, Out},
    connection_handler::{ConnectionHandler, Done, Phase, State},
    guard::{decoded, malformed, poll},
    loan::Loan,
    request::Take,
};
use crate::{
    buf::LinkBuffer,
    conn::{
        CloseReason, Deadline,
        frames::{Budget, Found, Next},
        handler::After,
        recv::Step,
    },
    error::{Error, Result},
    guard::{self, Place},
    sched::block_on,
};

/// The size of a turn's answers, in bytes, from which they are sent before its end.
const ANSWERS: usize = 128 * 1024;

impl<S: Service> ConnectionHandler<S> {
    /// Resumes a request's future. Returns `None` if it is done and the connection goes on.
    pub(super) fn go_on(&self, state: &mut State<S>, step: &mut Step<'_, '_>) -> Option<After> {
        let Phase::Busy(future) = &mut state.phase else { return None };
        let conn = &step.conn.conn;
        let done = match poll(Place::Handler, future, step.conn) {
            Poll::Ready(done) => done,
            Poll::Pending if conn.is_request_late() => {
                Done { out: LinkBuffer::new(), result: Err(self.late(conn)) }
            }
            Poll::Pending => return Some(After::Busy),
        };
        // Dropping the future returns the session and a reader on loan.
        guard::discard(Place::HandlerDrop, mem::replace(&mut state.phase, Phase::Open));
        state.session = state.slot.lock().take();
        conn.end_request();
        step.take_back();
        step.out.append(done.out);
        self.flow(step, done.result)
    }

    /// Finds and handles requests until nothing is left or the budget is spent.
    pub(super) fn work(&self, state: &mut State<S>, step: &mut Step<'_, '_>) -> After {
        if !step.has_room() {
            // Even if each turn answers little: output that the peer does not read must not grow.
            return After::Full;
        }
        let max = step.conn.options().max_frame;
        let mut budget = Budget::new();
        loop {
            if step.conn.conn.is_ending() {
                // A handler has closed the connection: no request after that one starts.
                return After::Wait;
            }
            let scan = &mut *state.scan;
            match budget.next(step, |recv| S::Request::find(scan, recv, max)) {
                Ok(Next::Request(n)) => {
                    if let Some(after) = self.request(state, step, n) {
                        return after;
                    }
                    if step.answered() >= ANSWERS && !step.send() {
                        return After::Full;
                    }
                }
                Ok(Next::Quiet) => {
                    let scan = &mut *state.scan;
                    if let Some(recv) = &step.recv
                        && let Err(error) = S::Request::early(scan, recv, step.out)
                    {
                        return self.end_with(state, step, error);
                    }
                    return self.quiet(step);
                }
                Ok(Next::Eof) => return self.at_eof(state, step, max),
                Ok(Next::Over(after)) => return after,
                Err(error) => return self.end_with(state, step, error),
            }
        }
    }

    /// Ends a turn that has read all there is.
    fn quiet(&self, step: &Step<'_, '_>) -> After {
        let idle = step.recv.as_ref().is_some_and(|recv| recv.input.is_empty());
        // A request that arrives as the drain begins, or came with a connection from the accept queue, is
        // answered.
        if idle && self.owner.drains() && !self.has_pending() && !step.conn.has_unread_input() {
            return After::Close(CloseReason::Shutdown);
        }
        After::Wait
    }

    /// Handles the end of the stream, where the rest may be a frame that only the end delimits.
    fn at_eof(&self, state: &mut State<S>, step: &mut Step<'_, '_>, max: usize) -> After {
        let Some(recv) = &step.recv else { return After::Wait };
        match S::Request::find(&mut state.scan, recv, max) {
            Ok(Found::Request(n)) => self.request(state, step, n).unwrap_or(After::Again),
            Ok(Found::Need(_)) => After::Wait,
            Err(error) if self.has_pending() => self.end_with(state, step, error),
            Err(error) => {
                self.fail(step, &error);
                After::Close(CloseReason::Eof)
            }
        }
    }

    /// Handles the request of `n` bytes. Returns `None` if the connection goes on.
    fn request(&self, state: &mut State<S>, step: &mut Step<'_, '_>, n: usize) -> Option<After> {
        if let Some(table) = &self.in_flight {
            return match S::Request::hold(&mut state.scan, &step.conn.conn, &mut step.recv, n) {
                Ok(held) => self.queue_request(table, state, step, held),
                Err(error) => Some(self.fail(step, &error)),
            };
        }
        let deadline = self.timeout.map_or(Deadline::NONE, |timeout| {
            step.conn.conn.begin_request(timeout);
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
        let loan = S::Request::lend(&mut state.scan, &step.conn.conn, &mut step.recv, n);
        let mut loan = match loan {
            Ok(loan) => loan,
            Err(error) => return Some(self.fail(step, &error)),
        };
        let out = Out::new(step.conn, step.out);
        let mut decodes = true;
        let handled = guard::run(Place::Handler, || {
            let request = S::Request::borrow(&mut loan, &step.recv, n)?;
            decodes = false;
            let call = Call { conn: step.conn, session, out, deadline };
            complete(pin!(self.service.on_request(call, request)), deadline, || {
                self.late(&step.conn.conn)
            })
        });
        let result = handled.unwrap_or_else(|panicked| {
            // A panic of the decoder is no handler's: the bytes are malformed.
            Err(if decodes { malformed(panicked) } else { panicked.into() })
        });
        S::Request::settle(loan, &mut step.recv, n);
        if self.timeout.is_some() {
            step.conn.conn.end_request();
        }
        step.take_back();
        self.flow(step, result)
    }

    /// Creates the future of a request, which workers poll.
    fn start(
        &self,
        state: &mut State<S>,
        step: &Step<'_, '_>,
        mut held: <S::Request as Take>::Held,
        deadline: Deadline,
    ) {
        let (service, conn) = (self.service.clone(), step.conn.clone());
        let session = state.session.take().expect("an open connection has a session");
        let mut loan = Loan::new(session, &state.slot);
        state.phase = Phase::Busy(Box::pin(async move {
            let mut out = LinkBuffer::new();
            let result = match decoded(|| S::Request::at(&mut held)) {
                Err(error) => Err(error),
                Ok(request) => {
                    let session = loan.get();
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

/// Runs a handler's future to its end. A sync handler is ready at once; any other blocks this worker,
/// which gives its poller away.
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
