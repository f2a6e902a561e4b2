//! What the scheduler runs, and what a poller tells: the two traits that a connection implements.

use std::sync::Arc;

use crate::{buf::LinkBuffer, mem::BlockMut, poller::Event, sys::prefetch};

/// What a turn touches of its owner is in so many bytes, the counts of its `Arc` included.
pub(crate) const TOUCHED: usize = 128;

/// Bytes before what an `Arc` refers to, in which it counts.
pub(crate) const COUNTS: usize = 2 * size_of::<usize>();

/// Something that runs a turn when it is ready: a connection, a listener, a spawned future.
///
/// Whoever implements this has a [`StateWord`](super::state_word::StateWord) and is in at most one queue at a time.
pub(crate) trait Turn: Send + Sync {
    /// Runs one turn on this worker, and queues itself again if there is more to do.
    fn run(self: Arc<Self>, scratch: &mut Scratch);

    /// Does what needs no handler (sends what waits) while the turn itself has to
    /// wait, since `max_workers` handlers run. It stays queued.
    fn run_io(self: Arc<Self>) {}

    /// Begins to fetch what this refers to and its turn touches: it runs next.
    fn fetch_parts(&self) {}

    /// What a worker has to know before it runs the turn.
    fn about(&self) -> About {
        About::default()
    }

    /// Returns `true` if this turn may run a handler, and so needs a place among the `max_workers`. The
    /// runtime's own work (replies to clients' calls, dials, accepts) and spawned futures need none.
    fn is_handler(&self) -> bool {
        true
    }
}

/// What a worker has to know of a turn before it runs it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About {
    /// The number of the connection whose handlers the turn runs, if it is one's.
    pub(crate) connection: Option<u64>,
    /// True if this turn is pure computation: the monitor does not revoke its shard.
    pub(crate) inline: bool,
}

/// Something that is registered with a poller. Called by the poller's driver: short, never waiting.
pub(crate) trait Source: Send + Sync {
    /// An event came. What becomes ready by it goes into `ready`.
    fn on_event(self: Arc<Self>, event: Event, ready: &mut Ready);

    /// A timer that was set for this source's token fired.
    fn on_timer(self: Arc<Self>, now: u64, ready: &mut Ready);

    /// The runtime shuts down: close.
    fn on_shutdown(self: Arc<Self>);
}

/// Begins to fetch what the turn that comes after `before` others touches: itself first, so that what it
/// refers to can be found without a wait.
pub(super) fn fetch_ahead(before: usize, turn: &Arc<dyn Turn>) {
    match before {
        0 => turn.fetch_parts(),
        _ => fetch::<TOUCHED, _>(&**turn),
    }
}

/// Begins to fetch the counts before `shared`, which an `Arc` refers to, and what follows: `LEN` bytes.
pub(crate) fn fetch<const LEN: usize, T: ?Sized>(shared: &T) {
    let at = (&raw const *shared).addr();
    prefetch::<LEN>(at.wrapping_sub(COUNTS));
}

/// What became ready in one look at a poller.
pub(crate) type Ready = Vec<Arc<dyn Turn>>;

/// What a worker lends to the turns that it runs: the blocks that sockets are read into, and answers
/// written to.
///
/// A turn that consumes all it reads leaves the block to the next one, so that idle connections hold
/// none.
pub(crate) struct Scratch {
    /// The current block, made on first use and kept from turn to turn.
    pub(crate) block: Option<BlockMut>,
    /// The tick in which the worker looked at its poller last, where it knows.
    pub(crate) looked: Option<u64>,
    /// Where a turn's answers go. Between turns it has no bytes, and the block that they were written to.
    pub(crate) out: LinkBuffer,
    /// Set by a turn that has queued more: itself, where it hears of what comes by memory, or a future that waited
    /// for it. The worker may run that without a look at the selector before.
    pub(crate) by_memory: bool,
    /// The runtime's `buffer_size`.
    pub(crate) room: usize,
    /// True if workers gather the sends of several turns.
    pub(crate) gathers: bool,
}

impl Scratch {
    /// Creates what a worker lends, without blocks.
    pub(super) fn new(room: usize, gathers: bool) -> Self {
        let (block, looked, out) = (None, None, LinkBuffer::default());
        Self { block, looked, out, by_memory: false, room, gathers }
    }

    /// Returns what it has, and leaves no blocks.
    pub(super) fn take(&mut self) -> Self {
        let empty = Self::new(self.room, self.gathers);
        std::mem::replace(self, empty)
    }
}
