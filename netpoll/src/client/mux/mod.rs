//! A lane that carries many calls, whose replies find them by number.
//!
//! A call that the lane takes gets its number at once ([`table`]), and its caller, who is woken for it
//! if it waited, writes the number into the request and sends it: the output of many threads leaves in
//! few writes ([`Connection::send`]). The turn gathers the replies that it reads, takes their calls
//! from the table under one lock, and wakes each once.

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

pub use sequence::{Numbered, Sequence};
use table::{Abandoned, Sorted, Table};

use super::{
    balance::Endpoint,
    call::Call,
    calling::Sending,
    health::Outcome,
    hub::{Hub, Lane, Started},
    link::Receiver,
    verdict,
};
use crate::{
    buf::{LinkBuffer, LinkSlice},
    conn::{CloseReason, Connection, Sent, handler::Handler},
    error::{Error, ErrorKind, Result},
    frame::DecodeError,
};

/// A connection that has so many calls is busy: what one more sends may wait for others to be sent with.
const MANY: usize = 4;

/// What is called with a frame that answers no call.
pub(super) type OnPush = Box<dyn Fn(LinkSlice) + Send + Sync>;

/// Reads the number of a frame.
pub(super) type Number = fn(&LinkSlice) -> Result<u64, DecodeError>;

/// What all lanes of a client share.
pub(super) struct Spec {
    pub(super) handler: fn(Arc<Muxed>) -> Arc<dyn Handler>,
    /// The number of a reply.
    pub(super) number: Number,
    pub(super) on_push: Option<OnPush>,
    /// The largest number.
    pub(super) max_number: u64,
}

/// See the module's documentation.
pub(super) struct Muxed {
    hub: Arc<Hub<Self>>,
    conn: Connection,
    endpoint: Arc<Endpoint>,
    table: Table<Self>,
    /// How many calls it has, as of late.
    load: AtomicUsize,
    fault: OnceLock<Error>,
}

impl Muxed {
    /// Sends a request, after those before it.
    pub(super) fn send(&self, mut bytes: LinkBuffer) -> Result<Sending> {
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

impl Lane for Muxed {
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
        self.hub.slots.endpoints.ended(&self.endpoint, outcome);
        if spent {
            let why = "too many calls went unanswered for its sequence numbers";
            self.fault(Error::new(ErrorKind::Limit, why));
            self.conn.abort();
        }
        let steps = self.hub.slots.release(self.conn.conn.id, iter::once(&**call));
        self.hub.carry_out(steps);
    }

    fn ended(self: &Arc<Self>, reason: CloseReason) {
        let calls = self.table.close();
        let mut steps = self.hub.slots.gone(self.conn.conn.id);
        for call in calls {
            self.hub.slots.endpoints.ended(&self.endpoint, Outcome::Failed);
            if call.take_back() {
                self.hub.counters.retries.fetch_add(1, Relaxed);
                steps.join(self.hub.slots.again(&call));
            } else {
                call.complete(Err(verdict::of(&self.endpoint.address, self.fault.get(), reason)));
            }
        }
        self.hub.carry_out(steps);
        if self.hub.spec.on_push.is_some() {
            self.hub.keep_one();
        }
    }
}

impl Receiver for Muxed {
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
            let steps = self.hub.slots.release(self.conn.conn.id, calls);
            for (call, bytes) in replies {
                self.hub.slots.endpoints.ended(&self.endpoint, Outcome::Answered);
                call.complete(Ok(bytes));
            }
            self.hub.carry_out(steps);
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
        self.hub.slots.retire_idle(self.conn.conn.id)
    }
}
