//! Spawned futures: turns like any other, polled by the workers.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Wake, Waker},
};

use slab::Slab;

use super::{
    shard::Shard,
    shared::Shared,
    state_word::StateWord,
    turn::{Scratch, Turn},
};
use crate::{
    error::{Error, ErrorKind, Result},
    guard::{self, Place},
    observe::thread,
    primitive::Mutex,
};

/// A future on the heap that workers poll.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An event of a task's state_word: its waker was called.
const WOKEN: u32 = 1 << 2;

/// A mark of a task's state_word: its future is to be dropped.
const CANCELLED: u32 = 1 << 8;

/// A spawned future, and where it is run.
struct Task {
    body: Body<Running>,
    shared: Weak<Shared>,
    shard: Arc<Shard>,
    key: usize,
}

/// A future with the waker of its task, which it holds until it is gone.
struct Running {
    future: BoxFuture<()>,
    waker: Waker,
}

/// A future with the state_word that says who polls it.
struct Body<F> {
    state_word: StateWord,
    /// Gone when it is done, panicked or was cancelled.
    future: Mutex<Option<F>>,
}

/// The tasks that are alive, so that a shutdown can drop their futures.
#[derive(Default)]
pub(super) struct Tasks(Mutex<Slab<Arc<Task>>>);

impl Tasks {
    pub(super) fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Strikes out a task that is done; its key is another's if a shutdown has taken all tasks meanwhile.
    fn remove(&self, task: &Arc<Task>) {
        let mut tasks = self.0.lock();
        if tasks.get(task.key).is_some_and(|known| Arc::ptr_eq(known, task)) {
            tasks.remove(task.key);
        }
    }

    pub(super) fn cancel_all(&self) {
        let tasks: Vec<_> = self.0.lock().drain().collect();
        tasks.iter().for_each(|task| task.body.cancel());
    }
}

impl<F> Body<F> {
    fn new() -> Self {
        Self { state_word: StateWord::new(0), future: Mutex::new(None) }
    }

    /// Gives it its future, before its first turn is queued.
    fn set(&self, future: F) {
        *self.future.lock() = Some(future);
    }

    /// Runs a turn with `poll`, which says whether the future is done. Gives that, and whether it must
    /// be queued again.
    fn turn(&self, poll: impl FnOnce(&mut F) -> bool) -> (bool, bool) {
        self.state_word.begin();
        let (done, over) = {
            let mut future = self.future.lock();
            let done = future.as_mut().is_some_and(poll);
            (done, if done { future.take() } else { None })
        };
        drop(over);
        let again = self.state_word.end(false);
        // Who sets the mark after `end` finds the lock free.
        if self.state_word.load() & CANCELLED != 0 {
            self.drop_future();
        }
        (done, again)
    }

    /// Drops the future, now or at the end of the turn that runs.
    fn cancel(&self) {
        self.state_word.set(CANCELLED);
        self.drop_future();
    }

    fn drop_future(&self) {
        // A destructor may do anything, so that it runs without the lock.
        let future = self.future.try_lock().and_then(|mut future| future.take());
        drop(future);
    }
}

impl Turn for Task {
    fn run(self: Arc<Self>, _scratch: &mut Scratch) {
        let (done, again) = self.body.turn(|Running { future, waker }| {
            future.as_mut().poll(&mut Context::from_waker(waker)).is_ready()
        });
        if done && let Some(shared) = self.shared.upgrade() {
            shared.tasks.remove(&self);
        }
        if again {
            self.queue();
        }
    }

    fn is_handler(&self) -> bool {
        false
    }
}

impl Task {
    fn queue(self: Arc<Self>) {
        self.shard.clone().push(self);
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if StateWord::must_queue(self.body.state_word.notify(WOKEN)) {
            self.queue();
        }
    }
}

/// A future that gives a spawned future's result. Dropping the handle detaches the task, which runs on.
///
/// # Cancel safety
/// Dropping the handle before it is ready loses the result and nothing else.
pub struct JoinHandle<T> {
    join: Arc<Mutex<Join<T>>>,
    task: Weak<Task>,
}

impl<T> JoinHandle<T> {
    /// Cancels the task: drops its future, at the end of its present poll if it runs. The handle gives
    /// [`ErrorKind::Cancelled`] then. Does nothing to a task that is done.
    ///
    /// ```
    /// let task = netpoll::Runtime::global().spawn(std::future::pending::<()>());
    /// task.abort();
    /// assert_eq!(netpoll::block_on(task).unwrap_err().kind(), netpoll::ErrorKind::Cancelled);
    /// ```
    pub fn abort(&self) {
        let Some(task) = self.task.upgrade() else { return };
        if let Some(shared) = task.shared.upgrade() {
            shared.tasks.remove(&task);
        }
        task.body.cancel();
    }

    /// Returns `true` if the task is done: its result waits, or was taken.
    pub fn is_finished(&self) -> bool {
        !matches!(*self.join.lock(), Join::Waiting(_))
    }
}

