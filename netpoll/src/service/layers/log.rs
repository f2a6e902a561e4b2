//! Requests in the program's log.

use tracing::Span;

use super::{Incoming, Layer, Outcome};
use crate::{
    frame::Route,
    service::fault::Fault,
    trace_parent::{self, TraceParent},
};

/// A `tracing` span around each request, at level `info`, target `netpoll::request`: `request` with the
/// fields `route`, `peer`, `trace_id`, `span_id` and `parent_id`. What a handler logs stands in it.
///
/// It continues the trace that the caller names by the entry `traceparent` of the request's metadata, or begins
/// one. Handlers get the span's number from [`TraceParent::current`], and the clients of `#[netpoll::service]` that
/// they call send it on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trace;

/// The span of a request.
#[derive(Debug)]
pub struct RequestSpan {
    span: Span,
    own: TraceParent,
}

impl Layer for Trace {
    type State = RequestSpan;

    fn before(&self, request: &mut Incoming<'_>) -> Result<RequestSpan, Fault> {
        let caller = request.metadata(trace_parent::ENTRY).and_then(TraceParent::parse);
        let own = caller.map_or_else(TraceParent::root, TraceParent::child);
        let span = tracing::info_span!(
            target: "netpoll::request",
            "request",
            route = request.route().map(tracing::field::display),
            peer = %request.peer(),
            trace_id = %format_args!("{:032x}", own.trace_id()),
            span_id = %format_args!("{:016x}", own.span_id()),
            parent_id = caller.map(|caller| format!("{:016x}", caller.span_id())),
        );
        Ok(RequestSpan { span, own })
    }

    #[inline]
    fn around<R>(&self, state: &RequestSpan, poll: impl FnOnce() -> R) -> R {
        state.own.scope(|| state.span.in_scope(poll))
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
