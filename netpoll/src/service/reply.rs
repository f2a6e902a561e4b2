//! Return values of handlers, and their encoding as answers.

use std::{convert::Infallible, future::Future, io};

use super::call::{Flow, Out};
use crate::{
    error::{Error, Result},
    frame::{Encode, Sequenced, Status},
};

/// A value that a handler may return: `()`, a frame, `Option`, `Result`, [`Replies`](super::Replies),
/// [`Flow`].
///
/// `P` says how frames are written: [`Plain`], [`Numbered`] as the request was, or `By` a codec.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned from a request's handler",
    label = "no reply",
    note = "return `()`, a frame, `Option<frame>`, `Result<frame, E>`, `Replies<..>` or `Flow<frame>`",
    note = "the `E` of a `Result<frame, E>` is `netpoll::Error`, or says which frame tells the client of it: \
            `impl IntoErrorReply<frame> for E`",
    note = "frames that a `Codec` encodes: `#[on_request(codec = C)]`, or `Out::put_with`"
)]
pub trait IntoReply<P>: Sized {
    /// Writes the answer to `out`, and returns the flow of the connection.
    ///
    /// # Errors
    /// The answer cannot be written, or the handler's own error closes the connection.
    fn reply(self, put: &mut P, out: &mut Out<'_>) -> impl Future<Output = Result<Flow>> + Send;
}

/// A frame that a handler may return: one that can be [encoded](Encode) is. What only a
/// [`Codec`](crate::frame::Codec) can encode implements it by `impl Reply for .. {}`.
pub trait Reply {}

impl<F: Encode> Reply for F {}

/// An encoding of frames of the type `F` as answers.
pub trait Puts<F> {
    /// Writes `frame` to `out`.
    ///
    /// # Errors
    /// The frame cannot be expressed, or there is no memory.
    fn put(&mut self, frame: F, out: &mut Out<'_>) -> Result<()>;
}

/// Writes frames unchanged.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

/// Writes frames with the sequence number of their request.
#[derive(Clone, Copy, Debug)]
pub struct Numbered<Q>(pub Q);

impl<F: Encode> Puts<F> for Plain {
    #[inline]
    fn put(&mut self, frame: F, out: &mut Out<'_>) -> Result<()> {
        out.put(&frame)
    }
}

impl<Q: Copy, F: Encode + Sequenced<Seq = Q>> Puts<F> for Numbered<Q> {
    #[inline]
    fn put(&mut self, mut frame: F, out: &mut Out<'_>) -> Result<()> {
        frame.set_seq(self.0);
        out.put(&frame)
    }
}

/// An error of a handler that becomes an answer in place of an `F`.
///
/// [`Error`] and [`io::Error`] answer nothing: they close the connection, and `on_error` is told.
///
/// ```
/// use netpoll::{Frame, IntoErrorReply, Result, frame::Auto};
///
/// #[derive(Frame)]
/// struct Answer {
///     status: u8,
///     value: u32,
/// }
///
/// enum Refused {
///     Unknown,
///     Busy,
/// }
///
/// impl IntoErrorReply<Answer> for Refused {
///     fn into_error_reply(self) -> Result<Answer> {
///         let status = match self {
///             Self::Unknown => 1,
///             Self::Busy => 2,
///         };
///         Ok(Answer { status, value: 0 })
///     }
/// }
/// # assert_eq!(Refused::Busy.into_error_reply()?.status, 2);
/// # assert_eq!(Refused::Unknown.into_error_reply()?.status, 1);
/// # Ok::<(), netpoll::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no error that a client can be told as `{F}`",
    label = "not an error reply",
    note = "implement `IntoErrorReply<{F}>` for `{Self}`, or return `netpoll::Error`, which closes the \
            connection"
)]
pub trait IntoErrorReply<F> {
    /// The answer.
    ///
    /// # Errors
    /// There is none: the connection closes, and `on_error` is told.
    fn into_error_reply(self) -> Result<F>;
}

impl<F> IntoErrorReply<F> for Error {
    fn into_error_reply(self) -> Result<F> {
        Err(self)
    }
}

impl<F> IntoErrorReply<F> for io::Error {
    fn into_error_reply(self) -> Result<F> {
        Err(self.into())
    }
}

impl<F> IntoErrorReply<F> for Infallible {
    fn into_error_reply(self) -> Result<F> {
        match self {}
    }
}

impl<P: Send> IntoReply<P> for () {
    #[inline]
    async fn reply(self, _: &mut P, _: &mut Out<'_>) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

#[diagnostic::do_not_recommend]
impl<F: Reply + Send, P: Puts<F> + Send> IntoReply<P> for F {
    #[inline]
    async fn reply(self, put: &mut P, out: &mut Out<'_>) -> Result<Flow> {
        put.put(self, out)?;
        Ok(Flow::Continue)
    }
}

impl<R: IntoReply<P> + Send, P: Send> IntoReply<P> for Option<R> {
    #[inline]
    async fn reply(self, put: &mut P, out: &mut Out<'_>) -> Result<Flow> {
        match self {
            Some(reply) => reply.reply(put, out).await,
            None => Ok(Flow::Continue),
        }
    }
}

impl<R, E, P> IntoReply<P> for Result<R, E>
where
    R: IntoReply<P> + Send,
    E: IntoErrorReply<R> + Send,
    P: Send,
{
    #[inline]
    async fn reply(self, put: &mut P, out: &mut Out<'_>) -> Result<Flow> {
        let reply = match self {
            Ok(reply) => reply,
            Err(error) => {
                out.judge(Status::Failed);
                error.into_error_reply()?
            }
        };
        reply.reply(put, out).await
    }
}

impl<R: IntoReply<P> + Send, P: Send> IntoReply<P> for Flow<R> {
    #[inline]
    async fn reply(self, put: &mut P, out: &mut Out<'_>) -> Result<Flow> {
        match self {
            Self::Continue => Ok(Flow::Continue),
            Self::Reply(reply) => reply.reply(put, out).await,
            Self::Close => Ok(Flow::Close),
            Self::CloseAfter(reply) => {
                reply.reply(put, out).await?;
                Ok(Flow::Close)
            }
            Self::Detach => Ok(Flow::Detach),
        }
    }
}

impl<P: Send> IntoReply<P> for Infallible {
    async fn reply(self, _: &mut P, _: &mut Out<'_>) -> Result<Flow> {
        match self {}
    }
}
