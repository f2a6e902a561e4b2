//! Servers awaited: the same ends as by threads, for programs that run under another executor.

use std::{ops::ControlFlow, sync::Arc, thread, time::Duration};

use super::{
    event_loop::{EventLoop, ServerHandle},
    report::ShutdownReport,
};
use crate::{
    error::Result,
    sched::{completion::Completion, current_connection},
    timer::Moment,
};

impl EventLoop {
    /// Waits until the server, or its runtime, is shut down, without blocking the thread, under any executor;
    /// otherwise like [`serve`](Self::serve).
    ///
    /// ```
    /// # use netpoll::{EventLoop, Frame};
    /// # #[derive(Frame)] struct Byte { byte: u8 }
    /// #[netpoll::on_request]
    /// fn echo(byte: Byte) -> Byte { byte }
    ///
    /// #[tokio::main]
    /// async fn main() -> netpoll::Result<()> {
    ///     let server = netpoll::server::<echo>().listen("127.0.0.1:0").bind()?;
    ///     let handle = server.handle();
    ///     let serving = tokio::spawn(server.serve_async());
    ///     handle.shutdown_async(std::time::Duration::from_secs(1)).await;
    ///     assert!(serving.await.unwrap()?.cut.is_empty());
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// Those of [`serve`](Self::serve).
    ///
    /// # Cancel safety
    /// Dropping the future shuts the server down at once, as dropping the server does.
    pub async fn serve_async(mut self) -> Result<ShutdownReport> {
        let result = self.ended().await;
        self.disarm();
        result
    }

    /// Serves until `stop` is ready, then drains, without blocking the thread, under any executor; otherwise
    /// like [`serve_until`](Self::serve_until).
    ///
    /// ```no_run
    /// # use netpoll::Frame;
    /// # #[derive(Frame)] struct Byte { byte: u8 }
    /// # #[netpoll::on_request] fn echo(byte: Byte) -> Byte { byte }
    /// # async fn example() -> netpoll::Result<()> {
    /// let server = netpoll::server::<echo>().listen("127.0.0.1:9000").bind()?;
    /// let report = server.serve_until_async(netpoll::signal::shutdown()).await?;
    /// println!("{report}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`serve`](Self::serve).
    ///
    /// # Cancel safety
    /// Dropping the future before `stop` is ready shuts the server down at once. A drain that has begun goes
    /// on without it.
    pub async fn serve_until_async<F: Future>(mut self, stop: F) -> Result<ShutdownReport> {
        let stopped = self.until_stopped(stop).await;
        self.disarm();
        match stopped {
            ControlFlow::Break(result) => result,
            ControlFlow::Continue(since) => {
                let report = self.handle().drain(since, self.drain_timeout()).await;
                tracing::info!(%report, "the server has stopped");
                Ok(report)
            }
        }
    }
}

impl ServerHandle {
    /// Shuts the server down and reports, without blocking the thread, under any executor; otherwise like
    /// [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    /// A shutdown that has begun, with the first poll, goes on without the future.
    pub async fn shutdown_async(&self, deadline: Duration) -> ShutdownReport {
        self.drain(self.now(), deadline).await
    }

    /// Waits until the server, or its runtime, is shut down, without blocking the thread, under any executor;
    /// otherwise like [`wait`](Self::wait).
    pub async fn wait_async(&self) -> ShutdownReport {
        self.report().wait().await
    }

    /// Shuts down on a thread of its own, in a shutdown that began at `since`: it waits for handlers.
    async fn drain(&self, since: Moment, deadline: Duration) -> ShutdownReport {
        let (own, done) = (current_connection(), Arc::new(Completion::default()));
        let (handle, tells) = (self.clone(), done.clone());
        let work = move || {
            tells.set(handle.shut_down_since(since, deadline, own));
        };
        let spawned = thread::Builder::new().name("netpoll-drain".into()).spawn(work);
        if let Err(error) = spawned {
            tracing::warn!(%error, "no thread for a shutdown: it blocks its caller");
            return self.shut_down_since(since, deadline, own);
        }
        done.wait().await
    }
}
