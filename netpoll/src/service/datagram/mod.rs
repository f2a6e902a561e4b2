//! Handlers of datagrams: [`OnDatagram`], its arguments and replies, and what calls it.
//!
//! `#[on_datagram]` stands on a free function, which is then a server by itself
//! ([`serve`](crate::serve) with `udp://host:port`); on a method of a `#[server]` impl block, beside
//! handlers of streams or alone; or on a function that `#[server(on_datagram = ..)]` names on a struct.
//!
//! **The last argument** is the datagram: a derived frame that fills it, `&[u8]`, or
//! [`Datagram`](crate::Datagram). **Those before it** are taken from the call ([`FromDatagram`]):
//! [`Peer`](super::Peer), [`Local`](super::Local) (the address that it came to),
//! [`Ecn`], [`State`](super::State), [`DatagramOut`].
//!
//! **Returns** are `()`, a frame or bytes, `Option`, `Result` whose error is an
//! [`IntoErrorReply`](super::IntoErrorReply), and [`Replies`](super::Replies) of an iterator. A reply
//! leaves from the address that its datagram came to. Each frame is a datagram of its own.
//!
//! **`#[on_datagram(..)]`** takes `inline`, `concurrent = N` and `timeout = "2s"`. A `fn` handles the
//! datagrams of a socket one at a time; one that blocks holds up those behind it on its socket, and no
//! others. An `async fn` is a future that workers poll, one at a time for each socket, or up to `N`.
//!
//! A datagram that is not of the frame's format is counted and dropped; `on_error` is told, once a
//! second, if it takes no `&Connection`. Limits of rates are the handler's: it knows the peer, and
//! `None` answers nothing.
//!
//! ```
//! use netpoll::{Frame, Peer};
//!
//! #[derive(Frame)]
//! #[frame(datagram)]
//! struct Ping<'a> {
//!     #[frame(seq)]
//!     number: u32,
//!     #[frame(rest)]
//!     body: &'a [u8],
//! }
//!
//! #[netpoll::on_datagram]
//! fn pong<'a>(peer: Peer, ping: Ping<'a>) -> Option<Ping<'a>> {
//!     (peer.0.port() != Some(0)).then_some(ping)
//! }
//!
//! use netpoll::{EventLoop, UdpClient, service::Free};
//! let server = EventLoop::builder(Free::<pong>::new()).listen("udp://127.0.0.1:0").bind()?;
//! let client = UdpClient::connect(server.addresses()[0].inet().unwrap())?;
//! let reply = client.call::<Ping<'static>, Ping<'static>>(Ping { number: 0, body: b"hi" })?;
//! assert_eq!(reply.get()?.body, b"hi");
//! # Ok::<(), netpoll::Error>(())
//! ```

mod dispatch;
mod extract;
mod fault;
mod out;
mod payload;
mod reply;

use std::{fmt, future::Future, net::SocketAddr, sync::Arc, time::Duration};

pub use extract::{DatagramParts, FromDatagram};
pub use fault::OnDatagramError;
#[doc(hidden)]
pub use fault::log as log_fault;
pub use out::DatagramOut;
pub use payload::Payload;
pub use reply::IntoDatagrams;

use super::Dispatch;
use crate::{
    error::Result,
    udp::{Ecn, Handler},
};

/// A handler of datagrams, for the server `S`.
///
/// ```
/// use netpoll::{DatagramCall, OnDatagram, Result};
///
/// /// Answers each datagram with itself.
/// struct Echo;
///
/// impl<S: Sync> OnDatagram<S> for Echo {
///     type Payload = &'static [u8];
///     type At<'a> = &'a [u8];
///     async fn on_datagram<'a>(_: &'a S, mut call: DatagramCall<'a>, bytes: &'a [u8]) -> Result<()> {
///         call.out.send_bytes(bytes)
///     }
/// }
/// # let _ = Echo;
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not handle the datagrams of `{S}`",
    label = "no handler of datagrams for `{S}`",
    note = "write `#[netpoll::on_datagram]` on the function; an argument `State<'_, {S}>` names the \
            server"
)]
pub trait OnDatagram<S> {
    /// The argument of the handler: a frame, `&[u8]`, or a [`Datagram`](crate::Datagram).
    type Payload: for<'a> Payload<At<'a> = Self::At<'a>>;

    /// The datagram, as it borrows from the bytes that came.
    type At<'a>: Send;

    /// The dispatch of datagrams to it. [`Dispatch::Async`] is [`Dispatch::Concurrent`] with one at a
    /// time; datagrams have no order to keep.
    const DISPATCH: Dispatch = Dispatch::Sync;

    /// True if it may block its thread, as a `fn` does: where datagrams are handled side by side each
    /// is then a task from the start, and not first tried in the turn.
    const BLOCKS: bool = false;

    /// False for the hook that is not there.
    const SERVES: bool = true;

    /// The longest time for one datagram: a future is dropped then, and a wait of a sync handler's ends.
    const TIMEOUT: Option<Duration> = None;

    /// Handles one datagram.
    ///
    /// # Errors
    /// Counted; `on_error` is told.
    fn on_datagram<'a>(
        server: &'a S,
        call: DatagramCall<'a>,
        datagram: Self::At<'a>,
    ) -> impl Future<Output = Result<()>> + Send + 'a;
}

/// The facts that come with a datagram.
#[derive(Debug)]
pub struct DatagramCall<'a> {
    /// The address that it came from.
    pub peer: SocketAddr,
    /// The address that it was sent to.
    pub local: SocketAddr,
    /// Its congestion mark.
    pub ecn: Ecn,
    /// The way out for replies.
    pub out: DatagramOut<'a>,
}

/// The handler of a server's datagrams: see [`Service::datagrams`](super::Service::datagrams).
#[derive(Clone)]
pub struct DatagramService(pub(crate) Arc<dyn Handler>);

impl DatagramService {
    /// The datagrams of `server` are handled by `D`; `E` is told of errors,
    /// [`NoHook`](super::NoHook) logs them.
    pub fn new<S, D, E>(server: &Arc<S>) -> Self
    where
        S: Send + Sync + 'static,
        D: OnDatagram<S> + 'static,
        E: OnDatagramError<S> + 'static,
    {
        Self(dispatch::handler::<S, D, E>(server))
    }

    /// Creates the handler, if `D` is a hook that is there.
    #[doc(hidden)]
    pub fn of<S, D, E>(server: &Arc<S>) -> Option<Self>
    where
        S: Send + Sync + 'static,
        D: OnDatagram<S> + 'static,
        E: OnDatagramError<S> + 'static,
    {
        D::SERVES.then(|| Self::new::<S, D, E>(server))
    }
}

/// The hook that is not there.
impl<S: Sync> OnDatagram<S> for super::NoHook {
    type Payload = &'static [u8];
    type At<'a> = &'a [u8];
    const SERVES: bool = false;

    async fn on_datagram<'a>(_: &'a S, _: DatagramCall<'a>, _: &'a [u8]) -> Result<()> {
        Ok(())
    }
}

impl fmt::Debug for DatagramService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatagramService")
    }
}
