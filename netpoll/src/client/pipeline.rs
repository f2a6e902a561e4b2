//! The matching of a pipeline: many calls in flight on each connection, whose replies come in the order of
//! the requests.
//!
//! ```text
//!   start ──▶ outbox ──(one sender at a time)──▶ socket
//!        └──▶ queue: [answered next] [..] [abandoned] [behind it ..]
//! ```
//! A call and its request are queued together, under one lock, so that their orders agree. Whoever finds
//! nobody sending sends the outbox, which meanwhile gathers the requests of other callers.
//!
//! A call that is abandoned keeps its place: its reply is still to come, and is dropped then. Those before it
//! are not affected, and those behind it wait for the late reply, each until its own deadline. The connection
//! gets no new calls, and is closed once nobody waits for it any more. Bytes that answer no request poison
//! it, and so does a malformed reply.

use std::{
    collections::VecDeque,
    iter, mem,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::{
    call::{Manner, Place},
    call_connection::{CallConnection, CallOf, Matching, Reply, Started},
    health::Outcome,
    pool::unasked,
};
use crate::{
    buf::{LinkBuffer, LinkSlice},
    error::Result,
    primitive::Mutex,
};

/// Calls in the order of their requests.
pub(super) struct InOrder(Mutex<State<Arc<CallOf<Self>>, LinkSlice>>);

/// Calls `C` with their requests `R`.
struct State<C, R> {
    queue: VecDeque<Queued<C>>,
    /// Requests that nobody sends yet: those of the last `unsent` calls.
    outbox: Vec<R>,
    unsent: usize,
    sending: bool,
    over: bool,
}

/// A call that waits for its reply.
enum Queued<C> {
    Waiting(C),
    /// Its caller has left.
    Abandoned,
}

impl<C, R> State<C, R> {
    fn new() -> Self {
        let (queue, outbox) = (VecDeque::new(), Vec::new());
        Self { queue, outbox, unsent: 0, sending: false, over: false }
    }

    /// Queues a call with its request.
    fn push(&mut self, call: C, request: R) {
        self.queue.push_back(Queued::Waiting(call));
        self.unsent += 1;
        self.put(request);
    }

    /// Queues a request without a reply.
    fn put(&mut self, request: R) {
        self.outbox.push(request);
    }

    /// Takes what is to be sent. `None`: somebody else sends, or there is nothing.
    fn begin_sending(&mut self) -> Option<Vec<R>> {
        if self.sending || self.outbox.is_empty() {
            return None;
        }
        (self.sending, self.unsent) = (true, 0);
        Some(mem::take(&mut self.outbox))
    }
}

/// Sends what is queued by `send`, unless somebody does: then that one goes on with it.
fn send_queued<C, R>(state: &Mutex<State<C, R>>, send: impl Fn(Vec<R>)) {
    loop {
        let Some(requests) = state.lock().begin_sending() else { return };
        send(requests);
        state.lock().sending = false;
    }
}

impl Matching for InOrder {
    type Spec = ();
    /// Calls that were answered, with their replies.
    type Batch = Vec<(Arc<CallOf<Self>>, LinkSlice)>;

    fn new((): &()) -> Self {
        Self(Mutex::new(State::new()))
    }

    fn start(
        connection: &Arc<CallConnection<Self>>,
        call: Arc<CallOf<Self>>,
    ) -> Started<CallConnection<Self>> {
        {
            let state = &mut *connection.calls.0.lock();
            if state.over {
                return Started::ConnectionGone(call);
            }
            let place = Place::Connection { connection: connection.clone(), number: 0, sent: true };
            if !call.move_to(place) {
                return Started::CallGone(call);
            }
            match call.manner {
                Manner::OneWay => state.put(call.request.clone()),
                _ => state.push(call.clone(), call.request.clone()),
            }
        }
        let conn = &connection.conn.conn;
        send_queued(&connection.calls.0, |requests| {
            let mut bytes = LinkBuffer::new();
            requests.into_iter().for_each(|request| bytes.append(LinkBuffer::from(request)));
            bytes.flush();
            conn.send(&mut bytes);
        });
        if call.manner == Manner::OneWay { Started::Sent(call) } else { Started::Taken }
    }

    fn abandon(
        connection: &Arc<CallConnection<Self>>,
        call: &Arc<CallOf<Self>>,
        _number: u64,
        _sent: bool,
        outcome: Outcome,
    ) {
        let unused = {
            let state = &mut *connection.calls.0.lock();
            let is_it =
                |it: &&mut Queued<_>| matches!(it, Queued::Waiting(has) if Arc::ptr_eq(has, call));
            let Some(it) = state.queue.iter_mut().find(is_it) else { return };
            *it = Queued::Abandoned;
            state.queue.iter().all(|it| matches!(it, Queued::Abandoned))
        };
        connection.not_answered(outcome);
        connection.blame_this_side();
        let connections = &connection.hub.connections;
        let mut actions = connection.drain();
        actions.join(connections.release(connection.id(), iter::once(&**call)));
        connection.hub.carry_out(actions);
        if unused {
            connection.count_poisoned();
            connection.conn.abort();
        }
    }

    fn close(connection: &CallConnection<Self>) -> Vec<(Arc<CallOf<Self>>, bool)> {
        let state = &mut *connection.calls.0.lock();
        state.over = true;
        let sent = state.queue.len() - state.unsent;
        let calls = state.queue.drain(..).enumerate();
        let waiting = |(at, it)| match it {
            Queued::Waiting(call) => Some((call, at >= sent)),
            Queued::Abandoned => None,
        };
        calls.filter_map(waiting).collect()
    }

    fn received(
        connection: &CallConnection<Self>,
        Reply { bytes, .. }: Reply,
        batch: &mut Self::Batch,
    ) -> Result<()> {
        match connection.calls.0.lock().queue.pop_front() {
            Some(Queued::Waiting(call)) => batch.push((call, bytes)),
            Some(Queued::Abandoned) => {
                connection.prove();
                connection.hub.counters.late.fetch_add(1, Relaxed);
            }
            None => return Err(unasked()),
        }
        Ok(())
    }

    fn began(connection: &CallConnection<Self>) -> Result<()> {
        if connection.calls.0.lock().queue.is_empty() {
            return Err(unasked());
        }
        Ok(())
    }

    fn deliver(connection: &CallConnection<Self>, batch: &mut Self::Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        connection.answered();
        connection.deliver(batch);
        Ok(())
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::primitive::thread;

    /// Two callers queue and send: all requests leave, in the order in which their calls are queued.
    #[test]
    fn loom_requests_leave_in_the_order_of_their_calls() {
        loom::model(|| {
            let state = Arc::new(Mutex::new(State::new()));
            let socket = Arc::new(Mutex::new(Vec::new()));
            let caller = |name: u8| {
                let (state, socket) = (state.clone(), socket.clone());
                move || {
                    state.lock().push(name, name);
                    send_queued(&state, |requests| socket.lock().extend(requests));
                }
            };
            let other = thread::spawn(caller(1));
            caller(2)();
            other.join().unwrap();
            let state = state.lock();
            let queued = state.queue.iter().map(|it| match it {
                Queued::Waiting(name) => *name,
                Queued::Abandoned => unreachable!("nobody leaves"),
            });
            assert_eq!(*socket.lock(), queued.collect::<Vec<_>>());
            assert_eq!((state.unsent, state.sending), (0, false));
        });
    }
}
