//! Signals by which a process is told to end.
//!
//! [`shutdown`] is made for [`EventLoop::serve_until`](crate::EventLoop::serve_until):
//!
//! ```no_run
//! # use netpoll::{EventLoop, Frame};
//! # #[derive(Frame)] struct Byte { byte: u8 }
//! #[netpoll::on_request]
//! fn echo(byte: Byte) -> Byte { byte }
//!
//! let server = EventLoop::builder(netpoll::service::Free::<echo>::new()).listen("127.0.0.1:9000").bind()?;
//! let report = server.serve_until(netpoll::signal::shutdown())?;
//! println!("{report}");
//! # Ok::<(), netpoll::Error>(())
//! ```

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::OnceLock,
    task::{Context, Poll},
    thread,
};

use crate::{sched::completion::Completion, sys::signal};

/// A signal by which a process is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Signal {
    /// SIGINT: somebody pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: a service manager stops the process.
    Terminate,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        })
    }
}

/// Waits for SIGINT or SIGTERM, on behalf of the whole process.
///
/// From the first call on the process catches both, but for one that it was started to ignore. All futures
/// are ready once the first signal has come, and those of later calls at once. A second signal ends the
/// process at once, as it would without this. If signals cannot be caught the future is never ready, and an
/// error is logged.
///
/// # Cancel safety
/// Dropping the future loses no signal.
pub fn shutdown() -> Shutdown {
    static FIRST: OnceLock<&'static Completion<Signal>> = OnceLock::new();
    Shutdown(FIRST.get_or_init(|| {
        let first: &'static Completion<Signal> = Box::leak(Box::default());
        if let Err(error) = watch(first) {
            tracing::error!(%error, "signals cannot be caught");
        }
        first
    }))
}

/// A future that is ready when the process is told to end; see [`shutdown`].
#[derive(Clone)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Shutdown(&'static Completion<Signal>);

impl Future for Shutdown {
    type Output = Signal;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Signal> {
        self.0.poll_wait(cx)
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shutdown").field(&self.0.get()).finish()
    }
}

/// Has a thread wait for signals, of which the first completes `first` and the second ends the process.
fn watch(first: &'static Completion<Signal>) -> std::io::Result<()> {
    let mut signals = signal::Signals::watch(&[libc::SIGINT, libc::SIGTERM])?;
    thread::Builder::new().name("netpoll-signals".into()).spawn(move || {
        while let Ok(number) = signals.next() {
            let signal = if number == libc::SIGINT { Signal::Interrupt } else { Signal::Terminate };
            if first.set(signal) {
                tracing::info!(%signal, "the process is told to end");
            } else {
                tracing::warn!(%signal, "a second signal: the process ends at once");
                signal::die_of(number);
            }
        }
    })?;
    Ok(())
}
