//! Services: hooks, handlers of requests, and their arguments and replies.
//!
//! A server is a value that implements [`Service`]. The macros implement this trait and those of the
//! single hooks, [`OnRequest`] and so on; everything that they generate can be written by hand.
//!
//! # The attributes
//! `#[netpoll::on_request]` on a free function makes a server of it ([`serve`](crate::serve));
//! `#[netpoll::server]` on an impl block makes one of the methods that have `#[on_request]` and so on,
//! and on a struct of the free functions that it names: `#[server(on_request = handle)]`.
//!
//! **Arguments** are told by their position. `&self` is the server. The first `&T` is the
//! [`Connection`], a second one the session; `&mut T` is the session too. The last argument by value is
//! the frame, [`Coded`] by a codec, or [`In`] for the bytes as they come; those before it are taken from
//! the call ([`FromCall`]): [`Peer`], [`Local`], [`Deadline`](crate::Deadline), [`Cancel`](crate::Cancel),
//! [`State`], [`Out`], [`Ext`](layers::Ext) of what a layer attached. In `on_error` the last `&T` is the error; in `on_close` the first argument by
//! value is the session. Other hooks take [`Peer`], [`Local`], [`State`] and [`CloseReason`] by value.
//!
//! **A server without requests** has an `on_connect` that returns a [`Detach`], or a `Result` of it: the
//! connection goes on without handlers, with its reader and writer in the hands of a task.
//!
//! **Returns** of `on_request`: `()`, a frame, `Option`, `Result` whose error is an [`IntoErrorReply`],
//! [`Replies`], [`Flow`]. `on_connect` returns the session, or a `Result` of it.
//!
//! **`#[on_request(..)]`** takes [`inline`, `concurrent = N`, `ordered`, `timeout = "2s"`](macro@crate::on_request#options);
//! see [`Dispatch`]. An `async fn` is polled by the workers. With `codec = C` the
//! handler takes and gives the frames of the [`Codec`](crate::frame::Codec) `C`.
//!
//! **Faults.** Where a handler's reply is a frame with the mark [`status`](crate::frame::Judged), or its author
//! has written [`IntoErrorReply`] of [`Fault`] for it, a panic and a missed deadline are answered by a
//! [`Fault`] with the request's number, and the connection goes on. Elsewhere they close it. A handler that
//! decodes a payload itself ([`FromPayload`]) and returns `Result<_, Fault>` answers malformed ones likewise.
//!
//! **Deadlines.** A request's deadline is the sooner one of the server's (`timeout`) and its caller's, if the
//! frame has the mark `deadline`, less a tenth of it, 20 ms at most, in which the answer reaches the caller.
//!
//! **Routes.** With `frame = F` on `#[server]` of an impl block there are several handlers of requests.
//! `#[on_request(Command::Get)]` takes the requests of a variant of an enum: its last argument is what the
//! variant holds. `#[on_request("add")]` takes the requests whose [`route`](crate::frame::Routed) is that
//! literal: its last argument is decoded from the payload ([`FromPayload`]), its result becomes the payload of
//! a `reply = R` ([`IntoPayload`]), and malformed arguments, a panic, a missed `timeout` and a full
//! `concurrent` of the route are answered by a [`Fault`], those of a variant's handler where its replies can say
//! so (see Faults). A handler without a route takes the rest. If any
//! handler is `concurrent`, or the server is (`concurrent = N`), all requests of a connection are handled side
//! by side.
//!
//! **`#[netpoll::service]`** on a trait makes a server and a client of its methods, by [`rpc`](crate::rpc):
//! `Trait::serve(implementation)` and `TraitClient`, with a method that blocks and an `async` one for each.
//! Arguments and results are serde types, in the format that `payload = Json` names (`Postcard` by default).
//! Its methods have marks: `#[route = "v1.add"]` renames one; `#[oneway]` is not answered; `#[idempotent]` is
//! called again when its connection was lost; `#[stream] fn f(..) -> impl Stream<Item = T>` answers by many items,
//! where `T` may be a `Result`; `#[timeout = "2s"]` and `#[concurrent = 64]` are the server's, for this method.
//!
//! **`#[server(..)]`** takes [defaults for the builder](macro@crate::server#options), and [`layers = [..]`](layers), whose
//! expressions may use `self`. It gives the type `builder()`, where each can be changed, and `serve()`.
//!
//! ```
//! use netpoll::{Frame, frame::Auto};
//!
//! #[derive(Frame)]
//! struct Message<'a> {
//!     #[frame(len(of = rest))]
//!     length: Auto<u32>,
//!     #[frame(rest)]
//!     body: &'a [u8],
//! }
//!
//! struct Counting;
//!
//! #[netpoll::server(listen = "127.0.0.1:0", idle_timeout = "5m")]
//! impl Counting {
//!     #[on_connect]
//!     fn enter(&self) -> u32 {
//!         0
//!     }
//!
//!     #[on_request]
//!     fn echo<'a>(&self, count: &mut u32, message: Message<'a>) -> Option<Message<'a>> {
//!         *count += 1;
//!         (*count <= 100).then_some(message)
//!     }
//! }
//!
//! let server = Counting.builder().max_frame(1 << 20).bind()?;
//! assert!(server.addresses()[0].inet().is_some());
//! # Ok::<(), netpoll::Error>(())
//! ```
//!
//! # The order of hooks
//! ```text
//!   on_prepare ──▶ on_connect ──▶ on_request* ──────────────▶ on_close
//!   may refuse     the session    frames, in order              once, last, with the session
//!                                   on_disconnect: once, if the peer went first;
//!                                   beside a request, or after the last one
//! ```

