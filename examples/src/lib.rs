//! Programs that a user of netpoll would start from.
//!
//! - [`resp`]: a key-value store that Redis clients use.
//! - [`http`]: HTTP/1.1 as a codec.
//! - [`websocket`]: WebSockets as a codec.
//! - [`postgres`]: tables in memory, behind PostgreSQL's protocol.
//! - [`memcached`]: a cache that memcached's clients use.
//! - [`thrift`]: Thrift's messages in those frames.
//! - [`pubsub`]: topics to which clients subscribe.
//! - [`cli`]: the options that the servers share.
//! - [`log`]: a log of many lines.
//! - [`rpc`]: calls that take as long as they say, in TTHeader frames.
//! - [`run`]: a server as a program.
//! - [`testing`]: what their tests share.

pub mod cli;
pub mod dns;
pub mod http;
pub mod log;
pub mod memcached;
pub mod postgres;
pub mod pubsub;
pub mod resp;
pub mod rpc;
pub mod run;
pub mod testing;
pub mod thrift;
pub mod websocket;
