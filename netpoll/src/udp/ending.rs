//! The end of a socket: what has come is answered, futures are waited for, then it is closed; or at once.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::Ordering::{Acquire, Relaxed},
    },
    task::Poll,
};

use super::{
    outbox::Outbox,
    serving::{ABORT, CLOSE, Serving, State},
};
use crate::{guard, sched::block_on::wait_for, timer::Moment};

impl Serving {
    /// Begins to close: what has come is answered first.
    pub(crate) fn begin_close(self: &Arc<Self>) {
        self.schedule(CLOSE);
    }

    /// Closes now; a handler that runs loses its replies.
    pub(crate) fn abort(self: &Arc<Self>) {
        self.schedule(ABORT);
    }

    /// Waits until it is closed, or `until`. Whether it is.
    pub(crate) fn wait_closed(&self, until: Moment) -> bool {
        let closed = poll_fn(|cx| {
            let mut ended = self.ended.lock();
            if ended.closed {
                return Poll::Ready(());
            }
            if !ended.waiters.iter().any(|known| known.will_wake(cx.waker())) {
                ended.waiters.push(cx.waker().clone());
            }
            Poll::Pending
        });
        wait_for(closed, Some(until)).is_some()
    }

    /// Nothing is left to be done before the end.
    pub(super) fn is_drained(&self, state: &State) -> bool {
        (!state.more || state.last == Some(0))
            && self.running.load(Acquire) == 0
            && state.outbox.is_empty()
            && self.replied.lock().is_empty()
    }

    pub(super) fn shut(&self, state: &mut State) {
        let Some(endpoint) = state.endpoint.take() else { return };
        self.overflowed.store(endpoint.dropped() as usize, Relaxed);
        if let Some(token) = state.registered.take() {
            self.runtime.remove(&self.shard, token, endpoint.fd());
        }
        if let Some(token) = self.timer.get() {
            self.runtime.remove(&self.shard, *token, None);
        }
        state.outbox = Outbox::default();
        self.waiting.store(0, Relaxed);
    }

    /// Tells those who wait that the socket is closed.
    pub(super) fn announce(&self) {
        self.handler.closed();
        let waiters = {
            let mut ended = self.ended.lock();
            ended.closed = true;
            std::mem::take(&mut ended.waiters)
        };
        waiters.into_iter().for_each(guard::wake);
    }
}
