//! The context of a thread: the runtime that it works for, and the shard that its turn may lose.

use std::{
    cell::{Cell, RefCell},
    sync::Arc,
};

use super::{
    gathered::{Gathered, Sender},
    ownership::Ticket,
    shard::Shard,
    shared::Shared,
};
use crate::{
    buf::LinkBuffer,
    counters::{self, Counter, ThreadCounts},
    facts::ConnectionId,
    observe::{HandOver, HandOverCause, thread},
    timer::Clock,
};

thread_local! {
    static SHARED: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
    /// What the turn that runs on this thread holds of a shard.
    static HELD: Cell<Held> = const { Cell::new(Held::Nothing) };
}

/// What a turn holds of the shard that runs it.
#[derive(Clone, Copy)]
enum Held {
    /// Nothing: the thread is no worker, or its turn has lost the shard.
    Nothing,
    /// The shard is lent to the turn: the monitor may revoke it.
    Lent(usize, Ticket),
    /// The worker owns the shard throughout the turn: only the turn itself gives it away.
    Owned(usize),
    /// The same for an `inline` turn, which gives it away for the library's own waits alone.
    Inline(usize),
}

/// Makes this thread a worker of `shared` until the value is dropped.
pub(super) struct ThreadContext {
    shared: Arc<Shared>,
    membership: thread::Membership,
}

impl ThreadContext {
    pub(super) fn enter(shared: &Arc<Shared>) -> Self {
        SHARED.set(Some(shared.clone()));
        shared.counters.join();
        let membership = thread::Membership::new();
        if let Some(counts) = ThreadCounts::of_this_thread() {
            shared.stalls.join(membership.record(), counts);
        }
        Self { shared: shared.clone(), membership }
    }

    /// Notes the connection whose turn this thread runs, if it is one's.
    pub(super) fn runs(&self, connection: Option<u64>) {
        self.membership.runs(connection);
    }

    /// Notes that this thread has nothing to do.
    pub(super) fn rests(&self) {
        self.membership.rests();
    }

    /// Notes that a turn begins to which the shard is lent.
    pub(super) fn lent(&self, shard: usize, ticket: Ticket) {
        HELD.set(Held::Lent(shard, ticket));
    }

    /// Notes that a turn begins during which the worker stays the owner.
    pub(super) fn owned(&self, shard: usize, inline: bool) {
        HELD.set(if inline { Held::Inline(shard) } else { Held::Owned(shard) });
    }

    /// Ends the turn. Returns `true` if the turn still held what it began with.
    pub(super) fn end(&self) -> bool {
        !matches!(HELD.replace(Held::Nothing), Held::Nothing)
    }
}

impl Drop for ThreadContext {
    fn drop(&mut self) {
        self.shared.stalls.leave(self.membership.record());
        SHARED.take();
    }
}

/// Gives the shard that this thread's turn holds to another worker, before the thread waits or computes
/// for long on its own account. An `inline` turn keeps it by contract.
pub(super) fn give_away_unless_inline() {
    if !matches!(HELD.get(), Held::Inline(_)) {
        give_away();
    }
}

/// Gives the shard that this thread's turn holds to another worker, before the thread waits for something
/// that a poller may have to bring.
///
/// Does nothing on a thread that is no worker, and in a turn that has lost its shard already.
pub(super) fn give_away() {
    let held = HELD.replace(Held::Nothing);
    let index = match held {
        Held::Nothing => return,
        Held::Lent(index, _) | Held::Owned(index) | Held::Inline(index) => index,
    };
    let Some(shared) = current() else { return };
    let shard = &shared.shards[index];
    if shard.gathered.len() > 0 {
        // Whoever is to answer has it before this thread waits.
        shard.gathered.take_lines().into_iter().for_each(|line| line.send_line());
    }
    let ownership = &shard.ownership;
    let gone = match held {
        Held::Lent(_, ticket) => ownership.revoke(ticket),
        _ => {
            ownership.release();
            true
        }
    };
    if gone {
        shared.pool.lost();
        counters::add(Counter::HandOversByWait, 1);
        if !shared.settings.observers.is_empty() {
            let connection = current_connection().map(ConnectionId::new);
            let cause = HandOverCause::Wait;
            shared.settings.observers.handed_over(&HandOver { poller: index, cause, connection });
        }
        shared.staff(index);
    }
}

