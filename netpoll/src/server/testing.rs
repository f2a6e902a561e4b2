//! A server without listeners, for connections in memory.

use std::sync::Arc;

use super::{builder::EventLoopBuilder, event_loop::EventLoop};
use crate::{error::Result, listen::AcceptHandler, service::Service};

/// Starts the server that `builder` describes, except for its listeners; the handler takes
/// sockets as if a listener had accepted them.
///
/// # Errors
/// As [`EventLoopBuilder::bind`], but for what concerns listeners.
pub(crate) fn without_listeners<S: Service>(
    builder: EventLoopBuilder<S>,
) -> Result<(EventLoop, Arc<dyn AcceptHandler>)> {
    let (runtime, open, acceptance) = builder.acceptance()?;
    Ok((EventLoop::new(runtime, Vec::new(), open), acceptance))
}
