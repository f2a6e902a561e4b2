//! The runtime, as its user holds it.

use std::{
    fmt,
    future::Future,
    sync::{Arc, LazyLock},
    time::Duration,
};

use super::{
    builder::RuntimeBuilder,
    context,
    shared::Shared,
    stats::Stats,
    task::{self, JoinHandle},
};
use crate::timer::Clock;

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

/// Shuts the runtime down with the last handle. Workers and connections hold what is inside, so that
/// they do not keep it running.
pub(super) struct Owner(Arc<Shared>);

static GLOBAL: LazyLock<Runtime> = LazyLock::new(|| {
    RuntimeBuilder::default().build().expect("the default runtime: pollers and threads can be made")
});

impl Runtime {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self::of(shared)
    }

    /// The settings to build a runtime from.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// The default runtime, which starts when it is first used and runs to the process's end.
    ///
    /// # Panics
    /// On first use, if its pollers and threads cannot be made.
    pub fn global() -> &'static Runtime {
        &GLOBAL
    }

    /// Returns the runtime whose worker runs this code. On any other thread that is the
    /// [default runtime](Self::global).
    ///
    /// Servers, clients and diallers that are given no runtime take this one.
    ///
    /// ```
    /// use netpoll::Runtime;
    /// let runtime = Runtime::builder().pollers(1).build()?;
    /// let pollers = runtime.spawn(async { Runtime::current().stats().pollers });
    /// assert_eq!(netpoll::block_on(pollers)?, 1);
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Panics
    /// On the first use of the default runtime, if its pollers and threads cannot be made.
    pub fn current() -> Runtime {
        match context::current() {
            Some(shared) => Self::of(shared),
            None => Self::global().clone(),
        }
    }

    /// A handle to the runtime of `shared`, whose handles may all be gone.
    fn of(shared: Arc<Shared>) -> Self {
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

    /// What the runtime counts, at this moment.
    pub fn stats(&self) -> Stats {
        Stats::of(self.shared())
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

/// Starts `future` on the [current runtime](Runtime::current)'s workers. A panic in it becomes the handle's
/// error.
///
/// ```
/// let task = netpoll::spawn(async { 6 * 7 });
/// assert_eq!(netpoll::block_on(task)?, 42);
/// # Ok::<(), netpoll::Error>(())
/// ```
///
/// # Panics
/// On the first use of the default runtime, if its pollers and threads cannot be made.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let shared = context::current().unwrap_or_else(|| Runtime::global().shared().clone());
    task::spawn(&shared, shared.place(), future)
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

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("pollers", &self.shared().shards.len())
            .finish_non_exhaustive()
    }
}
