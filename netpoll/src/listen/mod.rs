//! The acceptor, which turns waiting clients into connections of a server, and listeners without one.

mod acceptor;
mod bind;
mod raw;
mod shared_memory;

pub(crate) use acceptor::{AcceptHandler, Acceptor};
pub(crate) use bind::{bind, inherit};
pub use raw::{Listener, ListenerBuilder};
pub(crate) use shared_memory::Sessions;
