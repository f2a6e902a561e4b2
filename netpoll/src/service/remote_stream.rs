//! The items that a service's method returns as a stream, at its client.

use std::{
    fmt,
    future::poll_fn,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use serde::de::DeserializeOwned;

use super::{
    payload::PayloadFormat,
    remote_result::{CallError, CallFailure, result},
};
use crate::{
    client::{Received, ReplyStream},
    error::Result,
    frame::{Judged, Status},
    rpc::Answer,
    sched::block_on,
};

/// The items of a method with the mark `#[stream]`, as its client receives them: a [`Stream`], and an
/// [`Iterator`] that blocks the thread. It ends behind the last item, or behind an error.
///
/// See [`ReplyStream`] for how it holds back the server, and what dropping it does.
pub struct MethodStream<F, T, E> {
    replies: ReplyStream<Answer<'static>>,
    over: bool,
    item: PhantomData<Item<F, T, E>>,
}

/// What an item is made by and of, none of which the stream holds.
type Item<F, T, E> = fn() -> (F, T, E);

impl<F, T, E> MethodStream<F, T, E> {
    pub(super) fn new(replies: ReplyStream<Answer<'static>>) -> Self {
        Self { replies, over: false, item: PhantomData }
    }
}

impl<F: PayloadFormat, T: DeserializeOwned, E: CallFailure> MethodStream<F, T, E> {
    /// Waits for the next item; `None` behind the last one.
    ///
    /// # Errors
    /// The method's own, a fault of the server's, or one of the connection's. The stream ends with it.
    ///
    /// # Cancel safety
    /// A future that is dropped loses no item.
    pub async fn next(&mut self) -> Option<Result<T, CallError<E>>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn item(
        &mut self,
        received: Result<Received<Answer<'static>>>,
    ) -> Option<Result<T, CallError<E>>> {
        let ends = received.as_ref().is_ok_and(|received| {
            received.get().is_ok_and(|answer| answer.last && answer.status() == Status::Ok)
        });
        if ends {
            self.over = true;
            return None;
        }
        let item = result::<F, T, E>(received);
        self.over = item.is_err();
        Some(item)
    }
}

impl<F: PayloadFormat, T: DeserializeOwned, E: CallFailure> Stream for MethodStream<F, T, E> {
    type Item = Result<T, CallError<E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        Pin::new(&mut this.replies)
            .poll_next(cx)
            .map(|reply| reply.and_then(|received| this.item(received)))
    }
}

impl<F: PayloadFormat, T: DeserializeOwned, E: CallFailure> Iterator for MethodStream<F, T, E> {
    type Item = Result<T, CallError<E>>;

    /// Blocks this thread until the next item; a worker gives its poller away meanwhile.
    fn next(&mut self) -> Option<Self::Item> {
        block_on(Self::next(self))
    }
}

impl<F, T, E> fmt::Debug for MethodStream<F, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MethodStream").field(&self.replies).finish()
    }
}
