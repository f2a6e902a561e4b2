//! Waiting threads: a waker that unparks one, and the wait itself.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use super::seat;
use crate::primitive::{
    atomic::{
        AtomicBool,
        Ordering::{AcqRel, Acquire},
    },
    thread::{self, Thread},
};

/// Unparks the thread that made it. The flag tells a wake-up that came from elsewhere.
struct Parker {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, AcqRel) {
            self.thread.unpark();
        }
    }
}

/// Polls `future` on this thread until it is ready, or until `deadline` (then `None`).
///
/// A worker gives its poller away before it waits.
pub(crate) fn wait_for<F: Future>(future: F, deadline: Option<Instant>) -> Option<F::Output> {
    let mut future = pin!(future);
    let parker = Arc::new(Parker { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(parker.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        seat::give_away();
        while !parker.woken.load(Acquire) {
            match deadline.map(|at| at.saturating_duration_since(Instant::now())) {
                None => thread::park(),
                Some(Duration::ZERO) => return None,
                Some(left) => thread::park_timeout(left),
            }
        }
        // A swap, not a store: it takes over what the last to wake has done before. One that comes
        // between the look and this line does not unpark, as it finds the flag set.
        parker.woken.swap(false, AcqRel);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::primitive::atomic::AtomicUsize;

    /// Two threads change what a third waits for, and wake it: no change is slept through, although the
    /// later wake-up finds the earlier one on its way.
    #[test]
    fn loom_a_woken_thread_sees_what_it_was_woken_for() {
        const WAKERS: usize = 2;
        loom::model(|| {
            let waiter = thread::spawn(|| {
                let done = Arc::new(AtomicUsize::new(0));
                let mut wakers = Vec::new();
                let all = std::future::poll_fn(|cx| {
                    if wakers.is_empty() {
                        wakers.extend((0..WAKERS).map(|_| {
                            let (done, waker) = (done.clone(), cx.waker().clone());
                            thread::spawn(move || {
                                done.fetch_add(1, AcqRel);
                                waker.wake();
                            })
                        }));
                    }
                    if done.load(Acquire) == WAKERS { Poll::Ready(()) } else { Poll::Pending }
                });
                assert_eq!(wait_for(all, None), Some(()));
                wakers
            });
            // Joined here: loom has no join of a thread that is unparked meanwhile.
            for waker in waiter.join().unwrap() {
                waker.join().unwrap();
            }
        });
    }
}
