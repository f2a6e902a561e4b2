//! The end of a runtime: its sources, its futures, its threads.

use std::{future::poll_fn, sync::atomic::Ordering::SeqCst, task::Poll, thread, time::Duration};

use super::{
    block_on, context,
    shared::{CLOSING, Owner, RUNNING, STOPPED, Shared},
};
use crate::timer::{Clock, Moment};

/// How often a shutdown tells what is still registered, or was meanwhile, to close.
const TELL_AGAIN: Duration = Duration::from_millis(20);

/// How long threads that are in no handler may take to leave, on a busy machine.
const LEAVING: Duration = Duration::from_millis(100);

impl Shared {
    /// See the module `sched`. Returns the number of workers that were still in a handler at
    /// `until` and were left behind.
    pub(super) fn shutdown(&self, until: Moment) -> usize {
        context::give_away();
        if self.phase.compare_exchange(RUNNING, CLOSING, SeqCst, SeqCst).is_err() {
            return self.await_shutdown(until);
        }
        let left = self.close(until);
        *self.left.lock() = Some(left);
        self.shut.notify_all();
        left
    }

    /// Waits for the shutdown that another caller began. Returns its result, or at `until` the number of
    /// workers that are in a handler.
    fn await_shutdown(&self, until: Moment) -> usize {
        let mut left = self.left.lock();
        while left.is_none() && !until.has_passed() {
            // In steps: the deadline may be on a clock that a test turns.
            self.shut.wait_for(&mut left, TELL_AGAIN.min(until.left()));
        }
        left.unwrap_or_else(|| {
            let busy = self.shards.iter().filter(|shard| shard.ownership.running().is_some());
            self.pool.late() + busy.count()
        })
    }

    fn close(&self, until: Moment) -> usize {
        self.tasks.cancel_all();
        let registered = || self.shards.iter().map(|shard| shard.poller.len()).sum::<usize>();
        loop {
            // Again each time: a source may have been registered after the last look.
            for source in self.shards.iter().flat_map(|shard| shard.poller.sources()) {
                source.on_shutdown();
            }
            let empty = poll_fn(|cx| {
                *self.emptied.lock() = Some(cx.waker().clone());
                if registered() == 0 { Poll::Ready(()) } else { Poll::Pending }
            });
            let again = Clock::default().after(TELL_AGAIN.min(until.left()));
            if block_on::wait_for(empty, Some(again)).is_some() || until.has_passed() {
                break;
            }
        }
        // It may hold this runtime.
        self.emptied.lock().take();
        self.phase.store(STOPPED, SeqCst);
        self.stop(until)
    }

    /// Ends and joins the threads of a runtime that could not start.
    pub(super) fn stop_now(&self) {
        self.stop(Clock::default().after(LEAVING));
    }

    /// Ends and joins the threads, after the phase was set.
    fn stop(&self, until: Moment) -> usize {
        self.monitor.keep_awake();
        for shard in &self.shards {
            shard.poller.wake();
        }
        self.join(until)
    }

    fn join(&self, until: Moment) -> usize {
        let mut threads = self.pool.stop();
        threads.extend(self.monitor_thread.lock().take());
        // At the deadline too, only those that are stuck are left behind.
        let leaving = Clock::default().after(LEAVING);
        let over = || until.has_passed() && leaving.has_passed();
        threads.retain(|thread| thread.thread().id() != thread::current().id());
        let mut left = 0;
        for thread in threads {
            // std has no join with a timeout; a worker leaves within microseconds of its turn's end.
            while !thread.is_finished() && !over() {
                thread::sleep(Duration::from_micros(200));
            }
            if thread.is_finished() {
                let _ = thread.join();
            } else {
                left += 1;
            }
        }
        left
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if self.0.check_open().is_err() {
            return;
        }
        // By the system's time: whoever drops the last handle may be who turns a test's clock on.
        let left = self.0.shutdown(Clock::default().after(Duration::from_secs(1)));
        if left > 0 {
            tracing::warn!(workers = left, "a runtime was dropped while handlers still run");
        }
    }
}