enum Join<T> {
    Waiting(Option<Waker>),
    Done(Result<T>),
    Taken,
}

/// A user's future until its end, whose result the handle gets: also when it panics or is dropped.
///
/// The future and a result that nobody awaits are dropped under the guard.
struct Spawned<F: Future> {
    future: Option<Pin<Box<F>>>,
    /// Gone when the handle has its result.
    join: Option<Arc<Mutex<Join<F::Output>>>>,
}

impl<F: Future> Spawned<F> {
    fn complete(&mut self, result: Result<F::Output>) {
        let Some(join) = self.join.take() else { return };
        let waker = match std::mem::replace(&mut *join.lock(), Join::Done(result)) {
            Join::Waiting(waker) => waker,
            Join::Done(_) | Join::Taken => unreachable!("a future is completed once"),
        };
        waker.into_iter().for_each(guard::wake);
        // The last reference, if the handle is gone.
        guard::discard(Place::ResultDrop, join);
    }
}

impl<F: Future> Future for Spawned<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(future) = &mut self.future else { return Poll::Ready(()) };
        let result = std::task::ready!(guard::poll(Place::Task, future.as_mut(), cx));
        guard::discard(Place::TaskDrop, self.future.take());
        self.complete(result.map_err(Error::from));
        Poll::Ready(())
    }
}

impl<F: Future> Drop for Spawned<F> {
    fn drop(&mut self) {
        guard::discard(Place::TaskDrop, self.future.take());
        if self.join.is_some() {
            self.complete(Err(Error::new(
                ErrorKind::Cancelled,
                "the task was aborted, or its runtime shut down",
            )));
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        // Wakers may be anybody's: they are made and dropped without the lock.
        let waker = cx.waker().clone();
        let mut join = self.join.lock();
        let before = match &mut *join {
            Join::Waiting(before) => before.replace(waker),
            done => {
                let result = std::mem::replace(done, Join::Taken);
                drop(join);
                return match result {
                    Join::Done(result) => Poll::Ready(result),
                    _ => panic!("JoinHandle polled after it was ready"),
                };
            }
        };
        drop(join);
        drop(before);
        thread::awaits_task();
        Poll::Pending
    }
}

impl<T> Drop for JoinHandle<T> {
    /// Drops a result that was not taken in the same way here as where the task ends later.
    fn drop(&mut self) {
        let mut join = self.join.lock();
        if let Join::Waiting(waker) = &mut *join {
            let waker = waker.take();
            drop(join);
            return guard::discard(Place::Waker, waker);
        }
        let left = std::mem::replace(&mut *join, Join::Taken);
        drop(join);
        guard::discard(Place::ResultDrop, left);
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinHandle")
    }
}

/// Starts `future` on `shared`'s workers.
pub(super) fn spawn<F>(shared: &Arc<Shared>, shard: &Arc<Shard>, future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let join = Arc::new(Mutex::new(Join::Waiting(None)));
    let future = Spawned { future: Some(Box::pin(future)), join: Some(join.clone()) };
    let task = {
        let mut tasks = shared.tasks.0.lock();
        let entry = tasks.vacant_entry();
        let task = Arc::new(Task {
            body: Body::new(),
            shared: Arc::downgrade(shared),
            shard: shard.clone(),
            key: entry.key(),
        });
        task.body.set(Running { future: Box::pin(future), waker: Waker::from(task.clone()) });
        entry.insert(task.clone());
        task
    };
    if shared.check_open().is_err() {
        shared.tasks.cancel_all();
    }
    let handle = JoinHandle { join, task: Arc::downgrade(&task) };
    task.wake();
    handle
}

impl Shared {
    /// As [`spawn_detached`](Self::spawn_detached), in the queue of `shard`.
    pub(crate) fn spawn_at(self: &Arc<Self>, shard: &Arc<Shard>, future: BoxFuture<()>) {
        drop(spawn(self, shard, future));
    }

    /// Starts `future`, whose end nobody waits for.
    pub(crate) fn spawn_detached(self: &Arc<Self>, future: BoxFuture<()>) {
        drop(spawn(self, self.place(), future));
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::primitive::thread;

    /// A task is cancelled while its turn runs: its future is gone when both have ended.
    #[test]
    fn loom_a_cancelled_future_is_dropped() {
        loom::model(|| {
            let body = Arc::new(Body::new());
            body.set(());
            assert!(StateWord::must_queue(body.state_word.notify(WOKEN)));
            let theirs = body.clone();
            let poll = move || {
                let state_word = &theirs.state_word;
                // A look at an atomic, so that others run meanwhile.
                theirs.turn(|()| state_word.load() & StateWord::TURN == 0)
            };
            let worker = thread::spawn(poll);
            body.cancel();
            assert!(!worker.join().unwrap().0);
            assert!(body.future.lock().is_none());
        });
    }
}
