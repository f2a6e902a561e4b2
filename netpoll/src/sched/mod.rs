//! Pollers, workers, and what moves between them.
//!
//! ```text
//!   Runtime ── homes: one for each poller ──────────────┐      crew: the workers
//!              │ poller   events of its descriptors     │      │ drivers    each drives one home
//!              │ queue    turns that are ready          │◀────▶│ late       in a turn that lost its home
//!              │ wheel    timers                        │      │ standbys   parked, take a home over
//!              │ drive    who drives it: see `drive`    │
//!              └────────────────────────────────────────┘      monitor: takes homes from late turns
//! ```
//! A worker drives one home: it waits for events, hands them to their sources, and runs the turns that
//! became ready, in place. While it runs a turn the home is *lent* ([`drive`]); a turn that waits in
//! the library gives it away before it waits ([`seat::give_away`]), and the [`monitor`] takes it from
//! a turn that runs long while there is other work. Everything of a home that a turn may touch is
//! shared and locked for some nanoseconds, so that a turn ends the same way with or without it.
//!
//! Shutdown ([`shared::Shared::shutdown`]): sources are told to close and spawned futures are dropped;
//! drivers go on until nothing is registered or the deadline passed; then all threads leave and are
//! joined, but those that are stuck in a handler.

pub(crate) mod blocking;
mod builder;
mod crew;
mod drive;
pub(crate) mod gate;
pub(crate) mod home;
mod monitor;
pub(crate) mod park;
mod queue;
mod runtime;
mod seat;
pub(crate) mod shared;
pub(crate) mod sleep;
mod stats;
mod task;
#[cfg(feature = "testing")]
pub(crate) mod testing;
pub(crate) mod turn;
mod worker;

pub use blocking::{block_on, blocking};
pub use builder::{Builder, LoadBalance};
pub use runtime::Runtime;
pub(crate) use seat::{clock, is_late};
pub use sleep::{Sleep, Timeout, sleep, timeout};
pub(crate) use sleep::{sleep_on, timeout_on};
pub use stats::{Stats, Syscalls};
pub use task::JoinHandle;
pub(crate) use task::{BoxFuture, panic_error};
