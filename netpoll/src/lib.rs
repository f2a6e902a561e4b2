//! Non-blocking network library for RPC servers and clients.

mod addr;
pub mod buf;
mod conn;
mod counters;
mod dial;
mod error;
pub mod frame;
mod listen;
pub mod mem;
pub mod poller;
mod primitive;
mod sched;
mod server;
mod service;
mod sys;
mod throttle;
mod timer;
mod transport;

pub use addr::{Address, PeerAddress};
pub use conn::{
    Cancel, CloseReason, Connection, ConnectionId, ConnectionOptions, Deadline, Keepalive, Reader,
    Writer,
};
pub use dial::Dialer;
pub use error::{Error, ErrorKind, Result};
pub use frame::Frame;
pub use netpoll_macros::Frame;
pub use sched::{
    Builder, JoinHandle, LoadBalance, Runtime, Sleep, Stats, Syscalls, Timeout, block_on, blocking,
    sleep, timeout,
};
pub use server::{Cut, EventLoop, EventLoopBuilder, Handle, ShutdownReport};
pub use service::{Call, Dispatch, Flow, Out, Raw, Request, Service};
pub use sys::{Credentials, raise_fd_limit};
pub use transport::Transport;

/// What the expansions of this crate's macros name; no part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::frame::derived;
}
