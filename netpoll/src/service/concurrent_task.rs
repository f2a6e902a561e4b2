//! A concurrent request whose future was not ready at once: a task of its own.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{Flow, batch::BatchOwner, done::Done, in_flight::Completed};
use crate::{
    buf::LinkBuffer,
    conn::Deadline,
    guard::{self, Place},
    sched::{BoxFuture, Sleep, sleep},
};

/// A concurrent request that waits, polled by workers.
pub(super) struct ConcurrentTask<O: BatchOwner> {
    owner: Arc<O>,
    key: usize,
    /// The request's number among the answers.
    number: u64,
    work: Option<BoxFuture<Done>>,
    deadline: Option<Sleep>,
    waits: bool,
    completed: bool,
}

impl<O: BatchOwner> ConcurrentTask<O> {
    /// Gives `work`, which a batch was handling, to the workers.
    pub(super) fn start(owner: &Arc<O>, number: u64, deadline: Deadline, work: BoxFuture<Done>) {
        let task = Self {
            key: owner.in_flight().begin_task(),
            owner: owner.clone(),
            number,
            work: Some(work),
            deadline: deadline.left().map(sleep),
            waits: false,
            completed: false,
        };
        owner.spawn(Box::pin(task));
    }

    /// Polls the request. Returns `None` if it waits.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Option<Completed> {
        let done = |out, result| Done { out, result };
        match guard::poll(Place::Handler, self.work.as_mut()?.as_mut(), cx) {
            Poll::Ready(Ok(done)) => Some(Completed::new(done, false)),
            Poll::Ready(Err(panicked)) => {
                Some(Completed::new(done(LinkBuffer::new(), Err(panicked.into())), false))
            }
            Poll::Pending => {
                let late = Pin::new(self.deadline.as_mut()?).poll(cx).is_ready();
                late.then(|| Completed::new(done(LinkBuffer::new(), Ok(Flow::Continue)), true))
            }
        }
    }

    /// Drops the request's future.
    fn drop_work(&mut self) {
        guard::discard(Place::HandlerDrop, self.work.take());
    }
}

impl<O: BatchOwner> Future for ConcurrentTask<O> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.owner.in_flight().is_over() {
            return Poll::Ready(());
        }
        let Some(completed) = this.go_on(cx) else {
            if mem::replace(&mut this.waits, true) || this.owner.in_flight().wait(this.key, cx) {
                return Poll::Pending;
            }
            return Poll::Ready(());
        };
        this.drop_work();
        this.owner.in_flight().complete_task(this.number, completed);
        this.completed = true;
        Poll::Ready(())
    }
}

impl<O: BatchOwner> Drop for ConcurrentTask<O> {
    /// Leaves the in-flight table, after the request's future is gone.
    fn drop(&mut self) {
        self.drop_work();
        let end = self.owner.in_flight().end_task(self.key, self.completed);
        self.owner.wake_turn();
        if let Some(end) = end {
            end();
        }
    }
}
