//! Errors of datagrams, as `on_error` is told of them.

use super::extract::DatagramParts;
use crate::{
    error::{Error, Result},
    service::NoHook,
};

/// A hook that is told of errors of datagrams, for the server `S`: one that is malformed or too long, a
/// handler that failed, a reply that could not be sent.
///
/// `#[on_error]` implements it: the function is called if it takes no `&Connection`, which a datagram
/// has not; else the error is logged. It is called once a second at most.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be told of the datagrams of `{S}`",
    label = "no `on_error` for datagrams of `{S}`",
    note = "write `#[netpoll::on_error]` on the function, and take `Peer`, `Local`, `State<'_, {S}>` \
            and `&Error`"
)]
pub trait OnDatagramError<S> {
    /// Called with the error; `parts` has the peer, if it concerns one.
    ///
    /// # Errors
    /// They are logged.
    fn on_datagram_error(parts: DatagramParts<'_, S>, error: &Error) -> Result<()>;
}

impl<S> OnDatagramError<S> for NoHook {
    fn on_datagram_error(parts: DatagramParts<'_, S>, error: &Error) -> Result<()> {
        log(parts, error)
    }
}

/// Logs `error`.
///
/// # Errors
/// None.
pub fn log<S>(parts: DatagramParts<'_, S>, error: &Error) -> Result<()> {
    let local = parts.local();
    tracing::warn!(%error, %local, "a datagram was dropped");
    Ok(())
}
