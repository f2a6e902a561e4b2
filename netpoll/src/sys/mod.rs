//! System calls: selectors, sockets, and the little else that the library asks of the system.
//!
//! Nothing here knows of connections, buffers or threads' roles. Each call that belongs to a turn
//! is counted. What differs between systems lives in one module for each system, all with the same
//! items (`Selector`, `RawEvents`, `Waker`, `SEND_FLAGS`, ..); they are chosen here and nowhere else.

#[cfg(any(target_os = "macos", target_os = "freebsd"))]
mod bsd;
#[cfg(target_os = "freebsd")]
mod freebsd;
#[cfg(any(target_os = "macos", target_os = "freebsd"))]
mod kqueue;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;

mod accept;
mod call;
pub(crate) mod endpoint;
#[cfg(target_os = "linux")]
pub(crate) mod handed;
mod inherited;
mod interest;
mod limits;
mod listener;
mod monotonic;
#[cfg(not(all(target_os = "linux", feature = "io-uring")))]
mod no_ring;
mod options;
mod prefetch;
pub(crate) mod signal;
mod sockaddr;
mod socket;
mod socket_file;
#[cfg(feature = "testing")]
pub(crate) mod testing;
#[cfg(feature = "udp")]
pub(crate) mod udp;

#[cfg(all(test, not(loom)))]
mod tests;

#[cfg(target_os = "freebsd")]
use freebsd as os;
#[cfg(target_os = "linux")]
use linux as os;
#[cfg(target_os = "macos")]
use macos as os;

pub(crate) use accept::{AcceptFault, SpareFd};
pub(crate) use endpoint::{Endpoint, FaultLayer};
pub(crate) use inherited::take_inherited;
pub use interest::{Interest, Readiness};
pub use limits::raise_fd_limit;
#[cfg(all(target_os = "linux", feature = "io-uring"))]
pub(crate) use linux::ring::{BATCH, Outgoing, Ring};
#[cfg(target_os = "linux")]
pub(crate) use linux::{Region, effective_user, receive_descriptors, send_descriptors};
pub(crate) use listener::{ListenOptions, Listener};
pub(crate) use monotonic::{monotonic, nanos};
#[cfg(not(all(target_os = "linux", feature = "io-uring")))]
pub(crate) use no_ring::{BATCH, Outgoing, Ring};
pub(crate) use options::{Keepalive, StreamOptions};
pub(crate) use os::{RawEvents, Selector, Waker, inspect_thread, set_timer_slack, thread_number};
pub(crate) use prefetch::prefetch;
pub use socket::Credentials;
pub(crate) use socket::{Connecting, Socket};
