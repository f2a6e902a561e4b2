//! The client that users hold.

use std::{
    fmt,
    future::{Future, poll_fn},
    marker::PhantomData,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    builder::{ClientBuilder, Mux, Pipeline, Pool},
    call::Manner,
    call_connection::{CallConnection, Matching},
    call_future::CallFuture,
    hub::Hub,
    mux::{ByNumber, MuxFrame},
    options::{CallOptions, Span},
    pipeline::InOrder,
    pool::OneAtATime,
    received::Received,
    running::{Running, Write},
    source::IntoEndpoints,
    stats::ClientStats,
    stream::{self, ReplyStream},
};
use crate::{
    buf::{LinkBuffer, LinkSlice},
    error::Result,
    frame::{self, Encode, Frame},
    guard::{self, Place},
    sched::block_on,
    timer::Clock,
};

/// A client that sends requests of the format `Q` and receives replies of the format `R`. See the
/// [module](super) for the guarantees of each call.
///
/// Clones share the connections, which are closed when the last clone is dropped.
pub struct Client<Q: Frame, R>(Arc<Owner<Q>>, PhantomData<fn() -> R>);

struct Owner<Q: Frame> {
    kind: Kind<Q>,
    timeout: Duration,
}

pub(super) enum Kind<Q: Frame> {
    Pool(Arc<Hub<OneAtATime>>),
    Pipeline(Arc<Hub<InOrder>>),
    /// With the function that sets a request's number.
    Mux(Arc<Hub<ByNumber>>, SetNumber<Q>),
}

pub(super) type SetNumber<Q> = for<'a, 'b> fn(&'b mut <Q as Frame>::At<'a>, u64);

/// Does the same with the hub of any kind of client.
macro_rules! with_hub {
    ($kind:expr, $hub:ident => $body:expr) => {
        match $kind {
            Kind::Pool($hub) => $body,
            Kind::Pipeline($hub) => $body,
            Kind::Mux($hub, _) => $body,
        }
    };
}

impl<Q: Frame + 'static, R: Frame + 'static> Client<Q, R> {
    /// Returns the settings of a client with one call at a time on each connection, to one address or
    /// several: `"host:port"`, `"unix:/path"`.
    pub fn pool(endpoints: impl IntoEndpoints) -> ClientBuilder<Q, R, Pool> {
        ClientBuilder::pool(endpoints)
    }

    /// Returns the settings of a client with many calls in flight on each connection, whose replies come in
    /// the order of the requests, as those of Redis, memcached and HTTP/1.1.
    ///
    /// A slow request delays those behind it. For requests that wait on the server (`BLPOP`) use a
    /// [`pool`](Self::pool).
    pub fn pipeline(endpoints: impl IntoEndpoints) -> ClientBuilder<Q, R, Pipeline> {
        ClientBuilder::pipeline(endpoints)
    }

    /// Returns the settings of a client with many calls on each connection. A reply finds its call by the
    /// number that the frames carry (`#[frame(seq)]`); the client overwrites the request's number.
    pub fn mux(endpoints: impl IntoEndpoints) -> ClientBuilder<Q, R, Mux<Q>>
    where
        Q: MuxFrame,
        R: MuxFrame<Seq = Q::Seq>,
    {
        ClientBuilder::mux(endpoints)
    }

    pub(super) fn new(kind: Kind<Q>, timeout: Duration) -> Self {
        Self(Arc::new(Owner { kind, timeout }), PhantomData)
    }

    /// Returns the client's counters at this moment.
    pub fn stats(&self) -> ClientStats {
        with_hub!(&self.0.kind, hub => ClientStats::of(hub))
    }

    /// Dials until there are `n` connections, or as many as the limits allow, and waits for them.
    ///
    /// # Errors
    /// The error of the last dial if fewer could be made; `TimedOut` after the client's timeout.
    pub fn warm_up(&self, n: usize) -> Result<()> {
        with_hub!(&self.0.kind, hub => warm_up(hub, n, self.0.timeout))
    }

    /// Refuses new calls, waits until those in flight have ended, and closes the connections. After
    /// `deadline` the calls that are left fail; returns their number.
    pub fn close(&self, deadline: Duration) -> usize {
        with_hub!(&self.0.kind, hub => close(hub, deadline))
    }
}

