//! A service with layers around its handler of requests.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    thread,
    time::Duration,
};

use super::{Incoming, Layer, Outcome};
use crate::{
    conn::{CloseReason, Connection},
    error::{Error, ErrorKind, Result},
    frame::Status,
    sched,
    service::{Call, Detach, Dispatch, Flow, Out, Request, Service, fault::Fault, notes::Notes},
    timer::Moment,
};

/// A service whose requests layers see: what [`EventLoopBuilder::layers`](crate::EventLoopBuilder::layers)
/// makes.
pub struct Layered<S, L> {
    service: Arc<S>,
    layers: L,
}

impl<S, L> Layered<S, L> {
    /// Creates a service whose requests `layers` see before and after `service` handles them.
    pub fn new(service: S, layers: L) -> Self {
        Self { service: Arc::new(service), layers }
    }
}

impl<S, L> fmt::Debug for Layered<S, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layered").finish_non_exhaustive()
    }
}

impl<S: Service, L: Layer + 'static> Service for Layered<S, L> {
    type Session = S::Session;
    type Request = S::Request;
    const DISPATCH: Dispatch = S::DISPATCH;
    const TIMEOUT: Option<Duration> = S::TIMEOUT;
    const STREAMS: bool = S::STREAMS;
    const LAYERED: bool = true;
    const TIMED: bool = L::TIMED || S::TIMED;

    #[cfg(feature = "udp")]
    fn datagrams(server: &Arc<Self>) -> Option<crate::service::DatagramService> {
        S::datagrams(&server.service)
    }

    fn on_prepare(&self, conn: &Connection) -> Result<()> {
        self.service.on_prepare(conn)
    }

    fn on_connect(&self, conn: &Connection) -> impl Future<Output = Result<S::Session>> + Send {
        self.service.on_connect(conn)
    }

    async fn on_request<'a>(
        &'a self,
        mut call: Call<'a, S::Session>,
        request: <S::Request as Request>::At<'a>,
    ) -> Result<Flow> {
        let Some(notes) = call.out.notes() else {
            return self.service.on_request(call, request).await;
        };
        let begun = Self::TIMED.then(|| sched::clock().now());
        let looked = Incoming::with::<S::Request, _, _>(&call, &request, notes, |incoming| {
            self.layers.before(incoming)
        });
        let state = match looked {
            Ok(state) => state,
            Err(fault) => {
                notes.judge(fault.status());
                return self.service.refuse(&request, fault, &mut call.out);
            }
        };
        let mut seen = Seen { layers: &self.layers, state: Some(state), notes, begun };
        let mut handled = pin!(self.service.on_request(call, request));
        let result = poll_fn(|cx| seen.around(|| handled.as_mut().poll(cx))).await;
        seen.end(match &result {
            Ok(_) => None,
            Err(error) => Some(status_of(error)),
        });
        result
    }

    fn refuse(
        &self,
        request: &<S::Request as Request>::At<'_>,
        fault: Fault,
        out: &mut Out<'_>,
    ) -> Result<Flow> {
        self.service.refuse(request, fault, out)
    }

    fn on_drain(&self, conn: &Connection, out: &mut Out<'_>) -> Result<bool> {
        self.service.on_drain(conn, out)
    }

    fn share(session: &S::Session) -> Option<S::Session> {
        S::share(session)
    }

    fn on_disconnect(&self, conn: &Connection, reason: CloseReason) {
        self.service.on_disconnect(conn, reason);
    }

    fn on_half_close(&self, conn: &Connection) {
        self.service.on_half_close(conn);
    }

    fn detach(session: &mut S::Session) -> Option<Detach> {
        S::detach(session)
    }

    fn on_close(
        &self,
        conn: &Connection,
        session: S::Session,
        reason: CloseReason,
    ) -> impl Future<Output = ()> + Send {
        self.service.on_close(conn, session, reason)
    }

    fn on_error(&self, conn: &Connection, error: &Error) {
        self.service.on_error(conn, error);
    }

    fn on_idle(&self, conn: &Connection) -> bool {
        self.service.on_idle(conn)
    }
}

/// A request that the layers have let in. They see its outcome when it ends, or when it is dropped.
struct Seen<'a, L: Layer> {
    layers: &'a L,
    state: Option<L::State>,
    notes: &'a Notes,
    begun: Option<Moment>,
}

impl<L: Layer> Seen<'_, L> {
    #[inline]
    fn around<R>(&mut self, poll: impl FnOnce() -> R) -> R {
        match &self.state {
            // By `&mut self`, so that a state need not be `Sync`.
            Some(state) => self.layers.around(state, poll),
            None => poll(),
        }
    }

    /// Shows the outcome to the layers; `status` is other than that of the answer.
    #[inline]
    fn end(&mut self, status: Option<Status>) {
        let Some(state) = self.state.take() else { return };
        let (answered, bytes) = self.notes.outcome();
        let mut outcome = Outcome { bytes, ..Outcome::refused(status.unwrap_or(answered)) };
        if let Some(begun) = self.begun {
            outcome.took = sched::clock().now().since(begun);
            outcome.waited = self.notes.arrived.map_or(Duration::ZERO, |at| begun.since(at));
        }
        self.layers.after(state, &outcome);
    }
}

impl<L: Layer> Drop for Seen<'_, L> {
    fn drop(&mut self) {
        if self.state.is_some() {
            self.end(Some(if thread::panicking() { Status::Panic } else { Status::Cancelled }));
        }
    }
}

/// Returns the status of a request whose handler failed with `error`.
fn status_of(error: &Error) -> Status {
    match error.kind() {
        ErrorKind::Malformed => Status::Malformed,
        ErrorKind::TimedOut => Status::Timeout,
        ErrorKind::Cancelled | ErrorKind::Closed => Status::Cancelled,
        ErrorKind::Limit => Status::Limit,
        ErrorKind::Panic => Status::Panic,
        _ => Status::Failed,
    }
}
