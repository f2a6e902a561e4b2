//! The shortest server: a function and an address.

use super::EventLoop;
use crate::{
    addr::ToAddress,
    error::Result,
    service::{Free, Service},
    signal,
};

/// Serves a function that has `#[on_request]` at `address`, until the process is told to end by SIGINT
/// or SIGTERM. Then it answers the requests that it has begun, for at most 30 s; a second signal ends the
/// process at once.
///
/// [`EventLoop::builder`] with [`Free`] is the long form, with all settings.
///
/// # Errors
/// Those of [`bind`](super::EventLoopBuilder::bind).
pub fn serve<H>(address: impl ToAddress) -> Result<()>
where
    Free<H>: Service,
{
    EventLoop::builder(Free::<H>::new()).listen(address).bind()?.serve_until(signal::shutdown())?;
    Ok(())
}
