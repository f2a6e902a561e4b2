//! The server's side of `#[netpoll::service]`: methods of a trait that are called by [`rpc`](crate::rpc).

use std::{fmt, future::Future};

use futures_core::Stream;
use serde::de::DeserializeOwned;

use super::{
    Call as Request, Dispatch, Flow, Out, Service,
    fault::Fault,
    goodbye::say_goodbye,
    items,
    observed::note_fault,
    payload::PayloadFormat,
    remote_outcome::Outcome,
    routed::{RouteLimit, RoutePlace, route_deadline},
    within::within,
};
use crate::{
    conn::{Connection, Deadline},
    error::{Error, Result},
    frame::{Judged, Sequenced, Status},
    guard::{self, Place},
    observe::{Route, RouteName},
    rpc::{Answer, Call},
};

/// The most calls of one connection that are handled at once. Past them the connection is not read.
const CONCURRENT: usize = 1024;

/// The most bytes of a fault's message.
const MESSAGE: usize = 1024;

/// The description of a service, for logs, metrics and tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceDescription {
    /// The name of the trait.
    pub name: &'static str,
    /// The methods, in the order of the trait.
    pub methods: &'static [MethodDescription],
}

/// The description of a service's method. Types are as the trait writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MethodDescription {
    /// The name by which calls name the method.
    pub route: &'static str,
    /// The names and types of the arguments.
    pub arguments: &'static [(&'static str, &'static str)],
    /// The type of the result.
    pub result: &'static str,
}

impl ServiceDescription {
    #[doc(hidden)]
    pub const fn new(name: &'static str, methods: &'static [MethodDescription]) -> Self {
        Self { name, methods }
    }
}

impl MethodDescription {
    #[doc(hidden)]
    pub const fn new(
        route: &'static str,
        arguments: &'static [(&'static str, &'static str)],
        result: &'static str,
    ) -> Self {
        Self { route, arguments, result }
    }
}

/// The methods of a service: `#[netpoll::service]` implements it.
pub trait Methods: Send + Sync + 'static {
    /// The description of the service.
    const DESCRIPTION: ServiceDescription;

    /// Finds and runs the method of a call.
    fn call<'a>(
        &'a self,
        call: MethodCall<'a>,
    ) -> impl Future<Output = Result<Answered>> + Send + 'a;
}

/// The proof that a call was answered.
#[derive(Debug)]
pub struct Answered(());

/// A server of the methods `M`, to be given to [`EventLoop::builder`](crate::EventLoop::builder).
///
/// It speaks [`rpc`](crate::rpc). The calls of a connection are handled concurrently, each until the
/// deadline that its caller set.
pub struct MethodServer<M>(M);

impl<M: Methods> MethodServer<M> {
    /// Creates the server of `methods`.
    pub fn new(methods: M) -> Self {
        Self(methods)
    }

    /// Returns the description of the service.
    pub fn description(&self) -> ServiceDescription {
        M::DESCRIPTION
    }
}

impl<M> fmt::Debug for MethodServer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodServer").finish_non_exhaustive()
    }
}

impl<M: Methods> Service for MethodServer<M> {
    type Session = ();
    type Request = Call<'static>;
    const DISPATCH: Dispatch = Dispatch::Concurrent { max: CONCURRENT, ordered: false };

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    fn share(_: &()) -> Option<()> {
        Some(())
    }

    async fn on_request<'a>(&'a self, call: Request<'a, ()>, request: Call<'a>) -> Result<Flow> {
        let Request { conn, out, deadline, .. } = call;
        let Answered(()) = self.0.call(MethodCall { request, conn, out, deadline }).await?;
        Ok(Flow::Continue)
    }

    fn refuse(&self, request: &Call<'_>, fault: Fault, out: &mut Out<'_>) -> Result<Flow> {
        if !request.one_way {
            put(request.seq(), &Outcome::fault(fault), true, out)?;
        }
        Ok(Flow::Continue)
    }

    fn on_drain(&self, _: &Connection, out: &mut Out<'_>) -> Result<bool> {
        say_goodbye::<Answer<'static>>(out)
    }

    fn on_error(&self, conn: &Connection, error: &Error) {
        tracing::warn!(service = M::DESCRIPTION.name, peer = %conn.peer(), %error, "a connection failed");
    }
}

/// A call of a method, which has not been answered yet.
#[derive(Debug)]
pub struct MethodCall<'a> {
    request: Call<'a>,
    conn: &'a Connection,
    out: Out<'a>,
    deadline: Deadline,
}

