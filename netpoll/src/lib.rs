//! Non-blocking network library for RPC servers and clients.

mod addr;
pub mod buf;
pub mod client;
mod conn;
mod counters;
mod dial;
mod error;
pub mod frame;
mod guard;
mod listen;
pub mod mem;
pub mod poller;
mod primitive;
mod random;
pub mod rpc;
mod sched;
mod server;
pub mod service;
mod sys;
#[cfg(feature = "testing")]
pub mod testing;
mod throttle;
mod timer;
pub mod transport;
#[cfg(feature = "udp")]
mod udp;

pub use addr::{Address, PeerAddress, ToAddress};
pub use conn::{
    Cancel, CloseReason, Connection, ConnectionId, ConnectionOptions, Deadline, Frames, Keepalive,
    Reader, Writer,
};
pub use dial::Dialer;
pub use error::{Error, ErrorKind, Result};
pub use frame::Frame;
pub use netpoll_macros::{
    Frame, on_close, on_connect, on_disconnect, on_error, on_idle, on_prepare, on_request, server,
};
pub use sched::{
    Builder, JoinHandle, LoadBalance, Runtime, Sleep, Stats, Syscalls, Timeout, block_on, blocking,
    sleep, timeout,
};
pub use server::{Cut, EventLoop, EventLoopBuilder, ServerHandle, ShutdownReport, serve};
#[cfg(feature = "udp")]
pub use service::datagram::{
    DatagramCall, DatagramOut, DatagramParts, FromDatagram, IntoDatagrams, OnDatagram,
};
pub use service::{
    Call, CallParts, Coded, Dispatch, Flow, FromCall, FromHook, HookParts, In, IntoErrorReply,
    IntoReply, Local, NoHook, OnClose, OnConnect, OnDisconnect, OnError, OnIdle, OnPrepare,
    OnRequest, Out, Peer, Replies, Reply, Request, Service, State, Streamed,
};
pub use sys::{Credentials, raise_fd_limit};
pub use transport::Transport;
#[cfg(feature = "udp")]
pub use udp::{Datagram, DatagramOptions, DatagramStats, Ecn};

/// What the expansions of this crate's macros name; no part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::frame::derived;

    /// Of the attributes.
    pub mod glue {
        pub use crate::{
            server::{EventLoop, EventLoopBuilder},
            service::glue::*,
        };
    }
}
