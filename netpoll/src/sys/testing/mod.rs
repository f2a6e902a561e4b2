//! What tests put between sockets and the system: faults, and connections that stay in memory.

mod faults;
mod memory;
pub(super) mod tap;

pub use faults::{Fault, Faults};
pub(crate) use memory::{Wire, socket_in_memory};
