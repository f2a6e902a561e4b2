//! The count of a connection's handles in users' hands.

use std::sync::{
    Arc,
    atomic::Ordering::{AcqRel, Relaxed},
};

use super::{
    core::Conn,
    state::{event, mark},
};

/// A count among the handles of a connection, for as long as it lives.
pub(super) struct Handle(Arc<Conn>);

impl Handle {
    pub(super) fn new(conn: &Arc<Conn>) -> Self {
        conn.handles.fetch_add(1, Relaxed);
        Self(conn.clone())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // The turn looks at the count after this: it is scheduled by the same word.
        if self.0.handles.fetch_sub(1, AcqRel) == 1
            && self.0.state_word.load() & mark::DETACHED != 0
        {
            self.0.schedule(event::WAKE);
        }
    }
}
