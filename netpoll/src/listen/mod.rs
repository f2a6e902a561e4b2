//! Listening: options, and the acceptor that turns waiting clients into connections.

mod acceptor;

pub(crate) use acceptor::{Acceptor, Host};
