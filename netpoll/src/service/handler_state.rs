//! The state of a connection's handler.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Release},
    },
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    Dispatch, Service,
    batch_runner::Job,
    done::Done,
    guard::Guarded,
    in_flight::InFlight,
    last_hook::LastHooks,
    loan::Slot,
    observed::{Pending, Times},
    request::Take,
};
use crate::{
    conn::{Connection, core::Conn},
    error::{Error, Result},
    guard::Place,
    observe::{Observed, Watch},
    sched::BoxFuture,
    timer::Moment,
};

/// The owner of a connection: the server that accepted it, or a dialled connection's own user.
pub(crate) trait ConnectionOwner: Send + Sync {
    /// Called when `on_prepare` refuses the connection.
    fn refused(&self);

    /// Returns whether connections are to end as soon as they are idle.
    fn drains(&self) -> bool;

    /// Returns the connection as the owner's observers see it, if there are any.
    fn observe(&self, conn: &Conn) -> Option<Arc<Observed>> {
        let _ = conn;
        None
    }

    /// Called for each error that `on_error` is told of.
    fn failed(&self, conn: &Connection, error: &Error);

    /// Called when the connection has ended.
    fn closed(&self, conn: &Connection);
}

/// The handler of one connection for the service `S`.
// As in `Conn`, the fields that every turn touches come first; the session has any size.
#[repr(C)]
pub(crate) struct ConnectionHandler<S: Service> {
    pub(super) timeout: Option<Duration>,
    pub(super) service: Arc<S>,
    pub(super) owner: Arc<dyn ConnectionOwner>,
    /// The requests that are handled concurrently, if they are.
    pub(super) in_flight: Option<Arc<InFlight<Job<S>>>>,
    /// The connection as it is observed, if it is.
    pub(super) observed: Option<Arc<Observed>>,
    /// True if the next turn scans the rest of the input anew.
    pub(super) again: AtomicBool,
    pub(super) last_hooks: LastHooks,
    pub(super) state: Mutex<State<S>>,
}

#[repr(C)]
pub(super) struct State<S: Service> {
    pub(super) phase: Phase<S::Session>,
    pub(super) scan: Guarded<<S::Request as Take>::Scan>,
    /// The task that goes on with the connection once it is detached.
    pub(super) detached: Option<BoxFuture<()>>,
    /// The end that waits for the concurrent requests in flight.
    pub(super) ending: Option<Ending>,
    pub(super) session: Option<S::Session>,
    /// The slot that a future returns the session to.
    pub(super) slot: Slot<S::Session>,
    /// The moment from which the connection of a server that drains closes when it is idle, once the peer was
    /// told.
    pub(super) leaves: Option<Moment>,
    /// The moments of the requests that turns handle, where they are observed.
    pub(super) times: Times,
    /// The measurement of the request whose future is under way, if it is observed.
    pub(super) watch: Option<Watch>,
    /// The place of that future among those that wait, once it was not ready.
    pub(super) pending: Option<Pending>,
}

pub(super) enum Phase<T> {
    Fresh,
    /// `on_prepare` has let it in.
    Prepared,
    Opening(BoxFuture<Result<T>>),
    Open,
    Busy(BoxFuture<Done>),
    Over,
}

/// The end of a connection that reads no more requests, and still answers those in flight.
pub(super) enum Ending {
    /// An error, such as malformed bytes behind the last request.
    Failed(Error),
    /// A handler's wish.
    Closed,
}

impl<S: Service> ConnectionHandler<S> {
    pub(crate) fn new(
        service: Arc<S>,
        owner: Arc<dyn ConnectionOwner>,
        timeout: Option<Duration>,
    ) -> Self {
        let state = State {
            phase: Phase::Fresh,
            session: None,
            slot: Slot::default(),
            scan: Guarded::new(Place::Scan, Default::default()),
            ending: None,
            leaves: None,
            times: Times::default(),
            watch: None,
            pending: None,
            detached: None,
        };
        let in_flight = in_flight_table();
        let state = Mutex::new(state);
        Self {
            service,
            owner,
            timeout,
            state,
            in_flight,
            observed: None,
            again: AtomicBool::new(false),
            last_hooks: LastHooks::default(),
        }
    }

    /// Makes the handler that of `conn`, before anything happens to it.
    pub(crate) fn of(mut self, conn: &Conn) -> Self {
        self.observed = self.owner.observe(conn);
        self
    }

    pub(super) fn service(&self) -> &S {
        &self.service
    }

    /// Makes the next turn scan its input anew.
    pub(super) fn look_again(&self) {
        self.again.store(true, Release);
    }
}

/// The notice to a connection's owner that the connection has ended, given when this is dropped.
pub(super) struct Told {
    pub(super) owner: Arc<dyn ConnectionOwner>,
    pub(super) conn: Connection,
}

impl Drop for Told {
    fn drop(&mut self) {
        self.owner.closed(&self.conn);
    }
}

/// Creates the in-flight table of a connection whose requests are handled concurrently.
fn in_flight_table<S: Service>() -> Option<Arc<InFlight<Job<S>>>> {
    let Dispatch::Concurrent { max, ordered } = S::DISPATCH else { return None };
    Some(Arc::new(InFlight::new(max, ordered)))
}
