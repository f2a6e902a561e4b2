//! Call connections that carry many calls, whose replies find them by number.
//!
//! A call gets its number when the connection takes it ([`table`]). Its caller, woken if it waited, writes
//! the number into the request and sends it: the output of many threads leaves in few writes
//! ([`Connection::send`]). The turn gathers the replies that it reads, takes their calls from the table
//! under one lock, and wakes each caller once.

mod numbers;
mod sequence;
mod table;

use std::{
    iter,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

pub use sequence::{MuxFrame, SequenceNumber};
use table::{Abandoned, Sorted, Table};

use super::{
    balance::Endpoint,
    call::Call,
    call_error,
    call_future::PendingWrite,
    health::Outcome,
    hub::{CallConnection, Hub, Started},
    reply_handler::ReplyReceiver,
};
use crate::{
    buf::{LinkBuffer, LinkSlice},
    conn::{CloseReason, Connection, Sent, handler::Handler},
    error::{Error, ErrorKind, Result},
    frame::DecodeError,
};

/// Number of calls from which a connection is busy: one more request may wait to be sent with others.
const MANY: usize = 4;

/// The user's function for frames that answer no call.
pub(super) type OnPush = Box<dyn Fn(LinkSlice) + Send + Sync>;

/// Reads the number of a frame.
pub(super) type Number = fn(&LinkSlice) -> Result<u64, DecodeError>;

/// Data that all connections of a client share.
pub(super) struct Spec {
    pub(super) handler: fn(Arc<Muxed>) -> Arc<dyn Handler>,
    /// The number of a reply.
    pub(super) number: Number,
    pub(super) on_push: Option<OnPush>,
    /// The largest number.
    pub(super) max_number: u64,
}

/// A connection with many calls.
pub(super) struct Muxed {
    hub: Arc<Hub<Self>>,
    conn: Connection,
    endpoint: Arc<Endpoint>,
    table: Table<Self>,
    /// Number of its calls; may be slightly outdated.
    load: AtomicUsize,
    fault: OnceLock<Error>,
}

impl Muxed {
    /// Sends a request, after those before it.
    pub(super) fn send(&self, mut bytes: LinkBuffer) -> Result<PendingWrite> {
        self.conn.conn.check_sending()?;
        if self.conn.conn.sent() == Sent::Full {
            let conn = self.conn.clone();
            return Ok(Some(Box::pin(async move { conn.send_async(bytes).await })));
        }
        if self.load.load(Relaxed) < MANY {
            self.conn.conn.send(&mut bytes);
        } else {
            self.conn.conn.send_with_others(&mut bytes);
        }
        Ok(None)
    }

    fn push(&self, bytes: LinkSlice) {
        self.hub.counters.pushes.fetch_add(1, Relaxed);
        if let Some(on_push) = &self.hub.spec.on_push {
            on_push(bytes);
        }
    }
}

impl CallConnection for Muxed {
    type Spec = Spec;

    fn open(hub: &Arc<Hub<Self>>, conn: Connection, endpoint: Arc<Endpoint>) -> Arc<Self> {
        let table = Table::new(hub.spec.max_number);
        let (hub, load, fault) = (hub.clone(), AtomicUsize::new(0), OnceLock::new());
        Arc::new(Self { hub, conn, endpoint, table, load, fault })
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
        let (started, load) = self.table.start(self, call);
        if matches!(started, Started::Taken) {
            self.load.store(load, Relaxed);
        }
        started
    }

    fn abandon(
        self: &Arc<Self>,
        call: &Arc<Call<Self>>,
        number: u64,
        sent: bool,
        outcome: Outcome,
    ) {
        let Abandoned { had, spent } = self.table.abandon(number, sent);
        if !had {
            return;
        }
        self.hub.connections.endpoints.ended(&self.endpoint, outcome);
        if spent {
            let why = "too many calls went unanswered for its sequence numbers";
            self.fault(Error::new(ErrorKind::Limit, why));
            self.conn.abort();
        }
        let actions = self.hub.connections.release(self.conn.conn.id, iter::once(&**call));
        self.hub.carry_out(actions);
    }

    fn ended(self: &Arc<Self>, reason: CloseReason) {
        let calls = self.table.close();
        let mut actions = self.hub.connections.gone(self.conn.conn.id);
        for call in calls {
            self.hub.connections.endpoints.ended(&self.endpoint, Outcome::Failed);
            if call.take_back() {
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
        if self.hub.spec.on_push.is_some() {
            self.hub.keep_one();
        }
    }
}

impl ReplyReceiver for Muxed {
    type Batch = Vec<(u64, LinkSlice)>;

    fn received(&self, bytes: LinkSlice, _: bool, batch: &mut Self::Batch) -> Result<()> {
        let number = (self.hub.spec.number)(&bytes)?;
        batch.push((number, bytes));
        Ok(())
    }

    fn began(&self) -> Result<()> {
        Ok(())
    }

    fn deliver(&self, batch: &mut Self::Batch) {
        if batch.is_empty() {
            return;
        }
        let Sorted { replies, late, pushes, left } = self.table.sort(batch.drain(..));
        self.load.store(left, Relaxed);
        if late > 0 {
            self.hub.counters.late.fetch_add(late, Relaxed);
        }
        if !replies.is_empty() {
            // Before their callers are told, who may call again at once.
            let calls = replies.iter().map(|(call, _)| &**call);
            let actions = self.hub.connections.release(self.conn.conn.id, calls);
            for (call, bytes) in replies {
                self.hub.connections.endpoints.ended(&self.endpoint, Outcome::Answered);
                call.complete(Ok(bytes));
            }
            self.hub.carry_out(actions);
        }
        for bytes in pushes {
            self.push(bytes);
        }
    }

    fn fault(&self, error: Error) {
        tracing::debug!(%error, peer = %self.conn.peer(), "a client's connection is poisoned");
        let _ = self.fault.set(error);
        self.hub.counters.poisoned.fetch_add(1, Relaxed);
    }

    fn rests(&self) -> bool {
        self.hub.connections.retire_idle(self.conn.conn.id)
    }
}
