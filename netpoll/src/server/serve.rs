//! The shortest server: a function and an address.

use super::EventLoop;
use crate::{
    addr::ToAddress,
    error::Result,
    service::{Free, Service},
};

/// Serves a function that has `#[on_request]` at `address`, until the process ends.
///
/// [`EventLoop::builder`] with [`Free`] is the long form, with all settings.
///
/// # Errors
/// Those of [`bind`](super::EventLoopBuilder::bind).
pub fn serve<H>(address: impl ToAddress) -> Result<()>
where
    Free<H>: Service,
{
    EventLoop::builder(Free::<H>::new()).listen(address).bind()?.serve()?;
    Ok(())
}
