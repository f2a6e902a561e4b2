//! What all holders of a connection share.

use std::{
    fmt, io,
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Relaxed},
        },
    },
};

use parking_lot::Mutex;

use super::{
    connection::Connection,
    deadlines::{Deadlines, Kind},
    handler::Handler,
    layer::Layer,
    options::Settings,
    reason::CloseReason,
    receive_slot::ReceiveSlot,
    recv::Recv,
    state::{self, OVER, event, mark},
    waiters::Waiters,
    write_lock,
};
use crate::{
    addr::PeerAddress,
    buf::LinkBuffer,
    error::{Error, Result},
    poller::{Event, Interest, Token},
    sched::{shard::Shard, shared::Shared, state_word::StateWord, turn::Source},
    sys::{Connecting, Endpoint},
    transport::Role,
};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A callback for a connection's end.
pub(super) type OnClose = Box<dyn FnOnce(&Connection, CloseReason) + Send>;

/// See the module's documentation, and the parent's for who may touch what.
// What every turn touches comes first, in few cache lines: among thousands of connections each line
// is a miss.
#[repr(C)]
pub(crate) struct Conn {
    pub(super) state_word: StateWord,
    pub(super) endpoint: Endpoint,
    /// Bytes in `send` and with the writer.
    pub(super) pending: AtomicUsize,
    /// Empty while a reader has taken it.
    pub(super) recv: ReceiveSlot<Recv>,
    handler: OnceLock<Arc<dyn Handler>>,
    /// Address of the state in `recv`, whoever has it, for prefetching.
    pub(super) recv_at: usize,
    pub(super) options: Arc<Settings>,
    pub(super) id: u64,
    /// Bytes that the system has taken in all; changed by the writer alone.
    pub(super) written: AtomicU64,
    /// Bytes that came over the wire in all; changed by whoever reads.
    pub(super) came: AtomicU64,
    // Its first field ends what every turn touches.
    pub(super) deadlines: Deadlines,
    pub(super) shard: Arc<Shard>,
    pub(super) runtime: Arc<Shared>,
    pub(super) send: Mutex<LinkBuffer>,
    /// See [`Conn::layer`].
    pub(super) layer: Option<Box<Layer>>,
    pub(super) waiters: Waiters,
    /// Handles in users' hands; see [`Handle`](super::handle::Handle).
    pub(super) handles: AtomicUsize,
    pub(super) token: OnceLock<Token>,
    pub(super) peer: PeerAddress,
    pub(super) local: OnceLock<PeerAddress>,
    pub(super) reason: OnceLock<CloseReason>,
    pub(super) on_close: Mutex<Vec<OnClose>>,
}

impl Conn {
    /// A connection on `endpoint`, registered with a shard. Its first turn has the handler open it.
    ///
    /// `handler` is called when the connection is there and before anything can happen to it.
    ///
    /// # Errors
    /// `Closed` if the runtime shuts down; `Io` if the endpoint cannot be registered.
    pub(crate) fn open(
        runtime: &Arc<Shared>,
        endpoint: Endpoint,
        peer: PeerAddress,
        options: Arc<Settings>,
        role: Role,
        handler: impl FnOnce(&Arc<Self>) -> Option<Arc<dyn Handler>>,
    ) -> Result<Arc<Self>> {
        let shard = runtime.place().clone();
        Self::open_at((runtime, shard), endpoint, peer, options, role, handler)
    }

