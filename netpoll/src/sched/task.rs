//! Spawned futures: turns like any other, polled by the workers.

use std::{
    any::Any,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Wake, Waker},
};

use slab::Slab;

use super::{
    gate::Gate,
    home::Home,
    shared::Shared,
    turn::{Desk, Turn},
};
use crate::{
    counters::{self, Counter},
    error::{Error, ErrorKind, Result},
    guard::{self, Place},
    primitive::Mutex,
};

/// A future on the heap that workers poll.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An event of a task's gate: its waker was called.
const WOKEN: u32 = 1 << 2;

/// A mark of a task's gate: its future is to be dropped.
const CANCELLED: u32 = 1 << 8;

/// A spawned future, and where it is run.
struct Task {
    body: Body<Running>,
    shared: Weak<Shared>,
    home: Arc<Home>,
    key: usize,
}

/// A future with the waker of its task, which it holds until it is gone.
struct Running {
    future: BoxFuture<()>,
    waker: Waker,
}

/// A future with the gate that says who polls it.
struct Body<F> {
    gate: Gate,
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
        Self { gate: Gate::new(0), future: Mutex::new(None) }
    }

    /// Gives it its future, before its first turn is queued.
    fn set(&self, future: F) {
        *self.future.lock() = Some(future);
    }

    /// Runs a turn with `poll`, which says whether the future is done. Gives that, and whether it must
    /// be queued again.
    fn turn(&self, poll: impl FnOnce(&mut F) -> bool) -> (bool, bool) {
        self.gate.begin();
        let mut future = self.future.lock();
        let done = future.as_mut().is_some_and(poll);
        if done {
            *future = None;
        }
        drop(future);
        let again = self.gate.end(false);
        // Who sets the mark after `end` finds the lock free.
        if self.gate.load() & CANCELLED != 0 {
            self.drop_future();
        }
        (done, again)
    }

    /// Drops the future, now or at the end of the turn that runs.
    fn cancel(&self) {
        self.gate.set(CANCELLED);
        self.drop_future();
    }

    fn drop_future(&self) {
        if let Some(mut future) = self.future.try_lock() {
            drop(future.take());
        }
    }
}

impl Turn for Task {
    fn run(self: Arc<Self>, _desk: &mut Desk) {
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
}

impl Task {
    fn queue(self: Arc<Self>) {
        self.home.clone().push(self);
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if Gate::must_queue(self.body.gate.notify(WOKEN)) {
            self.queue();
        }
    }
}

/// The result of a spawned future, which is itself a future. Dropping it lets the work go on.
pub struct JoinHandle<T> {
    join: Arc<Mutex<Join<T>>>,
}

enum Join<T> {
    Waiting(Option<Waker>),
    Done(Result<T>),
    Taken,
}

/// Completes the handle also when the future is dropped before its end.
struct Completer<T>(Arc<Mutex<Join<T>>>);

impl<T> Completer<T> {
    fn complete(&self, result: Result<T>) {
        let mut join = self.0.lock();
        if let Join::Waiting(waker) = &mut *join {
            let waker = waker.take();
            *join = Join::Done(result);
            drop(join);
            waker.into_iter().for_each(guard::wake);
        }
    }
}

impl<T> Drop for Completer<T> {
    fn drop(&mut self) {
        self.complete(Err(Error::new(
            ErrorKind::Cancelled,
            "the task was dropped: its runtime shut down",
        )));
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        let mut join = self.join.lock();
        match std::mem::replace(&mut *join, Join::Taken) {
            Join::Waiting(_) => {
                *join = Join::Waiting(Some(cx.waker().clone()));
                Poll::Pending
            }
            Join::Done(result) => Poll::Ready(result),
            Join::Taken => panic!("JoinHandle polled after it was ready"),
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinHandle")
    }
}

/// Starts `future` on `shared`'s workers.
pub(super) fn spawn<F>(shared: &Arc<Shared>, home: &Arc<Home>, future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let join = Arc::new(Mutex::new(Join::Waiting(None)));
    let completer = Completer(join.clone());
    let future = async move {
        let result = CatchPanic(Box::pin(future)).await;
        completer.complete(result);
    };
    let task = {
        let mut tasks = shared.tasks.0.lock();
        let entry = tasks.vacant_entry();
        let task = Arc::new(Task {
            body: Body::new(),
            shared: Arc::downgrade(shared),
            home: home.clone(),
            key: entry.key(),
        });
        task.body.set(Running { future: Box::pin(future), waker: Waker::from(task.clone()) });
        entry.insert(task.clone());
        task
    };
    if shared.check_open().is_err() {
        shared.tasks.cancel_all();
    }
    task.wake();
    JoinHandle { join }
}

impl Shared {
    /// As [`spawn_detached`](Self::spawn_detached), in the queue of `home`.
    pub(crate) fn spawn_at(self: &Arc<Self>, home: &Arc<Home>, future: BoxFuture<()>) {
        drop(spawn(self, home, future));
    }

    /// Starts `future`, whose end nobody waits for.
    pub(crate) fn spawn_detached(self: &Arc<Self>, future: BoxFuture<()>) {
        drop(spawn(self, self.place(), future));
    }
}

/// Turns a panic of the future into an error.
pub(crate) struct CatchPanic<F: ?Sized>(pub(crate) Pin<Box<F>>);

impl<F: Future + ?Sized> Future for CatchPanic<F> {
    type Output = Result<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<F::Output>> {
        guard::poll(Place::Task, self.0.as_mut(), cx).map_err(Error::from)
    }
}

/// The error for a panic with `payload`, which is counted.
pub(crate) fn panic_error(payload: &(dyn Any + Send)) -> Error {
    counters::add(Counter::Panics, 1);
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text");
    Error::new(ErrorKind::Panic, format!("a handler panicked: {text}"))
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
            assert!(Gate::must_queue(body.gate.notify(WOKEN)));
            let theirs = body.clone();
            let poll = move || {
                let gate = &theirs.gate;
                // A look at an atomic, so that others run meanwhile.
                theirs.turn(|()| gate.load() & Gate::TURN == 0)
            };
            let worker = thread::spawn(poll);
            body.cancel();
            assert!(!worker.join().unwrap().0);
            assert!(body.future.lock().is_none());
        });
    }
}
