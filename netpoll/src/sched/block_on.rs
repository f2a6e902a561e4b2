//! Waits of threads for futures: [`block_on`], and the waker that unparks the thread.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use super::{context, shared::Shared};
use crate::{
    observe::thread as record,
    primitive::{
        atomic::{
            AtomicU8,
            Ordering::{AcqRel, Acquire},
        },
        thread::{self, Thread},
    },
    timer::Moment,
};

/// The thread works.
const AWAKE: u8 = 0;
/// It was woken since it last looked; this tells a wake-up that came from elsewhere.
const WOKEN: u8 = 1;
/// It waits.
const RESTS: u8 = 2;

/// Unparks the thread that made it.
struct Parker {
    thread: Thread,
    state: AtomicU8,
    /// The runtime that counts the worker as waiting, if it is one.
    runtime: Option<Arc<Shared>>,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, AcqRel) == RESTS {
            self.count(-1);
            self.thread.unpark();
        }
    }
}

impl Parker {
    fn count(&self, by: isize) {
        if let Some(runtime) = &self.runtime {
            runtime.count_waiting(by);
        }
    }

    /// Parks until somebody wakes the thread, or until `deadline`.
    fn rest(self: &Arc<Self>, waker: &Waker, deadline: Option<Moment>) {
        // Counted first: who wakes it counts it as working before it can be.
        self.count(1);
        if self.state.compare_exchange(AWAKE, RESTS, AcqRel, Acquire).is_err() {
            return self.count(-1);
        }
        while self.state.load(Acquire) == RESTS {
            match deadline {
                None => thread::park(),
                Some(at) if at.has_passed() => self.wake_by_ref(),
                Some(at) => at.park(waker),
            }
        }
    }
}

/// Polls `future` to its end on this thread, which waits meanwhile. A worker gives its poller to
/// another worker before it waits.
///
/// ```
/// assert_eq!(netpoll::block_on(async { 6 * 7 }), 42);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    wait_for(future, None).expect("a wait without a deadline ends when the future does")
}

/// Polls `future` on this thread until it is ready, or until `deadline` (then `None`).
///
/// A worker gives its poller away before it waits.
pub(crate) fn wait_for<F: Future>(future: F, deadline: Option<Moment>) -> Option<F::Output> {
    let mut future = pin!(future);
    let parker = Arc::new(Parker {
        thread: thread::current(),
        state: AtomicU8::new(AWAKE),
        runtime: context::current(),
    });
    let waker = Waker::from(parker.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        record::end_wait();
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            record::end_wait();
            return Some(output);
        }
        if deadline.is_some_and(Moment::has_passed) {
            record::end_wait();
            return None;
        }
        context::give_away();
        record::begin_wait();
        parker.rest(&waker, deadline);
        // A swap, not a store: it takes over what the last to wake has done before. One that comes
        // between the look and this line does not unpark, as it finds the thread woken.
        parker.state.swap(AWAKE, AcqRel);
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