    /// Opens a connection as [`open`](Self::open) does, at a shard of `runtime` that is given.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    pub(crate) fn open_at(
        (runtime, shard): (&Arc<Shared>, Arc<Shard>),
        endpoint: Endpoint,
        peer: PeerAddress,
        options: Arc<Settings>,
        role: Role,
        handler: impl FnOnce(&Arc<Self>) -> Option<Arc<dyn Handler>>,
    ) -> Result<Arc<Self>> {
        runtime.check_open()?;
        let recv = Box::<Recv>::default();
        let conn = Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            state_word: state::fresh(options.transport.as_ref().map(|_| role)),
            endpoint: runtime.settings.faults.around(endpoint),
            runtime: runtime.clone(),
            shard,
            token: OnceLock::new(),
            peer,
            local: OnceLock::new(),
            recv_at: (&raw const *recv).addr(),
            recv: ReceiveSlot::new(Some(recv)),
            layer: options.transport.as_ref().map(|make| Box::new(Layer::new(make, role))),
            options,
            send: Mutex::default(),
            written: AtomicU64::new(0),
            came: AtomicU64::new(0),
            pending: AtomicUsize::new(0),
            handler: OnceLock::new(),
            deadlines: Deadlines::default(),
            waiters: Waiters::default(),
            handles: AtomicUsize::new(0),
            reason: OnceLock::new(),
            on_close: Mutex::default(),
        });
        if conn.endpoint.cuts_reads(&conn.peer) {
            conn.state_word.set(mark::CUT_READS);
        }
        conn.set_deadline(Kind::Idle, conn.options.idle_timeout);
        if conn.state_word.load() & mark::HANDSHAKING != 0 {
            conn.set_deadline(Kind::Handshake, conn.options.handshake_timeout);
        }
        conn.count(1);
        if let Some(handler) = handler(&conn)
            && !conn.put_handler(handler)
        {
            unreachable!("a new connection has no handler");
        }
        let source = |token| {
            conn.token.set(token).expect("a connection is registered once");
            conn.clone() as Arc<dyn Source>
        };
        let poller = &conn.shard.poller;
        let registered = match conn.endpoint.descriptor() {
            Some(fd) => poller.register_with(fd, Interest::Stream, source),
            None => Ok(poller.insert_with(source)),
        };
        if let Err(e) = registered {
            // It ends as all do, in a turn, with its handler told.
            conn.end(mark::ABORTING, CloseReason::Local);
            return Err(Error::io(format!("registering the connection of {}", conn.peer), e));
        }
        conn.endpoint.watch(|| {
            let (shard, token) = (conn.shard.clone(), conn.token.get().copied());
            Arc::new(move |now| {
                if let Some(token) = token {
                    shard.poller.post(token, Event::Ready(now));
                }
            })
        });
        if conn.handler().is_some() {
            // Its first turn runs `on_connect`, whether the peer says something or not.
            conn.schedule(event::WAKE);
        }
        Ok(conn)
    }

    pub(super) fn count(&self, by: isize) {
        let live = &self.runtime.gauges.connections;
        if by > 0 {
            live.fetch_add(1, Relaxed);
            self.shard.load.fetch_add(1, Relaxed);
        } else {
            live.fetch_sub(1, Relaxed);
            self.shard.load.fetch_sub(1, Relaxed);
        }
    }

    /// What the turn calls, unless it was detached.
    pub(crate) fn handler(&self) -> Option<&Arc<dyn Handler>> {
        self.handler.get().filter(|_| self.state_word.load() & mark::DETACHED == 0)
    }

    /// Sets the handler of a connection that has none. False: it has one.
    pub(crate) fn set_handler(self: &Arc<Self>, handler: Arc<dyn Handler>) -> bool {
        let set = self.put_handler(handler);
        if set {
            self.schedule(event::WAKE);
        }
        set
    }

    fn put_handler(&self, handler: Arc<dyn Handler>) -> bool {
        let inline = handler.inline();
        let set = self.handler.set(handler).is_ok();
        if set && inline {
            self.state_word.set(mark::INLINE);
        }
        set
    }

    /// Notes `bits`, and queues a turn if none is.
    pub(super) fn schedule(self: &Arc<Self>, bits: u32) {
        let before = self.state_word.notify(bits);
        if StateWord::must_queue(before) {
            self.shard.push(self.clone());
        }
    }

    /// Sets an entry in the wheel, if a deadline needs one.
    pub(super) fn arm(&self) {
        if let Some(at) = self.deadlines.to_arm()
            && let Some(token) = self.token.get()
        {
            self.shard.arm(at, *token);
        }
    }

    /// Sets a deadline `timeout` from now.
    pub(super) fn set_deadline(&self, kind: Kind, timeout: Option<std::time::Duration>) {
        if let Some(timeout) = timeout {
            self.deadlines.set(kind, self.shard.clock.tick_after(timeout));
        }
    }

    /// How a connect went, if the selector has told anything since the last look.
    pub(crate) fn connected(self: &Arc<Self>) -> Option<io::Result<()>> {
        if self.state_word.load() & (mark::HEARD | OVER) == 0 {
            return None;
        }
        self.state_word.clear(mark::HEARD);
        match self.with_endpoint(Endpoint::connect_finish) {
            None => Some(Err(io::ErrorKind::NotConnected.into())),
            Some(Ok(Connecting::InProgress)) => None,
            Some(told) => Some(told.map(drop)),
        }
    }

    /// Lets `f` use the socket while nobody can close it. `None`: it has ended, or somebody writes.
    pub(super) fn with_endpoint<T>(self: &Arc<Self>, f: impl FnOnce(&Endpoint) -> T) -> Option<T> {
        write_lock::borrow(self, || f(&self.endpoint))
    }

    /// Takes the turn's `handler` off; the connection goes on raw.
    pub(super) fn detach(&self) {
        self.state_word.set(mark::DETACHED);
    }

    /// Whether neither side has ended it, as far as is known.
    pub(crate) fn is_active(&self) -> bool {
        !self.is_given_up(self.state_word.load())
    }

    pub(super) fn is_over(&self) -> bool {
        self.state_word.load() & OVER != 0
    }

    /// Returns whether this side has asked for the end: no request starts after that.
    pub(crate) fn is_ending(&self) -> bool {
        self.state_word.load() & (OVER | mark::CLOSING) != 0
    }

    pub(crate) fn pending(&self) -> usize {
        self.pending.load(std::sync::atomic::Ordering::Acquire)
    }

    /// Bytes that the system has taken in all.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Bytes that came over the wire in all.
    pub(crate) fn came(&self) -> u64 {
        self.came.load(Relaxed)
    }

    pub(super) fn less_pending(&self, n: usize) -> usize {
        self.pending.fetch_sub(n, AcqRel) - n
    }
}

impl fmt::Display for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {} with {}", self.id, self.peer)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::mem::offset_of;

    use super::*;
    use crate::sched::turn::{COUNTS, TOUCHED};

    #[test]
    fn what_a_turn_touches_is_fetched_before_it_runs() {
        assert!(offset_of!(Conn, deadlines) < TOUCHED - COUNTS);
    }
}
