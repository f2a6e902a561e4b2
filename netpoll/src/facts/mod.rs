//! Facts of a connection that lower modules name too: its number, and the reason of its end.

mod id;
pub(crate) mod reason;

pub use id::ConnectionId;
pub use reason::CloseReason;
