//! A call in progress, whatever the kind of its client.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::{
    call_connection::{CallConnection, Matching},
    call_future::{CallFuture, PendingWrite},
    mux::ByNumber,
    pipeline::InOrder,
    pool::OneAtATime,
};
use crate::{buf::LinkSlice, error::Result};

/// The absent writer of a call whose connection sends the request itself.
pub(super) type NoWrite<M> = fn(&CallConnection<M>, u64) -> Result<PendingWrite>;

/// Sends the request of a mux under the number that it is given.
pub(super) trait Write:
    FnMut(&CallConnection<ByNumber>, u64) -> Result<PendingWrite>
{
}

impl<F: FnMut(&CallConnection<ByNumber>, u64) -> Result<PendingWrite>> Write for F {}

/// A future of a reply's bytes; `W` sends the request of a mux.
pub(super) enum Running<'c, W> {
    Pool(CallFuture<'c, OneAtATime, NoWrite<OneAtATime>>),
    Mux(CallFuture<'c, ByNumber, W>),
    Pipeline(CallFuture<'c, InOrder, NoWrite<InOrder>>),
}

impl<W: Write> Running<'_, W> {
    /// Waits on this thread for the reply.
    pub(super) fn wait(self) -> Result<LinkSlice> {
        match self {
            Self::Pool(call) => call.wait(),
            Self::Mux(call) => call.wait(),
            Self::Pipeline(call) => call.wait(),
        }
    }
}

impl<W: Write> Future for Running<'_, W> {
    type Output = Result<LinkSlice>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Pool(call) => poll(call, cx),
            Self::Mux(call) => poll(call, cx),
            Self::Pipeline(call) => poll(call, cx),
        }
    }
}

fn poll<M, W>(call: &mut CallFuture<'_, M, W>, cx: &mut Context<'_>) -> Poll<Result<LinkSlice>>
where
    M: Matching,
    W: FnMut(&CallConnection<M>, u64) -> Result<PendingWrite>,
{
    Pin::new(call).poll(cx)
}
