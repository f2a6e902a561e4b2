//! Shards, workers, and how a shard changes hands.
//!
//! ```text
//!   Runtime ── shards: one for each poller ──────────────┐      worker pool: the threads
//!              │ poller     events of its descriptors   │      │ owners     each drives one shard
//!              │ queue      turns that are ready        │◀────▶│ late       in a turn that lost its shard
//!              │ wheel      timers                      │      │ standbys   parked, take a shard over
//!              │ ownership  which worker drives it      │
//!              └────────────────────────────────────────┘      monitor: revokes shards of long turns
//! ```
//! A worker owns one shard: it waits for events, hands them to their sources, and runs the turns that
//! became ready, in place. While it runs a turn the shard is *lent* to the turn ([`ownership`]). A turn
//! that waits in the library gives the shard to another worker before it waits
//! ([`context::give_away`]), and the [`monitor`] revokes it from a turn that runs long while there is
//! other work. Everything of a shard that a turn may touch is shared and locked for some nanoseconds, so
//! that a turn ends in the same way with or without it.
//!
//! Shutdown ([`shared::Shared::shutdown`]): sources are told to close and spawned futures are dropped.
//! Owners go on until nothing is registered or the deadline has passed. Then all threads leave and are
//! joined, except those that are stuck in a handler.

#[cfg(feature = "tokio-rt")]
mod beside_tokio;
pub(crate) mod block_on;
pub(crate) mod blocking;
mod builder;
pub(crate) mod completion;
mod context;
mod current;
mod gathered;
mod monitor;
mod ownership;
mod queue;
mod runtime;
mod settings;
pub(crate) mod shard;
pub(crate) mod shared;
mod shutdown;
pub(crate) mod sleep;
pub(crate) mod stalls;
pub(crate) mod state_word;
mod stats;
mod task;
#[cfg(feature = "testing")]
pub(crate) mod testing;
#[cfg_attr(not(feature = "tokio-rt"), path = "no_tokio.rs")]
mod tokio_context;
pub(crate) mod turn;
mod waiting;
mod worker;
mod worker_pool;

pub use block_on::block_on;
pub use blocking::blocking;
pub use builder::RuntimeBuilder;
pub(crate) use context::{
    clock, current_connection, gather, gather_line, here, here_number, is_late, may_gather_lines,
};
pub use current::spawn;
pub(crate) use gathered::Sender;
pub use runtime::Runtime;
pub use settings::SystemCalls;
pub use sleep::{Sleep, Timeout, sleep, timeout};
pub(crate) use sleep::{sleep_on, timeout_on};
pub use stats::{Stats, Syscalls};
pub(crate) use task::BoxFuture;
pub use task::JoinHandle;
