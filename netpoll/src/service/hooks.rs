//! Hooks as types: each attribute creates one from its function, and `#[server]` combines them.
//!
//! A function `f` with `#[on_request]` gets a type `f` beside it, in the other namespace, that
//! implements [`OnRequest`]; the other attributes do the same. `#[server]` implements
//! [`Service`](super::Service) by calls to these; [`NoHook`] is for those that are not there.

use std::{future::Future, time::Duration};

use super::{
    Call, Dispatch, Fault, Flow, In, Out, Request,
    sessions::{Kept, Unnamed, Wants},
};
use crate::{
    conn::{CloseReason, Connection},
    error::{Error, Result},
};

/// A handler of requests, for the server `S` and sessions `T`.
///
/// ```
/// use netpoll::{Call, Flow, In, OnRequest, Result};
///
/// /// Answers what comes with itself.
/// struct Echo;
///
/// impl<S: Sync, T: Send> OnRequest<S, T> for Echo {
///     type Request = In<'static>;
///     type At<'a> = In<'a>;
///     async fn on_request<'a>(_: &'a S, call: Call<'a, T>, mut input: In<'a>) -> Result<Flow> {
///         let n = input.len();
///         call.out.buf.write(input.next(n)?)?;
///         Ok(Flow::Continue)
///     }
/// }
/// # let _ = Echo;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle the requests of `{S}`",
    label = "no handler for `{S}` with sessions of the type `{T}`",
    note = "an argument `State<'_, {S}>` names the server, `&mut {T}` the session"
)]
pub trait OnRequest<S, T> {
    /// The input of the handler; see [`Service::Request`](super::Service::Request).
    type Request: for<'a> Request<At<'a> = Self::At<'a>>;

    /// The request, as it borrows from the bytes that came.
    type At<'a>: Send;

    /// The dispatch of requests to the handler.
    const DISPATCH: Dispatch = Dispatch::Sync;

    /// The deadline of a request.
    const TIMEOUT: Option<Duration> = None;

    /// False for the hook that is not there.
    const STREAMS: bool = true;

    /// See [`Service::on_request`](super::Service::on_request).
    ///
    /// # Errors
    /// Closes the connection after what was answered is sent; `on_error` is told.
    fn on_request<'a>(
        server: &'a S,
        call: Call<'a, T>,
        request: Self::At<'a>,
    ) -> impl Future<Output = Result<Flow>> + Send + 'a;

    /// See [`Service::refuse`](super::Service::refuse).
    ///
    /// # Errors
    /// Closes the connection after what was answered is sent; `on_error` is told.
    fn refuse(request: &Self::At<'_>, fault: Fault, out: &mut Out<'_>) -> Result<Flow> {
        let _ = (request, out);
        Err(fault.into())
    }

    /// See [`Service::on_drain`](super::Service::on_drain).
    ///
    /// # Errors
    /// The goodbye cannot be written: the connection closes.
    fn on_drain(out: &mut Out<'_>) -> Result<bool> {
        let _ = out;
        Ok(false)
    }

    /// See [`Service::share`](super::Service::share).
    fn share(_session: &T) -> Option<T> {
        None
    }
}

/// A hook of the server `S` that may refuse connections.
pub trait OnPrepare<S> {
    /// See [`Service::on_prepare`](super::Service::on_prepare).
    ///
    /// # Errors
    /// The reason for refusing.
    fn on_prepare(server: &S, conn: &Connection) -> Result<()>;
}

/// A hook of the server `S` that creates its sessions `W`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` makes no session `{W}` for `{S}`",
    label = "the session of this server is `{W}`"
)]
pub trait OnConnect<S, W: Kept> {
    /// False for the hook that is not there.
    const STREAMS: bool = true;

    /// See [`Service::on_connect`](super::Service::on_connect).
    ///
    /// # Errors
    /// Closes the connection.
    fn on_connect(server: &S, conn: &Connection)
    -> impl Future<Output = Result<W::Session>> + Send;
}

/// A hook of the server `S` that is called when a peer disconnects.
pub trait OnDisconnect<S> {
    /// See [`Service::on_disconnect`](super::Service::on_disconnect).
    ///
    /// # Errors
    /// `on_error` is told.
    fn on_disconnect(server: &S, conn: &Connection, reason: CloseReason) -> Result<()>;
}

/// A hook of the server `S` that is called when a peer has sent its end, with
/// [`keep_half_open`](crate::ConnectionOptions::keep_half_open).
pub trait OnHalfClose<S> {
    /// See [`Service::on_half_close`](super::Service::on_half_close).
    ///
    /// # Errors
    /// `on_error` is told.
    fn on_half_close(server: &S, conn: &Connection) -> Result<()>;
}

/// A hook of the server `S` that receives sessions when their connections have ended.
pub trait OnClose<S, T> {
    /// See [`Service::on_close`](super::Service::on_close).
    ///
    /// # Errors
    /// `on_error` is told.
    fn on_close(
        server: &S,
        conn: &Connection,
        session: T,
        reason: CloseReason,
    ) -> impl Future<Output = Result<()>> + Send;
}

/// A hook of the server `S` that receives errors.
pub trait OnError<S> {
    /// See [`Service::on_error`](super::Service::on_error).
    ///
    /// # Errors
    /// They are logged.
    fn on_error(server: &S, conn: &Connection, error: &Error) -> Result<()>;
}

/// A hook of the server `S` that decides about idle connections.
pub trait OnIdle<S> {
    /// See [`Service::on_idle`](super::Service::on_idle).
    ///
    /// # Errors
    /// Close the connection, as `true` does.
    fn on_idle(server: &S, conn: &Connection) -> Result<bool>;
}

/// An absent hook: each method does its default.
#[derive(Debug)]
pub enum NoHook {}

impl<S: Sync, T: Send> OnRequest<S, T> for NoHook {
    type Request = In<'static>;
    type At<'a> = In<'a>;
    const STREAMS: bool = false;

    async fn on_request<'a>(_: &'a S, _: Call<'a, T>, _: In<'a>) -> Result<Flow> {
        Ok(Flow::Close)
    }
}

impl Wants for NoHook {
    type Session = Unnamed;
}

impl<S> OnPrepare<S> for NoHook {
    #[inline]
    fn on_prepare(_: &S, _: &Connection) -> Result<()> {
        Ok(())
    }
}

impl<S: Sync, W: Kept<Session: Default>> OnConnect<S, W> for NoHook {
    const STREAMS: bool = false;

    #[inline]
    async fn on_connect(_: &S, _: &Connection) -> Result<W::Session> {
        Ok(W::Session::default())
    }
}

impl<S> OnDisconnect<S> for NoHook {
    #[inline]
    fn on_disconnect(_: &S, _: &Connection, _: CloseReason) -> Result<()> {
        Ok(())
    }
}

impl<S> OnHalfClose<S> for NoHook {
    #[inline]
    fn on_half_close(_: &S, _: &Connection) -> Result<()> {
        Ok(())
    }
}

impl<S: Sync, T: Send> OnClose<S, T> for NoHook {
    #[inline]
    async fn on_close(_: &S, _: &Connection, _: T, _: CloseReason) -> Result<()> {
        Ok(())
    }
}

impl<S> OnError<S> for NoHook {
    #[inline]
    fn on_error(_: &S, _: &Connection, _: &Error) -> Result<()> {
        Ok(())
    }
}

impl<S> OnIdle<S> for NoHook {
    #[inline]
    fn on_idle(_: &S, _: &Connection) -> Result<bool> {
        Ok(true)
    }
}
