//! The builder of a runtime.

use std::{sync::OnceLock, time::Duration};

use super::{
    runtime::Runtime,
    settings::{Settings, SystemCalls},
    shared::Shared,
    tokio_context::TokioContext,
};
use crate::{
    error::{Error, ErrorKind, Result},
    mem,
    observe::{Observer, Observers},
    sys::FaultLayer,
    timer::Clock,
};

/// The largest number of pollers: beyond it a mistake is likelier than a machine.
const MAX_POLLERS: usize = 4096;

/// The largest size of a worker's read block.
const MAX_BUFFER: usize = 64 << 20;

/// Builds a [`Runtime`]; each setting has a default.
///
/// ```
/// let runtime = netpoll::Runtime::builder().pollers(1).max_workers(64).build()?;
/// assert_eq!(runtime.stats().pollers, 1);
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RuntimeBuilder(pub(super) Settings);

impl Default for RuntimeBuilder {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Settings {
            pollers: cores,
            max_workers: 512.max(cores),
            buffer_size: 64 * 1024,
            handoff_after: Duration::from_micros(100),
            memory_limit: None,
            system_calls: SystemCalls::default(),
            stall_after: Some(Duration::from_secs(1)),
            inspect_stalls: false,
            observers: Observers::default(),
            faults: FaultLayer::default(),
            clock: Clock::default(),
            tokio: TokioContext::default(),
        })
    }
}

impl RuntimeBuilder {
    /// Pollers, and so threads that run in parallel while nothing blocks. Default: the cores that
    /// this process may use.
    ///
    /// Of two pollers, chosen at random, a new connection is given to the one with fewer connections.
    #[must_use]
    pub fn pollers(mut self, n: usize) -> Self {
        self.0.pollers = n;
        self
    }

    /// Handlers that may run or wait at once. Each poller keeps the place of one for itself, so that
    /// with `p` pollers no other starts while `n - p + 1` wait. Then requests wait in their queues and
    /// in their sockets, while what was answered is still sent. Default: 512. At least one for each
    /// poller.
    #[must_use]
    pub fn max_workers(mut self, n: usize) -> Self {
        self.0.max_workers = n;
        self
    }

    /// Bytes that one read takes at most, and the size of a worker's read block. Default: 64 KiB.
    #[must_use]
    pub fn buffer_size(mut self, bytes: usize) -> Self {
        self.0.buffer_size = bytes;
        self
    }

    /// The shortest interval at which the monitor looks for turns that run long; a poller changes
    /// hands after one to two of them. Default: 100 us.
    #[must_use]
    pub fn handoff_after(mut self, interval: Duration) -> Self {
        self.0.handoff_after = interval;
        self
    }

    /// Bytes of buffers that the whole process may hold. What needs more fails with
    /// [`ErrorKind::Limit`](crate::ErrorKind::Limit). Default: no limit.
    ///
    /// The limit is the process's, not the runtime's, and is set once: by the first
    /// [`build`](Self::build) that has one. A later runtime may name the same limit and no other.
    #[must_use]
    pub fn memory_limit(mut self, bytes: usize) -> Self {
        self.0.memory_limit = Some(bytes);
        self
    }

    /// Sets the system calls by which workers send. Default: [`SystemCalls::Plain`].
    ///
    /// ```
    /// use netpoll::{Runtime, SystemCalls};
    /// let runtime = Runtime::builder().pollers(1).system_calls(SystemCalls::Auto).build()?;
    /// assert!(matches!(runtime.stats().system_calls, SystemCalls::Plain | SystemCalls::Ring));
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    #[must_use]
    pub fn system_calls(mut self, calls: SystemCalls) -> Self {
        self.0.system_calls = calls;
        self
    }

    /// Sets the time after which a handler that still runs or waits is [told of](crate::observe::Stall), once: in
    /// the log, to observers, and by [`Runtime::stalls`]. `None`: never. Default: 1 s.
    ///
    /// Handlers that wait for their own peer's bytes do not stall. A server whose handlers wait for long on
    /// purpose sets a longer time.
    #[must_use]
    pub fn stall_after(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.0.stall_after = time.into();
        self
    }

    /// Sets whether a stall tells how the system sees its thread: its state, its system call, and the function of
    /// the kernel in which it waits, as far as the system shows them. Linux only. Default: no.
    ///
    /// It is read from `/proc/self/task`, which takes some microseconds for each stall and stops no thread. It is
    /// no backtrace: that would need code in the thread itself, which may hold any lock at that moment.
    #[must_use]
    pub fn inspect_stalls(mut self, yes: bool) -> Self {
        self.0.inspect_stalls = yes;
        self
    }

    /// Adds an observer of the runtime and of all servers on it; see [`observe`](crate::observe).
    #[must_use]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.0.observers.add(observer);
        self
    }

    /// Starts the runtime's threads.
    ///
    /// # Errors
    /// `Config` for a setting that cannot be, `Io` if pollers or threads cannot be made.
    pub fn build(self) -> Result<Runtime> {
        let Settings { pollers, max_workers, buffer_size, handoff_after, memory_limit, .. } =
            self.0;
        let fault = if pollers == 0 {
            Some("pollers is 0: at least 1 is needed".into())
        } else if pollers > MAX_POLLERS {
            Some(format!("pollers is {pollers}: at most {MAX_POLLERS} are possible"))
        } else if max_workers < pollers {
            Some(format!(
                "max_workers is {max_workers}: at least {pollers} are needed, one for each poller"
            ))
        } else if buffer_size < 1024 {
            Some(format!("buffer_size is {buffer_size}: at least 1024 bytes are needed"))
        } else if buffer_size > MAX_BUFFER {
            Some(format!("buffer_size is {buffer_size}: at most {MAX_BUFFER} bytes are possible"))
        } else if let Some(limit) = memory_limit.filter(|limit| *limit < buffer_size) {
            Some(format!(
                "memory_limit is {limit}: nothing could be read with less than buffer_size ({buffer_size})"
            ))
        } else if self.0.stall_after.is_some_and(|after| after < Duration::from_millis(1)) {
            Some("stall_after is less than 1ms: use None to look for no stalls".into())
        } else if handoff_after < Duration::from_micros(10) {
            Some(format!("handoff_after is {handoff_after:?}: at least 10us are needed"))
        } else {
            memory_limit.and_then(|limit| limit_memory(limit).err())
        };
        if let Some(fault) = fault {
            return Err(Error::new(ErrorKind::Config, fault));
        }
        Ok(Runtime::new(Shared::start(self.0)?))
    }
}

impl Runtime {
    /// The settings to build a runtime from.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }
}

/// Sets the process's limit, unless it has another.
fn limit_memory(bytes: usize) -> Result<(), String> {
    static LIMIT: OnceLock<usize> = OnceLock::new();
    match *LIMIT.get_or_init(|| bytes) {
        first if first == bytes => {
            mem::set_limit(Some(bytes));
            Ok(())
        }
        first => Err(format!(
            "memory_limit is {bytes}: the process's limit was set to {first} by another runtime, and is set once"
        )),
    }
}
