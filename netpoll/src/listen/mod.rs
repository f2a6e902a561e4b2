//! The acceptor, which turns waiting clients into connections.

mod acceptor;
mod shared_memory;

pub(crate) use acceptor::{AcceptHandler, Acceptor};
pub(crate) use shared_memory::Sessions;
