//! The future of one call, from its beginning to its end.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
};

use super::{
    call::{Call, Found, Left, Place},
    health::Outcome,
    hub::{Hub, Lane},
    options::Span,
    verdict,
};
use crate::{
    buf::LinkSlice,
    error::{Error, ErrorKind, Result},
    sched::{BoxFuture, park},
};

/// Sends the request under the number that the lane has given it. What it gives is polled first: room
/// for output is waited for.
pub(super) type Sending = Option<BoxFuture<Result<()>>>;

/// A call that begins when it is first polled. Dropped, it is cancelled.
pub(super) struct Calling<'c, L: Lane, W> {
    hub: &'c Arc<Hub<L>>,
    /// Since it has begun.
    call: Option<Arc<Call<L>>>,
    stage: Stage,
    /// What the lane sends.
    request: LinkSlice,
    /// Sends the request, once, where the lane does not.
    write: Option<W>,
    sending: Sending,
    /// The lane has let the caller send, who has not.
    holds: bool,
    span: Span,
    /// Who waits: a thread, which knows when to stop.
    parks: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    Begun,
    Ended,
}

impl<'c, L, W> Calling<'c, L, W>
where
    L: Lane,
    W: FnMut(&L, u64) -> Result<Sending>,
{
    pub(super) fn new(
        hub: &'c Arc<Hub<L>>,
        request: LinkSlice,
        write: Option<W>,
        span: Span,
    ) -> Self {
        let (call, stage, sending) = (None, Stage::Fresh, None);
        Self { hub, call, stage, request, write, sending, holds: false, span, parks: false }
    }

    /// Waits on this thread.
    pub(super) fn wait(mut self) -> Result<LinkSlice> {
        self.parks = true;
        let deadline = Some(self.span.until);
        park::wait_for(Pin::new(&mut self), deadline).unwrap_or_else(|| self.expire())
    }

    /// Goes on. Pending: only others can end the call, or time.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Poll<Result<LinkSlice>> {
        if self.stage == Stage::Fresh {
            if self.span.limit.is_zero() {
                return Poll::Ready(self.expire());
            }
            self.begin(cx);
            if self.write.is_none() {
                // Whatever happens to it wakes this.
                return Poll::Pending;
            }
        }
        loop {
            if let Some(sending) = &mut self.sending {
                match sending.as_mut().poll(cx) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(())) => (self.sending, self.holds) = (None, false),
                    Poll::Ready(Err(error)) => {
                        (self.sending, self.holds) = (None, false);
                        if let Some((lane, number)) = self.call().lane() {
                            self.unsent(&lane, number, error)?;
                        }
                    }
                }
            }
            match self.call().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Found::Ended(result)) => return Poll::Ready(result),
                Poll::Ready(Found::Late) => return Poll::Ready(self.expire()),
                Poll::Ready(Found::Send(lane, number)) => {
                    let Some(write) = &mut self.write else { continue };
                    match write(&lane, number) {
                        // As above.
                        Ok(None) => return Poll::Pending,
                        Ok(sending) => (self.sending, self.holds) = (sending, true),
                        Err(error) => self.unsent(&lane, number, error)?,
                    }
                }
            }
        }
    }

    fn begin(&mut self, cx: &Context<'_>) {
        self.stage = Stage::Begun;
        // Who sends itself is told by the lane where to, and looks for that at once.
        let waker = self.write.is_none().then(|| cx.waker().clone());
        let call = Call::new(mem::take(&mut self.request), self.span.begun, waker);
        let call = self.call.insert(call);
        let alarm = (!self.parks).then(|| self.hub.alarms.clock().tick_at(self.span.until));
        self.hub.carry_out(self.hub.slots.enter(call, alarm));
    }

    /// The request could not be sent on `lane`: if that has ended it is sent on another one.
    ///
    /// # Errors
    /// It cannot be sent at all.
    fn unsent(&mut self, lane: &Arc<L>, number: u64, error: Error) -> Result<()> {
        let ended = error.kind() == ErrorKind::Closed;
        if !ended || !self.call().may_try_again() {
            self.holds = true;
            self.leave(Outcome::Unknown);
            return Err(if ended { verdict::of_lane(&**lane) } else { error });
        }
        if self.call().move_to(Place::Nowhere) {
            lane.abandon(self.call(), number, false, Outcome::Unknown);
            self.hub.counters.retries.fetch_add(1, Relaxed);
            self.hub.slots.retire(lane.conn().conn.id);
            self.hub.carry_out(self.hub.slots.again(self.call()));
        }
        Ok(())
    }

    /// The deadline has passed.
    fn expire(&mut self) -> Result<LinkSlice> {
        self.stage = Stage::Ended;
        let place = match self.leave(Outcome::Failed) {
            Left::Done(result) => return result,
            Left::At(place) => place,
        };
        self.hub.counters.timeouts.fetch_add(1, Relaxed);
        Err(verdict::too_late(self.hub, &place, self.span.limit))
    }
}

impl<L: Lane, W> Calling<'_, L, W> {
    /// The call, which has begun.
    fn call(&self) -> &Arc<Call<L>> {
        self.call.as_ref().expect("it has begun")
    }

    /// Ends the call by its caller, and tells whoever has it; `outcome` is what that says of its endpoint.
    fn leave(&mut self, outcome: Outcome) -> Left<L> {
        let Some(call) = &self.call else { return Left::At(Place::Nowhere) };
        let left = call.leave();
        match &left {
            Left::At(Place::Queue) => self.hub.carry_out(self.hub.slots.leave(call)),
            Left::At(Place::Lane { lane, number, sent }) => {
                lane.abandon(call, *number, *sent && !self.holds, outcome);
            }
            Left::At(Place::Nowhere) | Left::Done(_) => {}
        }
        left
    }

    /// Takes the alarm off that is left where nobody released the call.
    fn forget_alarm(&self) {
        if let Some(call) = &self.call
            && call.has_alarm()
        {
            self.hub.slots.forget(call);
        }
    }
}

/// Nothing in it is pinned: the future that it holds is on the heap.
impl<L: Lane, W> Unpin for Calling<'_, L, W> {}

impl<L, W> Future for Calling<'_, L, W>
where
    L: Lane,
    W: FnMut(&L, u64) -> Result<Sending>,
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

impl<L: Lane, W> Drop for Calling<'_, L, W> {
    fn drop(&mut self) {
        if self.stage == Stage::Begun {
            self.leave(Outcome::Unknown);
        }
        self.forget_alarm();
    }
}
