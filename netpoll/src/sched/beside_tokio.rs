//! The setting by which a runtime works beside one of tokio's.

use tokio::runtime::Handle;

use super::{builder::RuntimeBuilder, tokio_context::TokioContext};

impl RuntimeBuilder {
    /// Enters the context of a runtime of tokio's on each worker, so that handlers, hooks and spawned futures
    /// use its timers, its I/O and crates that build on them, such as `reqwest` and `tokio-postgres`.
    ///
    /// The futures of an `async` handler are polled by this library's workers; tokio's runtime only drives what
    /// they wait for, and what they `tokio::spawn`. A synchronous handler waits by
    /// [`block_on`](crate::block_on), which gives its poller away. The runtime has to be one that runs by
    /// itself, with its drivers enabled: of the multi-threaded flavour, one worker is enough as a rule; of the
    /// `current_thread` flavour, it runs only while its `block_on` does. It has to outlive this one.
    ///
    /// Needs the feature `tokio-rt`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    /// let runtime = netpoll::Runtime::builder().tokio(tokio.handle()).build()?;
    /// let task = runtime.spawn(async {
    ///     tokio::time::sleep(Duration::from_millis(5)).await;
    ///     tokio::spawn(async { 6 * 7 }).await
    /// });
    /// assert_eq!(netpoll::block_on(task)??, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn tokio(mut self, handle: &Handle) -> Self {
        self.0.tokio = TokioContext::of(handle);
        self
    }
}
