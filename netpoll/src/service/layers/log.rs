//! Requests in the program's log.

use tracing::Span;

use super::{Incoming, Layer, Outcome};
use crate::{frame::Route, service::fault::Fault};

/// A `tracing` span around each request, at level `info`, target `netpoll::request`: `request` with the
/// fields `route` and `peer`. What a handler logs stands in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trace;

impl Layer for Trace {
    type State = Span;

    fn before(&self, request: &mut Incoming<'_>) -> Result<Span, Fault> {
        Ok(tracing::info_span!(
            target: "netpoll::request",
            "request",
            route = request.route().map(tracing::field::display),
            peer = %request.peer(),
        ))
    }

    #[inline]
    fn around<R>(&self, span: &Span, poll: impl FnOnce() -> R) -> R {
        span.in_scope(poll)
    }
}

/// A line of `tracing` for each request, at level `info`, target `netpoll::access`: route, peer, status,
/// bytes of the request and of its answer, and microseconds that it waited and took.
#[derive(Clone, Copy, Debug, Default)]
pub struct AccessLog;

/// The facts of a request that its line says.
#[derive(Debug)]
pub struct Line {
    route: Option<String>,
    peer: String,
    size: usize,
}

impl Layer for AccessLog {
    type State = Option<Line>;
    const TIMED: bool = true;

    fn before(&self, request: &mut Incoming<'_>) -> Result<Option<Line>, Fault> {
        let wanted = tracing::enabled!(target: "netpoll::access", tracing::Level::INFO);
        Ok(wanted.then(|| Line {
            route: request.route().as_ref().map(Route::to_string),
            peer: request.peer().to_string(),
            size: request.size(),
        }))
    }

    fn after(&self, line: Option<Line>, outcome: &Outcome) {
        let Some(Line { route, peer, size }) = line else { return };
        tracing::info!(
            target: "netpoll::access",
            route,
            peer,
            status = %outcome.status(),
            received = size,
            sent = outcome.bytes(),
            waited_us = outcome.waited().as_micros() as u64,
            took_us = outcome.took().as_micros() as u64,
        );
    }
}
