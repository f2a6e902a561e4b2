//! Who waits for something of a connection's: threads and futures alike, as wakers.
//!
//! A waiter is listed under the connection's lock, then sets [`mark::WAITING`], then looks at its
//! condition once more. Whoever changes what a condition reads does so first and looks at the mark
//! then: one of the two sees the other.

use std::{
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    task::{Context, Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;

use super::{core::Conn, state::mark};
use crate::{
    error::{Error, ErrorKind, Result},
    sched::park,
    timer::instant_after,
};

/// The list of waiters of one connection.
#[derive(Default)]
pub(crate) struct Waiters {
    list: Mutex<Vec<(u64, Waker)>>,
    next: AtomicU64,
}

impl Conn {
    /// Wakes all that wait, so that each looks at its condition. Costs a look at the word where
    /// nobody waits.
    pub(crate) fn wake_waiters(&self, word: u32) {
        if word & mark::WAITING == 0 {
            return;
        }
        let woken = {
            let mut list = self.waiters.list.lock();
            self.gate.clear(mark::WAITING);
            std::mem::take(&mut *list)
        };
        for (_, waker) in woken {
            waker.wake();
        }
    }

    /// Ready when `condition` gives something. It is looked at again after each event.
    pub(crate) fn until<T, F>(&self, condition: F) -> Until<'_, F>
    where
        F: FnMut(&Conn) -> Option<T>,
    {
        Until { conn: self, id: 0, condition }
    }

    /// Parks this thread until `condition` gives something; a worker gives its poller away first.
    ///
    /// # Errors
    /// `TimedOut` after `timeout`; `what` says what for.
    pub(crate) fn block_until<T, F>(
        &self,
        timeout: Option<Duration>,
        what: &str,
        condition: F,
    ) -> Result<T>
    where
        F: FnMut(&Conn) -> Option<T> + Unpin,
    {
        let deadline = timeout.map(instant_after);
        park::wait_for(self.until(condition), deadline).ok_or_else(|| {
            let limit = timeout.unwrap_or_default();
            Error::new(ErrorKind::TimedOut, format!("{what}: nothing within {limit:?} ({self})"))
        })
    }
}

/// See [`Conn::until`].
pub(crate) struct Until<'a, F> {
    conn: &'a Conn,
    /// The entry in the list, once there is one.
    id: u64,
    condition: F,
}

impl<T, F> Future for Until<'_, F>
where
    F: FnMut(&Conn) -> Option<T> + Unpin,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        if let Some(found) = (this.condition)(this.conn) {
            return Poll::Ready(found);
        }
        {
            let waiters = &this.conn.waiters;
            let mut list = waiters.list.lock();
            if this.id == 0 {
                this.id = waiters.next.fetch_add(1, Relaxed) + 1;
            }
            list.retain(|(id, _)| *id != this.id);
            list.push((this.id, cx.waker().clone()));
            this.conn.gate.set(mark::WAITING);
        }
        match (this.condition)(this.conn) {
            Some(found) => Poll::Ready(found),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for Until<'_, F> {
    fn drop(&mut self) {
        if self.id != 0 {
            self.conn.waiters.list.lock().retain(|(id, _)| *id != self.id);
        }
    }
}
