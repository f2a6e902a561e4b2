//! The client's side of `#[netpoll::service]`.

use std::{fmt, marker::PhantomData, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    payload::PayloadFormat,
    remote_result::{CallError, CallFailure, NoError, result},
    remote_stream::MethodStream,
};
use crate::{
    client::{CallOptions, Client, IntoEndpoints},
    error::Result,
    rpc::{Answer, Call, Metadata},
    trace_parent::{self, TraceParent},
};

/// A client of a service's methods, over a pool or a mux: beneath the clients that
/// `#[netpoll::service]` writes. `F` is the format of payloads.
pub struct MethodClient<F> {
    client: Client<Call<'static>, Answer<'static>>,
    options: CallOptions,
    /// Entries of metadata that each call carries.
    metadata: Arc<[(String, Vec<u8>)]>,
    format: PhantomData<fn() -> F>,
}

impl<F> Clone for MethodClient<F> {
    fn clone(&self) -> Self {
        let (client, metadata) = (self.client.clone(), self.metadata.clone());
        Self { client, options: self.options, metadata, format: PhantomData }
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
        Self { client, options: CallOptions::new(), metadata: Arc::new([]), format: PhantomData }
    }

    /// Returns a client over the same connections whose calls have `options`.
    #[must_use]
    pub fn with(&self, options: CallOptions) -> Self {
        Self { options, ..self.clone() }
    }

    /// Returns a client over the same connections whose calls carry this entry of metadata too. A name has
    /// 255 bytes at most, a value 65,535, and a call 255 entries: calls with more fail.
    #[must_use]
    pub fn metadata(&self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let entry = (name.to_owned(), value.as_ref().to_vec());
        let metadata = self.metadata.iter().cloned().chain([entry]).collect();
        Self { metadata, ..self.clone() }
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
        self.exchange(route, arguments, self.options)
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
        self.exchange_async(route, arguments, self.options).await
    }

    /// Calls a method that may be handled twice: the call is repeated after its connection was lost
    /// ([`CallOptions::idempotent`]).
    ///
    /// # Errors
    /// See [`CallError`].
    pub fn call_again<A, T, E>(&self, route: &str, arguments: &A) -> Result<T, CallError<E>>
    where
        A: Serialize,
        T: DeserializeOwned,
        E: CallFailure,
    {
        self.exchange(route, arguments, self.options.idempotent(true))
    }

    /// Calls a method that may be handled twice, without blocking the thread.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call_again_async<A, T, E>(
        &self,
        route: &str,
        arguments: &A,
    ) -> Result<T, CallError<E>>
    where
        A: Serialize,
        T: DeserializeOwned,
        E: CallFailure,
    {
        self.exchange_async(route, arguments, self.options.idempotent(true)).await
    }

    /// Sends a call that is not answered, and blocks this thread until a connection has taken it.
    ///
    /// # Errors
    /// It cannot be sent. Nothing tells whether the server has received it.
    pub fn send<A: Serialize>(&self, route: &str, arguments: &A) -> Result<(), CallError<NoError>> {
        let payload = F::encode(arguments).map_err(CallError::Fault)?;
        let trace = outgoing_trace();
        let request = Call { one_way: true, ..self.request(route, &payload, trace.as_deref()) };
        self.client.send(request).map_err(CallError::Connection)
    }

    /// Sends a call that is not answered, without blocking the thread.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    pub async fn send_async<A: Serialize>(
        &self,
        route: &str,
        arguments: &A,
    ) -> Result<(), CallError<NoError>> {
        let payload = F::encode(arguments).map_err(CallError::Fault)?;
        let trace = outgoing_trace();
        let request = Call { one_way: true, ..self.request(route, &payload, trace.as_deref()) };
        self.client.send_async(request).await.map_err(CallError::Connection)
    }

    /// Calls a method that returns a stream, and blocks this thread until the call is sent.
    ///
    /// # Errors
    /// It cannot be sent. What the server says comes with the stream's items.
    pub fn stream<A, T, E>(
        &self,
        route: &str,
        arguments: &A,
    ) -> Result<MethodStream<F, T, E>, CallError<E>>
    where
        A: Serialize,
    {
        let payload = F::encode(arguments).map_err(CallError::Fault)?;
        let trace = outgoing_trace();
        let replies =
            self.client.stream(self.request(route, &payload, trace.as_deref()), self.options);
        Ok(MethodStream::new(replies.map_err(CallError::Connection)?))
    }

    /// Calls a method that returns a stream, without blocking the thread.
    ///
    /// # Errors
    /// Those of [`stream`](Self::stream).
    pub async fn stream_async<A, T, E>(
        &self,
        route: &str,
        arguments: &A,
    ) -> Result<MethodStream<F, T, E>, CallError<E>>
    where
        A: Serialize,
    {
        let payload = F::encode(arguments).map_err(CallError::Fault)?;
        let trace = outgoing_trace();
        let request = self.request(route, &payload, trace.as_deref());
        let replies = self.client.stream_async(request, self.options).await;
        Ok(MethodStream::new(replies.map_err(CallError::Connection)?))
    }

    /// Makes a call with `options` and blocks this thread until its result.
    fn exchange<A, T, E>(
        &self,
        route: &str,
        arguments: &A,
        options: CallOptions,
    ) -> Result<T, CallError<E>>
    where
        A: Serialize,
        T: DeserializeOwned,
        E: CallFailure,
    {
        let payload = F::encode(arguments).map_err(CallError::Fault)?;
        let trace = outgoing_trace();
        let request = self.request(route, &payload, trace.as_deref());
        result::<F, T, E>(self.client.call_with(request, options))
    }

    /// Makes a call with `options` and waits for its result without blocking the thread.
    async fn exchange_async<A, T, E>(
        &self,
        route: &str,
        arguments: &A,
        options: CallOptions,
    ) -> Result<T, CallError<E>>
    where
        A: Serialize,
        T: DeserializeOwned,
        E: CallFailure,
    {
        let payload = F::encode(arguments).map_err(CallError::Fault)?;
        let trace = outgoing_trace();
        let request = self.request(route, &payload, trace.as_deref());
        result::<F, T, E>(self.client.call_async_with(request, options).await)
    }

    /// Makes the request, which carries the client's metadata and the trace of the request that is handled here.
    fn request<'r>(
        &'r self,
        route: &'r str,
        payload: &'r [u8],
        trace: Option<&'r str>,
    ) -> Call<'r> {
        let entries = self.metadata.iter().map(|(name, value)| Metadata { name, value });
        let mut metadata: Vec<_> = entries.collect();
        if let Some(trace) = trace
            && metadata.iter().all(|entry| entry.name != trace_parent::ENTRY)
        {
            metadata.push(Metadata { name: trace_parent::ENTRY, value: trace.as_bytes() });
        }
        Call { metadata, ..Call::new(route, payload) }
    }
}

/// The value of `traceparent` for a call of the handler that this thread runs, if its request has a span.
fn outgoing_trace() -> Option<String> {
    TraceParent::current().map(|current| current.to_string())
}
