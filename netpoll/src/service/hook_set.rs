//! The hook set: a server by its hooks, each a type.

use std::{future::Future, time::Duration};

use super::{
    Call, Detach, Dispatch, Fault, Flow, Out, Request, Service,
    hook_results::{idle, logged, told},
    hooks::{OnClose, OnConnect, OnDisconnect, OnError, OnHalfClose, OnIdle, OnPrepare, OnRequest},
    sessions::Kept,
};
use crate::{
    conn::{CloseReason, Connection},
    error::{Error, Result},
};

/// A server by its hooks, each a type. `#[server]` implements it, and every hook set is a [`Service`].
///
/// ```
/// use netpoll::{Call, EventLoop, Flow, In, NoHook, OnRequest, Result};
/// use netpoll::__private::glue::{HookSet, Unnamed};
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
///
/// struct Server;
///
/// impl HookSet for Server {
///     type Session = Unnamed;
///     type Prepare = NoHook;
///     type Connect = NoHook;
///     type Request = Echo;
///     type Disconnect = NoHook;
///     type HalfClose = NoHook;
///     type Close = NoHook;
///     type Error = NoHook;
///     type Idle = NoHook;
/// }
///
/// EventLoop::builder(Server).listen("127.0.0.1:0").bind()?;
/// # Ok::<(), netpoll::Error>(())
/// ```
pub trait HookSet: Send + Sync + Sized + 'static {
    /// The kind of session: [`Named`](super::sessions::Named), or [`Unnamed`](super::sessions::Unnamed).
    type Session: Kept<Session: Send + 'static>;
    /// The hook that may refuse connections.
    type Prepare: OnPrepare<Self>;
    /// The hook that creates sessions.
    type Connect: OnConnect<Self, Self::Session>;
    /// The handler of requests.
    type Request: OnRequest<Self, SessionOf<Self>>;
    /// The hook that is called when a peer disconnects.
    type Disconnect: OnDisconnect<Self>;
    /// The hook that is called when a peer has sent its end.
    type HalfClose: OnHalfClose<Self>;
    /// The hook that receives sessions at their end.
    type Close: OnClose<Self, SessionOf<Self>>;
    /// The hook that receives errors.
    type Error: OnError<Self>;
    /// The hook that decides about idle connections.
    type Idle: OnIdle<Self>;

    /// Handles datagrams; see [`Service::datagrams`].
    #[cfg(feature = "udp")]
    fn datagrams(_server: &std::sync::Arc<Self>) -> Option<super::DatagramService> {
        None
    }
}

type SessionOf<H> = <<H as HookSet>::Session as Kept>::Session;

#[diagnostic::do_not_recommend]
impl<H: HookSet> Service for H {
    type Session = SessionOf<H>;
    type Request = <H::Request as OnRequest<H, SessionOf<H>>>::Request;
    const DISPATCH: Dispatch = H::Request::DISPATCH;
    const TIMEOUT: Option<Duration> = H::Request::TIMEOUT;
    const STREAMS: bool = H::Request::STREAMS || H::Connect::STREAMS;

    #[cfg(feature = "udp")]
    fn datagrams(server: &std::sync::Arc<Self>) -> Option<super::DatagramService> {
        H::datagrams(server)
    }

    #[inline]
    fn on_prepare(&self, conn: &Connection) -> Result<()> {
        H::Prepare::on_prepare(self, conn)
    }

    #[inline]
    fn on_connect(&self, conn: &Connection) -> impl Future<Output = Result<Self::Session>> + Send {
        H::Connect::on_connect(self, conn)
    }

    #[inline]
    fn on_request<'a>(
        &'a self,
        call: Call<'a, Self::Session>,
        request: <Self::Request as Request>::At<'a>,
    ) -> impl Future<Output = Result<Flow>> + Send + 'a {
        H::Request::on_request(self, call, request)
    }

    fn refuse(
        &self,
        request: &<Self::Request as Request>::At<'_>,
        fault: Fault,
        out: &mut Out<'_>,
    ) -> Result<Flow> {
        H::Request::refuse(request, fault, out)
    }

    fn on_drain(&self, _: &Connection, out: &mut Out<'_>) -> Result<bool> {
        H::Request::on_drain(out)
    }

    #[inline]
    fn share(session: &Self::Session) -> Option<Self::Session> {
        H::Request::share(session)
    }

    fn on_disconnect(&self, conn: &Connection, reason: CloseReason) {
        told(self, conn, H::Disconnect::on_disconnect(self, conn, reason));
    }

    fn on_half_close(&self, conn: &Connection) {
        told(self, conn, H::HalfClose::on_half_close(self, conn));
    }

    fn detach(session: &mut Self::Session) -> Option<Detach> {
        H::Session::detach(session)
    }

    async fn on_close(&self, conn: &Connection, session: Self::Session, reason: CloseReason) {
        told(self, conn, H::Close::on_close(self, conn, session, reason).await);
    }

    fn on_error(&self, conn: &Connection, error: &Error) {
        logged(H::Error::on_error(self, conn, error));
    }

    fn on_idle(&self, conn: &Connection) -> bool {
        idle(self, conn, H::Idle::on_idle(self, conn))
    }
}
