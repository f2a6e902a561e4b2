//! Builds without the feature `tokio-rt`: there is no context to enter.

/// No runtime of tokio's.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokioContext;

impl TokioContext {
    /// Does nothing.
    pub(super) fn enter(&self) {}
}
