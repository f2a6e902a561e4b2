//! The server's side of `#[netpoll::service]`: methods of a trait that are called by [`rpc`](crate::rpc).

use std::{fmt, future::Future, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Call as Request, Dispatch, Flow, Service, fault::Fault, observed::note_fault,
    payload::PayloadFormat, within::within,
};
use crate::{
    conn::{Connection, Deadline},
    error::{Error, Result},
    frame::{Judged, Sequenced, Status, Timed},
    guard::{self, Place},
    observe::{Route, RouteName},
    rpc::{Answer, Call},
};

/// The most calls of one connection that are handled at once. Past them the connection is not read.
const CONCURRENT: usize = 1024;

/// The most time that a server keeps of its caller's, so that the answer of a call that is late still
/// reaches the caller in time.
const MARGIN: Duration = Duration::from_millis(20);

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
        let Request { out, deadline, .. } = call;
        let deadline = match request.remaining() {
            Some(left) => earlier(deadline, Deadline::after(left - (left / 10).min(MARGIN))),
            None => deadline,
        };
        let Answered(()) = self.0.call(MethodCall { request, out, deadline }).await?;
        Ok(Flow::Continue)
    }

    fn on_error(&self, conn: &Connection, error: &Error) {
        tracing::warn!(service = M::DESCRIPTION.name, peer = %conn.peer(), %error, "a connection failed");
    }
}

/// Returns the earlier of two deadlines.
fn earlier(first: Deadline, second: Deadline) -> Deadline {
    match (first.left(), second.left()) {
        (Some(a), Some(b)) if b < a => second,
        (None, Some(_)) => second,
        _ => first,
    }
}

/// A call of a method, which has not been answered yet.
#[derive(Debug)]
pub struct MethodCall<'a> {
    request: Call<'a>,
    out: super::Out<'a>,
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

    /// Answers a call of a method that does not exist.
    ///
    /// # Errors
    /// The answer cannot be written.
    pub fn unknown(mut self) -> Result<Answered> {
        Route::NONE.enter();
        self.answer(&Outcome::fault(Fault::unknown()))
    }

    fn answer(&mut self, outcome: &Outcome) -> Result<Answered> {
        if outcome.status != Status::Ok {
            note_fault(outcome.status);
        }
        if self.request.one_way {
            return Ok(Answered(()));
        }
        let mut end = outcome.message.len().min(MESSAGE);
        while !outcome.message.is_char_boundary(end) {
            end -= 1;
        }
        let message = &outcome.message[..end];
        let mut answer = Answer { message, ..Answer::new(self.request.seq(), &outcome.payload) };
        answer.set_status(outcome.status);
        self.out.put(&answer)?;
        Ok(Answered(()))
    }
}

fn decode<F: PayloadFormat, A: DeserializeOwned>(payload: &[u8]) -> Result<A, Fault> {
    guard::run(Place::Decode, || F::decode(payload)).unwrap_or_else(|_| Err(Fault::malformed()))
}

/// The outcome of a call, encoded.
#[derive(Debug)]
pub struct Outcome {
    status: Status,
    message: String,
    payload: Vec<u8>,
}

impl Outcome {
    /// Encodes the value that a method returned.
    pub fn value<F: PayloadFormat, T: Serialize>(value: T) -> Self {
        match F::encode(&value) {
            Ok(payload) => Self { status: Status::Ok, message: String::new(), payload },
            Err(fault) => Self::fault(fault),
        }
    }

    /// Encodes the result that a method returned.
    pub fn result<F: PayloadFormat, T: Serialize, E: MethodError>(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::value::<F, T>(value),
            Err(error) => error.outcome::<F>(),
        }
    }

    /// The outcome of a call that has no result.
    pub fn fault(fault: Fault) -> Self {
        Self { status: fault.status(), message: fault.message().to_owned(), payload: Vec::new() }
    }
}

/// An error that a method may return: any type that is [`Serialize`] and [`Display`](fmt::Display), or
/// [`Fault`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a service's method",
    label = "not an error that a caller can be told",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it, and implement `Display`; or return \
            `netpoll::Fault`"
)]
pub trait MethodError {
    /// Encodes the error.
    fn outcome<F: PayloadFormat>(self) -> Outcome;
}

#[diagnostic::do_not_recommend]
impl<E: Serialize + fmt::Display> MethodError for E {
    fn outcome<F: PayloadFormat>(self) -> Outcome {
        match F::encode(&self) {
            Ok(payload) => Outcome { status: Status::Failed, message: self.to_string(), payload },
            Err(fault) => Outcome::fault(fault),
        }
    }
}

impl MethodError for Fault {
    fn outcome<F: PayloadFormat>(self) -> Outcome {
        Outcome::fault(self)
    }
}
