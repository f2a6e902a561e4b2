//! What calls a handler of datagrams: in the turn, or as a future.

use std::{
    future::{Future, poll_fn},
    marker::PhantomData,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{
    DatagramCall, OnDatagram, extract::DatagramParts, fault::OnDatagramError, out::DatagramOut,
    payload::Payload,
};
use crate::{
    error::{Error, ErrorKind, Result},
    frame::Arena,
    guard::{self, Place},
    sched::{BoxFuture, block_on::wait_for, clock, timeout},
    service::Dispatch,
    udp::{Datagram, Ecn, Fault, Handled, Handler, Held, Mode, Origin, Outbox, Outlet},
};

/// The handler `D` of the server `S`, whose errors are told to `E`.
struct Calls<S, D, E> {
    server: Arc<S>,
    hooks: PhantomData<fn() -> (D, E)>,
}

pub(super) fn handler<S, D, E>(server: &Arc<S>) -> Arc<dyn Handler>
where
    S: Send + Sync + 'static,
    D: OnDatagram<S> + 'static,
    E: OnDatagramError<S> + 'static,
{
    Arc::new(Calls::<S, D, E> { server: server.clone(), hooks: PhantomData })
}

impl<S, D, E> Handler for Calls<S, D, E>
where
    S: Send + Sync + 'static,
    D: OnDatagram<S> + 'static,
    E: OnDatagramError<S> + 'static,
{
    fn mode(&self) -> Mode {
        match D::DISPATCH {
            Dispatch::Inline => Mode::Inline,
            Dispatch::Async => Mode::Tasks { max: 1, at_once: true },
            Dispatch::Concurrent { max, .. } => Mode::Tasks { max, at_once: !D::BLOCKS },
            _ => Mode::Turn,
        }
    }

    #[inline]
    fn handle(&self, datagram: Datagram<'_>, out: Outlet<'_>) -> Handled {
        let (arena, origin) = (Arena::new(), datagram.origin);
        let payload = decode::<D::Payload>(datagram, &arena)?;
        let called = guard::run(Place::Handler, || {
            let call = call(&origin, out);
            complete::<S, D>(pin!(D::on_datagram(&self.server, call, payload)), &origin)
        });
        called.map_err(Error::from).flatten().map_err(Fault::Failed)
    }

    fn start(&self, held: Held, max: usize) -> BoxFuture<(Outbox, Handled)> {
        let server = self.server.clone();
        Box::pin(async move {
            let (arena, mut outbox) = (Arena::new(), Outbox::default());
            let origin = held.datagram().origin;
            let handled = match decode::<D::Payload>(held.datagram(), &arena) {
                Err(fault) => Err(fault),
                Ok(payload) => {
                    let call = call(&origin, Outlet::new(&mut outbox, max, None));
                    let called = guarded(D::on_datagram(&server, call, payload));
                    let called = match D::TIMEOUT {
                        None => called.await,
                        Some(limit) => match timeout(limit, called).await {
                            Ok(called) => called,
                            Err(_) => Err(late::<S, D>(&origin)),
                        },
                    };
                    called.map_err(Fault::Failed)
                }
            };
            (outbox, handled)
        })
    }

    fn failed(&self, peer: Option<SocketAddr>, local: SocketAddr, error: &Error) {
        let told = guard::run(Place::OnError, || {
            let parts = DatagramParts::new(&*self.server, peer, local, Ecn::default(), None);
            E::on_datagram_error(parts, error)
        });
        if let Ok(Err(error)) = told {
            tracing::warn!(%error, "on_error");
        }
    }
}

/// Decodes the payload, guarded: a frame's functions may be a user's.
fn decode<'a, P: Payload>(datagram: Datagram<'a>, arena: &'a Arena) -> Result<P::At<'a>, Fault> {
    let peer = datagram.peer();
    let decoded = guard::run(Place::Decode, || P::at(datagram, arena));
    let malformed =
        |error: Error| Fault::Malformed(error.context(format_args!("a datagram from {peer}")));
    decoded.map_err(Error::from).flatten().map_err(malformed)
}

fn call<'a>(origin: &Origin, out: Outlet<'a>) -> DatagramCall<'a> {
    DatagramCall {
        peer: origin.peer,
        local: origin.local,
        ecn: origin.ecn,
        out: DatagramOut::new(*origin, out),
    }
}

/// The result of a handler that is ready at once, as sync ones are; another blocks this worker, which
/// gives its poller away.
#[inline(always)]
fn complete<S, D: OnDatagram<S>>(
    mut future: Pin<&mut impl Future<Output = Result<()>>>,
    origin: &Origin,
) -> Result<()> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => {
            let until = D::TIMEOUT.map(|limit| clock().after(limit));
            wait_for(future, until).unwrap_or_else(|| Err(late::<S, D>(origin)))
        }
    }
}

/// `future`, whose panic is an error.
async fn guarded(future: impl Future<Output = Result<()>> + Send) -> Result<()> {
    let mut future = pin!(future);
    poll_fn(|cx| guard::poll(Place::Handler, future.as_mut(), cx)).await?
}

#[cold]
fn late<S, D: OnDatagram<S>>(origin: &Origin) -> Error {
    let limit = D::TIMEOUT.unwrap_or_default();
    let why = format!("a datagram from {} was handled for longer than {limit:?}", origin.peer);
    Error::new(ErrorKind::TimedOut, why)
}
