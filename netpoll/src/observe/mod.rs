//! Observers: code that is told of connections, requests, hand-overs, stalls and failures.
//!
//! An [`Observer`] is added to a server ([`EventLoopBuilder::observer`](crate::EventLoopBuilder::observer)), and is
//! told of that server's connections and requests; or to a runtime
//! ([`RuntimeBuilder::observer`](crate::RuntimeBuilder::observer)), and is told of all servers on it, and of the
//! runtime's own events. Several may be added. Without one nothing is measured: no clock is read, and a request
//! costs two comparisons and the count of requests, by which stalls are found.
//!
//! | event | of | runs on |
//! | --- | --- | --- |
//! | [`connection_opened`](Observer::connection_opened) | server, runtime | the worker that accepts |
//! | [`connection_closed`](Observer::connection_closed) | server, runtime | the worker that ends the connection, after `on_close` |
//! | [`request_begun`](Observer::request_begun), [`request_ended`](Observer::request_ended) | server, runtime | the worker that runs the handler |
//! | [`accept_failed`](Observer::accept_failed) | server, runtime | the worker that accepts |
//! | [`budget_reached`](Observer::budget_reached) | server, runtime | the connection's worker |
//! | [`stalled`](Observer::stalled) | server, runtime | the runtime's monitor |
//! | [`handed_over`](Observer::handed_over) | runtime | the worker that gives its poller away, or the monitor |
//!
//! Methods are called where the event happens, by threads that other connections wait for: they must be short, and
//! neither block nor wait. They may use atomics, short locks, and channels that do not wait. A panic is caught,
//! counted and logged, and changes nothing else.
//!
//! No event holds a byte of what peers sent or receive. The [name of a route](Route) is one that the server's code
//! declares, so that labels made of it are bounded.
//!
//! ```
//! use std::sync::{Arc, atomic::{AtomicU64, Ordering::Relaxed}};
//! use netpoll::{Frame, observe::{Observer, RequestEnded}};
//!
//! #[derive(Default)]
//! struct Slow(AtomicU64);
//!
//! impl Observer for Slow {
//!     fn request_ended(&self, request: &RequestEnded<'_>) {
//!         if request.handled.as_millis() > 100 {
//!             self.0.fetch_add(1, Relaxed);
//!         }
//!     }
//! }
//!
//! # #[derive(Frame)] struct Byte { byte: u8 }
//! #[netpoll::on_request]
//! fn echo(byte: Byte) -> Byte { byte }
//!
//! let slow = Arc::new(Slow::default());
//! let server = netpoll::server::<echo>().name("echo").observer(slow.clone()).listen("127.0.0.1:0").bind()?;
//! # drop(server);
//! # Ok::<(), netpoll::Error>(())
//! ```

mod event;
mod moments;
mod outcome;
mod request;
mod route;
mod scope;
mod stall;
pub(crate) mod thread;

use std::sync::Arc;

pub use event::{
    AcceptFailed, Budget, BudgetReached, ConnectionClosed, ConnectionOpened, HandOver,
    HandOverCause, RequestBegun, RequestEnded,
};
pub(crate) use moments::{Moments, Stamp};
pub use outcome::Outcome;
pub(crate) use request::Watch;
pub use route::{Route, RouteName};
pub(crate) use scope::{Observed, Observers, Scope};
pub use stall::{Stall, StallPlace};

/// A receiver of events; see the [module](self) for what its methods may do. Each method does nothing by default.
pub trait Observer: Send + Sync + 'static {
    /// Called when a connection was accepted, before its handshake and its hooks.
    fn connection_opened(&self, connection: &ConnectionOpened<'_>) {
        let _ = connection;
    }

    /// Called when an accepted connection has ended, after its last hook: once for each
    /// [`connection_opened`](Self::connection_opened).
    fn connection_closed(&self, connection: &ConnectionClosed<'_>) {
        let _ = connection;
    }

    /// Called before the handler of a request runs.
    fn request_begun(&self, request: &RequestBegun<'_>) {
        let _ = request;
    }

    /// Returns false if [`request_begun`](Self::request_begun) does nothing, so that nobody need call it.
    #[doc(hidden)]
    fn observes_begin(&self) -> bool {
        true
    }

    /// Called when the handler of a request has ended, by whatever outcome: once for each
    /// [`request_begun`](Self::request_begun).
    fn request_ended(&self, request: &RequestEnded<'_>) {
        let _ = request;
    }

    /// Called when a worker lost its poller to another one.
    fn handed_over(&self, hand_over: &HandOver) {
        let _ = hand_over;
    }

    /// Called once for each handler that runs or waits for longer than
    /// [`stall_after`](crate::RuntimeBuilder::stall_after).
    fn stalled(&self, stall: &Stall) {
        let _ = stall;
    }

    /// Called when a listener pauses since it cannot accept, and when it fails for good.
    fn accept_failed(&self, failure: &AcceptFailed<'_>) {
        let _ = failure;
    }

    /// Called when a connection has used up a budget.
    fn budget_reached(&self, budget: &BudgetReached<'_>) {
        let _ = budget;
    }
}

macro_rules! forward {
    ($($name:ident: $event:ty),* $(,)?) => {
        impl<O: Observer + ?Sized> Observer for Arc<O> {
            $(fn $name(&self, event: $event) { (**self).$name(event); })*

            fn observes_begin(&self) -> bool {
                (**self).observes_begin()
            }
        }
    };
}

forward! {
    connection_opened: &ConnectionOpened<'_>,
    connection_closed: &ConnectionClosed<'_>,
    request_begun: &RequestBegun<'_>,
    request_ended: &RequestEnded<'_>,
    handed_over: &HandOver,
    stalled: &Stall,
    accept_failed: &AcceptFailed<'_>,
    budget_reached: &BudgetReached<'_>,
}
