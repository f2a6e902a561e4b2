//! The shortest server: a function and an address.

use super::{EventLoop, EventLoopBuilder};
use crate::{
    addr::ToAddress,
    error::Result,
    service::{Free, Service},
    signal,
};

/// Returns the settings of a server that is a function with `#[on_request]`.
///
/// ```
/// use netpoll::{Frame, frame::Auto};
///
/// #[derive(Frame)]
/// struct Message<'a> {
///     #[frame(len(of = rest))]
///     length: Auto<u32>,
///     #[frame(rest)]
///     body: &'a [u8],
/// }
///
/// #[netpoll::on_request]
/// fn echo<'a>(message: Message<'a>) -> Message<'a> {
///     message
/// }
///
/// let server = netpoll::server::<echo>().max_frame(1 << 20).listen("127.0.0.1:0").bind()?;
/// assert_eq!(server.addresses().len(), 1);
/// # Ok::<(), netpoll::Error>(())
/// ```
pub fn server<H>() -> EventLoopBuilder<Free<H>>
where
    Free<H>: Service,
{
    EventLoop::builder(Free::new())
}

/// Serves a function that has `#[on_request]` at `address`, until the process is told to end by SIGINT
/// or SIGTERM. Then it answers the requests that it has begun, for at most 30 s; a second signal ends the
/// process at once.
///
/// [`server`] is the long form, with all settings.
///
/// # Errors
/// Those of [`bind`](super::EventLoopBuilder::bind).
pub fn serve<H>(address: impl ToAddress) -> Result<()>
where
    Free<H>: Service,
{
    server::<H>().listen(address).bind()?.serve_until(signal::shutdown())?;
    Ok(())
}

/// Serves a function that has `#[on_request]` at `address` without blocking the thread, under any executor;
/// otherwise like [`serve`].
///
/// # Errors
/// Those of [`bind`](super::EventLoopBuilder::bind).
///
/// # Cancel safety
/// Dropping the future shuts the server down at once.
pub async fn serve_async<H>(address: impl ToAddress) -> Result<()>
where
    Free<H>: Service,
{
    let server = server::<H>().listen(address).bind()?;
    server.serve_until_async(signal::shutdown()).await?;
    Ok(())
}
