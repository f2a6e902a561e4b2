//! Shared memory between processes of one machine, by the protocol of shmipc.
//!
//! ```text
//!   Unix socket ── control frames: the handshake, wake-ups, streams' fallback ── [`control`]
//!   queue file ─── two rings of elements: a stream, an offset, a status ──────── [`queue`]
//!   buffer file ── lists of slices of a few sizes, free ones chained ─────────── [`slices`]
//! ```
//! The format is that of CloudWeGo's shmipc specification and of its implementation in Go, which is what
//! runs. Numbers in the files are in the machine's order, those of control frames are big-endian.
//!
//! All that the peer can write is checked when it is read, and read once: [`Breach`] says what did not
//! hold, and ends the session with that peer alone.

mod breach;
mod control;
mod link;
mod made;
mod queue;
mod quota;
mod session;
mod slices;
mod stream;

pub(crate) use session::{Accept, Served, check, connect, serve};
