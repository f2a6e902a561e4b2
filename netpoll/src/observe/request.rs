//! The measurement of one request that somebody observes.

use std::{sync::Arc, time::Instant};

use super::{
    moments::{Moments, Stamp},
    outcome::Outcome,
    route::Route,
    scope::Observed,
    thread,
};

/// The measurement of a request that outlives a call: of a future's, or of one that waits for a batch. Dropped
/// before its end, it tells that the request was cancelled, if the handler had begun.
#[derive(Debug)]
pub(crate) struct Watch {
    observed: Arc<Observed>,
    moments: Moments,
    /// The route, once the handler has named it.
    route: Route,
    begun: bool,
    /// A poll of the handler's future has begun and not ended: it panics, if the measurement is dropped.
    polled: bool,
    /// The deadline of the request.
    until: Option<Instant>,
}

impl Watch {
    /// Begins to measure a request of `received` bytes that has just arrived, and is to be answered until `until`.
    pub(crate) fn new(observed: &Arc<Observed>, received: usize, until: Option<Instant>) -> Self {
        let moments = Moments::now(received);
        let observed = observed.clone();
        Self { observed, moments, route: Route::NONE, begun: false, polled: false, until }
    }

    /// Tells that the handler begins, on this thread.
    pub(crate) fn begin(&mut self) {
        Route::NONE.enter();
        thread::take_noted();
        self.moments.begun = Stamp::now();
        self.begun = true;
        self.observed.begun(&self.moments);
    }

    /// Notes that a poll of the handler's future begins.
    pub(crate) fn begin_poll(&mut self) {
        self.polled = true;
        thread::take_noted();
    }

    /// Notes that it has ended, and keeps the route as long as this thread knows it.
    pub(crate) fn end_poll(&mut self) {
        self.polled = false;
        let route = Route::current();
        if route != Route::NONE {
            self.route = route;
        }
    }

    /// Tells that the handler has ended.
    pub(crate) fn end(mut self, outcome: Outcome, sent: usize) {
        self.tell(outcome, sent);
    }

    fn tell(&mut self, outcome: Outcome, sent: usize) {
        if std::mem::take(&mut self.begun) {
            let handled = self.moments.handled();
            self.observed.ended(&self.moments, handled, self.route, outcome, sent);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.begun {
            let outcome = if self.polled {
                Outcome::Panic
            } else if self.until.is_some_and(|until| until <= Instant::now()) {
                Outcome::TimedOut
            } else {
                Outcome::Cancelled
            };
            self.tell(outcome, 0);
        }
    }
}
