//! Call connections that carry one call at a time.
//!
//! A frame that arrives while there is a call is its reply. All other bytes poison the connection, and so
//! does a malformed reply, a reply with bytes behind it, and a call that is abandoned after its request
//! was sent. A poisoned connection is closed and never used again.
//!
//! The turn that receives a reply releases the connection and may start the next call at once: its
//! request leaves in the same turn, whatever the first caller does meanwhile.

use std::{
    iter, mem,
    sync::{Arc, OnceLock, atomic::Ordering::Relaxed},
};

use super::{
    balance::Endpoint,
    call::{Call, Place},
    call_error,
    health::Outcome,
    hub::{CallConnection, Hub, Started},
    reply_handler::{ReplyHandler, ReplyReceiver},
};
use crate::{
    buf::{LinkBuffer, LinkSlice},
    conn::{CloseReason, Connection, handler::Handler},
    error::{Error, ErrorKind, Result},
    frame::{self, Arena, DecodeError, Frame},
    primitive::Mutex,
};

/// Functions of the replies' format.
pub(super) struct Spec {
    handler: fn(Arc<Pooled>) -> Arc<dyn Handler>,
    /// Checks that a frame is of the format.
    check: fn(&LinkSlice) -> Result<(), DecodeError>,
}

impl Spec {
    pub(super) fn of<R: Frame + 'static>() -> Self {
        Self {
            handler: |connection| Arc::new(ReplyHandler::<R, Pooled>::new(connection)),
            check: check::<R>,
        }
    }
}

fn check<R: Frame>(bytes: &LinkSlice) -> Result<(), DecodeError> {
    frame::decode::<R>(bytes, bytes.len(), &Arena::new()).map(drop)
}

/// A connection with at most one call.
pub(super) struct Pooled {
    hub: Arc<Hub<Self>>,
    conn: Connection,
    endpoint: Arc<Endpoint>,
    state: Mutex<State<Self>>,
    fault: OnceLock<Error>,
}

struct State<L> {
    call: Option<Arc<Call<L>>>,
    /// Bytes that the connection had written before this call.
    written: u64,
    over: bool,
}

impl Pooled {
    fn take(&self) -> Option<Arc<Call<Self>>> {
        self.state.lock().call.take()
    }

    /// Marks the connection as never to be used again.
    fn poison(&self) {
        if !mem::replace(&mut self.state.lock().over, true) {
            self.hub.counters.poisoned.fetch_add(1, Relaxed);
        }
    }
}

impl CallConnection for Pooled {
    type Spec = Spec;

    fn open(hub: &Arc<Hub<Self>>, conn: Connection, endpoint: Arc<Endpoint>) -> Arc<Self> {
        let state = Mutex::new(State { call: None, written: 0, over: false });
        let (hub, fault) = (hub.clone(), OnceLock::new());
        Arc::new(Self { hub, conn, endpoint, state, fault })
    }

    fn attach(self: &Arc<Self>) {
        self.conn.conn.set_handler((self.hub.spec.handler)(self.clone()));
    }

    fn conn(&self) -> &Connection {
        &self.conn
    }

    fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    fn start(self: &Arc<Self>, call: Arc<Call<Self>>) -> Started<Self> {
        let mut request = LinkBuffer::from(call.request.clone());
        {
            let state = &mut *self.state.lock();
            if state.over {
                return Started::ConnectionGone(call);
            }
            if !call.move_to(Place::Connection { connection: self.clone(), number: 0, sent: true })
            {
                return Started::CallGone(call);
            }
            state.call = Some(call);
            state.written = self.conn.conn.written();
        }
        self.conn.conn.send(&mut request);
        Started::Taken
    }

    fn abandon(
        self: &Arc<Self>,
        call: &Arc<Call<Self>>,
        _number: u64,
        _sent: bool,
        outcome: Outcome,
    ) {
        {
            let state = &mut *self.state.lock();
            if !state.call.as_ref().is_some_and(|has| Arc::ptr_eq(has, call)) {
                return;
            }
            state.call = None;
        }
        self.hub.connections.endpoints.ended(&self.endpoint, outcome);
        self.poison();
        self.conn.abort();
    }

    fn ended(self: &Arc<Self>, reason: CloseReason) {
        let (call, unsent) = {
            let state = &mut *self.state.lock();
            state.over = true;
            (state.call.take(), state.written == self.conn.conn.written())
        };
        let mut actions = self.hub.connections.gone(self.conn.conn.id);
        if let Some(call) = call {
            self.hub.connections.endpoints.ended(&self.endpoint, Outcome::Failed);
            let retried = unsent
                && self.fault.get().is_none()
                && call.may_try_again()
                && call.move_to(Place::Nowhere);
            if retried {
                self.hub.counters.retries.fetch_add(1, Relaxed);
                actions.join(self.hub.connections.again(&call));
            } else {
                call.complete(Err(call_error::of(
                    &self.endpoint.address,
                    self.fault.get(),
                    reason,
                )));
            }
        }
        self.hub.carry_out(actions);
    }
}

impl ReplyReceiver for Pooled {
    type Batch = ();

    fn received(&self, bytes: LinkSlice, more: bool, (): &mut ()) -> Result<()> {
        let known = (self.hub.spec.check)(&bytes);
        let Some(call) = self.take() else { return Err(unasked()) };
        if let Err(error) = known {
            // The connection's end tells the call.
            self.state.lock().call = Some(call);
            return Err(error.into());
        }
        self.hub.connections.endpoints.ended(&self.endpoint, Outcome::Answered);
        if more {
            call.complete(Ok(bytes));
            return Err(unasked());
        }
        // Before its caller is told, who may call again at once.
        let actions = self.hub.connections.release(self.conn.conn.id, iter::once(&*call));
        call.complete(Ok(bytes));
        self.hub.carry_out(actions);
        Ok(())
    }

    fn began(&self) -> Result<()> {
        if self.state.lock().call.is_some() { Ok(()) } else { Err(unasked()) }
    }

    fn deliver(&self, (): &mut ()) {}

    fn fault(&self, error: Error) {
        tracing::debug!(%error, peer = %self.conn.peer(), "a client's connection is poisoned");
        let _ = self.fault.set(error);
        self.poison();
    }

    fn rests(&self) -> bool {
        self.hub.connections.retire_idle(self.conn.conn.id)
    }
}

fn unasked() -> Error {
    Error::new(ErrorKind::Malformed, "bytes came that nobody had asked for")
}