mod batch;
mod batch_runner;
mod call;
mod callback;
mod coded;
mod concurrent;
mod concurrent_task;
mod connection_handler;
#[cfg(feature = "udp")]
pub mod datagram;
mod detach;
mod dispatch;
mod done;
mod extract;
mod fault;
mod fault_reply;
mod free;
#[doc(hidden)]
pub mod glue;
mod goodbye;
mod guard;
mod handler_state;
mod hook_results;
mod hook_set;
mod hooks;
mod in_flight;
#[cfg(all(test, loom))]
mod in_flight_models;
mod inherited;
#[cfg(any(feature = "json", feature = "postcard"))]
mod items;
mod last_hook;
pub mod layers;
mod loan;
mod notes;
mod observed;
mod outcome;
mod payload;
#[cfg(any(feature = "json", feature = "postcard"))]
#[doc(hidden)]
pub mod remote;
#[cfg(any(feature = "json", feature = "postcard"))]
mod remote_client;
#[cfg(any(feature = "json", feature = "postcard"))]
#[doc(hidden)]
pub mod remote_outcome;
#[cfg(any(feature = "json", feature = "postcard"))]
mod remote_result;
#[cfg(any(feature = "json", feature = "postcard"))]
mod remote_stream;
mod replies;
mod reply;
mod request;
mod routed;
mod sessions;
mod within;

use std::{future::Future, time::Duration};

pub use call::{Call, Flow, Out};
pub use coded::Coded;
#[cfg(feature = "udp")]
pub use datagram::DatagramService;
pub use detach::Detach;
pub use extract::{CallParts, FromCall, FromHook, HookParts, In, Local, Peer, State};
pub use fault::Fault;
pub use free::Free;
pub use hooks::{
    NoHook, OnClose, OnConnect, OnDisconnect, OnError, OnHalfClose, OnIdle, OnPrepare, OnRequest,
};
#[cfg(feature = "json")]
pub use payload::Json;
#[cfg(any(feature = "json", feature = "postcard"))]
pub use payload::PayloadFormat;
#[cfg(feature = "postcard")]
pub use payload::Postcard;
#[cfg(feature = "prost")]
pub use payload::Prost;
pub use payload::{FromPayload, IntoPayload};
#[cfg(any(feature = "json", feature = "postcard"))]
pub use remote::{MethodDescription, MethodServer, Methods, ServiceDescription};
#[cfg(any(feature = "json", feature = "postcard"))]
pub use remote_client::MethodClient;
#[cfg(any(feature = "json", feature = "postcard"))]
pub use remote_outcome::MethodError;
#[cfg(any(feature = "json", feature = "postcard"))]
pub use remote_result::{CallError, NoError};
#[cfg(any(feature = "json", feature = "postcard"))]
pub use remote_stream::MethodStream;
pub use replies::{FromStream, Replies};
pub use reply::{IntoErrorReply, IntoReply, Reply};
pub use request::Request;

