//! The waiters for something of a connection's: threads and futures alike, as wakers.
//!
//! A waiter is listed under the connection's lock, then sets [`mark::WAITING`], then looks at its
//! condition once more. Whoever changes what a condition reads does so first and looks at the mark
//! then: one of the two sees the other.

use std::{
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use slab::Slab;

use super::state::mark;
use crate::{
    guard::{self, Place},
    primitive::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    sched::state_word::StateWord,
};

/// A kind of news, by which waiters are listed: an event wakes those alone whom it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The end of the connection, from either side, has come or is asked for.
    End,
    /// Bytes to read.
    Bytes,
    /// Room for output.
    Room,
    /// A step of the connect or of the handshake.
    Setup,
}

impl News {
    /// All of them, as [`bit`](Self::bit)s.
    pub(crate) const ALL: u8 = 0xF;

    pub(crate) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The waiters of one connection: a list for each kind of news.
#[derive(Default)]
pub(crate) struct Waiters {
    lists: Mutex<[Slab<(u64, Waker)>; 4]>,
    next: AtomicU64,
}

impl Waiters {
    /// Wakes those that wait for one of `news`; `state_word` is that of the list's connection.
    pub(super) fn wake(&self, state_word: &StateWord, word: u32, news: u8) {
        if word & mark::WAITING == 0 {
            return;
        }
        let woken = {
            let mut lists = self.lists.lock();
            let woken = [News::End, News::Bytes, News::Room, News::Setup].map(|kind| {
                if news & kind.bit() == 0 {
                    Slab::new()
                } else {
                    mem::take(&mut lists[kind as usize])
                }
            });
            if lists.iter().all(Slab::is_empty) {
                state_word.clear(mark::WAITING);
            }
            woken
        };
        for (_, (_, waker)) in woken.into_iter().flatten() {
            guard::wake(waker);
        }
    }

    /// Ready when `condition` gives something, looked at after each `news`; `state_word` is that of the list's connection.
    pub(super) fn until<'a, T, F>(
        &'a self,
        state_word: &'a StateWord,
        news: News,
        condition: F,
    ) -> Until<'a, F>
    where
        F: FnMut() -> Option<T>,
    {
        Until { state_word, waiters: self, entry: Entry::new(news), condition }
    }

    /// Lists `waker`, in the place of the entry `id` if that is still there.
    fn list(&self, state_word: &StateWord, news: News, id: u64, key: usize, waker: Waker) -> usize {
        let mut lists = self.lists.lock();
        let list = &mut lists[news as usize];
        let (key, old) = match list.get_mut(key) {
            Some(entry) if entry.0 == id => (key, Some(mem::replace(&mut entry.1, waker))),
            _ => (list.insert((id, waker)), None),
        };
        state_word.set(mark::WAITING);
        drop(lists);
        guard::discard(Place::Waker, old);
        key
    }

    /// Takes the entry `id` out, if it is still there.
    fn unlist(&self, news: News, id: u64, key: usize) {
        let mut lists = self.lists.lock();
        let list = &mut lists[news as usize];
        let listed = list.get(key).is_some_and(|entry| entry.0 == id);
        let entry = listed.then(|| list.remove(key));
        drop(lists);
        guard::discard(Place::Waker, entry);
    }
}

/// A place in a list of waiters, which is kept from poll to poll.
pub(super) struct Entry {
    news: News,
    /// Its number, once it was listed, and its place.
    id: u64,
    key: usize,
}

impl Entry {
    pub(super) const fn new(news: News) -> Self {
        Self { news, id: 0, key: 0 }
    }

    /// Looks at `condition`, and lists the context's waker where it gives nothing; `state_word` is that of
    /// the list's connection.
    pub(super) fn poll<T>(
        &mut self,
        waiters: &Waiters,
        state_word: &StateWord,
        cx: &Context<'_>,
        mut condition: impl FnMut() -> Option<T>,
    ) -> Poll<T> {
        if let Some(found) = condition() {
            return Poll::Ready(found);
        }
        if self.id == 0 {
            self.id = waiters.next.fetch_add(1, Relaxed) + 1;
        }
        let waker = cx.waker().clone();
        self.key = waiters.list(state_word, self.news, self.id, self.key, waker);
        match condition() {
            Some(found) => Poll::Ready(found),
            None => Poll::Pending,
        }
    }

    /// Leaves the list, if it is there.
    pub(super) fn leave(&self, waiters: &Waiters) {
        if self.id != 0 {
            waiters.unlist(self.news, self.id, self.key);
        }
    }
}

/// The future of [`Waiters::until`].
pub(crate) struct Until<'a, F> {
    state_word: &'a StateWord,
    waiters: &'a Waiters,
    entry: Entry,
    condition: F,
}

impl<T, F> Future for Until<'_, F>
where
    F: FnMut() -> Option<T> + Unpin,
{
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let Self { state_word, waiters, entry, condition } = &mut *self;
        entry.poll(waiters, state_word, cx, condition)
    }
}

impl<F> Drop for Until<'_, F> {
    fn drop(&mut self) {
        self.entry.leave(self.waiters);
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use super::*;
    use crate::{conn::state::fresh, primitive::thread, sched::block_on};

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
            let news = if bits & mark::READABLE != 0 { News::Bytes } else { News::End };
            self.waiters.wake(&self.state_word, before, news.bit());
        }

        fn until_set(&self, bit: u32) -> Until<'_, impl FnMut() -> Option<()>> {
            let set = move || (self.state_word.load() & bit != 0).then_some(());
            let news = if bit == mark::READABLE { News::Bytes } else { News::End };
            self.waiters.until(&self.state_word, news, set)
        }

        /// Whether somebody is listed: nobody stays in the list after its wait.
        fn is_deserted(&self) -> bool {
            self.waiters.lists.lock().iter().all(Slab::is_empty)
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
