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

use std::{
    fmt,
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    datagram::{Datagram, Held},
    endpoint::Endpoint,
    options::DatagramOptions,
    outbox::{GATHER, Outbox, Outlet, Relief, Sent},
    receive::{Appetite, Batch, Limits, Received, receive},
    tally::{DatagramStats, Tally},
};
use crate::{
    error::{Error, ErrorKind, Result},
    frame::Encode,
    guard,
    poller::{Event, Interest, Readiness, Token},
    sched::{
        BoxFuture,
        block_on::wait_for,
        shard::Shard,
        shared::Shared,
        state_word::StateWord,
        turn::{Ready, Scratch, Source, Turn},
    },
    sys::udp::{BATCH, UdpSocket},
    throttle::Throttle,
    timer::Moment,
};

/// Datagrams after which a turn leaves the thread to others.
const BUDGET: usize = 256;

/// Datagrams that are answered after a shutdown began, at each socket: those that had come before.
const LAST: usize = 16 * 1024;

/// How long a socket that failed, or found no memory, is left alone.
const PAUSE: Duration = Duration::from_millis(10);

/// Failures of one turn after which the socket is left alone.
const FAILURES: usize = 8;

const READABLE: u32 = 1 << 2;
const WRITABLE: u32 = 1 << 3;
const REPLIED: u32 = 1 << 4;
const CLOSE: u32 = 1 << 5;
const ABORT: u32 = 1 << 6;

/// How datagrams are handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// In the turn, one by one.
    Turn,
    /// As `Turn`, for pure computation: the poller is never taken over.
    Inline,
    /// As futures, `max` at once; each is first tried in the turn, or a task from the start.
    Tasks { max: usize, at_once: bool },
}

/// The outcome of a datagram.
pub(crate) type Handled = Result<(), Fault>;

/// An error of a datagram.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It is not of the handler's format.
    Malformed(Error),
    /// The handler failed or panicked.
    Failed(Error),
}

/// What handles the datagrams of a server. It guards against its user's panics.
pub(crate) trait Handler: Send + Sync {
    fn mode(&self) -> Mode;

    /// Handles `datagram` in the turn.
    fn handle(&self, datagram: Datagram<'_>, out: Outlet<'_>) -> Handled;

    /// Handles `datagram` as a future, which puts replies of up to `max` bytes into an outbox.
    fn start(&self, datagram: Held, max: usize) -> BoxFuture<(Outbox, Handled)>;

    /// Errors are told to [`failed`](Self::failed) once a second at most, and else each.
    fn throttled(&self) -> bool {
        true
    }

    /// The socket is closed.
    fn closed(&self) {}

    /// A datagram from `peer` could not be handled, or sent to it, for `error`.
    fn failed(&self, peer: Option<SocketAddr>, local: SocketAddr, error: &Error);
}

/// See the module's documentation.
pub(crate) struct Serving {
    state_word: StateWord,
    mode: Mode,
    local: SocketAddr,
    handler: Arc<dyn Handler>,
    options: Arc<DatagramOptions>,
    runtime: Arc<Shared>,
    shard: Arc<Shard>,
    /// Stands for the socket in the timer wheel.
    timer: OnceLock<Token>,
    state: Mutex<State>,
    /// Replies of futures, taken by the next turn.
    replied: Mutex<Outbox>,
    /// Futures of handlers that are not done.
    running: AtomicUsize,
    /// The outbox's size after the last turn.
    waiting: AtomicUsize,
    tally: Tally,
    /// Lost before the socket was closed.
    overflowed: AtomicUsize,
    ended: Mutex<Ended>,
    errors: Throttle,
}

struct State {
    endpoint: Option<Arc<dyn Endpoint>>,
    registered: Option<Token>,
    outbox: Outbox,
    /// The system has no room for the first reply.
    blocked: bool,
    appetite: Appetite,
    /// Datagrams may wait to be received.
    more: bool,
    /// The shutdown's: so many datagrams may yet be handled.
    last: Option<usize>,
}

#[derive(Default)]
struct Ended {
    closed: bool,
    /// Who waits for that.
    waiters: Vec<Waker>,
}

