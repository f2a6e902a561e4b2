//! The output of a request's future.

use super::call::Flow;
use crate::{buf::LinkBuffer, error::Result};

/// The output of a request's future: its answer and its result.
pub(super) struct Done {
    pub(super) out: LinkBuffer,
    pub(super) result: Result<Flow>,
}
