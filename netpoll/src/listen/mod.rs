//! The acceptor, which turns waiting clients into connections.

mod acceptor;

pub(crate) use acceptor::{AcceptHandler, Acceptor};
