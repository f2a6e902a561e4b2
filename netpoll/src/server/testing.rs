//! A server without listeners, for connections in memory.

use std::sync::Arc;

use super::{builder::EventLoopBuilder, event_loop::EventLoop};
use crate::{error::Result, listen::AcceptHandler, service::Service};

/// Starts the server that `builder` describes, for the datagrams of `endpoint` alone.
///
/// # Errors
/// `Config` for options that cannot be, or if the server handles no datagrams.
#[cfg(feature = "udp")]
pub(crate) fn over_endpoint<S: Service>(
    builder: EventLoopBuilder<S>,
    endpoint: Arc<dyn crate::udp::Endpoint>,
) -> Result<EventLoop> {
    let options = builder.datagrams.clone();
    let (runtime, acceptance) = builder.acceptance(0)?;
    let (open, lifecycle) = (acceptance.open.clone(), acceptance.lifecycle.clone());
    let event_loop = EventLoop::new(runtime, Vec::new(), open, lifecycle);
    event_loop.serve_endpoint(&acceptance.service, endpoint, options)
}

/// Starts the server that `builder` describes, except for its listeners; the handler takes
/// sockets as if a listener had accepted them.
///
/// # Errors
/// As [`EventLoopBuilder::bind`], but for what concerns listeners.
pub(crate) fn without_listeners<S: Service>(
    builder: EventLoopBuilder<S>,
) -> Result<(EventLoop, Arc<dyn AcceptHandler>)> {
    let (runtime, acceptance) = builder.acceptance(0)?;
    let (open, lifecycle) = (acceptance.open.clone(), acceptance.lifecycle.clone());
    Ok((EventLoop::new(runtime, Vec::new(), open, lifecycle), acceptance))
}
