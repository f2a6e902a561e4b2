//! Datagrams: sockets of servers and clients that receive and send many in one system call.
//!
//! ```text
//!              one socket for each poller, on one port (SO_REUSEPORT)
//!   readable ──▶ run queue ──▶ turn: receive a batch into one block ──▶ handler, one by one
//!                                     ▲         │                          │ replies
//!                                     └─budget──┘                          ▼
//!                             waiting replies ◀── not taken ── Outbox: one send for all
//!                             oldest dropped past a bound
//! ```
//!
//! - A socket's turn runs in the same queue as the turns of connections. It receives up to
//!   [`BATCH`](crate::sys::udp::BATCH) messages a call, has each datagram handled in place, and sends
//!   the replies of a batch together; neighbours of equal size to one peer leave as one message that
//!   the system splits.
//! - Only a turn touches a socket: it holds [`serving`]'s state. Futures of handlers put their
//!   replies into a queue and schedule the turn.
//! - The block that a batch is received into belongs to the turn, so that an idle socket holds none.
//! - Nothing grows without a bound: replies that the system does not take wait in the outbox, futures
//!   of handlers are counted, and past their number the socket is not read.

mod batches;
mod bind;
mod datagram;
mod ending;
mod endpoint;
mod handler;
mod options;
mod outbox;
mod receive;
mod serving;
mod tally;
mod tasks;
mod turn;

pub use datagram::{Datagram, Ecn};
pub use options::DatagramOptions;
pub use tally::DatagramStats;

pub(crate) use bind::bind_all;
pub(crate) use datagram::{Held, Origin};
pub(crate) use endpoint::Endpoint;
pub(crate) use handler::{Fault, Handled, Handler, Mode};
pub(crate) use outbox::{Destination, Outbox, Outlet};
pub(crate) use serving::Serving;
