//! The glue between a connection and its service: opens it, finds its requests, and has them handled.
//!
//! ```text
//!   Fresh ──▶ Opening(future) ──▶ Open ◀──────▶ Busy(future)        any ──▶ Over
//!   on_prepare, on_connect          on_request (sync) │ (async)           on_close
//! ```

use std::{
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{
            AtomicBool,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    Dispatch, Service,
    call::{Call, Flow, Out},
    flights::Flights,
    lent::{Lent, Slot},
    request::Take,
};
use crate::{
    buf::LinkBuffer,
    conn::{
        CloseReason, Connection, Deadline,
        core::Conn,
        deadlines::Kind,
        frames::{Budget, Found, Next},
        handler::{After, Handler},
        recv::Step,
        state::mark,
    },
    error::{Error, ErrorKind, Result},
    sched::{BoxFuture, CatchPanic, panic_error, park},
};

/// Answers of a turn that are sent before its end.
const ANSWERS: usize = 128 * 1024;

/// Who watches over a connection: the server that accepted it.
pub(crate) trait Ward: Send + Sync {
    /// The connection was refused by `on_prepare`.
    fn refused(&self);

    /// Whether connections end as soon as they have nothing to do.
    fn drains(&self) -> bool;

    /// The connection has ended.
    fn closed(&self, conn: &Connection);
}

/// See the module's documentation.
pub(crate) struct Served<S: Service> {
    pub(super) service: Arc<S>,
    ward: Arc<dyn Ward>,
    pub(super) timeout: Option<Duration>,
    state: Mutex<State<S>>,
    /// Requests that are handled side by side, if they are.
    pub(super) flights: Option<Arc<Flights<S>>>,
    /// What the last request left is to be looked at again.
    again: AtomicBool,
}

pub(super) struct State<S: Service> {
    phase: Phase<S::Session>,
    pub(super) session: Option<S::Session>,
    /// Where a future brings the session back to.
    slot: Slot<S::Session>,
    scan: <S::Request as Take>::Scan,
}

enum Phase<T> {
    Fresh,
    Opening(BoxFuture<Result<T>>),
    Open,
    Busy(BoxFuture<Done>),
    Over,
}

/// What a request's future gives: its answer, and how it went.
pub(super) struct Done {
    pub(super) out: LinkBuffer,
    pub(super) result: Result<Flow>,
}

impl<S: Service> Served<S> {
    pub(crate) fn new(service: Arc<S>, ward: Arc<dyn Ward>, timeout: Option<Duration>) -> Self {
        let state = State {
            phase: Phase::Fresh,
            session: None,
            slot: Slot::default(),
            scan: Default::default(),
        };
        let flights = Flights::of_service();
        let state = Mutex::new(state);
        Self { service, ward, timeout, state, flights, again: AtomicBool::new(false) }
    }

    pub(super) fn service(&self) -> &S {
        &self.service
    }

    /// The next turn looks at its input as if nobody had seen it.
    pub(super) fn look_again(&self) {
        self.again.store(true, Release);
    }

    /// Runs `on_connect` as far as it gets. `None`: the connection is open.
    fn open(&self, state: &mut State<S>, step: &mut Step<'_, '_>) -> Option<After> {
        let conn = step.conn;
        if let Phase::Fresh = state.phase {
            match guarded(|| self.service.on_prepare(conn)) {
                Ok(()) => {}
                Err(error) => {
                    tracing::debug!(%error, peer = %conn.peer(), "a connection was refused");
                    if error.kind() == ErrorKind::Panic {
                        self.on_error(conn, &error);
                    }
                    self.ward.refused();
                    state.phase = Phase::Over;
                    return Some(After::Abort(CloseReason::HandlerError));
                }
            }
            let (service, own) = (self.service.clone(), conn.clone());
            state.phase = Phase::Opening(Box::pin(async move { service.on_connect(&own).await }));
        }
        let Phase::Opening(future) = &mut state.phase else { return None };
        match poll(future, conn) {
            Poll::Pending => Some(After::Busy),
            Poll::Ready(Ok(session)) => {
                state.session = Some(session);
                state.phase = Phase::Open;
                conn.conn.gate.set(mark::OPEN);
                None
            }
            Poll::Ready(Err(error)) => {
                state.phase = Phase::Over;
                Some(self.fail(step, &error))
            }
        }
    }

    /// Goes on with a request's future. `None`: it is done, and the connection goes on.
    fn go_on(&self, state: &mut State<S>, step: &mut Step<'_, '_>) -> Option<After> {
        let Phase::Busy(future) = &mut state.phase else { return None };
        let conn = &step.conn.conn;
        let done = match poll(future, step.conn) {
            Poll::Ready(done) => done,
            Poll::Pending if conn.deadlines.passed(Kind::Request, conn.home.clock.now_ms()) => {
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
        step.out.flush();
        self.flow(step, done.result)
    }

    /// Finds requests and has them handled, until nothing is left or the budget is spent.
    fn work(&self, state: &mut State<S>, step: &mut Step<'_, '_>) -> After {
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
                    if step.out.len() >= ANSWERS && !step.send() {
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
        if let Some(flights) = &self.flights {
            return match S::Request::hold(&mut state.scan, &step.conn.conn, &mut step.recv, n) {
                Ok(held) => self.launch(flights, state, step, held),
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
        let out = Out::new(step.conn, &mut step.out);
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
        step.out.flush();
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

    /// What a request's result means for the connection. `None`: it goes on.
    pub(super) fn flow(&self, step: &mut Step<'_, '_>, result: Result<Flow>) -> Option<After> {
        match result {
            Ok(Flow::Continue) => None,
            Ok(Flow::Close) => Some(After::Close(CloseReason::Local)),
            Ok(Flow::Detach) => Some(After::Detach),
            Err(error) => Some(self.fail(step, &error)),
        }
    }

    /// An error ends the connection, after what was answered before it.
    fn fail(&self, step: &mut Step<'_, '_>, error: &Error) -> After {
        // What `on_error` says to the peer comes after the answers.
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

impl<S: Service> Handler for Served<S> {
    fn step(&self, step: &mut Step<'_, '_>) -> After {
        let state = &mut *self.state.lock();
        if let Some(after) = self.open(state, step).or_else(|| self.go_on(state, step)) {
            return after;
        }
        if let Some(after) = self.land(step) {
            return after;
        }
        match state.phase {
            Phase::Over => After::Wait,
            _ => {
                if self.again.load(Relaxed) && self.again.swap(false, Acquire) {
                    state.scan = Default::default();
                }
                // A scanner is users' code too.
                let after = catch_unwind(AssertUnwindSafe(|| self.work(state, step)))
                    .unwrap_or_else(|payload| self.fail(step, &panic_error(&*payload)));
                self.while_aloft(after)
            }
        }
    }

    fn disconnected(&self, conn: &Connection, reason: CloseReason) {
        let ran = guarded(|| {
            self.service.on_disconnect(conn, reason);
            Ok(())
        });
        if let Err(error) = ran {
            self.on_error(conn, &error);
        }
    }

    fn failed(&self, conn: &Connection, error: &Error) {
        self.on_error(conn, error);
    }

    fn idle(&self, conn: &Connection) -> bool {
        guarded(|| Ok(self.service.on_idle(conn))).unwrap_or_else(|error| {
            self.on_error(conn, &error);
            true
        })
    }

    fn give_up(&self) {
        if let Some(flights) = &self.flights {
            flights.abandon();
        }
        let phase = mem::replace(&mut self.state.lock().phase, Phase::Over);
        // A future that is under way brings the session and a lent reader back.
        let dropped = guarded(|| {
            drop(phase);
            Ok(())
        });
        if let Err(error) = dropped {
            tracing::warn!(%error, "dropping a request's future");
        }
    }

    fn closed(&self, conn: &Connection, reason: CloseReason) {
        self.give_up();
        let session = {
            let mut state = self.state.lock();
            state.session.take().or_else(|| state.slot.lock().take())
        };
        if let Some(session) = session {
            let (service, own) = (self.service.clone(), conn.clone());
            if let Some(flights) = &self.flights {
                let end = move || end(&service, &own, session, reason);
                flights.at_the_end(Box::new(end));
            } else {
                end(&service, &own, session, reason);
            }
        }
        self.ward.closed(conn);
    }

    fn inline(&self) -> bool {
        S::DISPATCH == Dispatch::Inline
    }
}

/// Runs `on_close`.
fn end<S: Service>(service: &Arc<S>, conn: &Connection, session: S::Session, reason: CloseReason) {
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

/// Tells `on_error`.
fn tell<S: Service>(service: &S, conn: &Connection, error: &Error) {
    let told = guarded(|| {
        service.on_error(conn, error);
        Ok(())
    });
    if let Err(error) = told {
        tracing::warn!(%error, "on_error");
    }
}

/// Runs a hook; its panic becomes an error.
fn guarded<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|payload| Err(panic_error(&*payload)))
}

/// Polls a future of the connection's: its waker schedules the connection's turn. A panic in it is an
/// error of `T`.
fn poll<T: FromPanic>(future: &mut BoxFuture<T>, conn: &Connection) -> Poll<T> {
    let waker = Waker::from(conn.conn.clone());
    let mut context = Context::from_waker(&waker);
    catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context)))
        .unwrap_or_else(|payload| Poll::Ready(T::from_panic(panic_error(&*payload))))
}

trait FromPanic {
    fn from_panic(error: Error) -> Self;
}

impl<T> FromPanic for Result<T> {
    fn from_panic(error: Error) -> Self {
        Err(error)
    }
}

impl FromPanic for Done {
    fn from_panic(error: Error) -> Self {
        Self { out: LinkBuffer::new(), result: Err(error) }
    }
}

/// The result of a handler that is ready at once, as sync ones are; another blocks this worker, which
/// gives its poller away.
fn complete<T>(
    mut future: Pin<&mut impl Future<Output = Result<T>>>,
    deadline: Deadline,
    late: impl FnOnce() -> Error,
) -> Result<T> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => park::wait_for(future, deadline.at()).unwrap_or_else(|| Err(late())),
    }
}
