//! The default runtime, and the one whose worker runs this code.

use std::{future::Future, sync::LazyLock};

use super::{
    context,
    runtime::Runtime,
    task::{self, JoinHandle},
};

static GLOBAL: LazyLock<Runtime> = LazyLock::new(|| {
    Runtime::builder().build().expect("the default runtime: pollers and threads can be made")
});

impl Runtime {
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
