//! The client, as its users hold it.

use std::{fmt, future::poll_fn, marker::PhantomData, sync::Arc, task::Poll, time::Duration};

use super::{
    builder::{Builder, Mux, Pool},
    calling::{Calling, Sending},
    hub::{Hub, Lane},
    mux::{Muxed, Numbered},
    options::CallOptions,
    pool::Pooled,
    received::Received,
    source::IntoEndpoints,
    stats::Stats,
};
use crate::{
    buf::{LinkBuffer, LinkSlice},
    error::Result,
    frame::{self, Encode, Frame},
    sched::park,
    timer::Clock,
};

/// Sends requests of the format `Q`, and gives each its reply of the format `R`. See the
/// [module](super) for what holds for every call.
///
/// Clones share the connections; with the last one they are closed.
pub struct Client<Q: Frame, R>(Arc<Owner<Q>>, PhantomData<fn() -> R>);

struct Owner<Q: Frame> {
    kind: Kind<Q>,
    timeout: Duration,
}

pub(super) enum Kind<Q: Frame> {
    Pool(Arc<Hub<Pooled>>),
    /// With what sets a request's number.
    Mux(Arc<Hub<Muxed>>, SetNumber<Q>),
}

pub(super) type SetNumber<Q> = for<'a, 'b> fn(&'b mut <Q as Frame>::At<'a>, u64);

/// A call of a pool, whose lane sends the request.
type NoWrite = fn(&Pooled, u64) -> Result<Sending>;

impl<Q: Frame + 'static, R: Frame + 'static> Client<Q, R> {
    /// A client with one call at a time on each connection, to one address or several: "host:port",
    /// "unix:/path".
    pub fn pool(endpoints: impl IntoEndpoints) -> Builder<Q, R, Pool> {
        Builder::pool(endpoints)
    }

    /// A client with many calls on each connection, whose replies find them by the number that the
    /// frames carry (`#[frame(seq)]`). The client sets it; what the request says is overwritten.
    pub fn mux(endpoints: impl IntoEndpoints) -> Builder<Q, R, Mux<Q>>
    where
        Q: Numbered,
        R: Numbered<Seq = Q::Seq>,
    {
        Builder::mux(endpoints)
    }

    pub(super) fn new(kind: Kind<Q>, timeout: Duration) -> Self {
        Self(Arc::new(Owner { kind, timeout }), PhantomData)
    }

    /// What the client counts, at this moment.
    pub fn stats(&self) -> Stats {
        match &self.0.kind {
            Kind::Pool(hub) => Stats::of(hub),
            Kind::Mux(hub, _) => Stats::of(hub),
        }
    }

    /// Makes connections until there are `n`, or as many as may be, and waits for them.
    ///
    /// # Errors
    /// Why fewer could be made. `TimedOut` if they are not there within the client's timeout.
    pub fn warm_up(&self, n: usize) -> Result<()> {
        match &self.0.kind {
            Kind::Pool(hub) => warm_up(hub, n, self.0.timeout),
            Kind::Mux(hub, _) => warm_up(hub, n, self.0.timeout),
        }
    }

    /// Takes no new calls, waits until those that were begun have ended, and closes the connections.
    /// At the latest after `deadline` it fails the calls that are left: so many are returned.
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
    /// What the deadlines of calls go by.
    fn clock(&self) -> Clock {
        match &self.0.kind {
            Kind::Pool(hub) => hub.alarms.clock(),
            Kind::Mux(hub, _) => hub.alarms.clock(),
        }
    }

    /// Sends `request`, and waits for its reply on this thread; a worker gives its poller away
    /// meanwhile.
    ///
    /// # Errors
    /// Each names the address. `TimedOut` says what was waited for; what a dial says of an address that
    /// cannot be reached ([`Dialer::dial`](crate::Dialer::dial)); `Eof`, `Io`, `Malformed` and others if
    /// the connection ended before the reply; `Limit` past `max_waiters`; `Closed` after
    /// [`close`](Self::close). What the request's encoder says.
    pub fn call(&self, request: Q::At<'_>) -> Result<Received<R>> {
        self.call_with(request, CallOptions::new())
    }

