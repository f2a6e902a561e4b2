//! A server's socket: registered with one poller, received from and answered in turns.
//!
//! All I/O is done by turns, of which one runs at a time; they hold [`State`]. Events are bits of the
//! state_word:
//!
//! | event | set by | what the turn does |
//! | --- | --- | --- |
//! | READABLE | the selector, a timer after a failure | receives batches until none is full |
//! | WRITABLE | the selector | sends replies that wait |
//! | REPLIED | a handler's future that is done | takes its replies; receives if it had paused |
//! | CLOSE | a shutdown | answers what has come, waits for futures, then closes |
//! | ABORT | a deadline, the runtime's end | closes |
//!
//! What a turn does is in files of its own: [`turn`](super::turn) decides by the events,
//! [`batches`](super::batches) receives and handles, [`tasks`](super::tasks) are the handlers that are futures,
//! [`ending`](super::ending) closes. Sending is here, and what all of them use.

use std::{
    fmt, io,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Waker,
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    endpoint::Endpoint,
    handler::{Fault, Handler, Mode},
    options::DatagramOptions,
    outbox::{GATHER, Outbox, Sent},
    receive::Appetite,
    tally::{DatagramStats, Tally},
};
use crate::{
    error::{Error, ErrorKind, Result},
    frame::Encode,
    poller::{Interest, Token},
    sched::{shard::Shard, shared::Shared, state_word::StateWord},
    throttle::Throttle,
};

/// Datagrams after which a turn leaves the thread to others.
pub(super) const BUDGET: usize = 256;

/// Datagrams that are answered after a shutdown began, at each socket: those that had come before.
pub(super) const LAST: usize = 16 * 1024;

/// How long a socket that failed, or found no memory, is left alone.
const PAUSE: Duration = Duration::from_millis(10);

/// Failures of one turn after which the socket is left alone.
pub(super) const FAILURES: usize = 8;

pub(super) const READABLE: u32 = 1 << 2;
pub(super) const WRITABLE: u32 = 1 << 3;
pub(super) const REPLIED: u32 = 1 << 4;
pub(super) const CLOSE: u32 = 1 << 5;
pub(super) const ABORT: u32 = 1 << 6;

/// See the module's documentation.
pub(crate) struct Serving {
    pub(super) state_word: StateWord,
    pub(super) mode: Mode,
    pub(super) local: SocketAddr,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) options: Arc<DatagramOptions>,
    pub(super) runtime: Arc<Shared>,
    pub(super) shard: Arc<Shard>,
    /// Stands for the socket in the timer wheel.
    pub(super) timer: OnceLock<Token>,
    pub(super) state: Mutex<State>,
    /// Replies of futures, taken by the next turn.
    pub(super) replied: Mutex<Outbox>,
    /// Futures of handlers that are not done.
    pub(super) running: AtomicUsize,
    /// The outbox's size after the last turn.
    pub(super) waiting: AtomicUsize,
    pub(super) tally: Tally,
    /// Lost before the socket was closed.
    pub(super) overflowed: AtomicUsize,
    pub(super) ended: Mutex<Ended>,
    pub(super) errors: Throttle,
}

pub(super) struct State {
    pub(super) endpoint: Option<Arc<dyn Endpoint>>,
    pub(super) registered: Option<Token>,
    pub(super) outbox: Outbox,
    /// The system has no room for the first reply.
    pub(super) blocked: bool,
    pub(super) appetite: Appetite,
    /// Datagrams may wait to be received.
    pub(super) more: bool,
    /// The shutdown's: so many datagrams may yet be handled.
    pub(super) last: Option<usize>,
}

/// The end, and the wakers of those that wait for it.
#[derive(Default)]
pub(super) struct Ended {
    pub(super) closed: bool,
    pub(super) waiters: Vec<Waker>,
}

impl Serving {
    /// Serves `endpoint` at `shard`.
    ///
    /// # Errors
    /// `Closed` if the runtime shuts down, `Io` if it cannot be registered.
    pub(crate) fn start(
        runtime: &Arc<Shared>,
        shard: &Arc<Shard>,
        endpoint: Arc<dyn Endpoint>,
        options: Arc<DatagramOptions>,
        handler: Arc<dyn Handler>,
    ) -> Result<Arc<Self>> {
        runtime.check_open()?;
        let state = State {
            endpoint: Some(endpoint.clone()),
            registered: None,
            outbox: Outbox::default(),
            blocked: false,
            appetite: Appetite::default(),
            more: false,
            last: None,
        };
        let serving = Arc::new(Self {
            state_word: StateWord::new(0),
            mode: handler.mode(),
            local: endpoint.local(),
            handler,
            options,
            runtime: runtime.clone(),
            shard: shard.clone(),
            timer: OnceLock::new(),
            state: Mutex::new(state),
            replied: Mutex::default(),
            running: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            tally: Tally::default(),
            overflowed: AtomicUsize::new(0),
            ended: Mutex::default(),
            errors: Throttle::every(Duration::from_secs(1)),
        });
        let token = shard.poller.insert(serving.clone());
        serving.timer.set(token).expect("a socket starts once");
        let registered = match endpoint.fd() {
            Some(fd) => shard.poller.register(fd, Interest::Datagrams, serving.clone()).map(Some),
            None => Ok(None),
        };
        match registered {
            Ok(registered) => serving.state.lock().registered = registered,
            Err(error) => {
                serving.abort();
                let at = serving.local;
                return Err(Error::io(format!("registering the socket of udp://{at}"), error));
            }
        }
        let ready = Arc::downgrade(&serving);
        endpoint.notified(Box::new(move || {
            if let Some(serving) = ready.upgrade() {
                serving.schedule(READABLE);
            }
        }));
        Ok(serving)
    }