/// Binds sockets to `address`, one for each poller of `runtime` where the options let it, and serves
/// them.
///
/// # Errors
/// `Io` with the address if it cannot be bound; `Closed` if the runtime shuts down.
pub(crate) fn bind_all(
    runtime: &Arc<Shared>,
    address: SocketAddr,
    options: &Arc<DatagramOptions>,
    handler: &Arc<dyn Handler>,
) -> Result<Vec<Arc<Serving>>> {
    let fail = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => " (another program listens there)",
            io::ErrorKind::AddrNotAvailable => " (this machine has no such address)",
            io::ErrorKind::PermissionDenied => {
                " (ports below 1024 need root's rights or CAP_NET_BIND_SERVICE)"
            }
            _ => "",
        };
        Error::io(format!("cannot listen on udp://{address}{hint}"), error)
    };
    let many = options.socket_per_poller && !options.copies();
    let count = if many { runtime.shards.len() } else { 1 };
    let mut of_system = options.of_system();
    // Futures are counted one by one, so that a message must not be many of them.
    of_system.gather &= !matches!(handler.mode(), Mode::Tasks { .. });
    let first = UdpSocket::bind(address, &of_system).map_err(fail)?;
    for &(group, interface) in &options.multicast {
        first.join(group, interface).map_err(|e| {
            Error::io(format!("cannot join the group {group} at udp://{address}"), e)
        })?;
    }
    let address = first.local();
    let mut sockets = vec![first];
    if count > 1 {
        // Not before: an address that somebody else listens on was refused.
        sockets[0].share_port().map_err(fail)?;
        of_system.reuse_port = true;
    }
    while sockets.len() < count {
        sockets.push(UdpSocket::bind(address, &of_system).map_err(fail)?);
    }
    let mut serving: Vec<Arc<Serving>> = Vec::with_capacity(count);
    for (i, socket) in sockets.into_iter().enumerate() {
        let shard = if count > 1 { &runtime.shards[i] } else { runtime.place() };
        let started =
            Serving::start(runtime, shard, Arc::new(socket), options.clone(), handler.clone());
        match started {
            Ok(started) => serving.push(started),
            Err(error) => {
                serving.iter().for_each(|before| before.abort());
                return Err(error);
            }
        }
    }
    Ok(serving)
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

    /// Has the turn send what is in `outbox`.
    pub(crate) fn send_later(self: &Arc<Self>, outbox: Outbox) {
        self.finish(outbox);
        self.schedule(REPLIED);
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

    /// Begins to close: what has come is answered first.
    pub(crate) fn begin_close(self: &Arc<Self>) {
        self.schedule(CLOSE);
    }

    /// Closes now; a handler that runs loses its replies.
    pub(crate) fn abort(self: &Arc<Self>) {
        self.schedule(ABORT);
    }

    /// Waits until it is closed, or `until`. Whether it is.
    pub(crate) fn wait_closed(&self, until: Moment) -> bool {
        let closed = poll_fn(|cx| {
            let mut ended = self.ended.lock();
            if ended.closed {
                return Poll::Ready(());
            }
            if !ended.waiters.iter().any(|known| known.will_wake(cx.waker())) {
                ended.waiters.push(cx.waker().clone());
            }
            Poll::Pending
        });
        wait_for(closed, Some(until)).is_some()
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

    fn schedule(self: &Arc<Self>, event: u32) {
        if StateWord::must_queue(self.state_word.notify(event)) {
            self.shard.push(self.clone());
        }
    }

    /// Tells `on_error`, once a second.
    fn tell(&self, peer: Option<SocketAddr>, error: impl FnOnce() -> Error) {
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

    /// Receives and handles, within the turn's budget. True: more may wait.
    fn receive(self: &Arc<Self>, state: &mut State, endpoint: &dyn Endpoint) -> bool {
        let (mut spent, mut failures) = (0, 0);
        loop {
            let free = match self.mode {
                Mode::Tasks { max, .. } => max.saturating_sub(self.running.load(Acquire)),
                Mode::Turn | Mode::Inline => BATCH,
            };
            if free == 0 || state.last == Some(0) {
                // A future's end schedules the turn.
                return false;
            }
            let limits = Limits { max_datagram: self.options.max_datagram, messages: free };
            match receive(endpoint, limits, &mut state.appetite) {
                Ok(Received::Batch(batch)) => {
                    spent += self.handle(state, endpoint, &batch);
                    self.send(state, endpoint);
                    if !batch.full {
                        state.more = false;
                        return false;
                    }
                }
                Ok(Received::Nothing) => {
                    state.more = false;
                    return false;
                }
                Ok(Received::Failed(error)) => {
                    failures += 1;
                    self.tell(None, || {
                        Error::io(format!("receiving from udp://{}", self.local), error)
                    });
                }
                Err(error) => {
                    failures = FAILURES;
                    self.tell(None, || error);
                }
            }
            if failures >= FAILURES {
                self.arm();
                return false;
            }
            if spent >= BUDGET {
                return true;
            }
        }
    }

    /// Handles the datagrams of `batch`; gives how many they were.
    fn handle(
        self: &Arc<Self>,
        state: &mut State,
        endpoint: &dyn Endpoint,
        batch: &Batch,
    ) -> usize {
        let max = self.options.max_datagram;
        let (mut n, mut truncated) = (0, 0);
        for datagram in batch.datagrams(self.local) {
            n += 1;
            if datagram.len() > max {
                truncated += 1;
                self.tell(Some(datagram.peer()), || too_long(&datagram, max));
                continue;
            }
            let handled = match self.mode {
                Mode::Turn | Mode::Inline => {
                    let (tally, blocked) = (&self.tally, state.blocked);
                    let relief = Relief { endpoint, tally, blocked };
                    let out =
                        Outlet::new(&mut state.outbox, self.options.max_waiting, Some(relief));
                    self.handler.handle(datagram, out)
                }
                Mode::Tasks { at_once, .. } => self.launch(state, &datagram, at_once),
            };
            if let Err(fault) = handled {
                self.count(datagram.peer(), fault);
            }
        }
        self.tally.received(n);
        self.tally.truncated(truncated);
        if let Some(last) = &mut state.last {
            *last = last.saturating_sub(n as usize);
        }
        n as usize
    }

    #[cold]
    fn count(&self, peer: SocketAddr, fault: Fault) {
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

    /// Begins to handle `datagram` as a future. It goes on as a task only if it is not ready at once.
    fn launch(
        self: &Arc<Self>,
        state: &mut State,
        datagram: &Datagram<'_>,
        at_once: bool,
    ) -> Handled {
        let held = match Held::copy(datagram) {
            Ok(held) => held,
            Err(error) => return Err(Fault::Failed(error)),
        };
        let peer = datagram.peer();
        let mut future = self.handler.start(held, self.options.max_waiting);
        let tried = match at_once {
            true => future.as_mut().poll(&mut Context::from_waker(Waker::noop())),
            false => Poll::Pending,
        };
        match tried {
            Poll::Ready((outbox, handled)) => {
                state.outbox.append(outbox);
                handled
            }
            Poll::Pending => {
                self.running.fetch_add(1, AcqRel);
                let place = Place(self.clone());
                self.runtime.spawn_at(
                    &self.shard,
                    Box::pin(async move {
                        let (outbox, handled) = future.await;
                        place.0.finish(outbox);
                        if let Err(fault) = handled {
                            place.0.count(peer, fault);
                        }
                        drop(place);
                    }),
                );
                Ok(())
            }
        }
    }

    /// A future is done.
    fn finish(&self, outbox: Outbox) {
        let mut replied = self.replied.lock();
        replied.append(outbox);
        replied.bound(self.options.max_waiting);
    }

    /// Sends what waits, as far as the system has room.
    fn send(self: &Arc<Self>, state: &mut State, endpoint: &dyn Endpoint) {
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
    fn watch(self: &Arc<Self>, state: &mut State, endpoint: &dyn Endpoint, interest: Interest) {
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
    fn arm(&self) {
        if let Some(token) = self.timer.get() {
            self.shard.arm(self.shard.clock.tick_after(PAUSE), *token);
        }
    }

    /// Nothing is left to be done before the end.
    fn is_drained(&self, state: &State) -> bool {
        (!state.more || state.last == Some(0))
            && self.running.load(Acquire) == 0
            && state.outbox.is_empty()
            && self.replied.lock().is_empty()
    }

    fn shut(&self, state: &mut State) {
        let Some(endpoint) = state.endpoint.take() else { return };
        self.overflowed.store(endpoint.dropped() as usize, Relaxed);
        if let Some(token) = state.registered.take() {
            self.runtime.remove(&self.shard, token, endpoint.fd());
        }
        if let Some(token) = self.timer.get() {
            self.runtime.remove(&self.shard, *token, None);
        }
        state.outbox = Outbox::default();
        self.waiting.store(0, Relaxed);
    }

    /// Tells those who wait that the socket is closed.
    fn announce(&self) {
        self.handler.closed();
        let waiters = {
            let mut ended = self.ended.lock();
            ended.closed = true;
            std::mem::take(&mut ended.waiters)
        };
        waiters.into_iter().for_each(guard::wake);
    }

    /// The turn's work. True: there is more.
    fn work(self: &Arc<Self>, events: u32, state: &mut State, scratch: &mut Scratch) -> bool {
        if events & ABORT != 0 {
            self.shut(state);
        }
        let Some(endpoint) = state.endpoint.clone() else { return false };
        if events & CLOSE != 0 && state.last.is_none() {
            state.last = Some(LAST);
            state.more = true;
        }
        let writable = events & WRITABLE != 0 && state.blocked;
        let lost = state.registered.is_none() && endpoint.fd().is_some();
        if writable || lost {
            state.blocked = false;
            self.watch(state, &*endpoint, Interest::Datagrams);
        }
        if events & READABLE != 0 {
            state.more = true;
        }
        let lends = state.outbox.is_empty() && scratch.out.is_empty();
        if lends {
            state.outbox.lend_bytes(std::mem::take(&mut scratch.out));
        }
        self.send(state, &*endpoint);
        let again = state.more && self.receive(state, &*endpoint);
        self.send(state, &*endpoint);
        if state.outbox.is_empty() {
            let bytes = state.outbox.take_bytes();
            if lends {
                scratch.out = bytes;
            }
        }
        if state.last.is_some() && !again && self.is_drained(state) {
            self.shut(state);
        }
        again
    }
}

impl Turn for Serving {
    fn run(self: Arc<Self>, scratch: &mut Scratch) {
        let events = self.state_word.begin();
        let (again, closed) = {
            let state = &mut *self.state.lock();
            (self.work(events, state, scratch), state.endpoint.is_none())
        };
        if closed {
            self.announce();
        }
        if again {
            // The next turn goes on where this one stopped.
            let _queued = self.state_word.notify(READABLE);
        }
        if self.state_word.end(again) {
            let shard = self.shard.clone();
            shard.push(self);
        }
    }

    fn run_io(self: Arc<Self>) {
        if let Some(mut state) = self.state.try_lock()
            && let Some(endpoint) = state.endpoint.clone()
        {
            self.send(&mut state, &*endpoint);
        }
    }

    fn inline(&self) -> bool {
        self.mode == Mode::Inline
    }
}

impl Source for Serving {
    fn on_event(self: Arc<Self>, event: Event, ready: &mut Ready) {
        let Event::Ready(readiness) = event;
        let mut events = 0;
        if readiness.is_readable() || readiness.contains(Readiness::HUNG_UP) {
            events |= READABLE;
        }
        if readiness.is_writable() {
            events |= WRITABLE;
        }
        if events != 0 && StateWord::must_queue(self.state_word.notify(events)) {
            ready.push(self);
        }
    }

    fn on_timer(self: Arc<Self>, _now: u64, ready: &mut Ready) {
        if StateWord::must_queue(self.state_word.notify(READABLE)) {
            ready.push(self);
        }
    }

    fn on_shutdown(self: Arc<Self>) {
        self.schedule(ABORT);
    }
}

/// A future's place among those that run: also one that is dropped leaves it.
struct Place(Arc<Serving>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, AcqRel);
        self.0.schedule(REPLIED);
    }
}

impl fmt::Debug for Serving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serving").field("local", &self.local).finish_non_exhaustive()
    }
}

#[cold]
fn too_long(datagram: &Datagram<'_>, max: usize) -> Error {
    let peer = datagram.peer();
    let why = format!("a datagram from {peer} exceeds max_datagram ({max}) and was dropped");
    Error::new(ErrorKind::FrameTooLarge, why)
}
