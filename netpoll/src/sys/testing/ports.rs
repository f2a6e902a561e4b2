//! Addresses in memory: who dials one gets a connection in memory.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use crate::{
    addr::PeerAddress,
    sys::{Faults, Socket},
};

/// Where no file can be.
const ROOM: &str = "/dev/null/memory";

/// Makes a connection whose other end somebody takes.
type Answer = dyn Fn() -> io::Result<Socket> + Send + Sync;

static OPEN: Mutex<BTreeMap<PathBuf, Arc<Answer>>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

/// An address in memory, which refuses those who dial it once this is dropped.
pub(crate) struct Port {
    path: PathBuf,
    refuses: Arc<AtomicBool>,
}

impl Port {
    /// A new address, for whose clients `answer` makes connections.
    pub(crate) fn open(answer: impl Fn() -> io::Result<Socket> + Send + Sync + 'static) -> Self {
        let path = PathBuf::from(format!("{ROOM}/{}", NEXT.fetch_add(1, Relaxed)));
        let refuses = Arc::<AtomicBool>::default();
        let closed = refuses.clone();
        let answer = move || if closed.load(Relaxed) { Err(refused()) } else { answer() };
        OPEN.lock().insert(path.clone(), Arc::new(answer));
        Self { path, refuses }
    }

    pub(crate) fn address(&self) -> PeerAddress {
        PeerAddress::Path(self.path.clone())
    }

    /// Whether it refuses those who dial it from now on.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Relaxed);
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        OPEN.lock().remove(&self.path);
    }
}

/// A connection to `peer`, if that is in memory.
pub(in crate::sys) fn dial(peer: &PeerAddress, faults: &Faults) -> Option<io::Result<Socket>> {
    let path = peer.path().filter(|path| path.starts_with(ROOM))?;
    let answer = OPEN.lock().get(path).cloned();
    Some(faults.open(|| answer.map_or_else(|| Err(refused()), |answer| answer())))
}

fn refused() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}
