//! The matching of a pool: one call at a time on each connection.
//!
//! A frame that arrives while there is a call is its reply. All other bytes poison the connection, and so
//! does a malformed reply, a reply with bytes behind it, and a call that is abandoned after its request
//! was sent. A poisoned connection is closed and never used again. A goodbye only retires it.
//!
//! The turn that receives a reply releases the connection and may start the next call at once: its
//! request leaves in the same turn, whatever the first caller does meanwhile.

use std::{iter, sync::Arc};

use super::{
    call::{Manner, Place},
    call_connection::{CallConnection, CallOf, Matching, Reply, Started},
    health::Outcome,
};
use crate::{
    buf::LinkBuffer,
    error::{Error, ErrorKind, Result},
    primitive::Mutex,
};

/// At most one call.
pub(super) struct OneAtATime(Mutex<State>);

struct State {
    call: Option<Arc<CallOf<OneAtATime>>>,
    /// Bytes that the connection had written before this call.
    written: u64,
    over: bool,
}

impl OneAtATime {
    fn take(&self) -> Option<Arc<CallOf<Self>>> {
        self.0.lock().call.take()
    }
}

impl Matching for OneAtATime {
    type Spec = ();
    type Batch = ();

    fn new((): &()) -> Self {
        Self(Mutex::new(State { call: None, written: 0, over: false }))
    }

    fn start(
        connection: &Arc<CallConnection<Self>>,
        call: Arc<CallOf<Self>>,
        _turn: u64,
    ) -> Started<CallConnection<Self>> {
        let conn = &connection.conn.conn;
        let mut request = LinkBuffer::from(call.request.clone());
        {
            let state = &mut *connection.calls.0.lock();
            if state.over {
                return Started::ConnectionGone(call);
            }
            let place = Place::Connection { connection: connection.clone(), number: 0, sent: true };
            if !call.move_to(place) {
                return Started::CallGone(call);
            }
            if call.manner != Manner::OneWay {
                state.call = Some(call.clone());
                state.written = conn.written();
            }
        }
        conn.send(&mut request);
        if call.manner == Manner::OneWay { Started::Sent(call) } else { Started::Taken }
    }

    fn abandon(
        connection: &Arc<CallConnection<Self>>,
        call: &Arc<CallOf<Self>>,
        _number: u64,
        _sent: bool,
        outcome: Outcome,
    ) {
        {
            let state = &mut *connection.calls.0.lock();
            if !state.call.as_ref().is_some_and(|has| Arc::ptr_eq(has, call)) {
                return;
            }
            (state.call, state.over) = (None, true);
            // Its reply may come before the connection is closed, and is no fault of the peer.
            connection.blame_this_side();
        }
        connection.not_answered(outcome);
        connection.count_poisoned();
        connection.conn.abort();
    }

    fn close(connection: &CallConnection<Self>) -> Vec<(Arc<CallOf<Self>>, bool)> {
        let state = &mut *connection.calls.0.lock();
        state.over = true;
        let unsent = state.written == connection.conn.conn.written() && !connection.has_fault();
        state.call.take().map(|call| (call, unsent)).into_iter().collect()
    }

    fn received(
        connection: &CallConnection<Self>,
        Reply { bytes, more, .. }: Reply,
        (): &mut (),
    ) -> Result<()> {
        let Some(call) = connection.calls.take() else { return Err(unasked()) };
        connection.answered();
        if more {
            call.complete(Ok(bytes));
            return Err(unasked());
        }
        // Before its caller is told, who may call again at once.
        let actions = connection.hub.connections.release(connection.id(), iter::once(&*call));
        call.complete(Ok(bytes));
        connection.hub.carry_out(actions);
        Ok(())
    }

    fn began(connection: &CallConnection<Self>) -> Result<()> {
        if connection.calls.0.lock().call.is_some() { Ok(()) } else { Err(unasked()) }
    }

    fn deliver(_: &CallConnection<Self>, (): &mut ()) -> Result<()> {
        Ok(())
    }
}

/// Returns the error for bytes that answer no request.
pub(super) fn unasked() -> Error {
    Error::new(ErrorKind::Malformed, "bytes came that nobody had asked for")
}
