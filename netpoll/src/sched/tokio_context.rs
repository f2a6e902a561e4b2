//! The context of a runtime of tokio's, in which workers do their work.

use tokio::runtime::{EnterGuard, Handle};

/// The runtime of tokio's whose timers and I/O users' code uses, if it uses one's.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokioContext(Option<Handle>);

impl TokioContext {
    /// That of `handle`'s runtime.
    pub(super) fn of(handle: &Handle) -> Self {
        Self(Some(handle.clone()))
    }

    /// Enters the context on this thread, until the guard is dropped.
    pub(super) fn enter(&self) -> Option<EnterGuard<'_>> {
        self.0.as_ref().map(Handle::enter)
    }
}
