//! What tests of servers and clients need: connections in memory, faults by a seed, a clock that a test
//! turns. Behind the feature `testing`.
//!
//! What a test has of a connection in memory is the other end of a server's ([`Server::connect`]), of a
//! connection's ([`pair`]), or of a client's ([`Listener`]). Or nothing, where a client dials a server in
//! memory ([`Server::listen`]).
//!
//! Nothing of the library is replaced: the same handlers run on the same runtime, and a connection in
//! memory differs from another only below `read` and `write`.
//!
//! ```
//! use std::io::{Read, Write};
//! use netpoll::{Call, Connection, EventLoop, Flow, In, Result, Service, testing::Server};
//!
//! struct Upper;
//! impl Service for Upper {
//!     type Session = ();
//!     type Request = In<'static>;
//!     async fn on_connect(&self, _: &Connection) -> Result<()> {
//!         Ok(())
//!     }
//!     async fn on_request<'a>(&'a self, call: Call<'a, ()>, mut input: In<'a>) -> Result<Flow> {
//!         let n = input.len();
//!         call.out.buf.write(&input.next(n)?.to_ascii_uppercase())?;
//!         Ok(Flow::Continue)
//!     }
//! }
//!
//! let server = Server::start(EventLoop::builder(Upper).pollers(1))?;
//! let mut peer = server.connect()?;
//! // Two pieces: the server sees them one after the other.
//! peer.write_all(b"hel")?;
//! peer.write_all(b"lo")?;
//! peer.shutdown_write();
//! let mut answer = String::new();
//! peer.read_to_string(&mut answer)?;
//! assert_eq!(answer, "HELLO");
//! # Ok::<(), netpoll::Error>(())
//! ```

use std::time::Duration;

mod clock;
mod link;
mod listener;
#[cfg(feature = "udp")]
mod network;
mod pair;
mod peer;
mod port;
mod seeds;
mod server;

pub use clock::{VirtualClock, settle};
pub use link::Link;
pub use listener::Listener;
#[cfg(feature = "udp")]
pub use network::{Network, NetworkStats};
pub use pair::pair;
pub use peer::MemoryPeer;
pub use port::Port;
pub use seeds::each_seed;
pub use server::Server;

pub use crate::sys::testing::{Dials, Fault, Faults};

/// How long a test's waits last that come to nothing: it fails and does not hang.
const PATIENCE: Duration = Duration::from_secs(20);
