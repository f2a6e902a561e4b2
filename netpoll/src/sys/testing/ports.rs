//! Addresses in memory: who dials one gets a connection in memory.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use super::memory::ignored_endpoint;
use crate::{
    addr::PeerAddress,
    sys::{
        Connecting,
        endpoint::{Endpoint, OTHER_ADDRESSES},
    },
};

/// Where no file can be.
const ROOM: &str = "/dev/null/memory";

/// Makes a connection whose other end somebody takes.
type Answer = dyn Fn() -> io::Result<Endpoint> + Send + Sync;

static OPEN: Mutex<BTreeMap<PathBuf, Arc<Place>>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

struct Place {
    dials: Mutex<Dials>,
    answer: Box<Answer>,
}

/// The outcome of dials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dials {
    /// They give connections.
    #[default]
    Answered,
    /// They fail at once, as where nobody listens.
    Refused,
    /// They fail when their time is over, as where there is no such host.
    Ignored,
}

/// An address in memory, which refuses those who dial it once this is dropped.
pub(crate) struct Port {
    path: PathBuf,
    place: Arc<Place>,
}

impl Port {
    /// A new address, for whose clients `answer` makes connections.
    pub(crate) fn open(answer: impl Fn() -> io::Result<Endpoint> + Send + Sync + 'static) -> Self {
        let path = PathBuf::from(format!("{ROOM}/{}", NEXT.fetch_add(1, Relaxed)));
        let place = Arc::new(Place { dials: Mutex::default(), answer: Box::new(answer) });
        // The first port makes the namespace known; it is the same function ever after.
        OTHER_ADDRESSES.get_or_init(|| dial);
        OPEN.lock().insert(path.clone(), place.clone());
        Self { path, place }
    }

    pub(crate) fn address(&self) -> PeerAddress {
        PeerAddress::Path(self.path.clone())
    }

    /// What becomes of dials from now on.
    pub(crate) fn set(&self, dials: Dials) {
        *self.place.dials.lock() = dials;
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        OPEN.lock().remove(&self.path);
    }
}

/// Begins to connect to `peer`, if that is in memory.
fn dial(peer: &PeerAddress) -> Option<io::Result<(Endpoint, Connecting)>> {
    let path = peer.path().filter(|path| path.starts_with(ROOM))?;
    let place = OPEN.lock().get(path).cloned();
    let dials = place.as_ref().map_or(Dials::Refused, |place| *place.dials.lock());
    Some(match (dials, place) {
        (Dials::Answered, Some(place)) => {
            (place.answer)().map(|endpoint| (endpoint, Connecting::Done))
        }
        (Dials::Ignored, _) => Ok((ignored_endpoint(), Connecting::InProgress)),
        _ => Err(io::ErrorKind::ConnectionRefused.into()),
    })
}
