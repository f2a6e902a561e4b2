//! What handlers of datagrams return.

use std::convert::Infallible;

use super::out::DatagramOut;
use crate::{
    error::Result,
    frame::Encode,
    service::{IntoErrorReply, Replies},
};

/// A value that a handler of datagrams may return: `()`, a frame or bytes, `Option`, `Result`,
/// [`Replies`] of an iterator.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned from a datagram's handler",
    label = "no reply",
    note = "return `()`, a frame, `&[u8]`, `Option<frame>`, `Result<frame, E>` or `Replies<..>`"
)]
pub trait IntoDatagrams: Sized {
    /// Sends it by `out`.
    ///
    /// # Errors
    /// It cannot be sent, or is the handler's own error.
    fn send(self, out: &mut DatagramOut<'_>) -> Result<()>;
}

impl IntoDatagrams for () {
    #[inline]
    fn send(self, _: &mut DatagramOut<'_>) -> Result<()> {
        Ok(())
    }
}

#[diagnostic::do_not_recommend]
impl<F: Encode> IntoDatagrams for F {
    #[inline]
    fn send(self, out: &mut DatagramOut<'_>) -> Result<()> {
        out.send(self)
    }
}

macro_rules! bytes {
    ($($ty:ty),*) => {
        $(
            impl IntoDatagrams for $ty {
                #[inline]
                fn send(self, out: &mut DatagramOut<'_>) -> Result<()> {
                    out.send_bytes(self.as_ref())
                }
            }
        )*
    };
}

bytes!(&[u8], Vec<u8>, bytes::Bytes);

impl<R: IntoDatagrams> IntoDatagrams for Option<R> {
    #[inline]
    fn send(self, out: &mut DatagramOut<'_>) -> Result<()> {
        self.map_or(Ok(()), |reply| reply.send(out))
    }
}

impl<R: IntoDatagrams, E: IntoErrorReply<R>> IntoDatagrams for Result<R, E> {
    #[inline]
    fn send(self, out: &mut DatagramOut<'_>) -> Result<()> {
        match self {
            Ok(reply) => reply.send(out),
            Err(error) => error.into_error_reply()?.send(out),
        }
    }
}

impl<I: Iterator<Item: IntoDatagrams>> IntoDatagrams for Replies<I> {
    fn send(mut self, out: &mut DatagramOut<'_>) -> Result<()> {
        self.0.try_for_each(|reply| reply.send(out))
    }
}

impl IntoDatagrams for Infallible {
    fn send(self, _: &mut DatagramOut<'_>) -> Result<()> {
        match self {}
    }
}
