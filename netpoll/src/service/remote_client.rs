//! The client's side of `#[netpoll::service]`.

use std::{error::Error as StdError, fmt, marker::PhantomData};

use serde::{Serialize, de::DeserializeOwned};

use super::{fault::Fault, payload::PayloadFormat};
use crate::{
    client::{CallOptions, Client, IntoEndpoints, Received},
    error::{Error, ErrorKind, Result},
    frame::{Judged, Status},
    rpc::{Answer, Call},
};

/// A client of a service's methods, over a pool or a mux: beneath the clients that
/// `#[netpoll::service]` writes. `F` is the format of payloads.
pub struct MethodClient<F> {
    client: Client<Call<'static>, Answer<'static>>,
    options: CallOptions,
    format: PhantomData<fn() -> F>,
}

impl<F> Clone for MethodClient<F> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone(), options: self.options, format: PhantomData }
    }
}

impl<F> fmt::Debug for MethodClient<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MethodClient").field(&self.client).finish()
    }
}

impl<F: PayloadFormat> MethodClient<F> {
    /// Creates a client whose connections carry many calls at once.
    ///
    /// # Errors
    /// Those of [`ClientBuilder::build`](crate::client::ClientBuilder::build).
    pub fn mux(endpoints: impl IntoEndpoints) -> Result<Self> {
        Ok(Self::new(Client::mux(endpoints).build()?))
    }

    /// Creates a client whose connections carry one call at a time.
    ///
    /// # Errors
    /// Those of [`ClientBuilder::build`](crate::client::ClientBuilder::build).
    pub fn pool(endpoints: impl IntoEndpoints) -> Result<Self> {
        Ok(Self::new(Client::pool(endpoints).build()?))
    }

    /// Creates a client over `client`, which has settings of its own.
    pub fn new(client: Client<Call<'static>, Answer<'static>>) -> Self {
        Self { client, options: CallOptions::new(), format: PhantomData }
    }

    /// Returns a client over the same connections whose calls have `options`.
    #[must_use]
    pub fn with(&self, options: CallOptions) -> Self {
        Self { options, ..self.clone() }
    }

    /// Returns the client beneath, for its gauges and its end.
    pub fn client(&self) -> &Client<Call<'static>, Answer<'static>> {
        &self.client
    }

    /// Calls the method `route` and blocks this thread until its result.
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn call<A, T, E>(&self, route: &str, arguments: &A) -> Result<T, CallError<E>>
    where
        A: Serialize,
        T: DeserializeOwned,
        E: CallFailure,
    {
        let payload = F::encode(arguments).map_err(CallError::Fault)?;
        let received = self.client.call_with(Call::new(route, &payload), self.options);
        result::<F, T, E>(received)
    }

    /// Calls the method `route` and waits for its result without blocking the thread.
    ///
    /// # Errors
    /// See [`CallError`].
    ///
    /// # Cancel safety
    /// Dropping the future cancels the call, as [`Client::call_async`] does.
    pub async fn call_async<A, T, E>(&self, route: &str, arguments: &A) -> Result<T, CallError<E>>
    where
        A: Serialize,
        T: DeserializeOwned,
        E: CallFailure,
    {
        let payload = F::encode(arguments).map_err(CallError::Fault)?;
        let received = self.client.call_async_with(Call::new(route, &payload), self.options).await;
        result::<F, T, E>(received)
    }
}

fn result<F, T, E>(received: Result<Received<Answer<'static>>>) -> Result<T, CallError<E>>
where
    F: PayloadFormat,
    T: DeserializeOwned,
    E: CallFailure,
{
    let received = received.map_err(CallError::Connection)?;
    let answer = received.get().map_err(CallError::Connection)?;
    let malformed = |fault: Fault| {
        let why = format!("the answer's payload: {}", fault.message());
        CallError::Connection(Error::new(ErrorKind::Malformed, why))
    };
    match answer.status() {
        Status::Ok => F::decode(answer.payload).map_err(malformed),
        Status::Failed if !answer.payload.is_empty() => {
            E::decode::<F>(answer.payload).map_or_else(|fault| Err(malformed(fault)), Err)
        }
        status => Err(CallError::Fault(Fault::new(status, answer.message.to_owned()))),
    }
}

/// An error of a call: the method's own, a fault of the server's, or one of the connection's.
#[derive(Debug)]
pub enum CallError<E> {
    /// The method returned this error.
    Method(E),
    /// The server answered without a result: a deadline, a panic, malformed arguments, an unknown method.
    Fault(Fault),
    /// There is no answer, or none that can be read.
    Connection(Error),
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(error) => error.fmt(f),
            Self::Fault(fault) => fault.fmt(f),
            Self::Connection(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> StdError for CallError<E> {}

/// The error type of a method, as its client decodes it.
pub trait CallFailure: Sized {
    /// Decodes the error that the method returned.
    ///
    /// # Errors
    /// The payload is not of the format.
    fn decode<F: PayloadFormat>(payload: &[u8]) -> Result<CallError<Self>, Fault>;
}

#[diagnostic::do_not_recommend]
impl<E: DeserializeOwned> CallFailure for E {
    fn decode<F: PayloadFormat>(payload: &[u8]) -> Result<CallError<Self>, Fault> {
        F::decode(payload).map(CallError::Method)
    }
}

impl CallFailure for Fault {
    fn decode<F: PayloadFormat>(_: &[u8]) -> Result<CallError<Self>, Fault> {
        Ok(CallError::Fault(Self::new(Status::Failed, "the method failed")))
    }
}

/// The error of methods that return none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoError {}

impl fmt::Display for NoError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl CallFailure for NoError {
    fn decode<F: PayloadFormat>(_: &[u8]) -> Result<CallError<Self>, Fault> {
        Err(Fault::malformed())
    }
}
