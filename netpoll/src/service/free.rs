//! A free function as a whole server.

use std::{fmt, marker::PhantomData};

use super::{
    hook_set::HookSet,
    hooks::{NoHook, OnRequest},
    sessions::{Kept, Wants},
};

/// A server that is nothing but its handler of requests `H`. See [`serve`](crate::serve).
pub struct Free<H>(PhantomData<fn() -> H>);

impl<H> Free<H> {
    /// The server, for [`EventLoop::builder`](crate::EventLoop::builder).
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<H> Default for Free<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H> fmt::Debug for Free<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Free")
    }
}

/// A function that is a server by itself: every handler of requests is, and every handler of datagrams.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no server by itself",
    label = "neither a handler of requests nor of datagrams",
    note = "write `#[netpoll::on_request]` or `#[netpoll::on_datagram]` on the function"
)]
pub trait Alone<S>: Sized + 'static {
    /// The session of its connections.
    type Session: Kept<Session: Default + Send + 'static>;

    /// The handler of their requests.
    type Request: OnRequest<S, <Self::Session as Kept>::Session>;

    /// The handler of datagrams.
    #[cfg(feature = "udp")]
    fn datagrams(_server: &std::sync::Arc<S>) -> Option<super::DatagramService> {
        None
    }
}

#[diagnostic::do_not_recommend]
impl<S, H> Alone<S> for H
where
    H: Wants<Session: Kept<Session: Default + Send + 'static>>
        + OnRequest<S, <H::Session as Kept>::Session>
        + 'static,
{
    type Session = H::Session;
    type Request = H;
}

impl<H: Alone<Self>> HookSet for Free<H> {
    type Session = H::Session;
    type Prepare = NoHook;
    type Connect = NoHook;
    type Request = H::Request;
    type Disconnect = NoHook;
    type HalfClose = NoHook;
    type Close = NoHook;
    type Error = NoHook;
    type Idle = NoHook;

    #[cfg(feature = "udp")]
    fn datagrams(server: &std::sync::Arc<Self>) -> Option<super::DatagramService> {
        H::datagrams(server)
    }
}
