//! The end of a process that is told to end, or that another one has taken over from.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll},
    thread,
};

use super::Upgrade;
use crate::{
    sched::completion::Completion,
    signal::{self, Signal},
};

/// The reason for which a process stops serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// It was told to end.
    Signal(Signal),
    /// The process of this number serves in its place.
    Upgraded(u32),
}

/// A future that is ready when the process is to drain; see [`Upgrade::on_signal`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Stop {
    shutdown: signal::Shutdown,
    upgraded: Arc<Completion<u32>>,
}

/// See [`Upgrade::on_signal`].
pub(super) fn on_signal(upgrade: Upgrade) -> Stop {
    let upgraded = Arc::new(Completion::default());
    let (done, busy) = (upgraded.clone(), Arc::new(AtomicBool::new(false)));
    signal::on_upgrade(Box::new(move || {
        if done.get().is_some() || busy.swap(true, SeqCst) {
            return tracing::info!("an upgrade is under way already");
        }
        let (upgrade, done, busy) = (upgrade.clone(), done.clone(), Busy(busy.clone()));
        let started = thread::Builder::new().name("netpoll-upgrade".into()).spawn(move || {
            match upgrade.start() {
                Ok(process) => drop(done.set(process)),
                Err(error) => tracing::error!(%error, "the upgrade failed: this process goes on"),
            }
            drop(busy);
        });
        if let Err(error) = started {
            tracing::error!(%error, "no thread for an upgrade: this process goes on");
        }
    }));
    Stop { shutdown: signal::shutdown(), upgraded }
}

/// An upgrade that is under way, until this is dropped.
struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, SeqCst);
    }
}

impl Future for Stop {
    type Output = StopReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<StopReason> {
        if let Poll::Ready(process) = self.upgraded.poll_wait(cx) {
            return Poll::Ready(StopReason::Upgraded(process));
        }
        Pin::new(&mut self.shutdown).poll(cx).map(StopReason::Signal)
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop").field("upgraded", &self.upgraded.get()).finish_non_exhaustive()
    }
}
