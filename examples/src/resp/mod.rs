//! A key-value store that speaks the Redis protocol, versions 2 and 3.
//!
//! [`Request`] is the frame that clients send. [`execute`] runs one command: its arguments are
//! borrowed from the request, its reply goes straight into the connection's output ([`ReplySink`]).
//! Nothing here knows of sockets.
//!
//! ```
//! use netpoll_examples::resp::{Flow, Session, Store, execute};
//!
//! let store = Store::new();
//! let mut session = Session::new(&store);
//! let mut out = Vec::new();
//! execute(&store, &mut session, &[b"SET", b"colour", b"green"], &mut out)?;
//! execute(&store, &mut session, &[b"get", b"colour"], &mut out)?;
//! assert_eq!(out, b"+OK\r\n$5\r\ngreen\r\n");
//! let flow = execute(&store, &mut session, &[b"QUIT"], &mut out)?;
//! assert_eq!(flow, Flow::Close);
//! # Ok::<(), netpoll::Error>(())
//! ```
//!
//! | file | what |
//! | --- | --- |
//! | `table` | every command: name, arity, keys, function |
//! | `call` | one command's way: look up, lock, run, answer |
//! | `request`, `inline` | what clients send, as frames |
//! | `store`, `shard` | keys and their deadlines, behind sixteen locks |
//! | `value` | what a key can hold |
//! | `strings`, `lists`, `sets`, `hashes`, `keys`, `expiry`, `connection`, `server` | the commands |
//! | `reply`, `fault`, `number`, `glob` | the protocol's replies, errors, integers and patterns |

mod call;
mod command;
mod connection;
mod expiry;
mod fault;
mod glob;
mod hashes;
mod inline;
mod keys;
mod lists;
mod number;
mod reply;
mod request;
mod server;
mod session;
mod sets;
mod shard;
mod store;
mod strings;
mod table;
mod value;

pub use call::{Flow, execute};
pub use reply::ReplySink;
pub use request::{Request, RequestScan, refuse};
pub use session::Session;
pub use store::Store;
