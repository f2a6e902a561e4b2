//! The settings of a runtime.

use std::time::Duration;

use super::tokio_context::TokioContext;
use crate::{
    error::{Error, Result},
    observe::Observers,
    sys::{FaultLayer, Ring},
    timer::Clock,
};

/// The system calls by which workers send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SystemCalls {
    /// [`Ring`](Self::Ring) where the kernel allows it, else [`Plain`](Self::Plain).
    Auto,
    /// One call for each send. The default.
    #[default]
    Plain,
    /// Linux, with the feature `io-uring`: what the turns of several connections send leaves in one call,
    /// by an io_uring of each worker in which nothing stays armed.
    Ring,
}

impl SystemCalls {
    /// Asks the system: gives `Plain` or `Ring`, and says in the log which runs and why.
    pub(super) fn resolve(self) -> Result<Self> {
        if self == Self::Plain {
            tracing::debug!("system calls: plain, as set");
            return Ok(self);
        }
        match Ring::probe() {
            Ok(()) => {
                tracing::info!("system calls: sends in batches by io_uring");
                Ok(Self::Ring)
            }
            Err(error) if self == Self::Ring => {
                Err(Error::io("system_calls is Ring, which the system refuses", error))
            }
            Err(error) => {
                tracing::info!(%error, "system calls: plain, since the system refuses io_uring");
                Ok(Self::Plain)
            }
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) system_calls: SystemCalls,
    pub(crate) pollers: usize,
    pub(crate) max_workers: usize,
    pub(crate) buffer_size: usize,
    pub(crate) handoff_after: Duration,
    pub(crate) memory_limit: Option<usize>,
    pub(crate) stall_after: Option<Duration>,
    pub(crate) inspect_stalls: bool,
    pub(crate) observers: Observers,
    pub(crate) faults: FaultLayer,
    pub(crate) clock: Clock,
    pub(super) tokio: TokioContext,
}
