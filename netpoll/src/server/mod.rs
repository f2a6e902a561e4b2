//! Servers: a service on listeners, run by a runtime.

mod builder;
mod event_loop;
mod guests;
mod report;
mod roll;
mod serve;
#[cfg(feature = "testing")]
pub(crate) mod testing;

pub use builder::EventLoopBuilder;
pub use event_loop::{EventLoop, Handle};
pub use report::{Cut, ShutdownReport};
pub use serve::serve;
