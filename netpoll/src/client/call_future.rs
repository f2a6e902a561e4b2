//! The future of one call.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
};

use super::{
    call::{Call, Found, Left, Manner, Place},
    call_connection::{CallConnection, CallOf, Matching},
    call_error,
    health::Outcome,
    hub::Hub,
    options::Span,
};
use crate::{
    buf::LinkSlice,
    error::{Error, ErrorKind, Result},
    sched::{BoxFuture, block_on},
};

/// A request that waits for room in the connection's output; it is polled before the call.
pub(super) type PendingWrite = Option<BoxFuture<Result<()>>>;

/// A call that begins at its first poll. Dropping it cancels the call.
pub(super) struct CallFuture<'c, M: Matching, W> {
    hub: &'c Arc<Hub<M>>,
    /// Some once it has begun.
    call: Option<Arc<CallOf<M>>>,
    stage: Stage,
    /// The request, if the connection sends it.
    request: LinkSlice,
    /// Sends the request, if the connection does not.
    write: Option<W>,
    sending: PendingWrite,
    /// True while the connection lets the caller send, who has not yet.
    holds: bool,
    span: Span,
    manner: Manner,
    /// True if a thread waits, which watches its deadline itself.
    parks: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    Begun,
    Ended,
}

impl<'c, M, W> CallFuture<'c, M, W>
where
    M: Matching,
    W: FnMut(&CallConnection<M>, u64) -> Result<PendingWrite>,
{
    pub(super) fn new(
        hub: &'c Arc<Hub<M>>,
        request: LinkSlice,
        write: Option<W>,
        span: Span,
        manner: Manner,
    ) -> Self {
        let (call, stage, sending) = (None, Stage::Fresh, None);
        Self { hub, call, stage, request, write, sending, holds: false, span, manner, parks: false }
    }

    /// Waits on this thread for the end.
    pub(super) fn wait(mut self) -> Result<LinkSlice> {
        self.parks = true;
        let deadline = Some(self.span.until);
        block_on::wait_for(Pin::new(&mut self), deadline).unwrap_or_else(|| self.expire())
    }

    /// Advances the call. While pending, only others or its deadline can end it.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<Result<LinkSlice>> {
        if self.stage == Stage::Fresh {
            if self.span.limit.is_zero() {
                return Poll::Ready(self.expire());
            }
            self.begin(cx);
            if self.write.is_none() {
                // Every change of the call wakes this.
                return Poll::Pending;
            }
        }
        loop {
            if let Some(sending) = &mut self.sending {
                match sending.as_mut().poll(cx) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(())) => {
                        (self.sending, self.holds) = (None, false);
                        if self.manner == Manner::OneWay {
                            return Poll::Ready(self.finish_sending());
                        }
                    }
                    Poll::Ready(Err(error)) => {
                        (self.sending, self.holds) = (None, false);
                        if let Some((connection, number)) = self.call().connection() {
                            self.unsent(&connection, number, error)?;
                        }
                    }
                }
            }
            match self.call().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Found::Ended(result)) => return Poll::Ready(result),
                Poll::Ready(Found::Late) => return Poll::Ready(self.expire()),
                Poll::Ready(Found::Send(connection, number)) => {
                    let Some(write) = &mut self.write else { continue };
                    match write(&connection, number) {
                        Ok(None) if self.manner == Manner::OneWay => {
                            return Poll::Ready(self.finish_sending());
                        }
                        // Every change of the call wakes this.
                        Ok(None) => return Poll::Pending,
                        Ok(sending) => (self.sending, self.holds) = (sending, true),
                        Err(error) => self.unsent(&connection, number, error)?,
                    }
                }
            }
        }
    }

    fn begin(&mut self, cx: &Context<'_>) {
        self.stage = Stage::Begun;
        // A caller that sends is told its connection by the next poll.
        let waker = self.write.is_none().then(|| cx.waker().clone());
        let call = Call::new(mem::take(&mut self.request), self.span.begun, self.manner, waker);
        let call = self.call.insert(call);
        let timer = (!self.parks).then(|| self.hub.deadline_timer.clock().tick_at(self.span.until));
        self.hub.carry_out(self.hub.connections.enter(call, timer));
    }

    /// Handles a request that could not be sent on `connection`: repeats it on another one if that has
    /// ended.
    ///
    /// # Errors
    /// `error` if the request cannot be sent at all.
    fn unsent(
        &mut self,
        connection: &Arc<CallConnection<M>>,
        number: u64,
        error: Error,
    ) -> Result<()> {
        let ended = error.kind() == ErrorKind::Closed;
        if !ended || !self.call().may_try_again() {
            self.holds = true;
            self.leave(Outcome::Unknown);
            return Err(if ended { call_error::of_connection(connection) } else { error });
        }
        if self.call().move_to(Place::Nowhere) {
            M::abandon(connection, self.call(), number, false, Outcome::Unknown);
            self.hub.counters.retries.fetch_add(1, Relaxed);
            self.hub.connections.retire(connection.id());
            self.hub.carry_out(self.hub.connections.again(self.call()));
        }
        Ok(())
    }

    /// Ends a call that wants no reply, and that was sent.
    fn finish_sending(&mut self) -> Result<LinkSlice> {
        // No reply comes under its number, which is free again.
        self.holds = true;
        match self.leave(Outcome::Unknown) {
            Left::Done(result) => result,
            Left::At(_) => Ok(LinkSlice::default()),
        }
    }

    /// Ends the call, whose deadline has passed.
    fn expire(&mut self) -> Result<LinkSlice> {
        self.stage = Stage::Ended;
        let place = match self.leave(Outcome::Failed) {
            Left::Done(result) => return result,
            Left::At(place) => place,
        };
        self.hub.counters.timeouts.fetch_add(1, Relaxed);
        Err(call_error::too_late(self.hub, &place, self.span.limit))
    }
}

impl<M: Matching, W> CallFuture<'_, M, W> {
    /// Returns the call, which has begun.
    fn call(&self) -> &Arc<CallOf<M>> {
        self.call.as_ref().expect("it has begun")
    }

    /// Ends the call on behalf of its caller and tells its holder; `outcome` is for its endpoint's health.
    fn leave(&mut self, outcome: Outcome) -> Left<CallConnection<M>> {
        let Some(call) = &self.call else { return Left::At(Place::Nowhere) };
        let left = call.leave();
        match &left {
            Left::At(Place::Queue) => self.hub.carry_out(self.hub.connections.leave(call)),
            Left::At(Place::Connection { connection, number, sent }) => {
                M::abandon(connection, call, *number, *sent && !self.holds, outcome);
            }
            Left::At(Place::Nowhere) | Left::Done(_) => {}
        }
        left
    }

    /// Removes the call from the list of deadlines if nobody released it.
    fn forget_timer(&self) {
        if let Some(call) = &self.call
            && call.has_timer()
        {
            self.hub.connections.forget(call);
        }
    }
}

/// Nothing in it is pinned: its inner future is on the heap.
impl<M: Matching, W> Unpin for CallFuture<'_, M, W> {}

impl<M, W> Future for CallFuture<'_, M, W>
where
    M: Matching,
    W: FnMut(&CallConnection<M>, u64) -> Result<PendingWrite>,
{
    type Output = Result<LinkSlice>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let found = this.go_on(cx);
        if found.is_ready() {
            this.stage = Stage::Ended;
        }
        found
    }
}

impl<M: Matching, W> Drop for CallFuture<'_, M, W> {
    fn drop(&mut self) {
        if self.stage == Stage::Begun {
            self.leave(Outcome::Unknown);
        }
        self.forget_timer();
    }
}
