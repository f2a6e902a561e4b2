//! Servers: a service on listeners, run by a runtime.

mod acceptance;
mod builder;
#[cfg(feature = "udp")]
mod datagrams;
mod event_loop;
mod events;
mod lifecycle;
#[cfg(feature = "udp")]
mod observed_datagrams;
mod open;
mod registry;
mod report;
mod serve;
mod serve_async;
#[cfg(feature = "testing")]
pub(crate) mod testing;

pub use builder::EventLoopBuilder;
pub use event_loop::{EventLoop, ServerHandle};
pub use report::{Cut, ShutdownReport};
pub use serve::{serve, serve_async, server};

/// The bound of `tls = make` where the library was built without TLS: nothing meets it.
#[cfg(not(feature = "tls"))]
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`tls` needs the feature `tls` of the crate `netpoll`",
    label = "this build of netpoll has no TLS",
    note = "name the feature `tls` for `netpoll` in Cargo.toml"
)]
pub trait NeedsFeatureTls {}
