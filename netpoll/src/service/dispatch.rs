//! Dispatch: what a turn does with the requests that it finds, one at a time, and with those that wait.

use std::{
    future::Future,
    mem,
    ops::ControlFlow::{self, Break, Continue},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use super::{
    Dispatch, Service,
    call::{Call, Out},
    done::Done,
    guard::{decoded, malformed, poll},
    handler_state::{ConnectionHandler, Phase, State},
    inherited::inherited,
    loan::Loan,
    notes::{Notes, notes},
    observed::{Pending, outcome},
    request::Take,
};
use crate::{
    buf::LinkBuffer,
    conn::{
        CloseReason, Deadline, Sent, frames::Found, handler::After, pump::Receive, recv::Recv,
        step::Step,
    },
    counters::{self, Counter},
    error::{Error, Result},
    guard::{self, Place},
    observe::{Moments, Route, Watch, thread},
    sched::block_on,
};

/// The size of a turn's answers, in bytes, from which they are sent before its end.
const ANSWERS: usize = 128 * 1024;

impl<S: Service> ConnectionHandler<S> {
    /// Resumes a request's future. Returns `None` if it is done and the connection goes on.
    pub(super) fn go_on(&self, state: &mut State<S>, step: &mut Step<'_, '_>) -> Option<After> {
        let Phase::Busy(future) = &mut state.phase else { return None };
        let conn = &step.conn.conn;
        if let Some(pending) = &state.pending {
            pending.resume();
        }
        if let Some(watch) = &mut state.watch {
            watch.begin_poll();
        }
        let polled = poll(Place::Handler, future, step.conn);
        if let Some(watch) = &mut state.watch {
            watch.end_poll();
        }
        let done = match polled {
            Poll::Ready(done) => done,
            Poll::Pending if conn.is_request_late() => {
                Done { out: LinkBuffer::new(), result: Err(self.late(conn)) }
            }
            Poll::Pending => {
                if state.pending.is_none() {
                    state.pending = Pending::of::<S::Request>(conn);
                }
                return Some(After::Busy);
            }
        };
        state.pending = None;
        if let Some(watch) = state.watch.take() {
            watch.end(outcome(&done.result), done.out.len());
        }
        // Dropping the future returns the session and a reader on loan.
        guard::discard(Place::HandlerDrop, mem::replace(&mut state.phase, Phase::Open));
        state.session = state.slot.lock().take();
        conn.end_request();
        step.take_back();
        step.out.append(done.out);
        self.flow(step, done.result)
    }

    /// Handles the request of `n` bytes. Returns `None` if the connection goes on.
    fn request(&self, state: &mut State<S>, step: &mut Step<'_, '_>, n: usize) -> Option<After> {
        if let Some(table) = &self.in_flight {
            return match S::Request::hold(&mut state.scan, &step.conn.conn, &mut step.recv, n) {
                Ok(held) => self.queue_request(table, state, step, held, n),
                Err(error) => Some(self.fail(step, &error)),
            };
        }
        let deadline = self.timeout.map_or(Deadline::NONE, |timeout| {
            // Before the connection's own, so that a handler which waits can still say that it is late.
            let deadline = Deadline::after(timeout);
            step.conn.conn.begin_request(timeout);
            deadline
        });
        counters::add(Counter::Requests, 1);
        let notes = notes::<S>(n);
        if S::DISPATCH == Dispatch::Async {
            return match S::Request::hold(&mut state.scan, &step.conn.conn, &mut step.recv, n) {
                Ok(held) => {
                    state.watch = self.observed.as_ref().map(|observed| {
                        let mut watch = Watch::new(observed, n, deadline.at());
                        watch.begin();
                        watch
                    });
                    self.start(state, step, held, deadline, notes);
                    self.go_on(state, step)
                }
                Err(error) => Some(self.fail(step, &error)),
            };
        }
        let loan = S::Request::lend(&mut state.scan, &step.conn.conn, &mut step.recv, n);
        let mut loan = match loan {
            Ok(loan) => loan,
            Err(error) => return Some(self.fail(step, &error)),
        };
        let moments = self.begin(state, step, n);
        let before = if moments.is_some() { step.answered() } else { 0 };
        let session = state.session.as_mut().expect("an open connection has a session");
        let out = Out::new(step.conn, step.out).with_notes(notes.as_ref());
        let mut decodes = true;
        let handled = guard::run(Place::Handler, || {
            let request = S::Request::borrow(&mut loan, &step.recv, n)?;
            decodes = false;
            let deadline = inherited(deadline, S::Request::remaining(&request));
            let call = Call { conn: step.conn, session, out, deadline };
            complete(pin!(self.service.on_request(call, request)), deadline, || {
                self.late(&step.conn.conn)
            })
        });
        let result = handled.unwrap_or_else(|panicked| {
            // A panic of the decoder is no handler's: the bytes are malformed.
            Err(if decodes { malformed(panicked) } else { panicked.into() })
        });
        if let (Some(observed), Some(moments)) = (&self.observed, &moments) {
            let handled = state.times.end(moments);
            let sent = step.answered().saturating_sub(before);
            observed.ended(moments, handled, Route::current(), outcome(&result), sent);
        }
        S::Request::settle(loan, &mut step.recv, n);
        if self.timeout.is_some() {
            step.conn.conn.end_request();
        }
        step.take_back();
        self.flow(step, result)
    }

    /// Tells observers, if there are any, that the handler of a request of `n` bytes begins.
    fn begin(&self, state: &mut State<S>, step: &Step<'_, '_>, n: usize) -> Option<Moments> {
        let observed = self.observed.as_deref()?;
        let moments = state.times.begin(step.recv.as_deref(), n);
        Route::NONE.enter();
        thread::take_noted();
        observed.begun(&moments);
        Some(moments)
    }

    /// Creates the future of a request, which workers poll.
    fn start(
        &self,
        state: &mut State<S>,
        step: &Step<'_, '_>,
        mut held: <S::Request as Take>::Held,
        deadline: Deadline,
        notes: Option<Notes>,
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
                    let out = Out::new(&conn, &mut out).with_notes(notes.as_ref());
                    let deadline = inherited(deadline, S::Request::remaining(&request));
                    let call = Call { conn: &conn, session, out, deadline };
                    service.on_request(call, request).await
                }
            };
            out.flush();
            Done { out, result }
        }));
    }
}

