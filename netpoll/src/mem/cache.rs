//! The cache of the process: shelves over the depot over the budget.

use std::{
    cell::RefCell,
    sync::{Arc, LazyLock, atomic::Ordering::Relaxed},
};

use parking_lot::Mutex;

use super::{
    block::BlockMut,
    budget::Budget,
    class::Class,
    depot::Depot,
    raw::{FOREIGN, HEADER, Unique},
    shelf::{Shelf, Tally, bump},
};
use crate::Result;

static BUDGET: Budget = Budget::new();
static DEPOT: LazyLock<Depot> = LazyLock::new(Depot::new);
static TALLIES: Mutex<Tallies> = Mutex::new(Tallies { live: Vec::new(), hits: 0, misses: 0 });

/// The shelves' tallies, and the sums of those that are gone.
struct Tallies {
    live: Vec<Arc<Tally>>,
    hits: u64,
    misses: u64,
}

/// This thread's shelf; its blocks go to the depot when the thread ends. A block that is dropped
/// later still, by another thread-local's destructor, goes to the depot at once.
struct Mine(RefCell<Shelf>);

thread_local! {
    static MINE: Mine = Mine::open();
}

impl Mine {
    fn open() -> Self {
        let tally = Arc::<Tally>::default();
        TALLIES.lock().live.push(tally.clone());
        Self(RefCell::new(Shelf::new(tally)))
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        let shelf = self.0.get_mut();
        empty(shelf);
        let mut tallies = TALLIES.lock();
        tallies.live.retain(|t| !Arc::ptr_eq(t, &shelf.tally));
        tallies.hits += shelf.tally.hits.load(Relaxed);
        tallies.misses += shelf.tally.misses.load(Relaxed);
    }
}

/// The memory of this process's blocks, in bytes and in counts. See [`stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemStats {
    /// Bytes of blocks that are in use, headers included.
    pub out: usize,
    /// Bytes of free blocks on shelves and in the depot.
    pub cached: usize,
    /// The most that `out` and `cached` may be together.
    pub limit: Option<usize>,
    /// Allocations that a shelf or the depot served.
    pub hits: u64,
    /// Allocations that went to the system.
    pub misses: u64,
    /// Allocations that the limit or the system refused.
    pub refused: u64,
}

/// Returns a block for at least `capacity` bytes, all of them spare.
///
/// # Errors
/// [`Limit`](crate::ErrorKind::Limit) if the memory limit is reached, naming the limit and the
/// bytes in use, or if the system has no memory.
#[inline]
pub fn alloc(capacity: usize) -> Result<BlockMut> {
    Ok(BlockMut::new(unique(capacity)?.into_block()))
}

/// Returns a block that can hold a foreign `Bytes`.
pub(super) fn holder() -> Result<Unique> {
    unique(FOREIGN)
}

#[inline]
fn unique(capacity: usize) -> Result<Unique> {
    let Some(class) = Class::for_capacity(capacity) else {
        let total = capacity.saturating_add(HEADER).checked_next_multiple_of(4096);
        return fresh(total.unwrap_or(usize::MAX));
    };
    match MINE.try_with(|mine| mine.0.borrow_mut().take(class)) {
        Ok(Some(block)) => Ok(block),
        _ => restock(class),
    }
}

/// Takes a batch from the depot to this thread's shelf, and one block of it.
#[cold]
fn restock(class: Class) -> Result<Unique> {
    let from_depot = MINE.try_with(|mine| {
        let mut shelf = mine.0.borrow_mut();
        shelf.with(class, |blocks| DEPOT.take(class, blocks, class.batch()));
        shelf.take(class)
    });
    match from_depot {
        Ok(Some(block)) => Ok(block),
        _ => fresh(class.total()),
    }
}

/// Returns a block from the system.
#[cold]
fn fresh(total: usize) -> Result<Unique> {
    let _ = MINE.try_with(|mine| bump(&mine.0.borrow().tally.misses, 1));
    if let Some(block) = BUDGET.make(total)? {
        return Ok(block);
    }
    trim();
    DEPOT.clear().into_iter().for_each(|b| BUDGET.free(b));
    BUDGET.make(total)?.ok_or_else(|| BUDGET.refuse(total, cached()))
}

/// Takes back a block whose last handle is gone.
#[inline]
pub(super) fn give(block: Unique) {
    let Some(class) = Class::of_block(block.total()) else { return BUDGET.free(block) };
    if BUDGET.is_tight() {
        return BUDGET.free(block);
    }
    let mut block = Some(block);
    let shelved = MINE.try_with(|mine| match block.take() {
        Some(b) => mine.0.borrow_mut().put(class, b),
        None => Ok(()),
    });
    match (shelved, block) {
        (Ok(Ok(())), _) | (Err(_), None) => {}
        (Ok(Err(block)), _) => overflow(class, block),
        (Err(_), Some(block)) => to_depot(class, vec![block]),
    }
}

/// Makes room on a full shelf, and puts `block` there.
#[cold]
fn overflow(class: Class, block: Unique) {
    let rest = MINE.try_with(|mine| {
        mine.0.borrow_mut().with(class, |blocks| {
            let rest = DEPOT.put(class, blocks, class.batch());
            blocks.push(block);
            rest
        })
    });
    rest.into_iter().flatten().for_each(|b| BUDGET.free(b));
}

fn to_depot(class: Class, mut blocks: Vec<Unique>) {
    let n = blocks.len();
    DEPOT.put(class, &mut blocks, n).into_iter().for_each(|b| BUDGET.free(b));
}

fn empty(shelf: &mut Shelf) {
    for class in Class::all() {
        let blocks = shelf.with(class, std::mem::take);
        if !blocks.is_empty() {
            to_depot(class, blocks);
        }
    }
}

/// Gives this thread's free blocks to the depot, for other threads. A worker does so when it goes
/// to standby.
pub fn trim() {
    let _ = MINE.try_with(|mine| empty(&mut mine.0.borrow_mut()));
}

/// Gives those free blocks of the depot to the system that nobody needed since the last call, and
/// returns their bytes. Called about once a second, it lets an idle process shrink to nothing in
/// two calls.
pub fn shrink() -> usize {
    let mut bytes = 0;
    for block in DEPOT.shrink() {
        bytes += block.total();
        BUDGET.free(block);
    }
    bytes
}

/// Bounds the bytes of all blocks of the process, in use or cached; `None` is no bound, which is
/// the default. A limit below what is in use refuses until enough has come back.
pub fn set_limit(limit: Option<usize>) {
    BUDGET.set_limit(limit);
}

fn cached() -> usize {
    let shelved: u64 = TALLIES.lock().live.iter().map(|t| t.cached.load(Relaxed)).sum();
    shelved as usize + DEPOT.bytes()
}

/// Returns the counters, each as it is at some moment of the call.
pub fn stats() -> MemStats {
    let cached = cached();
    let tallies = TALLIES.lock();
    let sum = |f: fn(&Tally) -> u64| tallies.live.iter().map(|t| f(t)).sum::<u64>();
    MemStats {
        out: BUDGET.held().saturating_sub(cached),
        cached,
        limit: BUDGET.limit(),
        hits: tallies.hits + sum(|t| t.hits.load(Relaxed)),
        misses: tallies.misses + sum(|t| t.misses.load(Relaxed)),
        refused: BUDGET.refused(),
    }
}
