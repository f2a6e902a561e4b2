//! Layers: what looks at requests before and after their handlers.
//!
//! ```text
//!   request ──▶ first.before ──▶ second.before ──▶ handler ──▶ second.after ──▶ first.after
//!                    │ a fault: the reply; neither the second layer nor the handler sees the request
//! ```
//! A [`Layer`] sees the facts of a request ([`Incoming`]) before it is handled, and its [`Outcome`] after.
//! It may refuse the request by a [`Fault`], attach a value that handlers take as [`Ext`], and run code
//! around each poll of the handler. Layers stand in the order in which they are written: the first one sees
//! requests first, and outcomes last. They run for all kinds of dispatch alike.
//!
//! A server takes them from [`EventLoopBuilder::layers`](crate::EventLoopBuilder::layers), or from the
//! option `layers = [..]` of `#[netpoll::server]`. A refused request is answered where the protocol can say
//! so (a [`status` mark](crate::frame::Judged), or an `IntoErrorReply` of [`Fault`]); elsewhere the
//! connection closes and `on_error` is told.
//!
//! | layer | |
//! | --- | --- |
//! | [`ConcurrencyLimit`] | refuses requests past a number in progress |
//! | [`RateLimit`] | refuses requests past a rate, of the server or of each peer |
//! | [`LoadShed`] | refuses requests that waited too long |
//! | [`BearerToken`] | lets requests with a known token in |
//! | [`Trace`] | a `tracing` span around each request, in its caller's trace |
//! | [`AccessLog`] | a line of `tracing` for each request |
//! | [`RequestMetrics`] | counts requests, outcomes and times by route |
//!
//! ```
//! use netpoll::{Fault, frame::Status, layers::{Ext, Incoming, Layer, Outcome}, rpc::{Answer, Call}};
//!
//! /// The number of a request's tenant.
//! #[derive(Clone)]
//! struct Tenant(u32);
//!
//! /// Finds the tenant by an entry of the request's metadata.
//! struct Tenants;
//!
//! impl Layer for Tenants {
//!     type State = ();
//!
//!     fn before(&self, request: &mut Incoming<'_>) -> Result<(), Fault> {
//!         let Some([tenant]) = request.metadata("tenant") else {
//!             return Err(Fault::new(Status::Denied, "which tenant?"));
//!         };
//!         request.attach(Tenant((*tenant).into()));
//!         Ok(())
//!     }
//! }
//!
//! struct Server;
//!
//! #[netpoll::server(frame = Call<'_>, reply = Answer<'_>, layers = [Tenants])]
//! impl Server {
//!     #[on_request("who")]
//!     fn who(&self, Ext(tenant): Ext<Tenant>, _arguments: Vec<u8>) -> Vec<u8> {
//!         tenant.0.to_string().into_bytes()
//!     }
//! }
//!
//! Server.builder().listen("127.0.0.1:0").bind()?;
//! # Ok::<(), netpoll::Error>(())
//! ```

mod bearer;
mod ext;
mod incoming;
mod layered;
mod limit;
mod log;
mod metrics;
mod rate;
mod stack;

pub use bearer::BearerToken;
pub use ext::Ext;
pub use incoming::{Incoming, Outcome};
pub use layered::Layered;
pub use limit::{ConcurrencyLimit, LoadShed, Permit};
pub use log::{AccessLog, Line, RequestSpan, Trace};
pub use metrics::{RequestCounts, RequestMetrics};
pub use rate::RateLimit;

use super::fault::Fault;

/// Code that sees each request before its handler, and its outcome after. See the [module](self).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a layer",
    label = "not a layer",
    note = "implement `netpoll::layers::Layer` for `{Self}`; up to eight layers stand in one list"
)]
pub trait Layer: Send + Sync {
    /// A value that the layer keeps from `before` to `after`, such as a permit. It is dropped after `after`.
    type State: Send + 'static;

    /// True if the layer asks for times: [`Incoming::waited`], [`Outcome::took`]. They are measured where a
    /// layer of the server says so.
    const TIMED: bool = false;

    /// Sees a request before it is handled.
    ///
    /// # Errors
    /// The fault by which the request is answered: it is not handled.
    fn before(&self, request: &mut Incoming<'_>) -> Result<Self::State, Fault>;

    /// Sees the outcome of a request for which [`before`](Self::before) returned a state: once, also if a
    /// layer behind this one refused the request, the handler panicked, or the request was dropped.
    #[inline]
    fn after(&self, state: Self::State, outcome: &Outcome) {
        let _ = (state, outcome);
    }

    /// Runs `poll`, one poll of the handler, which ends at once for a handler that is no `async fn`.
    #[inline]
    fn around<R>(&self, state: &Self::State, poll: impl FnOnce() -> R) -> R {
        let _ = state;
        poll()
    }
}