    /// As [`call`](Self::call), with a deadline of its own.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_with(&self, request: Q::At<'_>, options: CallOptions) -> Result<Received<R>> {
        let span = options.span(self.clock(), self.0.timeout);
        let bytes = match &self.0.kind {
            Kind::Pool(hub) => {
                let request = encode(&request)?;
                Calling::new(hub, request, None::<NoWrite>, span).wait()
            }
            Kind::Mux(hub, set) => {
                let write = writer::<Q>(request, *set);
                Calling::new(hub, LinkSlice::default(), Some(write), span).wait()
            }
        };
        bytes.map(Received::new)
    }

    /// As [`call`](Self::call), without blocking the thread, under any executor. Dropping the future
    /// cancels the call.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_async(&self, request: Q::At<'_>) -> Result<Received<R>> {
        self.call_async_with(request, CallOptions::new()).await
    }

    /// As [`call_async`](Self::call_async), with a deadline of its own.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_async_with(
        &self,
        request: Q::At<'_>,
        options: CallOptions,
    ) -> Result<Received<R>> {
        let span = options.span(self.clock(), self.0.timeout);
        let bytes = match &self.0.kind {
            Kind::Pool(hub) => {
                let request = encode(&request)?;
                Calling::new(hub, request, None::<NoWrite>, span).await
            }
            Kind::Mux(hub, set) => {
                let write = writer::<Q>(request, *set);
                Calling::new(hub, LinkSlice::default(), Some(write), span).await
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

/// Sends `request` under the number that it is given.
fn writer<Q>(
    mut request: Q::At<'_>,
    set: SetNumber<Q>,
) -> impl FnMut(&Muxed, u64) -> Result<Sending> + Send
where
    Q: Frame,
    for<'a> Q::At<'a>: Encode,
{
    move |lane, number| {
        set(&mut request, number);
        lane.send(encode(&request)?.into())
    }
}

fn warm_up<L: Lane>(hub: &Arc<Hub<L>>, n: usize, timeout: Duration) -> Result<()> {
    hub.carry_out(hub.slots.warm_up(n));
    let mut known = false;
    let made = poll_fn(|cx| {
        let mut now = hub.slots.watch(cx.waker());
        if !known {
            if hub.slots.endpoints.is_asking() {
                return Poll::Pending;
            }
            known = true;
            if hub.slots.endpoints.len() > 0 {
                hub.carry_out(hub.slots.warm_up(n));
                now = hub.slots.gauges();
            }
        }
        let wanted = hub.slots.most().min(n);
        if wanted > 0 && now.connections >= wanted {
            return Poll::Ready(Ok(()));
        }
        if now.dialing == 0 {
            return Poll::Ready(Err(hub.slots.endpoints.why_not()));
        }
        Poll::Pending
    });
    park::wait_for(made, Some(hub.alarms.clock().after(timeout)))
        .unwrap_or_else(|| Err(super::verdict::late(hub, "warming up", timeout)))
}

fn close<L: Lane>(hub: &Arc<Hub<L>>, deadline: Duration) -> usize {
    let until = hub.alarms.clock().after(deadline);
    hub.slots.drain();
    let drained = poll_fn(|cx| {
        let now = hub.slots.watch(cx.waker());
        if now.in_flight + now.waiters == 0 { Poll::Ready(()) } else { Poll::Pending }
    });
    park::wait_for(drained, Some(until));
    let cut = cut(hub);
    let gone = poll_fn(|cx| {
        let now = hub.slots.watch(cx.waker());
        if now.connections == 0 { Poll::Ready(()) } else { Poll::Pending }
    });
    park::wait_for(gone, Some(until));
    cut
}

/// Fails the calls that are left, and closes the connections.
fn cut<L: Lane>(hub: &Arc<Hub<L>>) -> usize {
    let (lanes, cut, steps) = hub.slots.close();
    hub.carry_out(steps);
    for lane in lanes {
        lane.conn().close();
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
            Kind::Pool(hub) => hub.slots.endpoints.names(),
            Kind::Mux(hub, _) => hub.slots.endpoints.names(),
        };
        f.debug_tuple("Client").field(&names).finish()
    }
}