impl<Q, R> Client<Q, R>
where
    Q: Frame,
    R: Frame,
    for<'a> Q::At<'a>: Encode,
{
    /// Returns the clock of the calls' deadlines.
    fn clock(&self) -> Clock {
        with_hub!(&self.0.kind, hub => hub.deadline_timer.clock())
    }

    /// Sends `request` and blocks this thread until its reply. A worker gives its poller away
    /// meanwhile.
    ///
    /// # Errors
    /// Each names the address. `TimedOut` says what the call was waiting for; the errors of
    /// [`Dialer::dial`](crate::Dialer::dial) if no endpoint can be reached; `Eof`, `Io`, `Malformed` and
    /// others if the connection ended before the reply; `Limit` past `max_waiters`; `Closed` after
    /// [`close`](Self::close); the errors of the request's encoder.
    pub fn call(&self, request: Q::At<'_>) -> Result<Received<R>> {
        self.call_with(request, CallOptions::new())
    }

    /// Sends `request` with `options` of its own, and blocks this thread until its reply.
    ///
    /// # Errors
    /// Those of [`call`](Self::call).
    pub fn call_with(&self, request: Q::At<'_>, options: CallOptions) -> Result<Received<R>> {
        if let Some(after) = options.hedge.filter(|_| options.is_idempotent()) {
            return block_on(self.hedged(request, options, after));
        }
        let span = self.span(options);
        self.running(encoder::<Q>(request, span), span, manner(options))?.wait().map(Received::new)
    }

    /// Sends `request` and waits for its reply without blocking the thread, under any executor.
    ///
    /// # Errors
    /// Those of [`call`](Self::call).
    ///
    /// # Cancel safety
    /// Dropping the future cancels the call. If its request was sent, a pooled connection is closed, and
    /// a multiplexed one drops the late reply.
    pub async fn call_async(&self, request: Q::At<'_>) -> Result<Received<R>> {
        self.call_async_with(request, CallOptions::new()).await
    }

    /// Sends `request` with `options` of its own, and waits for its reply without blocking the thread.
    ///
    /// # Errors
    /// Those of [`call`](Self::call).
    pub async fn call_async_with(
        &self,
        request: Q::At<'_>,
        options: CallOptions,
    ) -> Result<Received<R>> {
        if let Some(after) = options.hedge.filter(|_| options.is_idempotent()) {
            return self.hedged(request, options, after).await;
        }
        let span = self.span(options);
        let running = self.running(encoder::<Q>(request, span), span, manner(options))?;
        running.await.map(Received::new)
    }

    /// Sends `request`, which wants no reply, and blocks this thread until a connection has taken it.
    ///
    /// The server must not answer such a request: on a pooled or pipelined connection a reply would be
    /// taken for bytes that nobody asked for, and the connection closed.
    ///
    /// # Errors
    /// Those of [`call`](Self::call), up to the sending. Nothing tells whether the server has received it.
    pub fn send(&self, request: Q::At<'_>) -> Result<()> {
        let span = self.span(CallOptions::new());
        self.running(encoder::<Q>(request, span), span, Manner::OneWay)?.wait().map(drop)
    }

    /// Sends `request`, which wants no reply, without blocking the thread: [`send`](Self::send) for `async`
    /// code.
    ///
    /// # Errors
    /// Those of [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Dropping the future may cancel the sending.
    pub async fn send_async(&self, request: Q::At<'_>) -> Result<()> {
        let span = self.span(CallOptions::new());
        self.running(encoder::<Q>(request, span), span, Manner::OneWay)?.await.map(drop)
    }

    /// Sends `request` and returns its replies, up to the one that is marked
    /// [`last`](crate::frame::Streamed), as an iterator that blocks this thread. The stream has a connection
    /// of its own; the call's timeout is the time until its last reply.
    ///
    /// # Errors
    /// No connection can be made or the request cannot be sent: those of [`call`](Self::call).
    pub fn stream(&self, request: Q::At<'_>, options: CallOptions) -> Result<ReplyStream<R>>
    where
        R: 'static,
    {
        block_on(self.stream_async(request, options))
    }

    /// Sends `request` and returns its replies as a stream: [`stream`](Self::stream) for `async` code.
    ///
    /// # Errors
    /// Those of [`stream`](Self::stream).
    ///
    /// # Cancel safety
    /// Dropping the future, or the stream, cancels the call: its connection is closed.
    pub async fn stream_async(
        &self,
        request: Q::At<'_>,
        options: CallOptions,
    ) -> Result<ReplyStream<R>>
    where
        R: 'static,
    {
        let span = self.span(options);
        let mut encode = encoder::<Q>(request, span);
        match &self.0.kind {
            Kind::Pool(hub) => stream::open(hub, span, || encode(None)).await,
            Kind::Pipeline(hub) => stream::open(hub, span, || encode(None)).await,
            Kind::Mux(hub, set) => stream::open(hub, span, || encode(Some((*set, 1)))).await,
        }
    }

    /// Makes all calls at once and blocks this thread until all have ended. Returns the results in the
    /// order of the requests, in which a pipeline also sends those of one connection.
    ///
    /// ```no_run
    /// # use netpoll::{Frame, client::Client};
    /// # #[derive(Frame)]
    /// # struct Line<'a>(#[frame(until = b"\n", max = 512)] &'a str);
    /// # let client = Client::<Line<'static>, Line<'static>>::pipeline("10.0.0.7:7000").build()?;
    /// for reply in client.batch(["GET a", "GET b"].map(Line)) {
    ///     println!("{}", reply?.get()?.0);
    /// }
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn batch<'a>(
        &self,
        requests: impl IntoIterator<Item = Q::At<'a>>,
    ) -> Vec<Result<Received<R>>> {
        block_on(self.batch_async(requests))
    }

    /// Makes all calls at once and waits until all have ended, without blocking the thread. Returns the
    /// results in the order of the requests.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the calls that have not ended.
    pub async fn batch_async<'a>(
        &self,
        requests: impl IntoIterator<Item = Q::At<'a>>,
    ) -> Vec<Result<Received<R>>> {
        let span = self.span(CallOptions::new());
        let start = |request| self.running(encoder::<Q>(request, span), span, Manner::Once);
        let mut calls: Vec<_> =
            requests.into_iter().map(|request| (None, start(request))).collect();
        poll_fn(|cx| {
            let mut pending = false;
            for (result, call) in calls.iter_mut().filter(|(result, _)| result.is_none()) {
                match call {
                    Ok(running) => match Pin::new(running).poll(cx) {
                        Poll::Ready(bytes) => *result = Some(bytes.map(Received::new)),
                        Poll::Pending => pending = true,
                    },
                    Err(error) => *result = Some(Err(error.clone())),
                }
            }
            if pending { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
        calls.into_iter().filter_map(|(result, _)| result).collect()
    }

    /// Makes a call, and after a while a second one beside it: the first reply counts.
    async fn hedged(
        &self,
        request: Q::At<'_>,
        options: CallOptions,
        after: Duration,
    ) -> Result<Received<R>> {
        let span = self.span(options);
        // Both encode it, each under its own number.
        let encode = Mutex::new(encoder::<Q>(request, span));
        let running = || {
            let encode = |number: Option<_>| (encode.lock())(number);
            self.running(encode, span, Manner::Idempotent)
        };
        let mut first = running()?;
        let early = with_hub!(&self.0.kind, hub => {
            let until = self.clock().after(after);
            hub.dialer.within(until, Pin::new(&mut first)).await
        });
        if let Some(bytes) = early {
            return bytes.map(Received::new);
        }
        let mut calls = [Some(first), Some(running()?)];
        poll_fn(|cx| {
            let mut failed = None;
            for slot in &mut calls {
                let Some(call) = slot else { continue };
                match Pin::new(call).poll(cx) {
                    Poll::Ready(Ok(bytes)) => return Poll::Ready(Ok(Received::new(bytes))),
                    Poll::Ready(Err(error)) => (*slot, failed) = (None, Some(error)),
                    Poll::Pending => {}
                }
            }
            match failed {
                Some(error) if calls.iter().all(Option::is_none) => Poll::Ready(Err(error)),
                _ => Poll::Pending,
            }
        })
        .await
    }

    fn span(&self, options: CallOptions) -> Span {
        options.span(self.clock(), self.0.timeout)
    }

    /// Begins a call whose request is what `encode` gives; a mux sets its number.
    fn running<'c, E>(
        &'c self,
        mut encode: E,
        span: Span,
        manner: Manner,
    ) -> Result<Running<'c, impl Write + use<'c, Q, R, E>>>
    where
        E: FnMut(Option<(SetNumber<Q>, u64)>) -> Result<LinkSlice>,
    {
        Ok(match &self.0.kind {
            Kind::Pool(hub) => {
                let request = encode(None)?;
                Running::Pool(CallFuture::new(hub, request, None, span, manner))
            }
            Kind::Pipeline(hub) => {
                let request = encode(None)?;
                Running::Pipeline(CallFuture::new(hub, request, None, span, manner))
            }
            Kind::Mux(hub, set) => {
                let write = move |connection: &CallConnection<ByNumber>, number| {
                    connection.send(encode(Some((*set, number)))?.into())
                };
                let none = LinkSlice::default();
                Running::Mux(CallFuture::new(hub, none, Some(write), span, manner))
            }
        })
    }
}

fn manner(options: CallOptions) -> Manner {
    if options.is_idempotent() { Manner::Idempotent } else { Manner::Once }
}

/// Returns the encoder of `request`: with the number that it is given, and the time that is left, if the
/// format has these marks.
fn encoder<Q>(
    mut request: Q::At<'_>,
    span: Span,
) -> impl FnMut(Option<(SetNumber<Q>, u64)>) -> Result<LinkSlice>
where
    Q: Frame,
    for<'a> Q::At<'a>: Encode,
{
    move |number| {
        let encoded = guard::run(Place::Encode, || {
            if let Some((set, number)) = number {
                set(&mut request, number);
            }
            // A request may ask for less time than its call has.
            let left = span.until.left();
            let asked = Q::deadline_of(&request).map_or(left, |asked| asked.min(left));
            Q::set_deadline_of(&mut request, Some(asked));
            encode(&request)
        });
        encoded?
    }
}

fn encode(request: &impl Encode) -> Result<LinkSlice> {
    let mut out = LinkBuffer::new();
    frame::write(&mut out, |w| request.encode(w))?;
    Ok(out.into())
}

fn warm_up<M: Matching>(hub: &Arc<Hub<M>>, n: usize, timeout: Duration) -> Result<()> {
    let until = Some(hub.deadline_timer.clock().after(timeout));
    block_on::wait_for(pin!(hub.warmed_up(n)), until)
        .unwrap_or_else(|| Err(super::call_error::late(hub, "warming up", timeout)))
}

fn close<M: Matching>(hub: &Arc<Hub<M>>, deadline: Duration) -> usize {
    let until = hub.deadline_timer.clock().after(deadline);
    hub.connections.drain();
    let drained = poll_fn(|cx| {
        let now = hub.connections.watch(cx.waker());
        if now.in_flight + now.waiters == 0 { Poll::Ready(()) } else { Poll::Pending }
    });
    block_on::wait_for(drained, Some(until));
    let cut = cut(hub);
    let gone = poll_fn(|cx| {
        let now = hub.connections.watch(cx.waker());
        if now.connections == 0 { Poll::Ready(()) } else { Poll::Pending }
    });
    block_on::wait_for(gone, Some(until));
    cut
}

/// Fails the calls that are left, and closes the connections.
fn cut<M: Matching>(hub: &Arc<Hub<M>>) -> usize {
    let (connections, cut, actions) = hub.connections.close();
    hub.carry_out(actions);
    for connection in connections {
        connection.conn.close();
    }
    cut
}

impl<Q: Frame> Drop for Owner<Q> {
    fn drop(&mut self) {
        with_hub!(&self.kind, hub => cut(hub));
    }
}

impl<Q: Frame, R> Clone for Client<Q, R> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<Q: Frame, R> fmt::Debug for Client<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = with_hub!(&self.0.kind, hub => hub.connections.endpoints.names());
        f.debug_tuple("Client").field(&names).finish()
    }
}
