//! Who waits for something of a connection's: threads and futures alike, as wakers.
//!
//! A waiter is listed under the connection's lock, then sets [`mark::WAITING`], then looks at its
//! condition once more. Whoever changes what a condition reads does so first and looks at the mark
//! then: one of the two sees the other.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{core::Conn, state::mark};
use crate::{
    error::{Error, ErrorKind, Result},
    primitive::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    sched::{block_on, state_word::StateWord},
};

/// The list of waiters of one connection.
#[derive(Default)]
pub(crate) struct Waiters {
    list: Mutex<Vec<(u64, Waker)>>,
    next: AtomicU64,
}

impl Waiters {
    /// See [`Conn::wake_waiters`]; `state_word` is that of the list's connection.
    fn wake(&self, state_word: &StateWord, word: u32) {
        if word & mark::WAITING == 0 {
            return;
        }
        let woken = {
            let mut list = self.list.lock();
            state_word.clear(mark::WAITING);
            std::mem::take(&mut *list)
        };
        for (_, waker) in woken {
            waker.wake();
        }
    }

    /// See [`Conn::until`]; `state_word` is that of the list's connection.
    fn until<'a, T, F>(&'a self, state_word: &'a StateWord, condition: F) -> Until<'a, F>
    where
        F: FnMut() -> Option<T>,
    {
        Until { state_word, waiters: self, id: 0, condition }
    }
}

impl Conn {
    /// Wakes all that wait, so that each looks at its condition. Costs a look at the word where
    /// nobody waits.
    pub(crate) fn wake_waiters(&self, word: u32) {
        self.waiters.wake(&self.state_word, word);
    }

    /// Ready when `condition` gives something. It is looked at again after each event.
    pub(crate) fn until<T, F>(
        &self,
        mut condition: F,
    ) -> Until<'_, impl FnMut() -> Option<T> + use<'_, T, F>>
    where
        F: FnMut(&Conn) -> Option<T>,
    {
        self.waiters.until(&self.state_word, move || condition(self))
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
        let deadline = timeout.map(|timeout| self.shard.clock.after(timeout));
        block_on::wait_for(self.until(condition), deadline).ok_or_else(|| {
            let limit = timeout.unwrap_or_default();
            Error::new(ErrorKind::TimedOut, format!("{what}: nothing within {limit:?} ({self})"))
        })
    }
}

/// See [`Conn::until`].
pub(crate) struct Until<'a, F> {
    state_word: &'a StateWord,
    waiters: &'a Waiters,
    /// The entry in the list, once there is one.
    id: u64,
    condition: F,
}

impl<T, F> Future for Until<'_, F>
where
    F: FnMut() -> Option<T> + Unpin,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        if let Some(found) = (this.condition)() {
            return Poll::Ready(found);
        }
        {
            let mut list = this.waiters.list.lock();
            if this.id == 0 {
                this.id = this.waiters.next.fetch_add(1, Relaxed) + 1;
            }
            list.retain(|(id, _)| *id != this.id);
            list.push((this.id, cx.waker().clone()));
            this.state_word.set(mark::WAITING);
        }
        match (this.condition)() {
            Some(found) => Poll::Ready(found),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for Until<'_, F> {
    fn drop(&mut self) {
        if self.id != 0 {
            self.waiters.list.lock().retain(|(id, _)| *id != self.id);
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use super::*;
    use crate::{conn::state::fresh, primitive::thread};

    struct Model {
        state_word: StateWord,
        waiters: Waiters,
    }

    impl Model {
        fn new() -> Arc<Self> {
            Arc::new(Self { state_word: fresh(None), waiters: Waiters::default() })
        }

        /// What the selector does: the mark, then the waiters by the word from before it.
        fn tell(&self, bits: u32) {
            let before = self.state_word.notify(bits);
            self.waiters.wake(&self.state_word, before);
        }

        fn until_set(&self, bit: u32) -> Until<'_, impl FnMut() -> Option<()>> {
            let set = move || (self.state_word.load() & bit != 0).then_some(());
            self.waiters.until(&self.state_word, set)
        }

        /// Whether somebody is listed: nobody stays in the list after its wait.
        fn is_deserted(&self) -> bool {
            self.waiters.list.lock().is_empty()
        }
    }

    /// One thread waits for bytes and one for the end; both come, each told once: no wait is for ever,
    /// though the first event takes the other's entry out of the list too.
    #[test]
    fn loom_an_event_wakes_whoever_waits_for_it() {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(3);
        builder.check(|| {
            let model = Model::new();
            let waits = [mark::READABLE, mark::CLOSING].map(|bit| {
                let model = model.clone();
                thread::spawn(move || block_on::wait_for(model.until_set(bit), None))
            });
            model.tell(mark::READABLE);
            model.tell(mark::CLOSING);
            for wait in waits {
                assert_eq!(wait.join().unwrap(), Some(()));
            }
            assert!(model.is_deserted());
        });
    }

    /// A wait that is given up while the event comes: nothing of it stays behind.
    #[test]
    fn loom_a_wait_that_is_dropped_leaves_the_list() {
        loom::model(|| {
            let model = Model::new();
            let teller = thread::spawn({
                let model = model.clone();
                move || model.tell(mark::READABLE)
            });
            let mut given_up = Box::pin(model.until_set(mark::READABLE));
            let mut context = Context::from_waker(Waker::noop());
            let ready = given_up.as_mut().poll(&mut context).is_ready();
            drop(given_up);
            teller.join().unwrap();
            assert!(model.is_deserted());
            assert!(!ready || model.state_word.load() & mark::READABLE != 0);
        });
    }
}
