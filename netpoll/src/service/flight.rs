//! A request whose future was not ready at once: a task of its own.

use std::{
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{Flow, board::Landed, run::Owner, runner::poll, served::Done};
use crate::{
    buf::LinkBuffer,
    conn::Deadline,
    error::Result,
    sched::{BoxFuture, Sleep, panic_error, sleep},
};

/// See the module's documentation.
pub(super) struct Flight<O: Owner> {
    owner: Arc<O>,
    key: usize,
    /// Its place among the answers.
    number: u64,
    work: Option<BoxFuture<Done>>,
    deadline: Option<Sleep>,
    waits: bool,
    landed: bool,
}

impl<O: Owner> Flight<O> {
    /// Has workers poll `work`, which a run had in hand.
    pub(super) fn start(owner: &Arc<O>, number: u64, deadline: Deadline, work: BoxFuture<Done>) {
        let flight = Self {
            key: owner.board().take_off(),
            owner: owner.clone(),
            number,
            work: Some(work),
            deadline: deadline.left().map(sleep),
            waits: false,
            landed: false,
        };
        owner.spawn(Box::pin(flight));
    }

    /// Goes on. `None`: it waits.
    fn go_on(&mut self, cx: &mut Context<'_>) -> Option<Landed> {
        let done = |out, result| Done { out, result };
        match poll(self.work.as_mut()?.as_mut(), cx) {
            Poll::Ready(Ok(done)) => Some(Landed::new(done, false)),
            Poll::Ready(Err(error)) => {
                Some(Landed::new(done(LinkBuffer::new(), Err(error)), false))
            }
            Poll::Pending => {
                let late = Pin::new(self.deadline.as_mut()?).poll(cx).is_ready();
                late.then(|| Landed::new(done(LinkBuffer::new(), Ok(Flow::Continue)), true))
            }
        }
    }

    /// Drops what the request holds; a panic in that is only logged.
    fn drop_work(&mut self) {
        let work = self.work.take();
        let dropped: Result<()> =
            catch_unwind(AssertUnwindSafe(|| drop(work))).map_err(|payload| panic_error(&*payload));
        if let Err(error) = dropped {
            tracing::warn!(%error, "dropping a request's future");
        }
    }
}

impl<O: Owner> Future for Flight<O> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.owner.board().is_over() {
            return Poll::Ready(());
        }
        let Some(landed) = this.go_on(cx) else {
            if mem::replace(&mut this.waits, true) || this.owner.board().wait(this.key, cx) {
                return Poll::Pending;
            }
            return Poll::Ready(());
        };
        this.drop_work();
        this.owner.board().land_task(this.number, landed);
        this.landed = true;
        Poll::Ready(())
    }
}

impl<O: Owner> Drop for Flight<O> {
    /// Leaves the board, after all that the request held is gone.
    fn drop(&mut self) {
        self.drop_work();
        let end = self.owner.board().leave(self.key, self.landed);
        self.owner.wake_turn();
        if let Some(end) = end {
            end();
        }
    }
}