pub(crate) use handler_state::{ConnectionHandler, ConnectionOwner};

/// Returns true if the handlers of a service read from their peers themselves.
pub(crate) const fn reads_itself<S: Service>() -> bool {
    <S::Request as request::Take>::READS
}

use crate::{
    conn::{CloseReason, Connection},
    error::{Error, Result},
};

/// The dispatch of requests to `on_request`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dispatch {
    /// One at a time for each connection, in the connection's turn. The handler may compute or block
    /// for as long as it likes: its poller is then taken over by another worker. An `on_request` that
    /// awaits something which is not ready blocks its worker, which is correct but costs a thread: a
    /// handler that waits for bytes of its own is better [`Async`](Self::Async).
    #[default]
    Sync,
    /// Like [`Sync`](Self::Sync), for pure computation: the poller is never taken over, so that a turn
    /// costs two atomics less, and a handler that blocks stalls all connections of its poller.
    Inline,
    /// One at a time for each connection, as a future that workers poll: waiting costs no thread.
    Async,
    /// Side by side, up to `max` for each connection; past them the connection is not read. Each is a
    /// future that workers poll, and may block its worker. The session is what
    /// [`Service::share`] gives.
    ///
    /// Answers leave as they come, so that they need a number by which the client tells them apart
    /// ([`Sequenced`](crate::frame::Sequenced)); a request that is dropped at its deadline is not
    /// answered, and the connection goes on. With `ordered` they leave in the order of the requests.
    Concurrent {
        /// Requests at once.
        max: usize,
        /// True if answers leave in the order of their requests.
        ordered: bool,
    },
}

