//! What the server keeps for one connection.

use super::Store;

/// What the server keeps for one connection.
#[derive(Debug)]
pub struct Session {
    id: i64,
    name: Vec<u8>,
}

impl Session {
    /// The session of a new connection to `store`.
    pub fn new(store: &Store) -> Self {
        Self { id: store.next_session(), name: Vec::new() }
    }

    /// This connection's number: higher than that of every earlier one.
    pub(super) fn id(&self) -> i64 {
        self.id
    }

    /// The name that the client gave, empty if none.
    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(super) fn set_name(&mut self, name: &[u8]) {
        self.name = name.to_vec();
    }
}
