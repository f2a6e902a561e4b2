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

impl<H> HookSet for Free<H>
where
    H: Wants<Session: Kept<Session: Default + Send + 'static>>
        + OnRequest<Self, <H::Session as Kept>::Session>
        + 'static,
{
    type Session = H::Session;
    type Prepare = NoHook;
    type Connect = NoHook;
    type Request = H;
    type Disconnect = NoHook;
    type Close = NoHook;
    type Error = NoHook;
    type Idle = NoHook;
}
