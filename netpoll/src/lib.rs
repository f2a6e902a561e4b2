//! Non-blocking network library for RPC servers and clients.

mod addr;
pub mod buf;
mod counters;
mod error;
pub mod frame;
pub mod mem;
pub mod poller;
mod primitive;
mod sys;
mod timer;

pub use addr::{Address, PeerAddress};
pub use error::{Error, ErrorKind, Result};
