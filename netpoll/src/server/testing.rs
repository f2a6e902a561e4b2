//! A server without listeners.

use std::sync::Arc;

use super::{builder::EventLoopBuilder, event_loop::EventLoop};
use crate::{error::Result, listen::Host, service::Service};

/// Starts the server that `builder` describes, except for its listeners; the host takes clients in.
///
/// # Errors
/// As [`EventLoopBuilder::bind`], but for what concerns listeners.
pub(crate) fn without_listeners<S: Service>(
    builder: EventLoopBuilder<S>,
) -> Result<(EventLoop, Arc<dyn Host>)> {
    let (runtime, guests, house) = builder.house()?;
    Ok((EventLoop::new(runtime, Vec::new(), guests), house))
}
