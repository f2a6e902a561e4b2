//! What the server keeps for one connection.

use super::{Store, reply::Version};

/// What the server keeps for one connection.
#[derive(Debug)]
pub struct Session {
    id: i64,
    name: Vec<u8>,
    version: Version,
}

impl Session {
    /// The session of a new connection to `store`.
    pub fn new(store: &Store) -> Self {
        Self { id: store.next_session(), name: Vec::new(), version: Version::Two }
    }

    /// This connection's number: higher than that of every earlier one.
    pub(super) fn id(&self) -> i64 {
        self.id
    }

    /// The name that the client gave, empty if none.
    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    /// The version of the protocol that the client chose.
    pub(super) fn version(&self) -> Version {
        self.version
    }

    pub(super) fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// Makes it what it was at the connection's beginning.
    pub(super) fn reset(&mut self) {
        *self = Self { id: self.id, name: Vec::new(), version: Version::Two };
    }

    pub(super) fn set_name(&mut self, name: &[u8]) {
        self.name = name.to_vec();
    }
}
