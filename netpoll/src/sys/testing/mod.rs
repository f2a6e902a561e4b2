//! Endpoints of the test kit: connections that stay in memory, and faults around any endpoint.

mod faults;
mod faulty;
mod memory;
mod ports;
mod wire;

pub use faults::{Fault, Faults};
pub(crate) use memory::{End, endpoint_in_memory, endpoints_in_memory};
pub use ports::Dials;
pub(crate) use ports::Port;
