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
    sync::{Arc, Once, OnceLock},
    task::{Context, Poll},
    thread,
};

use parking_lot::Mutex;

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
    static CAUGHT: Once = Once::new();
    let watch = watch();
    CAUGHT.call_once(|| catch(&[libc::SIGINT, libc::SIGTERM]));
    Shutdown(&watch.first)
}

/// A function that a signal calls.
type OnSignal = Arc<dyn Fn() + Send + Sync>;

/// Calls `hook` at each SIGUSR2 from now on, in place of an earlier one.
pub(crate) fn on_upgrade(hook: Box<dyn Fn() + Send + Sync>) {
    static CAUGHT: Once = Once::new();
    *watch().upgrade.lock() = Some(hook.into());
    CAUGHT.call_once(|| catch(&[libc::SIGUSR2]));
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

/// What the process does at signals.
#[derive(Default)]
struct Watch {
    /// The first signal that tells it to end.
    first: Completion<Signal>,
    upgrade: Mutex<Option<OnSignal>>,
}

/// Returns the process's watch, after it has a thread that waits for signals.
fn watch() -> &'static Watch {
    static WATCH: OnceLock<&'static Watch> = OnceLock::new();
    WATCH.get_or_init(|| {
        let watch: &'static Watch = Box::leak(Box::default());
        let started = signal::Signals::open().and_then(|signals| {
            thread::Builder::new()
                .name("netpoll-signals".into())
                .spawn(move || wait(watch, signals))
        });
        if let Err(error) = started {
            tracing::error!(%error, "signals cannot be caught");
        }
        watch
    })
}

fn catch(signals: &[libc::c_int]) {
    for &number in signals {
        if let Err(error) = signal::catch(number) {
            tracing::error!(%error, number, "a signal cannot be caught");
        }
    }
}

/// Waits for signals: the first that tells the process to end completes `first`, the second ends it.
fn wait(watch: &'static Watch, mut signals: signal::Signals) {
    while let Ok(number) = signals.next() {
        let signal = match number {
            libc::SIGUSR2 => {
                let hook = watch.upgrade.lock().clone();
                if let Some(hook) = hook {
                    hook();
                }
                continue;
            }
            libc::SIGINT => Signal::Interrupt,
            _ => Signal::Terminate,
        };
        if watch.first.set(signal) {
            tracing::info!(%signal, "the process is told to end");
        } else {
            tracing::warn!(%signal, "a second signal: the process ends at once");
            signal::die_of(number);
        }
    }
}
