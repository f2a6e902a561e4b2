//! Listeners of shared memory: each client that a Unix socket accepts begins a session, whose streams are
//! accepted as connections are.

use std::sync::Arc;

use super::AcceptHandler;
use crate::{addr::PeerAddress, error::Error, sched::shared::Shared, shm, sys::Endpoint};

/// Passes the streams of sessions on to another handler.
pub(crate) struct Sessions {
    runtime: Arc<Shared>,
    handler: Arc<dyn AcceptHandler>,
}

impl Sessions {
    /// Makes the handler of a listener whose clients begin sessions; their streams go to `handler`.
    pub(crate) fn before(runtime: &Arc<Shared>, handler: Arc<dyn AcceptHandler>) -> Arc<Self> {
        Arc::new(Self { runtime: runtime.clone(), handler })
    }
}

impl AcceptHandler for Sessions {
    fn accepted(&self, endpoint: Endpoint, peer: PeerAddress) {
        let handler = self.handler.clone();
        let accept: shm::Accept = Arc::new(move |stream, peer| handler.accepted(stream, peer));
        if let Err(error) = shm::serve(&self.runtime, endpoint, peer, accept) {
            tracing::warn!(%error, "a session in shared memory was lost");
        }
    }

    fn failed(&self, error: Error) {
        self.handler.failed(error);
    }

    fn shed(&self, clients: usize) {
        self.handler.shed(clients);
    }
}
