//! The matching of a pipeline: many calls in flight on each connection, whose replies come in the order of
//! the requests.
//!
//! ```text
//!   start ──▶ outbox ──(one sender at a time)──▶ socket
//!        └──▶ queue: [answered next] [..] [abandoned] [behind it ..]
//! ```
//! A call and its request are queued together, under one lock, so that their orders agree: in that in which
//! calls are assigned to the connection. Calls of a batch are started by several threads, and one that comes
//! before its turn waits for those before it. Whoever finds nobody sending sends the outbox, which meanwhile
//! gathers the requests of other callers.
//!
//! A call that is abandoned keeps its place: its reply is still to come, and is dropped then. Those before it
//! are not affected, and those behind it wait for the late reply, each until its own deadline. The connection
//! gets no new calls, and is closed once nobody waits for it any more. Bytes that answer no request poison
//! it, and so does a malformed reply.

use std::{
    collections::{BTreeMap, VecDeque},
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
    /// Calls that took their turn.
    turns: u64,
    /// Those that came before their turn, by their turns.
    early: BTreeMap<u64, Turn<C, R>>,
    sending: bool,
    over: bool,
}

/// What a call does when its turn comes.
enum Turn<C, R> {
    /// It is sent, and waits for its reply.
    Call(Queued<C>, R),
    /// It is sent.
    OneWay(R),
    /// Nothing: its caller left before.
    Nothing,
}

/// A call that waits for its reply.
enum Queued<C> {
    Waiting(C),
    /// Its caller has left.
    Abandoned,
}

impl<C, R> State<C, R> {
    fn new() -> Self {
        let (queue, outbox, early) = (VecDeque::new(), Vec::new(), BTreeMap::new());
        Self { queue, outbox, unsent: 0, turns: 0, early, sending: false, over: false }
    }

    /// Queues what has the turn number `turn`, and what waited for it; or keeps it until its turn.
    fn take_turn(&mut self, turn: u64, what: Turn<C, R>) {
        if turn != self.turns {
            self.early.insert(turn, what);
            return;
        }
        let mut next = Some(what);
        while let Some(what) = next {
            match what {
                Turn::Call(call, request) => {
                    self.queue.push_back(call);
                    self.unsent += 1;
                    self.outbox.push(request);
                }
                Turn::OneWay(request) => self.outbox.push(request),
                Turn::Nothing => {}
            }
            self.turns += 1;
            next = self.early.remove(&self.turns);
        }
    }

    /// Returns the calls that wait, those before their turn too.
    fn waiting(&mut self) -> impl Iterator<Item = &mut Queued<C>> {
        let early = self.early.values_mut().filter_map(|what| match what {
            Turn::Call(call, _) => Some(call),
            _ => None,
        });
        self.queue.iter_mut().chain(early)
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
        turn: u64,
    ) -> Started<CallConnection<Self>> {
        let gone = {
            let state = &mut *connection.calls.0.lock();
            if state.over {
                return Started::ConnectionGone(call);
            }
            let place = Place::Connection { connection: connection.clone(), number: 0, sent: true };
            let here = call.move_to(place);
            let what = match call.manner {
                _ if !here => Turn::Nothing,
                Manner::OneWay => Turn::OneWay(call.request.clone()),
                _ => Turn::Call(Queued::Waiting(call.clone()), call.request.clone()),
            };
            state.take_turn(turn, what);
            !here
        };
        let conn = &connection.conn.conn;
        send_queued(&connection.calls.0, |requests| {
            let mut bytes = LinkBuffer::new();
            requests.into_iter().for_each(|request| bytes.append(LinkBuffer::from(request)));
            bytes.flush();
            conn.send(&mut bytes);
        });
        match call.manner {
            _ if gone => Started::CallGone(call),
            Manner::OneWay => Started::Sent(call),
            _ => Started::Taken,
        }
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
            let Some(it) = state.waiting().find(is_it) else { return };
            *it = Queued::Abandoned;
            state.waiting().all(|it| matches!(it, Queued::Abandoned))
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
        let early = mem::take(&mut state.early).into_values().filter_map(|what| match what {
            Turn::Call(call, _) => Some(call),
            _ => None,
        });
        let calls = state.queue.drain(..).chain(early).enumerate();
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

    /// Two callers queue and send: all requests leave, in the order in which their calls were assigned,
    /// whoever comes first.
    #[test]
    fn loom_requests_leave_in_the_order_of_their_calls() {
        loom::model(|| {
            let state = Arc::new(Mutex::new(State::new()));
            let socket = Arc::new(Mutex::new(Vec::new()));
            let caller = |name: u8| {
                let (state, socket) = (state.clone(), socket.clone());
                move || {
                    let what = Turn::Call(Queued::Waiting(name), name);
                    state.lock().take_turn(u64::from(name), what);
                    send_queued(&state, |requests| socket.lock().extend(requests));
                }
            };
            let other = thread::spawn(caller(0));
            caller(1)();
            other.join().unwrap();
            let state = state.lock();
            let queued = state.queue.iter().map(|it| match it {
                Queued::Waiting(name) => *name,
                Queued::Abandoned => unreachable!("nobody leaves"),
            });
            assert_eq!(queued.collect::<Vec<_>>(), [0, 1]);
            assert_eq!(*socket.lock(), [0, 1]);
            assert_eq!((state.unsent, state.sending), (0, false));
        });
    }
}
