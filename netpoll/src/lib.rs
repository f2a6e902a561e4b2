#![doc = include_str!("front.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod addr;
#[cfg(feature = "admin")]
pub mod admin;
pub mod buf;
pub mod client;
mod conn;
mod counters;
mod dial;
mod error;
mod facts;
pub mod frame;
mod guard;
mod listen;
#[cfg(doctest)]
mod macro_docs;
pub mod mem;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod notify;
pub mod observe;
pub mod poller;
mod primitive;
#[cfg(any(feature = "admin", feature = "metrics"))]
mod prometheus;
mod random;
pub mod rpc;
mod sched;
mod server;
pub mod service;
#[cfg_attr(not(target_os = "linux"), path = "shm/elsewhere.rs")]
mod shm;
pub mod signal;
mod sys;
#[cfg(feature = "testing")]
pub mod testing;
mod throttle;
mod timer;
#[cfg(feature = "tls")]
pub mod tls;
mod trace_parent;
pub mod transport;
#[cfg(feature = "udp")]
mod udp;
pub mod upgrade;

pub use addr::{Address, PeerAddress, ToAddress};
#[cfg(feature = "udp")]
pub use client::UdpClient;
pub use conn::{
    BoxCopy, ByteStream, Cancel, CloseReason, Connection, ConnectionId, ConnectionOptions, Copied,
    CopyBidirectional, CopyError, Deadline, Frames, Keepalive, ReadHalf, Reader, WriteHalf, Writer,
    copy_bidirectional,
};
pub use dial::Dialer;
pub use error::{Error, ErrorKind, Result};
pub use frame::Frame;
pub use futures_core::Stream;
pub use listen::{Listener, ListenerBuilder};
#[cfg(feature = "udp")]
pub use netpoll_macros::on_datagram;
pub use netpoll_macros::{
    Frame, on_close, on_connect, on_disconnect, on_error, on_half_close, on_idle, on_prepare,
    on_request, server, service,
};
pub use sched::{
    JoinHandle, Runtime, RuntimeBuilder, Sleep, Stats, Syscalls, SystemCalls, Timeout, block_on,
    blocking, sleep, spawn, timeout,
};
pub use server::{
    Cut, EventLoop, EventLoopBuilder, ServerHandle, ShutdownReport, serve, serve_async, server,
};
#[cfg(feature = "udp")]
pub use service::datagram::{
    DatagramCall, DatagramOut, DatagramParts, FromDatagram, IntoDatagrams, OnDatagram,
};
pub use service::layers;
pub use service::{
    Call, CallParts, Coded, Detach, Dispatch, Fault, Flow, FromCall, FromHook, FromStream,
    HookParts, In, IntoErrorReply, IntoReply, Local, NoHook, OnClose, OnConnect, OnDisconnect,
    OnError, OnHalfClose, OnIdle, OnPrepare, OnRequest, Out, Peer, Replies, Reply, Request,
    Service, State,
};
pub use sys::{Credentials, raise_fd_limit};
pub use trace_parent::TraceParent;
pub use transport::Transport;
#[cfg(feature = "udp")]
pub use udp::{Datagram, DatagramOptions, DatagramStats, Ecn};

/// Former name of [`ServerHandle`].
#[deprecated(note = "renamed to `ServerHandle`")]
pub type Handle = ServerHandle;

/// Items that the expansions of this crate's macros name; no part of the API.
#[doc(hidden)]
pub mod __private {
    pub use crate::frame::derived;
    #[cfg(not(feature = "tls"))]
    pub use crate::server::NeedsFeatureTls;

    /// Of `#[service]`.
    #[cfg(any(feature = "json", feature = "postcard"))]
    pub mod remote {
        #[cfg(feature = "postcard")]
        pub use crate::service::Postcard;
        pub use crate::{
            client::{CallOptions, IntoEndpoints},
            error::Result,
            observe::RouteName,
            service::{
                CallError, MethodClient, MethodDescription, MethodServer, MethodStream, Methods,
                NoError, ServiceDescription,
                glue::RouteLimit,
                remote::{Answered, MethodCall},
                remote_outcome::Outcome,
            },
        };
    }

    /// Of the attributes.
    pub mod glue {
        pub use crate::{
            __with_udp as with_udp,
            server::{EventLoop, EventLoopBuilder},
            service::glue::*,
            signal::shutdown,
        };
    }
}
