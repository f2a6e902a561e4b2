//! The client that users hold.

use std::{fmt, future::poll_fn, marker::PhantomData, sync::Arc, task::Poll, time::Duration};

use super::{
    builder::{ClientBuilder, Mux, Pool},
    call_connection::{CallConnection, Matching},
    call_future::{CallFuture, PendingWrite},
    hub::Hub,
    mux::{ByNumber, MuxFrame},
    options::CallOptions,
    pool::OneAtATime,
    received::Received,
    source::IntoEndpoints,
    stats::ClientStats,
};
use crate::{
    buf::{LinkBuffer, LinkSlice},
    error::Result,
    frame::{self, Encode, Frame},
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
    /// With the function that sets a request's number.
    Mux(Arc<Hub<ByNumber>>, SetNumber<Q>),
}

pub(super) type SetNumber<Q> = for<'a, 'b> fn(&'b mut <Q as Frame>::At<'a>, u64);

/// The absent writer of a pool's call: its connection sends the request.
type NoWrite = fn(&CallConnection<OneAtATime>, u64) -> Result<PendingWrite>;

impl<Q: Frame + 'static, R: Frame + 'static> Client<Q, R> {
    /// Returns the settings of a client with one call at a time on each connection, to one address or
    /// several: `"host:port"`, `"unix:/path"`.
    pub fn pool(endpoints: impl IntoEndpoints) -> ClientBuilder<Q, R, Pool> {
        ClientBuilder::pool(endpoints)
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
        match &self.0.kind {
            Kind::Pool(hub) => ClientStats::of(hub),
            Kind::Mux(hub, _) => ClientStats::of(hub),
        }
    }

    /// Dials until there are `n` connections, or as many as the limits allow, and waits for them.
    ///
    /// # Errors
    /// The error of the last dial if fewer could be made; `TimedOut` after the client's timeout.
    pub fn warm_up(&self, n: usize) -> Result<()> {
        match &self.0.kind {
            Kind::Pool(hub) => warm_up(hub, n, self.0.timeout),
            Kind::Mux(hub, _) => warm_up(hub, n, self.0.timeout),
        }
    }

    /// Refuses new calls, waits until those in flight have ended, and closes the connections. After
    /// `deadline` the calls that are left fail; returns their number.
    pub fn close(&self, deadline: Duration) -> usize {
        match &self.0.kind {
            Kind::Pool(hub) => close(hub, deadline),
            Kind::Mux(hub, _) => close(hub, deadline),
        }
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
        match &self.0.kind {
            Kind::Pool(hub) => hub.deadline_timer.clock(),
            Kind::Mux(hub, _) => hub.deadline_timer.clock(),
        }
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
        let span = options.span(self.clock(), self.0.timeout);
        let bytes = match &self.0.kind {
            Kind::Pool(hub) => {
                let request = encode(&request)?;
                CallFuture::new(hub, request, None::<NoWrite>, span).wait()
            }
            Kind::Mux(hub, set) => {
                let write = writer::<Q>(request, *set);
                CallFuture::new(hub, LinkSlice::default(), Some(write), span).wait()
            }
        };
        bytes.map(Received::new)
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
        let span = options.span(self.clock(), self.0.timeout);
        let bytes = match &self.0.kind {
            Kind::Pool(hub) => {
                let request = encode(&request)?;
                CallFuture::new(hub, request, None::<NoWrite>, span).await
            }
            Kind::Mux(hub, set) => {
                let write = writer::<Q>(request, *set);
                CallFuture::new(hub, LinkSlice::default(), Some(write), span).await
            }
        };
        bytes.map(Received::new)
    }
}

fn encode(request: &impl Encode) -> Result<LinkSlice> {
    let mut out = LinkBuffer::new();
    frame::write(&mut out, |w| request.encode(w))?;
    Ok(out.into())
}

/// Returns a writer that sends `request` under the number assigned to it.
fn writer<Q>(
    mut request: Q::At<'_>,
    set: SetNumber<Q>,
) -> impl FnMut(&CallConnection<ByNumber>, u64) -> Result<PendingWrite> + Send
where
    Q: Frame,
    for<'a> Q::At<'a>: Encode,
{
    move |connection, number| {
        set(&mut request, number);
        connection.send(encode(&request)?.into())
    }
}

fn warm_up<M: Matching>(hub: &Arc<Hub<M>>, n: usize, timeout: Duration) -> Result<()> {
    hub.carry_out(hub.connections.warm_up(n));
    let mut known = false;
    let made = poll_fn(|cx| {
        let mut now = hub.connections.watch(cx.waker());
        if !known {
            if hub.connections.endpoints.is_asking() {
                return Poll::Pending;
            }
            known = true;
            if hub.connections.endpoints.len() > 0 {
                hub.carry_out(hub.connections.warm_up(n));
                now = hub.connections.gauges();
            }
        }
        let wanted = hub.connections.most().min(n);
        if wanted > 0 && now.connections >= wanted {
            return Poll::Ready(Ok(()));
        }
        if now.dialing == 0 {
            return Poll::Ready(Err(hub.connections.endpoints.why_not()));
        }
        Poll::Pending
    });
    block_on::wait_for(made, Some(hub.deadline_timer.clock().after(timeout)))
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
        match &self.kind {
            Kind::Pool(hub) => cut(hub),
            Kind::Mux(hub, _) => cut(hub),
        };
    }
}

impl<Q: Frame, R> Clone for Client<Q, R> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<Q: Frame, R> fmt::Debug for Client<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = match &self.0.kind {
            Kind::Pool(hub) => hub.connections.endpoints.names(),
            Kind::Mux(hub, _) => hub.connections.endpoints.names(),
        };
        f.debug_tuple("Client").field(&names).finish()
    }
}
