//! The names that expansions of the attributes use; not a part of the API.

pub use super::{
    Call, CallParts, Coded, Dispatch, Flow, FromCall, FromHook, HookParts, In, IntoReply, NoHook,
    OnClose, OnConnect, OnDisconnect, OnError, OnHalfClose, OnIdle, OnPrepare, OnRequest, Out,
    Request, Service,
    coded::By,
    fault::Fault,
    fault_reply::{Faults, NoFaults, NoNumbers, Numbers},
    free::Alone,
    goodbye::{Goodbyes, NoGoodbyes, say_goodbye},
    hook_results::{idle, logged, told},
    hook_set::HookSet,
    layers::{Layer, Layered},
    reply::{Numbered, Plain, Puts},
    routed::{RouteLimit, RoutePlace, answer, argument, enter, into_payload, route_deadline},
    sessions::{Choose, Chosen, IntoOwned, IntoSession, Kept, Named, Shared, Unnamed, Wants},
    within::within,
};
#[cfg(feature = "udp")]
pub use super::{
    DatagramService,
    datagram::{
        DatagramCall, DatagramParts, FromDatagram, IntoDatagrams, OnDatagram, OnDatagramError,
        log_fault,
    },
};
pub use crate::{
    conn::{CloseReason, Connection, ConnectionOptions},
    error::{Error, Result},
    frame::{Routed, Sequenced},
    observe::RouteName,
};
use crate::{error::ErrorKind, frame::Frame, observe::Route};

/// Notes that the request which this thread handles has none of the server's routes.
#[inline]
pub fn enter_no_route() {
    Route::NONE.enter();
}

/// Returns a layer of the list `layers = [..]`.
pub fn layer<L: Layer + 'static>(layer: L) -> impl Layer + 'static {
    layer
}

/// The return type of hooks that give no value: `T`, or a `Result` of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be returned from this hook",
    label = "neither `{T}` nor a `Result` of it",
    note = "return `{T}` or `Result<{T}, E>` where `E` becomes a `netpoll::Error`"
)]
pub trait Outcome<T> {
    /// Converts it into a result.
    fn outcome(self) -> Result<T>;
}

impl<T> Outcome<T> for T {
    #[inline]
    fn outcome(self) -> Result<T> {
        Ok(self)
    }
}

impl<T, E: Into<Error>> Outcome<T> for Result<T, E> {
    #[inline]
    fn outcome(self) -> Result<T> {
        self.map_err(Into::into)
    }
}

/// A reply that takes its request's number, of the type `Q`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no number by which the client finds the request that it answers",
    label = "lacks a number of the request's type",
    note = "mark the number's field with `#[frame(seq)]`, or answer in order: \
            `#[on_request(concurrent = .., ordered)]`"
)]
pub trait NumberedReply<Q>: IntoReply<Numbered<Q>> {}

#[diagnostic::do_not_recommend]
impl<Q, R: IntoReply<Numbered<Q>>> NumberedReply<Q> for R {}

/// A request that carries the number by which its reply is found.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no number by which its reply is found",
    label = "lacks a number",
    note = "mark the number's field with `#[frame(seq)]`, or answer in order: \
            `#[on_request(concurrent = .., ordered)]`; a reader, `In<'_>`, is for one request at a time"
)]
pub trait NumberedRequest: Sequenced {}

#[diagnostic::do_not_recommend]
impl<F: Sequenced> NumberedRequest for F {}

/// A request that can be handled beside others.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be handled beside other requests",
    label = "there is one for the connection",
    note = "take a frame, or remove `concurrent`: requests are then handled one at a time"
)]
pub trait Beside {}

#[diagnostic::do_not_recommend]
impl<F: Frame> Beside for F {}

/// Checks that requests `F` can be handled concurrently.
#[inline]
pub fn beside<F: Beside>() {}

/// A session that is made where no hook makes it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no default, and no `on_connect` makes it",
    label = "nothing makes this session",
    note = "add `#[on_connect] fn connect(&self, conn: &Connection) -> {Self}`, or derive `Default`"
)]
pub trait DefaultSession: Default {}

#[diagnostic::do_not_recommend]
impl<T: Default> DefaultSession for T {}

/// Creates a session of its default value.
#[inline]
pub fn default_session<T: DefaultSession>() -> T {
    T::default()
}

/// Returns the sequence number of `request`.
#[inline]
pub fn number<F: NumberedRequest>(request: &F) -> F::Seq {
    request.seq()
}

/// Answers the request with the sequence number `q`.
#[inline]
pub async fn numbered<Q: Copy + Send, R: NumberedReply<Q> + Send>(
    reply: R,
    q: Q,
    out: &mut Out<'_>,
) -> Result<Flow> {
    reply.reply(&mut Numbered(q), out).await
}

/// Converts the session into the type that `on_close` takes.
///
/// # Errors
/// Somebody else has it still.
pub fn owned<T, S: IntoOwned<T>>(session: S) -> Result<T> {
    session.into_owned().ok_or_else(|| {
        Error::new(ErrorKind::Config, "a session is still in use when its connection closes")
    })
}

/// What stands in it, where the library has datagrams.
#[cfg(feature = "udp")]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_udp {
    ($($item:item)*) => { $($item)* };
}

/// What stands in it, where the library has datagrams.
#[cfg(not(feature = "udp"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __with_udp {
    ($($item:item)*) => {};
}
