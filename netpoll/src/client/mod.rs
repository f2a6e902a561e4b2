//! Clients: typed calls over connections that the library dials, watches and shares.
//!
//! ```
//! use netpoll::{EventLoop, Frame, client::Client, frame::Auto, service::Free};
//!
//! /// A body behind its length in four bytes, big-endian.
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
//!
//! | to | use |
//! | --- | --- |
//! | call a service whose replies come in the order of the requests | [`Client::pool`]: one call at a time on each connection |
//! | call such a service without waiting for each reply: Redis, memcached, HTTP/1.1 | [`Client::pipeline`]: many calls in flight on each connection |
//! | call a service whose frames carry a number (`#[frame(seq)]`) | [`Client::mux`]: many calls on each connection |
//! | wait in a thread; in a future | [`Client::call`]; [`Client::call_async`] |
//! | make many calls at once; send without a reply | [`Client::batch`]; [`Client::send`] |
//! | limit the time of one call, repeat it, hedge it | [`CallOptions`] |
//! | log in on each new connection | [`ClientBuilder::on_connect`] |
//! | spread calls over several servers | a list of addresses, or [`Resolve`]; [`SystemDns`] asks the system |
//! | see what a client does | [`Client::stats`] |
//! | have a connection without any of this | [`Dialer::dial`](crate::Dialer::dial) |
//!
//! A request is passed by value. Its reply is a [`Received`], which holds the bytes as they were
//! received and decodes them in place.
//!
//! # Guarantees for each call
//!
//! - A call ends once, at its deadline at the latest: after 10 s, or what the client or the call sets
//!   ([`CallOptions`]). The time covers waiting for a connection, dialling it, and the exchange.
//! - A request is sent once, unless it is marked as [idempotent](CallOptions::idempotent). A call is
//!   repeated on another connection only if its request was certainly not sent: a dial failed, or the
//!   connection ended before the kernel had accepted a byte.
//! - A pooled connection is closed and never used again if its call was given up after the request was
//!   sent, or if it received unrequested bytes or a malformed frame. A multiplexed connection goes on: a
//!   late reply is counted and dropped.
//! - A pipelined call that is given up keeps its place, since its reply is still to come. Calls before it are
//!   not affected; those behind it wait for the late reply until their own deadlines; new ones go over
//!   another connection.
//! - A [goodbye](crate::frame::Goodbye) from the server retires its connection: calls in flight are
//!   answered, new ones go over another connection.
//! - A [stream](Client::stream) of replies has a connection of its own, beside the client's limits.
//! - Waiters for a connection are served in FIFO order. They fail at once if no endpoint can be reached:
//!   a dial failed at most half a second ago, and no other endpoint is left to try. For a second after a
//!   goodbye they wait instead: what restarts is back soon.
//!
//! # Several endpoints
//!
//! Each call goes to the less loaded of two endpoints, chosen at random. An endpoint is ejected when a
//! dial to it fails, or five calls in a row: for 20 ms at first, then for twice as long each time, up to
//! 10 s. Then a dial and one call try it again. Failed calls alone never eject the last endpoint.
//!
//! [`Resolve`] lists the endpoints. One that is no longer listed gets no more calls; its connections are
//! closed when the calls in flight have ended.
//!
//! # The end of a client
//!
//! [`Client::close`] drains a client. Dropping the last handle closes its connections, and with them the
//! calls in flight. A runtime that shuts down does the same.

mod actions;
mod assignment;
mod balance;
mod budget;
mod builder;
mod call;
mod call_connection;
mod call_error;
mod call_future;
mod connections;
#[cfg(all(test, loom))]
mod connections_models;
#[cfg(all(test, not(loom)))]
mod connections_tests;
#[cfg(feature = "udp")]
pub(crate) mod datagram;
mod deadline_timer;
mod deadlines;
mod endpoints;
mod entries;
mod handle;
mod hasher;
mod health;
mod hello;
mod hub;
mod mux;
mod options;
mod pipeline;
mod pool;
mod received;
mod refresh;
mod reply_handler;
mod resolve;
mod running;
mod source;
mod stats;
mod stream;

pub use builder::{ClientBuilder, Mux, Pipeline, Pool};
#[cfg(feature = "udp")]
pub use datagram::{Arrived, Attempts, UdpClient, UdpClientBuilder};
pub use handle::Client;
pub use hello::Hello;
pub use mux::{MuxFrame, SequenceNumber};
pub use options::CallOptions;
pub use received::Received;
pub use resolve::{Resolve, SystemDns};
pub use source::{IntoEndpoints, Source};
pub use stats::ClientStats;
pub use stream::ReplyStream;
