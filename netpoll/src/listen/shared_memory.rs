//! Listeners of shared memory: each client that a Unix socket accepts begins a session, whose streams are
//! accepted as connections are.

use std::{io, sync::Arc};

use parking_lot::Mutex;

use super::AcceptHandler;
use crate::{addr::PeerAddress, error::Error, sched::shared::Shared, shm, sys::Endpoint};

/// Passes the streams of sessions on to another handler. Sessions end with the listener, each as soon as it has
/// no stream.
pub(crate) struct Sessions {
    runtime: Arc<Shared>,
    handler: Arc<dyn AcceptHandler>,
    served: Mutex<Vec<shm::Served>>,
}

impl Sessions {
    /// Makes the handler of a listener whose clients begin sessions; their streams go to `handler`.
    pub(crate) fn before(runtime: &Arc<Shared>, handler: Arc<dyn AcceptHandler>) -> Arc<Self> {
        Arc::new(Self { runtime: runtime.clone(), handler, served: Mutex::default() })
    }
}

impl AcceptHandler for Sessions {
    fn accepted(&self, endpoint: Endpoint, peer: PeerAddress) {
        let handler = self.handler.clone();
        let accept: shm::Accept = Arc::new(move |stream, peer| handler.accepted(stream, peer));
        match shm::serve(&self.runtime, endpoint, peer, accept) {
            Ok(session) => {
                let mut served = self.served.lock();
                served.retain(|session| !session.is_over());
                served.push(session);
            }
            Err(error) => tracing::warn!(%error, "a session in shared memory was lost"),
        }
    }

    fn closed(&self) {
        self.served.lock().drain(..).for_each(|session| session.retire());
        self.handler.closed();
    }

    fn failed(&self, error: Error) {
        self.handler.failed(error);
    }

    fn troubled(&self, address: &PeerAddress, error: &io::Error, shed: usize, fatal: bool) {
        self.handler.troubled(address, error, shed, fatal);
    }

    fn shed(&self, clients: usize) {
        self.handler.shed(clients);
    }
}
