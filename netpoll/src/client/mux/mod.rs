//! The matching of a mux: many calls on each connection, whose replies find them by number.
//!
//! A call gets its number when the connection takes it ([`table`]). Its caller, woken if it waited, writes
//! the number into the request and sends it: the output of many threads leaves in few writes
//! ([`Connection::send`]). The turn gathers the replies that it reads, takes their calls from the table
//! under one lock, and wakes each caller once.
//!
//! A goodbye retires the connection, and so does a lack of sequence numbers, which late replies hold.

mod numbers;
mod sequence;
mod table;

use std::{
    iter,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

pub use sequence::{MuxFrame, SequenceNumber};
use table::{Abandoned, Sorted, Table};

use super::{
    call_connection::{CallConnection, CallOf, Matching, Reply, Started},
    call_future::PendingWrite,
    health::Outcome,
};
use crate::{
    buf::{LinkBuffer, LinkSlice},
    conn::Sent,
    error::Result,
    guard::{self, Place},
};

/// Number of calls from which a connection is busy: one more request may wait to be sent with others.
const MANY: usize = 4;

/// The user's function for frames that answer no call.
pub(super) type OnPush = Box<dyn Fn(LinkSlice) + Send + Sync>;

/// Data that all connections of a client share.
pub(super) struct Spec {
    pub(super) on_push: Option<OnPush>,
    /// The largest number.
    pub(super) max_number: u64,
}

/// Many calls, by number.
pub(super) struct ByNumber {
    table: Table<CallConnection<Self>>,
    /// Number of the calls; may be slightly outdated.
    load: AtomicUsize,
}

impl CallConnection<ByNumber> {
    /// Sends a request, after those before it.
    pub(super) fn send(&self, mut bytes: LinkBuffer) -> Result<PendingWrite> {
        self.conn.conn.check_sending()?;
        if self.conn.conn.sent() == Sent::Full {
            let conn = self.conn.clone();
            return Ok(Some(Box::pin(async move { conn.send_async(bytes).await })));
        }
        if self.calls.load.load(Relaxed) < MANY {
            self.conn.conn.send(&mut bytes);
        } else {
            self.conn.conn.send_with_others(&mut bytes);
        }
        Ok(None)
    }

    fn push(&self, bytes: LinkSlice) -> Result<()> {
        self.hub.counters.pushes.fetch_add(1, Relaxed);
        match &self.hub.spec.on_push {
            Some(on_push) => Ok(guard::run(Place::ClientHook, || on_push(bytes))?),
            None => Ok(()),
        }
    }
}

impl Matching for ByNumber {
    type Spec = Spec;
    type Batch = Vec<(u64, LinkSlice)>;

    fn new(spec: &Spec) -> Self {
        Self { table: Table::new(spec.max_number), load: AtomicUsize::new(0) }
    }

    fn start(
        connection: &Arc<CallConnection<Self>>,
        call: Arc<CallOf<Self>>,
        _turn: u64,
    ) -> Started<CallConnection<Self>> {
        let calls = &connection.calls;
        let (started, load) = calls.table.start(connection, call);
        if matches!(started, Started::Taken) {
            calls.load.store(load, Relaxed);
        }
        started
    }

    fn abandon(
        connection: &Arc<CallConnection<Self>>,
        call: &Arc<CallOf<Self>>,
        number: u64,
        sent: bool,
        outcome: Outcome,
    ) {
        let Abandoned { had, spent } = connection.calls.table.abandon(number, sent);
        if !had {
            return;
        }
        connection.not_answered(outcome);
        let connections = &connection.hub.connections;
        let mut actions = connections.release(connection.id(), iter::once(&**call));
        if spent {
            tracing::debug!(
                peer = %connection.conn.peer(),
                "a client's connection is retired: late replies hold half of its sequence numbers"
            );
            actions.join(connection.drain());
        }
        connection.hub.carry_out(actions);
    }

    fn close(connection: &CallConnection<Self>) -> Vec<(Arc<CallOf<Self>>, bool)> {
        connection.calls.table.close().into_iter().map(|call| (call, false)).collect()
    }

    fn received(
        _: &CallConnection<Self>,
        Reply { bytes, number, .. }: Reply,
        batch: &mut Self::Batch,
    ) -> Result<()> {
        batch.push((number, bytes));
        Ok(())
    }

    fn began(_: &CallConnection<Self>) -> Result<()> {
        Ok(())
    }

    fn deliver(connection: &CallConnection<Self>, batch: &mut Self::Batch) -> Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let (hub, calls) = (&connection.hub, &connection.calls);
        let Sorted { mut replies, late, pushes, left } = calls.table.sort(batch.drain(..));
        calls.load.store(left, Relaxed);
        if late > 0 {
            connection.prove();
            hub.counters.late.fetch_add(late, Relaxed);
        }
        if !replies.is_empty() {
            replies.iter().for_each(|_| connection.answered());
            connection.deliver(&mut replies);
        }
        pushes.into_iter().try_for_each(|bytes| connection.push(bytes))
    }
}
