//! Without the feature `tokio-rt` workers know no runtime of tokio's.

/// No context.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokioContext(());

impl TokioContext {
    /// Does nothing.
    pub(super) fn enter(&self) -> Option<()> {
        None
    }
}
