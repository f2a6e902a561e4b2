//! Clients: typed calls over connections that the library makes, watches and shares.
//!
//! ```
//! use netpoll::{EventLoop, Frame, client::Client, frame::Auto, service::Free};
//!
//! /// A length of four bytes, big-endian, then so many bytes.
//! #[derive(Frame)]
//! struct Message<'a> {
//!     #[frame(len(of = rest))]
//!     length: Auto<u32>,
//!     #[frame(rest)]
//!     body: &'a [u8],
//! }
//!
//! #[netpoll::on_request]
//! fn echo<'a>(message: Message<'a>) -> Message<'a> {
//!     message
//! }
//!
//! # fn main() -> netpoll::Result<()> {
//! let server = EventLoop::builder(Free::<echo>::new()).listen("127.0.0.1:0").bind()?;
//! let address = server.addresses()[0].to_string();
//! std::thread::spawn(|| server.serve());
//!
//! // One call at a time on each connection.
//! let client = Client::<Message<'static>, Message<'static>>::pool(address).build()?;
//! let reply = client.call(Message { length: Auto::default(), body: b"hello" })?;
//! assert_eq!(reply.get()?.body, b"hello");
//! # Ok(())
//! # }
//! ```
//! [`Client::pool`] has one call at a time on each connection: for any protocol whose replies come in
//! order. [`Client::mux`] has many on each, whose replies find them by the frames' own number. Both
//! take requests by value and give a reply as [`Received`], in the bytes that came. For a connection
//! without any of this there are [`Dialer::dial`](crate::Dialer::dial) and
//! [`Connection::set_on_request`](crate::Connection::set_on_request).
//!
//! # What holds for every call
//!
//! - It ends once, by its deadline at the latest: 10 s, or what the client or the call sets
//!   ([`CallOptions`]). The time covers the wait for a connection, its dial, and the exchange.
//! - It is sent once. What is tried again on another connection is what was certainly not sent: a dial
//!   failed, or the connection ended before the system had taken a byte of it.
//! - A connection whose call was given up after it was sent, or on which came what nobody had asked for,
//!   or no frame, is closed and never used again. A mux goes on: a late reply finds nobody, and is
//!   dropped and counted.
//! - Those who wait for a connection get one in the order of their coming. They fail at once where no
//!   endpoint can be reached: a dial failed up to half a second ago, and nothing else may come.
//!
//! # Several endpoints
//!
//! Each call goes to the less loaded of two, chosen at random. An endpoint to which a dial fails, or at
//! which five calls on end fail, is left out: for 20 ms at first, then for twice as long each time, up
//! to 10 s. Then a dial and one call try it again. Calls alone never leave out the last one.
//!
//! [`Resolve`] says which endpoints there are; [`SystemDns`] is one that asks the system. One that is
//! not listed any more gets no more calls; its connections are closed when theirs have ended.
//!
//! # States, owners
//!
//! ```text
//!   Client ──▶ Hub ──▶ Slots: queue of calls ─┬─ seats ──▶ Lane ──▶ Connection
//!                      (one lock)             │             │ ▲         │ handler
//!              Call ◀─────────────────────────┘             │ └─(weak)─ Link
//!               ▲  place: nowhere, queue, lane              │
//!               └───── Pooled: its one call, Muxed: table ◀─┘
//! ```
//! - A call has its own lock and knows where it is. Whoever takes it out of there, or its
//!   caller who leaves, ends it; the first who does counts.
//! - The slots say which connections there are, which have room, and who waits, under one
//!   lock, without doing anything; the hub carries out what they decide.
//! - A *lane* is a connection with the calls that it carries, in one of two kinds: `pool`, `mux`.
//!   The slots hold it until its connection has ended, and so does the connection's handler.
//! - Dials are futures on the runtime's workers and belong to a slot, not to a caller.
//!
//! With the last handle of a client its lanes are closed. A runtime that shuts down ends its
//! connections, and so their calls.

mod alarms;
mod allot;
mod balance;
mod builder;
mod call;
mod calling;
mod deadlines;
mod endpoints;
mod handle;
mod health;
mod hub;
mod link;
mod mux;
mod options;
mod pool;
mod received;
mod refresh;
mod resolve;
mod seats;
mod slots;
#[cfg(all(test, loom))]
mod slots_models;
#[cfg(all(test, not(loom)))]
mod slots_tests;
mod source;
mod spread;
mod stats;
mod steps;
mod verdict;

pub use builder::{Builder, Mux, Pool};
pub use handle::Client;
pub use mux::{Numbered, Sequence};
pub use options::CallOptions;
pub use received::Received;
pub use resolve::{Resolve, SystemDns};
pub use source::{IntoEndpoints, Source};
pub use stats::Stats;
