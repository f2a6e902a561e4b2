//! A free function as a whole server.

use std::{fmt, future::Future, marker::PhantomData, time::Duration};

use super::{
    Call, Dispatch, Flow, Request, Service,
    hooks::{NoHook, OnConnect, OnRequest},
    sessions::{Kept, Wants},
};
use crate::{conn::Connection, error::Result};

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

type Session<H> = <<H as Wants>::Session as Kept>::Session;

impl<H> Service for Free<H>
where
    H: Wants + OnRequest<Self, Session<H>> + 'static,
    Session<H>: Default + Send + 'static,
{
    type Session = Session<H>;
    type Request = H::Request;
    const DISPATCH: Dispatch = H::DISPATCH;
    const TIMEOUT: Option<Duration> = H::TIMEOUT;

    #[inline]
    fn on_connect(&self, conn: &Connection) -> impl Future<Output = Result<Self::Session>> + Send {
        <NoHook as OnConnect<Self, H::Session>>::on_connect(self, conn)
    }

    #[inline]
    fn on_request<'a>(
        &'a self,
        call: Call<'a, Self::Session>,
        request: <Self::Request as Request>::At<'a>,
    ) -> impl Future<Output = Result<Flow>> + Send + 'a {
        H::on_request(self, call, request)
    }

    #[inline]
    fn share(session: &Self::Session) -> Option<Self::Session> {
        H::share(session)
    }
}