impl<'a> MethodCall<'a> {
    /// Returns the name of the method.
    pub fn route(&self) -> &'a str {
        self.request.method
    }

    /// Names the request by a route that the service declares, for observers.
    pub fn enter(&self, route: &'static RouteName) {
        route.enter();
    }

    /// Gives the method `millis` milliseconds, unless the call has less.
    #[must_use]
    pub fn until(mut self, millis: u64) -> Self {
        self.deadline = route_deadline(self.deadline, millis);
        self
    }

    /// Takes a place among the calls of the method.
    ///
    /// # Errors
    /// All places are taken: the call was answered by a fault.
    pub fn take_place(
        mut self,
        limit: &'static RouteLimit,
    ) -> Result<(Self, RoutePlace), Result<Answered>> {
        match limit.place() {
            Ok(place) => Ok((self, place)),
            Err(fault) => Err(self.answer(&Outcome::fault(fault))),
        }
    }

    /// Decodes the arguments `A`, runs `method` until the deadline, and answers with its result, which
    /// `encode` turns into an outcome. Arguments that cannot be decoded, a panic and a missed deadline
    /// are answered by faults.
    ///
    /// # Errors
    /// The answer cannot be written.
    pub async fn run<F, A, M>(
        mut self,
        method: impl FnOnce(A) -> M,
        encode: impl FnOnce(M::Output) -> Outcome,
    ) -> Result<Answered>
    where
        F: PayloadFormat,
        A: DeserializeOwned,
        M: Future,
    {
        let outcome = match decode::<F, A>(self.request.payload) {
            Err(fault) => Outcome::fault(fault),
            Ok(arguments) => match within(self.deadline, || method(arguments)).await {
                Ok(result) => guard::run(Place::Encode, || encode(result))
                    .unwrap_or_else(|_| Outcome::fault(Fault::panic())),
                Err(fault) => Outcome::fault(fault),
            },
        };
        self.answer(&outcome)
    }

    /// Decodes the arguments `A`, runs `method` until the deadline, and answers with the items of the stream
    /// that it returns, which `encode` turns into outcomes. An item that is an error is the last one, as is a
    /// fault. The next item is asked for when the peer has room for it, and none once the peer has gone.
    ///
    /// # Errors
    /// An answer cannot be written.
    pub async fn stream<F, A, M>(
        mut self,
        method: impl FnOnce(A) -> M,
        encode: impl FnMut(<M::Output as Stream>::Item) -> Outcome,
    ) -> Result<Answered>
    where
        F: PayloadFormat,
        A: DeserializeOwned,
        M: Future<Output: Stream>,
    {
        let begun = match decode::<F, A>(self.request.payload) {
            Err(fault) => Err(fault),
            Ok(arguments) => within(self.deadline, || method(arguments)).await,
        };
        let items = match begun {
            Ok(items) if !self.request.one_way => items,
            Ok(_) => return Ok(Answered(())),
            Err(fault) => return self.answer(&Outcome::fault(fault)),
        };
        let id = self.request.seq();
        let cancel = self.conn.cancel().or_at(self.deadline);
        let put = |outcome: &Outcome, out: &mut Out<'_>| put(id, outcome, false, out);
        let last = items::send(items, encode, &cancel, self.deadline, &mut self.out, put).await?;
        match last {
            Some(last) => self.answer(&last),
            // Nobody waits any more.
            None => Ok(Answered(())),
        }
    }

    /// Answers a call of a method that does not exist.
    ///
    /// # Errors
    /// The answer cannot be written.
    pub fn unknown(mut self) -> Result<Answered> {
        Route::NONE.enter();
        self.answer(&Outcome::fault(Fault::unknown()))
    }

    fn answer(&mut self, outcome: &Outcome) -> Result<Answered> {
        self.out.judge(outcome.status);
        if outcome.status != Status::Ok {
            note_fault(outcome.status);
        }
        if !self.request.one_way {
            put(self.request.seq(), outcome, true, &mut self.out)?;
        }
        Ok(Answered(()))
    }
}

/// Answers the call `id` with `outcome`; `last` says that no other answer follows.
fn put(id: u32, outcome: &Outcome, last: bool, out: &mut Out<'_>) -> Result<()> {
    let mut end = outcome.message.len().min(MESSAGE);
    while !outcome.message.is_char_boundary(end) {
        end -= 1;
    }
    let message = &outcome.message[..end];
    let mut answer = Answer { message, last, ..Answer::new(id, &outcome.payload) };
    answer.set_status(outcome.status);
    out.put(&answer)
}

fn decode<F: PayloadFormat, A: DeserializeOwned>(payload: &[u8]) -> Result<A, Fault> {
    guard::run(Place::Decode, || F::decode(payload)).unwrap_or_else(|_| Err(Fault::malformed()))
}
