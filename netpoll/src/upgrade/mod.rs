//! Restarts without a failed call: a new process of the same service takes the listeners over.
//!
//! ```no_run
//! use netpoll::{EventLoop, upgrade::Upgrade};
//! # use netpoll::Frame;
//! # #[derive(Frame)] struct Byte { byte: u8 }
//! # #[netpoll::on_request] fn echo(byte: Byte) -> Byte { byte }
//!
//! let server = netpoll::server::<echo>().listen("127.0.0.1:9000").bind()?;
//! let stop = Upgrade::of(&server.handle()).on_signal();
//! let report = server.serve_until(stop)?;
//! println!("{report}");
//! # Ok::<(), netpoll::Error>(())
//! ```
//!
//! ```text
//!   SIGUSR2 ─▶ starts the new process, which has the listeners from its first instruction on
//!              waits until it serves ──▶ drains, and ends: clients in the accept queue are the new one's
//!                  │
//!                  └─ it ended, or was not ready in time: it is killed, and this one goes on
//! ```
//! No connection is refused meanwhile: the listeners are the same sockets, and at least one process accepts from
//! them at every moment. Open connections stay with the old process, which drains them: clients that obey a
//! [goodbye](crate::frame::Goodbye) lose no call, as do those whose calls are idempotent.
//!
//! The new process needs nothing of its own: an address that it [listens](crate::EventLoopBuilder::listen) on and
//! that was handed over is not bound anew, [`inherit`](crate::EventLoopBuilder::inherit) takes those that are left, and
//! it is ready when it first [serves](crate::EventLoop::serve), or when it calls [`ready`]. Until then it accepts
//! nobody, so that a process that fails takes no client with it. What it does not listen on any more is closed then.
//! The file of a Unix socket passes to it as well. The socket between the two is the new process's standard input.
//!
//! Linux only. Sockets for datagrams are not handed over: a server that listens on one by itself makes the new
//! process fail at its bind, and so the old one stays.

mod process;
mod stop;

use std::{ffi::OsString, fmt, path::PathBuf, time::Duration};

pub use stop::{Stop, StopReason};

use crate::{error::Result, server::ServerHandle};

/// Time in which a new process must be ready, if none is set.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// The start of a new process that takes over the listeners of servers of this one.
///
/// By default it is the program that runs now, from the same path, with the same arguments and environment.
#[derive(Clone)]
#[must_use = "nothing is started before `start` or `on_signal`"]
pub struct Upgrade {
    servers: Vec<ServerHandle>,
    program: Option<PathBuf>,
    arguments: Option<Vec<OsString>>,
    ready_timeout: Duration,
}

impl Upgrade {
    /// Hands the listeners of `server` over.
    pub fn of(server: &ServerHandle) -> Self {
        Self {
            servers: vec![server.clone()],
            program: None,
            arguments: None,
            ready_timeout: READY_TIMEOUT,
        }
    }

    /// Hands those of `server` over as well.
    pub fn and(mut self, server: &ServerHandle) -> Self {
        self.servers.push(server.clone());
        self
    }

    /// Starts the program at `path`.
    pub fn program(mut self, path: impl Into<PathBuf>) -> Self {
        self.program = Some(path.into());
        self
    }

    /// Starts it with these arguments, without the program's own name.
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments = Some(arguments.into_iter().map(Into::into).collect());
        self
    }

    /// Sets how long the new process may take until it is ready: 30 s by default.
    pub fn ready_timeout(mut self, timeout: Duration) -> Self {
        self.ready_timeout = timeout;
        self
    }

    /// Starts the new process and waits until it is ready; returns its number. The caller then drains this process.
    ///
    /// # Errors
    /// `Io` if it cannot be started, `Closed` if it ended before it was ready, `TimedOut` if it was not ready in
    /// time and was killed. Nothing has changed then: the servers of this process go on.
    pub fn start(&self) -> Result<u32> {
        process::start(self)
    }

    /// Returns a future for [`serve_until`](crate::EventLoop::serve_until): it is ready once a new process that
    /// SIGUSR2 has started is ready, and at SIGINT and SIGTERM, as [`signal::shutdown`](crate::signal::shutdown).
    ///
    /// From the first call on the process catches SIGUSR2. An upgrade that fails is logged, and the next signal
    /// tries again; a signal that comes while one is under way is ignored.
    pub fn on_signal(self) -> Stop {
        stop::on_signal(self)
    }
}

/// Starts to accept, and tells the process that this one takes over from that it serves; nothing happens without one.
/// The first call of [`serve`](crate::EventLoop::serve) or [`serve_until`](crate::EventLoop::serve_until) does this.
///
/// # Errors
/// `Io` if accepting cannot begin; the other process goes on then.
pub fn ready() -> Result<()> {
    #[cfg(target_os = "linux")]
    crate::sys::handed::ready()?;
    Ok(())
}

/// Returns true if this process was started by an [`Upgrade`], and has its listeners.
pub fn is_upgrade() -> bool {
    #[cfg(target_os = "linux")]
    return crate::sys::handed::is_handed_over();
    #[cfg(not(target_os = "linux"))]
    false
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrade")
            .field("servers", &self.servers)
            .field("program", &self.program)
            .field("arguments", &self.arguments)
            .field("ready_timeout", &self.ready_timeout)
            .finish()
    }
}