/// The receiving side of a step.
pub(super) struct Requests<'s, S: Service> {
    pub(super) handler: &'s ConnectionHandler<S>,
    pub(super) state: &'s mut State<S>,
    pub(super) max_frame: usize,
}

impl<S: Service> Receive for Requests<'_, S> {
    #[inline]
    fn find(&mut self, recv: &Recv) -> Result<Found> {
        S::Request::find(&mut self.state.scan, recv, self.max_frame)
    }

    #[inline]
    fn frame(&mut self, step: &mut Step<'_, '_>, n: usize) -> Result<ControlFlow<After>> {
        Ok(match self.handler.request(self.state, step, n) {
            Some(after) => Break(after),
            None if step.answered() >= ANSWERS && step.send() == Sent::Full => Break(After::Full),
            None => Continue(()),
        })
    }

    #[inline]
    fn quiet(&mut self, step: &mut Step<'_, '_>) -> Result<After> {
        if let Some(recv) = &step.recv {
            S::Request::early(&mut self.state.scan, recv, step.out)?;
        }
        if self.handler.owner.drains() { self.drain(step) } else { Ok(After::Wait) }
    }
}

impl<S: Service> Requests<'_, S> {
    /// Ends a step of a server that drains: says goodbye, and closes the connection once it has been idle for
    /// long enough.
    #[cold]
    fn drain(&mut self, step: &mut Step<'_, '_>) -> Result<After> {
        let handler = self.handler;
        let leaves = match self.state.leaves {
            Some(leaves) => leaves,
            None => *self.state.leaves.insert(handler.say_goodbye(step)?),
        };
        let idle = step.recv.as_ref().is_some_and(|recv| recv.input.is_empty());
        // A request that arrives as the drain begins, or came with a connection from the accept queue, is
        // answered.
        if idle && leaves.has_passed() && !handler.has_pending() && !step.conn.has_unread_input() {
            return Ok(After::Close(CloseReason::Shutdown));
        }
        Ok(After::Wait)
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