/// The behaviour of a server: its hooks and its handler of requests.
///
/// One value serves all connections and is shared by all workers; what belongs to one connection is
/// its [`Session`](Self::Session). All hooks but `on_request` and `on_disconnect` run one at a time for
/// each connection; those two may run side by side. A panic in a hook closes its connection and
/// nothing else; `on_error` is told.
///
/// ```no_run
/// use netpoll::{Call, Connection, Dispatch, EventLoop, Flow, In, Result, Service};
///
/// /// Answers each line with itself.
/// struct Lines;
///
/// impl Service for Lines {
///     type Session = ();
///     type Request = In<'static>;
///     /// A handler that waits for the rest of a line occupies no worker.
///     const DISPATCH: Dispatch = Dispatch::Async;
///
///     async fn on_connect(&self, _: &Connection) -> Result<()> {
///         Ok(())
///     }
///
///     async fn on_request<'a>(&'a self, call: Call<'a, ()>, mut input: In<'a>) -> Result<Flow> {
///         let line = input.until_async(b'\n').await?;
///         call.out.buf.write(line)?;
///         Ok(Flow::Continue)
///     }
/// }
///
/// EventLoop::builder(Lines).listen("127.0.0.1:9000").bind()?.serve()?;
/// # Ok::<(), netpoll::Error>(())
/// ```
pub trait Service: Send + Sync + Sized + 'static {
    /// The state of one connection, from `on_connect` to `on_close`.
    type Session: Send + 'static;

    /// The input of `on_request`: a [`Frame`](crate::frame::Frame), [`Coded`] by a codec, or [`In`] for
    /// the bytes.
    type Request: Request;

    /// The dispatch of requests to `on_request`.
    const DISPATCH: Dispatch = Dispatch::Sync;

    /// The deadline of a request, unless the server's builder sets one.
    const TIMEOUT: Option<Duration> = None;

    /// True if [layers](crate::layers) look at its requests.
    #[doc(hidden)]
    const LAYERED: bool = false;

    /// True if one of its layers asks for times.
    #[doc(hidden)]
    const TIMED: bool = false;

    /// True if it serves connections. False for a server of datagrams alone, which cannot listen for
    /// connections.
    const STREAMS: bool = true;

    /// The handler of the datagrams that come to `udp://` addresses; without one the server cannot listen
    /// there.
    #[cfg(feature = "udp")]
    fn datagrams(_server: &std::sync::Arc<Self>) -> Option<DatagramService> {
        None
    }

    /// Called when a connection was accepted. An error refuses it: it is closed without a word, and no
    /// other hook runs.
    ///
    /// # Errors
    /// The reason for refusing.
    fn on_prepare(&self, _conn: &Connection) -> Result<()> {
        Ok(())
    }

    /// Creates the session. No request is handled before it exists.
    ///
    /// # Errors
    /// Closes the connection; `on_error` is told, `on_close` is not called.
    fn on_connect(&self, conn: &Connection) -> impl Future<Output = Result<Self::Session>> + Send;

    /// Returns the order to detach the connection, taken out of a `session` that
    /// [`on_connect`](Self::on_connect) has just created: no request is read, and the connection goes on
    /// without this service. `on_close` is called for the session with
    /// [`CloseReason::Detached`].
    fn detach(_session: &mut Self::Session) -> Option<Detach> {
        None
    }

    /// Handles one request. What is written to `call.out` leaves at the end of the turn, together with
    /// the answers to other requests.
    ///
    /// # Errors
    /// Closes the connection after what was answered is sent; `on_error` is told.
    fn on_request<'a>(
        &'a self,
        call: Call<'a, Self::Session>,
        request: <Self::Request as Request>::At<'a>,
    ) -> impl Future<Output = Result<Flow>> + Send + 'a;

    /// Answers a request that is not handled, since a [layer](crate::layers) has refused it. By default the
    /// refusal closes the connection.
    ///
    /// # Errors
    /// Closes the connection after what was answered is sent; `on_error` is told.
    fn refuse(
        &self,
        request: &<Self::Request as Request>::At<'_>,
        fault: Fault,
        out: &mut Out<'_>,
    ) -> Result<Flow> {
        let _ = (request, out);
        Err(fault.into())
    }

    /// Called on each open connection once the server drains: writes a goodbye to `out`, if the protocol has one.
    ///
    /// Returns true if the peer then ends the connection, as netpoll's clients do at the mark `goodbye`. It has
    /// a second for that, in which its requests are answered. If false, by default, the connection closes as
    /// soon as it has nothing to do, and a request that is under way to it is lost.
    ///
    /// # Errors
    /// The goodbye cannot be written: the connection closes.
    fn on_drain(&self, conn: &Connection, out: &mut Out<'_>) -> Result<bool> {
        let _ = (conn, out);
        Ok(false)
    }

    /// Returns another handle to the session, for a concurrent request. Called only where requests are
    /// concurrent ([`Dispatch::Concurrent`]), and must not return `None` there. The session is then an
    /// [`Arc`](std::sync::Arc), or something else that is cheap to clone.
    fn share(_session: &Self::Session) -> Option<Self::Session> {
        None
    }

    /// Called when the peer disconnects. Runs on the poller, so it must be short; a request may be under way, and requests
    /// that came before may still be handled after it.
    fn on_disconnect(&self, _conn: &Connection, _reason: CloseReason) {}

    /// Called once when the peer has sent its end, on connections with
    /// [`keep_half_open`](crate::ConnectionOptions::keep_half_open): after the requests that came before it
    /// are answered. Nothing more comes, and what this side sends still arrives. The connection ends when
    /// this side has shut down its direction too
    /// ([`shutdown_write`](crate::Connection::shutdown_write)), or closes it.
    fn on_half_close(&self, _conn: &Connection) {}

    /// Called when the connection has ended. Nothing runs for it after this.
    fn on_close(
        &self,
        _conn: &Connection,
        _session: Self::Session,
        _reason: CloseReason,
    ) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Called for an error that closes the connection: a frame that is malformed or too large, a timeout,
    /// an error or a panic of another hook.
    fn on_error(&self, _conn: &Connection, _error: &Error) {}

    /// Called when nothing was received for `idle_timeout`. True closes the connection, false waits once
    /// more.
    fn on_idle(&self, _conn: &Connection) -> bool {
        true
    }
}
