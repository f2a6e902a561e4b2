//! WebSocket (RFC 6455) as a codec: [`WebSocket`] reads an HTTP request, answers the upgrade, and from
//! then on reads and writes messages.

mod accept;
mod codec;
mod frame;
mod message;

pub use codec::{Event, Scan, WebSocket};
pub use message::{Close, Output};
