//! Connections: their state, their turn, their two halves, and the handle that users hold.
//!
//! ```text
//!            selector ──on_event──▶ ┌───────────── Conn ─────────────┐
//!            wheel ─────on_timer──▶ │ state_word      events, marks        │──▶ shard's run queue ──▶ turn
//!            any thread ──close───▶ │ recv slot input, its flags     │
//!            any thread ──write───▶ │ send      output, its bounds   │──▶ socket
//!                                   │ handler   what the turn calls  │
//!                                   └────────────────────────────────┘
//! ```
//! Who may touch what:
//! - `state_word`: everyone; every hand-over below is a step of this one word ([`state`]).
//! - `recv`: the turn; or, while [`state::mark::READING`] is set, the [`Reader`] that has taken it.
//! - `send`: whoever has something to send appends under its lock; whoever sets
//!   [`state::mark::WRITING`] writes to the socket until nothing is left or the socket is full.
//! - the socket: the turn reads, the writer writes. It is closed by a turn, after `FINISHED` is set
//!   and nobody writes; who comes later sees the mark and does not touch it. So a descriptor number
//!   that the system gives to another connection is never used by the old one.
//! - `handler`: set once; the turn calls it. `disconnected` alone may be called by the poller while a
//!   turn runs, and takes nothing but shared references.
//!
//! The end of a connection, in order: a mark says that it ends (`CLOSING`, `ABORTING`) or the peer
//! went; the turn sends what waits and reads what comes beside it ([`linger`]; neither when aborting),
//! sets `FINISHED`, removes the registration, closes the socket, frees the buffers, wakes the waiters,
//! runs `on_disconnect` (if the peer went first and it has not run), `on_close`, the close callbacks;
//! then the connection is no longer counted ([`end`]).

mod arrivals;
mod cancel;
#[cfg(feature = "serde")]
mod config;
mod connection;
mod copy;
pub(crate) mod core;
mod deadlines;
mod disconnect;
mod end;
mod events;
pub(crate) mod frames;
mod half_open;
mod handle;
pub(crate) mod handler;
mod handshake;
mod handshake_slots;
mod layer;
mod linger;
mod options;
pub(crate) mod pump;
mod read;
mod reader;
mod receive_slot;
pub(crate) mod recv;
mod send;
mod state;
pub(crate) mod step;
mod stream;
mod timeouts;
mod turn;
#[cfg(all(test, loom))]
mod turns_models;
mod typed;
mod verbs;
pub(crate) mod wait;
mod waiters;
mod write;
mod write_lock;
#[cfg(all(test, loom))]
mod write_lock_models;
mod writer;

pub(crate) use arrivals::Arrivals;
pub use cancel::{Cancel, Deadline};
pub use connection::Connection;
pub use copy::{BoxCopy, Copied, CopyBidirectional, CopyError, copy_bidirectional};
pub(crate) use handshake::Handshakes;
pub(crate) use options::{
    ChosenOptions, Settings, connection_options, connection_setters, setters_of_builder,
};
pub use options::{ConnectionOptions, Keepalive};
pub use reader::Reader;
pub(crate) use send::Sent;
pub use stream::{ByteStream, ReadHalf, WriteHalf};
pub use typed::Frames;
pub use writer::Writer;

use crate::facts::reason;
pub use crate::facts::{CloseReason, ConnectionId};