/// Returns `true` if the shard that this thread's turn was lent has been revoked.
pub(crate) fn is_late() -> bool {
    match HELD.get() {
        Held::Nothing => true,
        Held::Owned(_) | Held::Inline(_) => false,
        Held::Lent(index, ticket) => {
            current().is_none_or(|shared| shared.shards[index].ownership.running() != Some(ticket))
        }
    }
}

/// The number of the connection whose turn this thread runs, if it runs one's.
pub(crate) fn current_connection() -> Option<u64> {
    thread::connection()
}

/// Adds what `make` gives to the list of the shard that this thread's turn holds. Returns `false`, and makes
/// nothing, where the runtime does not gather and where the turn has lost its shard.
pub(crate) fn gather(make: impl FnOnce() -> (Arc<dyn Sender>, LinkBuffer)) -> bool {
    let (index, ticket) = match HELD.get() {
        Held::Nothing => return false,
        Held::Owned(index) | Held::Inline(index) => (index, None),
        Held::Lent(index, ticket) => (index, Some(ticket)),
    };
    let push = |shared: &Arc<Shared>| {
        let shard = &shared.shards[index];
        let owned = || ticket.is_none_or(|ticket| shard.ownership.running() == Some(ticket));
        shared.gathers()
            && shard.gathered.push(owned, || {
                let (sender, bytes) = make();
                Gathered { sender, bytes }
            })
    };
    with(push).unwrap_or(false)
}

/// Returns whether this thread's turn may leave output in line for its end. A turn whose shard nobody can revoke
/// may not, unless it is `inline`: it may block for long.
pub(crate) fn may_gather_lines() -> bool {
    matches!(HELD.get(), Held::Lent(..) | Held::Inline(_))
}

/// Has the output that waits in `sender`'s line leave at the end of this thread's turn, or before it waits. Returns
/// `false` where the caller has to send it: the turn has lost its shard, or has gathered too much.
pub(crate) fn gather_line<S: Sender + 'static>(sender: &Arc<S>) -> bool {
    let (index, ticket) = match HELD.get() {
        Held::Nothing | Held::Owned(_) => return false,
        Held::Inline(index) => (index, None),
        Held::Lent(index, ticket) => (index, Some(ticket)),
    };
    let push = |shared: &Arc<Shared>| {
        let shard = &shared.shards[index];
        shard.gathered.push_line(
            || ticket.is_none_or(|ticket| shard.ownership.running() == Some(ticket)),
            |line| Arc::as_ptr(line).addr() == Arc::as_ptr(sender).addr(),
            || sender.clone(),
        )
    };
    with(push).unwrap_or(false)
}

/// The shard that this thread's turn holds, with its runtime; `None` on a thread that is no worker, and in a turn
/// that has lost its shard.
pub(crate) fn here() -> Option<(Arc<Shared>, Arc<Shard>)> {
    let (Held::Lent(index, _) | Held::Owned(index) | Held::Inline(index)) = HELD.get() else {
        return None;
    };
    with(|shared| (shared.clone(), shared.shards[index].clone()))
}

/// A number for the shard that this thread's turn holds, other than that of any other shard there is; `None` where
/// [`here`] gives none.
pub(crate) fn here_number() -> Option<usize> {
    let (Held::Lent(index, _) | Held::Owned(index) | Held::Inline(index)) = HELD.get() else {
        return None;
    };
    with(|shared| shared.shards[index].number())
}

/// The clock of the runtime whose worker this thread is; elsewhere the system's.
pub(crate) fn clock() -> Clock {
    with(|shared| shared.settings.clock).unwrap_or_default()
}

/// The runtime whose worker this thread is.
pub(crate) fn current() -> Option<Arc<Shared>> {
    with(Arc::clone)
}

/// `None` also in the destructor of a thread-local, when this module's own are gone.
fn with<T>(f: impl FnOnce(&Arc<Shared>) -> T) -> Option<T> {
    SHARED.try_with(|shared| shared.borrow().as_ref().map(f)).ok().flatten()
}
