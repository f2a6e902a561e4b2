//! A handler that takes long.

use std::{fmt, sync::Arc, time::Duration};

use super::route::Route;
use crate::{addr::PeerAddress, facts::ConnectionId};

/// A handler that has run or waited for longer than [`stall_after`](crate::RuntimeBuilder::stall_after).
///
/// Its `Display` is one line for people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stall {
    /// The server's name; `None` for a spawned future, and for a dialled connection's handler.
    pub server: Option<Arc<str>>,
    /// The route of the request, where the server has routes.
    pub route: Route,
    /// The connection's number; `None` for a spawned future.
    pub connection: Option<ConnectionId>,
    /// The peer's address, as long as the connection is open.
    pub peer: Option<PeerAddress>,
    /// The time for which the handler has run or waited. It is short by a tenth of `stall_after` at most.
    pub age: Duration,
    /// The place where it spends the time.
    pub place: StallPlace,
    /// True if all handlers that [`max_workers`](crate::RuntimeBuilder::max_workers) allows wait for futures of
    /// their own runtime, and others wait for one of them to end: nothing but a timeout will free them if those
    /// futures need another handler.
    pub deadlock: bool,
    /// The thread as the system sees it, where
    /// [`inspect_stalls`](crate::RuntimeBuilder::inspect_stalls) asks for that: its state, its system call, and the
    /// function of the kernel in which it waits. `None` elsewhere, and where no thread is blocked.
    pub thread: Option<String>,
}

/// The place where a stalled handler spends its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StallPlace {
    /// Outside the library: it computes, sleeps, waits for a lock, or is in a system call of its own.
    Outside,
    /// It blocks its thread in a wait of the library: a call, a read, a write, [`block_on`](crate::block_on).
    Library,
    /// It blocks its thread there, and waits for a future that was spawned on the same runtime.
    OwnTask,
    /// It is a future that waits to be woken, and occupies no thread.
    Future,
}

impl StallPlace {
    /// Returns a short name, such as `own_task`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::Library => "library",
            Self::OwnTask => "own_task",
            Self::Future => "future",
        }
    }
}

impl fmt::Display for StallPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outside => "it computes or blocks outside the library",
            Self::Library => "it blocks its thread in a wait of the library",
            Self::OwnTask => {
                "it blocks its thread, waiting for a future that was spawned on the same runtime"
            }
            Self::Future => "it is a future that waits to be woken",
        })
    }
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.server, self.connection) {
            (_, None) => write!(f, "a spawned future")?,
            (server, Some(connection)) => {
                write!(f, "the handler")?;
                if self.route != Route::NONE {
                    write!(f, " of `{}`", self.route)?;
                }
                write!(f, " on connection {connection}")?;
                if let Some(peer) = &self.peer {
                    write!(f, " with {peer}")?;
                }
                if let Some(server) = server {
                    write!(f, " (server {server})")?;
                }
            }
        }
        write!(f, " has not returned for {:.1?}: {}", self.age, self.place)?;
        if self.deadlock {
            write!(
                f,
                "; a deadlock: all handlers that max_workers allows do so, and others wait for one to end"
            )?;
        }
        if let Some(thread) = &self.thread {
            write!(f, " [{thread}]")?;
        }
        Ok(())
    }
}
