//! The handler of a server's datagrams where somebody observes the server.

use std::{future::poll_fn, net::SocketAddr, sync::Arc};

use crate::{
    error::Error,
    observe::{Moments, Outcome, Route, Scope, Watch},
    sched::BoxFuture,
    udp::{Datagram, Fault, Handled, Handler, Held, Mode, Outbox, Outlet},
};

/// Tells of each datagram that the handler within handles.
struct ObservedHandler {
    handler: Arc<dyn Handler>,
    scope: Arc<Scope>,
}

/// Returns the handler, which tells the server's observers, if there are any.
pub(super) fn observe(handler: Arc<dyn Handler>, scope: &Arc<Scope>) -> Arc<dyn Handler> {
    if scope.observers.is_empty() {
        return handler;
    }
    Arc::new(ObservedHandler { handler, scope: scope.clone() })
}

fn outcome(handled: &Handled) -> Outcome {
    match handled {
        Ok(()) => Outcome::Ok,
        Err(Fault::Malformed(_)) => Outcome::Malformed,
        Err(Fault::Failed(error)) => Outcome::of(error.kind()),
    }
}

impl Handler for ObservedHandler {
    fn mode(&self) -> Mode {
        self.handler.mode()
    }

    fn handle(&self, datagram: Datagram<'_>, out: Outlet<'_>) -> Handled {
        let observed = self.scope.datagram(datagram.peer().into());
        let moments = Moments::now(datagram.len());
        observed.begun(&moments);
        let handled = self.handler.handle(datagram, out);
        observed.ended(&moments, moments.handled(), Route::NONE, outcome(&handled), 0);
        handled
    }

    fn start(&self, held: Held, max: usize) -> BoxFuture<(Outbox, Handled)> {
        let (peer, received) = (held.datagram().peer(), held.datagram().len());
        let observed = Arc::new(self.scope.datagram(peer.into()));
        let mut future = self.handler.start(held, max);
        Box::pin(async move {
            let mut watch = Watch::new(&observed, received, None);
            watch.begin();
            let polled = poll_fn(|cx| {
                watch.begin_poll();
                let polled = future.as_mut().poll(cx);
                watch.end_poll();
                polled
            });
            let (outbox, handled) = polled.await;
            watch.end(outcome(&handled), 0);
            (outbox, handled)
        })
    }

    fn throttled(&self) -> bool {
        self.handler.throttled()
    }

    fn closed(&self) {
        self.handler.closed();
    }

    fn failed(&self, peer: Option<SocketAddr>, local: SocketAddr, error: &Error) {
        self.handler.failed(peer, local, error);
    }
}
