//! Where this thread sits: the runtime that it works for, and the shard that its turn has been lent.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use super::{ownership::Ticket, shared::Shared};
use crate::{
    counters::{self, Counter},
    timer::Clock,
};

thread_local! {
    static SHARED: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
    /// The shard that runs this thread's turn, while it may be given away.
    static LENT: Cell<Option<(usize, Ticket)>> = const { Cell::new(None) };
}

/// This thread works for `shared` until the value is dropped.
pub(super) struct ThreadContext(());

impl ThreadContext {
    pub(super) fn take(shared: &Arc<Shared>) -> Self {
        SHARED.set(Some(shared.clone()));
        shared.counters.join();
        Self(())
    }

    pub(super) fn lent(&self, shard: usize, ticket: Ticket) {
        LENT.set(Some((shard, ticket)));
    }

    pub(super) fn back(&self) {
        LENT.set(None);
    }
}

impl Drop for ThreadContext {
    fn drop(&mut self) {
        SHARED.take();
    }
}

/// Before this thread waits: gives the shard that its turn holds to another worker.
///
/// Does nothing on a thread that is no worker, in a turn that has lost its shard already, and in an
/// `inline` turn, which keeps it by contract.
pub(super) fn give_away() {
    let Some((index, ticket)) = LENT.take() else { return };
    SHARED.with_borrow(|shared| {
        let Some(shared) = shared else { return };
        if shared.shards[index].ownership.revoke(ticket) {
            shared.pool.lost();
            counters::add(Counter::HandOversByWait, 1);
            shared.staff(index);
        }
    });
}

/// Whether the shard that this thread's turn was lent has been taken from it.
pub(crate) fn is_late() -> bool {
    let Some((index, ticket)) = LENT.get() else { return true };
    SHARED.with_borrow(|shared| {
        shared
            .as_ref()
            .is_none_or(|shared| shared.shards[index].ownership.running() != Some(ticket))
    })
}

/// The clock of the runtime whose worker this thread is; elsewhere the system's.
pub(crate) fn clock() -> Clock {
    SHARED.with_borrow(|shared| shared.as_ref().map(|s| s.settings.clock)).unwrap_or_default()
}

/// The runtime whose worker this thread is.
pub(crate) fn current() -> Option<Arc<Shared>> {
    SHARED.with_borrow(Clone::clone)
}
