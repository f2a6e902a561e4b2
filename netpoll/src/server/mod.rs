//! Servers: a service on listeners, run by a runtime.

mod acceptance;
mod builder;
#[cfg(feature = "udp")]
mod datagrams;
mod event_loop;
mod open;
mod registry;
mod report;
mod serve;
#[cfg(feature = "testing")]
pub(crate) mod testing;

pub use builder::EventLoopBuilder;
pub use event_loop::{EventLoop, ServerHandle};
pub use report::{Cut, ShutdownReport};
pub use serve::{serve, server};
