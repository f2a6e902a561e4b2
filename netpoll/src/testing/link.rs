//! What a connection in memory is like.

use super::peer::MemoryPeer;
use crate::sys::{
    Endpoint,
    testing::{Faults, endpoint_in_memory, endpoints_in_memory},
};

/// The room of a connection in memory, and what befalls it.
#[derive(Clone, Debug)]
pub struct Link {
    inbound: usize,
    outbound: usize,
    faults: Faults,
}

impl Default for Link {
    fn default() -> Self {
        Self { inbound: 64 << 10, outbound: 64 << 10, faults: Faults::default() }
    }
}

impl Link {
    /// Bytes that may be on their way to the library; the test's writes wait past them. Default: 64 KiB.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn inbound(mut self, bytes: usize) -> Self {
        assert!(bytes > 0, "a connection without room");
        self.inbound = bytes;
        self
    }

    /// Bytes that may be on their way to the test; the library's writes would block past them. Default:
    /// 64 KiB.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn outbound(mut self, bytes: usize) -> Self {
        assert!(bytes > 0, "a connection without room");
        self.outbound = bytes;
        self
    }

    /// Faults of this connection alone. Default: those of its runtime.
    #[must_use]
    pub fn faults(mut self, faults: &Faults) -> Self {
        self.faults = faults.clone();
        self
    }

    /// An endpoint, and its other end.
    pub(super) fn make(&self) -> (Endpoint, MemoryPeer) {
        let (endpoint, end) = endpoint_in_memory(self.inbound, self.outbound);
        (self.faults.layer().around(endpoint), MemoryPeer::new(end))
    }

    /// An endpoint, and the one of whoever dialled it.
    pub(super) fn between(&self) -> (Endpoint, Endpoint) {
        let (endpoint, dialled) = endpoints_in_memory(self.inbound, self.outbound);
        (self.faults.layer().around(endpoint), dialled)
    }
}
