//! A cache that speaks memcached's text protocol.
//!
//! [`Request`] is the frame that clients send: a line, and a block of data behind some lines. [`Command`]
//! is what it says, [`Cache`] runs it, and [`Reply`] is the frame that answers. Nothing here knows of
//! sockets. The protocol is described in memcached's `doc/protocol.txt`.

mod cache;
mod command;
mod reply;

pub use cache::Cache;
pub use command::{Command, Request, Store, Verb};
pub use reply::{Reply, Value};
