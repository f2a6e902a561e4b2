//! [`Completion`]: a value that is set once, and waited for by any number of threads and tasks.

use std::{
    future::{Future, poll_fn},
    mem,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

use crate::guard;

/// The end of something, with its result.
pub(crate) struct Completion<T>(Mutex<State<T>>);

struct State<T> {
    result: Option<T>,
    waiters: Vec<Waker>,
}

impl<T> Default for Completion<T> {
    fn default() -> Self {
        Self(Mutex::new(State { result: None, waiters: Vec::new() }))
    }
}

impl<T: Clone> Completion<T> {
    /// Sets the result and wakes all that wait for it; false if another was set before.
    pub(crate) fn set(&self, result: T) -> bool {
        let waiters = {
            let mut state = self.0.lock();
            if state.result.is_some() {
                return false;
            }
            state.result = Some(result);
            mem::take(&mut state.waiters)
        };
        waiters.into_iter().for_each(guard::wake);
        true
    }

    /// Returns the result, if it is there.
    pub(crate) fn get(&self) -> Option<T> {
        self.0.lock().result.clone()
    }

    /// Waits for the result.
    pub(crate) fn wait(&self) -> impl Future<Output = T> + '_ {
        poll_fn(|cx| self.poll_wait(cx))
    }

    /// Polls for the result; the task is woken when it is there.
    pub(crate) fn poll_wait(&self, cx: &mut Context<'_>) -> Poll<T> {
        let mut state = self.0.lock();
        if let Some(result) = &state.result {
            return Poll::Ready(result.clone());
        }
        if !state.waiters.iter().any(|known| known.will_wake(cx.waker())) {
            state.waiters.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;
    use crate::sched::block_on;

    #[test]
    fn the_first_result_reaches_all_that_wait_and_all_that_come_later() {
        let completion = Arc::new(Completion::default());
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let completion = completion.clone();
                thread::spawn(move || block_on(completion.wait()))
            })
            .collect();
        assert!(completion.set(1));
        assert!(!completion.set(2));
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), 1);
        }
        assert_eq!((block_on(completion.wait()), completion.get()), (1, Some(1)));
    }
}