    /// Sends `frames` by `endpoint`, this socket's, to its peer; those without room wait.
    ///
    /// # Errors
    /// The first that cannot be encoded or is refused; those before it are sent.
    pub(crate) fn send_all<F: Encode>(
        self: &Arc<Self>,
        endpoint: &dyn Endpoint,
        frames: &mut dyn Iterator<Item = F>,
    ) -> Result<()> {
        let mut outbox = Outbox::default();
        let mut failed = None;
        loop {
            let put = frames.next().map(|frame| outbox.put_connected(&frame));
            let ends = !matches!(put, Some(Ok(())));
            if let Some(Err(error)) = put {
                failed = Some(error);
            }
            if !ends && outbox.size() < GATHER {
                continue;
            }
            let sent = outbox.send(endpoint, &self.tally, |_, error| {
                failed.get_or_insert(Error::io("sending a datagram", error));
            });
            if matches!(sent, Sent::Blocked) {
                self.send_later(std::mem::take(&mut outbox));
            }
            if let Some(error) = failed {
                return Err(error);
            }
            if ends {
                return Ok(());
            }
        }
    }

    /// Counts datagrams that were sent without a turn.
    pub(crate) fn count_sent(&self, n: u64) {
        self.tally.sent(n);
    }

    /// Counts datagrams that the system refused to send without a turn.
    pub(crate) fn count_unsent(&self, n: u64) {
        self.tally.unsent(n);
    }

    /// The address that it is bound to.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Adds what it counts to `stats`.
    pub(crate) fn add_to(&self, stats: &mut DatagramStats) {
        self.tally.add_to(stats);
        stats.waiting += self.waiting.load(Relaxed);
        // A turn that runs holds the state; it notes what it finds at its end.
        if let Some(state) = self.state.try_lock()
            && let Some(endpoint) = &state.endpoint
        {
            stats.sockets += 1;
            self.overflowed.store(endpoint.dropped() as usize, Relaxed);
        } else if !self.ended.lock().closed {
            stats.sockets += 1;
        }
        stats.overflowed += self.overflowed.load(Relaxed) as u64;
    }

    /// Joins `group`, or leaves it.
    ///
    /// # Errors
    /// `Closed` after the socket's end; what the system reports.
    pub(crate) fn membership(
        &self,
        change: impl FnOnce(&dyn Endpoint) -> io::Result<()>,
        what: impl fmt::Display,
    ) -> Result<()> {
        let endpoint = self.state.lock().endpoint.clone();
        let Some(endpoint) = endpoint else {
            return Err(Error::new(ErrorKind::Closed, format!("{what}: the socket is closed")));
        };
        change(&*endpoint).map_err(|error| Error::io(what, error))
    }

    pub(super) fn schedule(self: &Arc<Self>, event: u32) {
        if StateWord::must_queue(self.state_word.notify(event)) {
            self.shard.push(self.clone());
        }
    }

    /// Tells `on_error`, once a second.
    pub(super) fn tell(&self, peer: Option<SocketAddr>, error: impl FnOnce() -> Error) {
        let admitted = match self.handler.throttled() {
            true => self.errors.admit(self.shard.clock),
            false => Some(0),
        };
        if let Some(skipped) = admitted {
            let mut error = error();
            if skipped > 0 {
                let message = format!("{error} (and {skipped} before it)");
                error = error.with_message(message);
            }
            self.handler.failed(peer, self.local, &error);
        }
    }

    #[cold]
    pub(super) fn count(&self, peer: SocketAddr, fault: Fault) {
        match fault {
            Fault::Malformed(error) => {
                self.tally.malformed(1);
                self.tell(Some(peer), || error);
            }
            Fault::Failed(error) => {
                self.tally.failed(1);
                self.tell(Some(peer), || error);
            }
        }
    }

    /// Sends what waits, as far as the system has room.
    pub(super) fn send(self: &Arc<Self>, state: &mut State, endpoint: &dyn Endpoint) {
        let replied = std::mem::take(&mut *self.replied.lock());
        if !replied.is_empty() {
            state.outbox.append(replied);
        }
        if !state.blocked && !state.outbox.is_empty() {
            let sent = state.outbox.send(endpoint, &self.tally, |peer, error| {
                self.tell(peer, || match peer {
                    Some(peer) => Error::io(format!("sending to {peer}"), error),
                    None => Error::io("sending", error),
                });
            });
            let blocked = matches!(sent, Sent::Blocked);
            if blocked {
                self.watch(state, endpoint, Interest::Stream);
            }
            state.blocked = blocked;
        }
        state.outbox.bound(self.options.max_waiting);
        self.tally.dropped(state.outbox.take_dropped());
        self.waiting.store(state.outbox.size(), Relaxed);
    }

    /// Registers the socket anew: for room to send too, or for datagrams alone, of which a selector tells
    /// nothing each time that one has left.
    pub(super) fn watch(
        self: &Arc<Self>,
        state: &mut State,
        endpoint: &dyn Endpoint,
        interest: Interest,
    ) {
        let Some(fd) = endpoint.fd() else { return };
        if let Some(token) = state.registered.take() {
            self.runtime.remove(&self.shard, token, Some(fd));
        }
        match self.shard.poller.register(fd, interest, self.clone()) {
            Ok(token) => state.registered = Some(token),
            Err(error) => {
                // There was memory for the timer: it tries again.
                self.tell(None, || Error::io("registering a datagram socket anew", error));
                self.arm();
            }
        }
    }

    /// Has a timer schedule the turn after a while.
    pub(super) fn arm(&self) {
        if let Some(token) = self.timer.get() {
            self.shard.arm(self.shard.clock.tick_after(PAUSE), *token);
        }
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("local", &self.local).finish_non_exhaustive()
    }
}
