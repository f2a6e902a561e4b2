//! The runtime, as its user holds it.

use std::{fmt, future::Future, sync::Arc, time::Duration};

use super::{
    shared::{Owner, Shared},
    stats::Stats,
    task::{self, JoinHandle},
};
use crate::observe::Stall;

/// Pollers and workers that servers, clients and spawned futures run on.
///
/// A clone is another handle to the same runtime. When the last handle is dropped the runtime shuts
/// down as by [`shutdown`](Self::shutdown) with one second to do so.
///
/// ```
/// let runtime = netpoll::Runtime::builder().pollers(1).build()?;
/// let answer = netpoll::block_on(runtime.spawn(async { 6 * 7 }))?;
/// assert_eq!(answer, 42);
/// assert_eq!(runtime.shutdown(std::time::Duration::from_secs(1)), 0);
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Clone)]
pub struct Runtime(Arc<Owner>);

impl Runtime {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self::of(shared)
    }

    /// A handle to the runtime of `shared`, whose handles may all be gone.
    pub(crate) fn of(shared: Arc<Shared>) -> Self {
        let mut owner = shared.owner.lock();
        if let Some(owner) = owner.upgrade() {
            return Self(owner);
        }
        let made = Arc::new(Owner(shared.clone()));
        *owner = Arc::downgrade(&made);
        drop(owner);
        Self(made)
    }

    /// Starts `future` on this runtime's workers. A panic in it becomes the handle's error.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let shared = self.shared();
        task::spawn(shared, shared.place(), future)
    }

    /// Returns the runtime's counters and gauges at this moment.
    pub fn stats(&self) -> Stats {
        Stats::of(self.shared())
    }

    /// Returns the handlers that run or wait now, and have done so for longer than
    /// [`stall_after`](super::RuntimeBuilder::stall_after).
    ///
    /// ```
    /// let runtime = netpoll::Runtime::builder().pollers(1).build()?;
    /// assert!(runtime.stalls().is_empty());
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn stalls(&self) -> Vec<Stall> {
        self.shared().stalls.list(&self.shared().view())
    }

    /// Closes all connections and listeners, drops all spawned futures, and ends the threads.
    ///
    /// Returns when all is gone, or at `deadline` with the number of workers that are still in a
    /// handler; those end when their handler returns. A second call returns with the first, or at its own
    /// deadline. To let requests end first, shut the servers down before.
    pub fn shutdown(&self, deadline: Duration) -> usize {
        let clock = self.shared().settings.clock;
        self.shared().shutdown(clock.after(deadline))
    }

    /// Returns true if both are handles to the same runtime.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.shared(), other.shared())
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0.0
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("pollers", &self.shared().shards.len())
            .finish_non_exhaustive()
    }
}
