//! A blocking question on a thread of its own.

use std::{
    future::Future,
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
};

use parking_lot::Mutex;

use crate::guard::{self, Panicked, Place};

/// A future of what `ask` returns. Dropping it abandons the question, whose thread then ends by itself.
pub(crate) struct Asking<T>(Arc<Mutex<Slot<T>>>);

enum Slot<T> {
    Empty(Option<Waker>),
    Full(Result<T, Panicked>),
    Taken,
}

/// Runs `ask`, which may block for as long as it likes, on a new thread.
///
/// # Errors
/// No thread could be started.
pub(crate) fn ask<T: Send + 'static>(
    place: Place,
    ask: impl FnOnce() -> T + Send + 'static,
) -> io::Result<Asking<T>> {
    let slot = Arc::new(Mutex::new(Slot::Empty(None)));
    let theirs = slot.clone();
    thread::Builder::new().name("netpoll-asks".into()).spawn(move || {
        let answer = guard::run(place, ask);
        let before = mem::replace(&mut *theirs.lock(), Slot::Full(answer));
        if let Slot::Empty(Some(waker)) = before {
            guard::wake(waker);
        }
    })?;
    Ok(Asking(slot))
}

impl<T> Future for Asking<T> {
    type Output = Result<T, Panicked>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let new = Slot::Empty(Some(cx.waker().clone()));
        let mut slot = self.0.lock();
        match mem::replace(&mut *slot, Slot::Taken) {
            Slot::Full(answer) => Poll::Ready(answer),
            Slot::Empty(_) => {
                *slot = new;
                Poll::Pending
            }
            Slot::Taken => panic!("a question was polled after its answer"),
        }
    }
}
