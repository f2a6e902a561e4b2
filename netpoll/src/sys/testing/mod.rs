//! What tests put between sockets and the system: faults, and connections that stay in memory.

mod faults;
mod memory;
mod ports;
pub(super) mod tap;
mod wire;

pub use faults::{Fault, Faults};
pub(crate) use memory::{End, socket_in_memory, sockets_in_memory};
pub use ports::Dials;
pub(crate) use ports::Port;
