//! What all holders of a connection share.

use std::{
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Relaxed},
        },
    },
    task::Wake,
};

use parking_lot::Mutex;

use super::{
    connection::Connection,
    deadlines::{Deadlines, Kind},
    handler::Handler,
    options::Settings,
    reason::CloseReason,
    recv::Recv,
    state::{self, GONE, OVER, event, mark},
    wait::Waiters,
    writing,
};
use crate::{
    addr::PeerAddress,
    buf::LinkBuffer,
    error::{Error, ErrorKind, Result},
    mem::Slice,
    poller::{Event, Interest, Token},
    sched::{
        gate::Gate,
        home::Home,
        panic_error,
        shared::Shared,
        turn::{Ready, Source},
    },
    sys::{Connecting, Socket},
    transport::Transport,
};

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// A callback for a connection's end.
type OnClose = Box<dyn FnOnce(&Connection, CloseReason) + Send>;

/// See the module's documentation, and the parent's for who may touch what.
pub(crate) struct Conn {
    pub(crate) id: u64,
    pub(crate) gate: Gate,
    pub(super) socket: Socket,
    pub(crate) runtime: Arc<Shared>,
    pub(crate) home: Arc<Home>,
    token: OnceLock<Token>,
    pub(crate) peer: PeerAddress,
    pub(crate) local: OnceLock<PeerAddress>,
    pub(crate) options: Arc<Settings>,
    /// Empty while a reader has taken it.
    pub(super) recv: Mutex<Option<Box<Recv>>>,
    /// Between the wire and `recv`, `send`; none: plain bytes.
    pub(super) transport: Option<Mutex<Box<dyn Transport>>>,
    /// What a completion driver received, until a read takes it; an empty one is the end.
    pub(super) arrived: Mutex<Vec<Slice>>,
    pub(super) send: Mutex<LinkBuffer>,
    /// Bytes in `send` and with the writer.
    pub(super) pending: AtomicUsize,
    handler: OnceLock<Arc<dyn Handler>>,
    pub(crate) deadlines: Deadlines,
    pub(super) waiters: Waiters,
    reason: OnceLock<CloseReason>,
    on_close: Mutex<Vec<OnClose>>,
}

impl Conn {
    /// A connection on `socket`, registered with a home. Its first turn has the handler open it.
    ///
    /// `handler` is called when the connection is there and before anything can happen to it.
    ///
    /// # Errors
    /// `Closed` if the runtime shuts down; `Io` if the socket cannot be registered.
    pub(crate) fn open(
        runtime: &Arc<Shared>,
        socket: Socket,
        peer: PeerAddress,
        options: Arc<Settings>,
        handler: impl FnOnce(&Arc<Self>) -> Option<Arc<dyn Handler>>,
    ) -> Result<Arc<Self>> {
        runtime.check_open()?;
        let home = runtime.place().clone();
        let conn = Arc::new(Self {
            id: NEXT_ID.fetch_add(1, Relaxed),
            gate: state::fresh(),
            socket,
            runtime: runtime.clone(),
            home,
            token: OnceLock::new(),
            peer,
            local: OnceLock::new(),
            recv: Mutex::new(Some(Box::default())),
            transport: options.transport.as_ref().map(|make| Mutex::new(make())),
            options,
            arrived: Mutex::default(),
            send: Mutex::default(),
            pending: AtomicUsize::new(0),
            handler: OnceLock::new(),
            deadlines: Deadlines::default(),
            waiters: Waiters::default(),
            reason: OnceLock::new(),
            on_close: Mutex::default(),
        });
        conn.set_deadline(Kind::Idle, conn.options.idle_timeout);
        let fd = conn.socket.fd().map_err(|e| Error::io("a new connection", e))?;
        conn.count(1);
        if let Some(handler) = handler(&conn)
            && conn.handler.set(handler).is_err()
        {
            unreachable!("a new connection has no handler");
        }
        let registered = conn.home.poller.register_with(fd, Interest::Stream, |token| {
            conn.token.set(token).expect("a connection is registered once");
            conn.clone()
        });
        if let Err(e) = registered {
            // It ends as all do, in a turn, with its handler told.
            conn.end(mark::ABORTING, CloseReason::Local);
            return Err(Error::io(format!("registering the connection of {}", conn.peer), e));
        }
        if conn.handler().is_some() {
            // Its first turn runs `on_connect`, whether the peer says something or not.
            conn.schedule(event::WAKE);
        }
        Ok(conn)
    }

    fn count(&self, by: isize) {
        let live = &self.runtime.gauges.connections;
        if by > 0 {
            live.fetch_add(1, Relaxed);
            self.home.load.fetch_add(1, Relaxed);
        } else {
            live.fetch_sub(1, Relaxed);
            self.home.load.fetch_sub(1, Relaxed);
        }
    }

    /// What the turn calls, unless it was detached.
    pub(crate) fn handler(&self) -> Option<&Arc<dyn Handler>> {
        self.handler.get().filter(|_| self.gate.load() & mark::DETACHED == 0)
    }

    /// Sets the handler of a connection that has none. False: it has one.
    pub(crate) fn set_handler(self: &Arc<Self>, handler: Arc<dyn Handler>) -> bool {
        let set = self.handler.set(handler).is_ok();
        if set {
            self.schedule(event::WAKE);
        }
        set
    }

    /// Notes `bits`, and queues a turn if none is.
    pub(crate) fn schedule(self: &Arc<Self>, bits: u32) {
        let before = self.gate.notify(bits);
        if Gate::must_queue(before) {
            self.home.push(self.clone());
        }
    }

    /// Asks for the connection's end: `CLOSING` sends what waits first, `ABORTING` does not.
    pub(crate) fn end(self: &Arc<Self>, how: u32, reason: CloseReason) {
        if self.gate.load() & mark::FINISHED != 0 {
            return;
        }
        let _ = self.reason.set(reason);
        self.schedule(how | event::FLUSH);
        self.wake_waiters(self.gate.load());
    }

    /// Why it ended or will; the first reason counts.
    pub(crate) fn reason(&self) -> Option<CloseReason> {
        self.reason.get().copied()
    }

    pub(super) fn set_reason(&self, reason: CloseReason) -> CloseReason {
        *self.reason.get_or_init(|| reason)
    }

    /// The error for using a connection that has ended.
    pub(crate) fn closed_error(&self) -> Error {
        let why = self.reason().map_or("it was closed".to_owned(), |reason| reason.to_string());
        Error::new(ErrorKind::Closed, format!("the connection is closed: {why} ({self})"))
    }

    pub(crate) fn add_close_callback(self: &Arc<Self>, callback: OnClose) {
        let mut callbacks = self.on_close.lock();
        // `finish` sets the mark before it takes the list.
        if self.gate.load() & mark::FINISHED == 0 {
            return callbacks.push(callback);
        }
        drop(callbacks);
        let reason = self.reason().unwrap_or(CloseReason::Local);
        run_callback(&Connection::unowned(self.clone()), reason, callback);
    }

    /// Sets an entry in the wheel, if a deadline needs one.
    pub(crate) fn arm(&self) {
        if let Some(at) = self.deadlines.to_arm()
            && let Some(token) = self.token.get()
        {
            self.home.arm(at, *token);
        }
    }

    /// Sets a deadline `timeout` from now.
    pub(crate) fn set_deadline(&self, kind: Kind, timeout: Option<std::time::Duration>) {
        if let Some(timeout) = timeout {
            self.deadlines.set(kind, self.home.clock.tick_after(timeout));
        }
    }

    /// The end itself; only by the turn, whose `recv` this is. While a writer is in a system call or
    /// `on_disconnect` runs on the poller it does nothing: those schedule the turn again.
    pub(super) fn finish(self: &Arc<Self>, recv: Box<Recv>) {
        let word = writing::finish(&self.gate);
        let told = word & (mark::DISCONNECTED | mark::TOLD);
        if word & mark::WRITING != 0 || told == mark::DISCONNECTED {
            *self.recv.lock() = Some(recv);
            return;
        }
        drop(recv);
        if let Some(token) = self.token.get() {
            let fd = self.socket.fd().ok();
            self.runtime.remove(&self.home, *token, fd);
        }
        if self.gate.load() & mark::ABORTING != 0 {
            // Best effort: without it the peer reads an end instead of an error.
            let _ = self.socket.reset_on_close();
        }
        self.socket.close();
        self.send.lock().clear();
        self.pending.store(0, Relaxed);
        let reason = self.set_reason(CloseReason::Local);
        self.wake_waiters(self.gate.load());
        let conn = Connection::unowned(self.clone());
        if let Some(handler) = self.handler() {
            // The peer may have gone although this side's reason was the first.
            let gone = if reason.by_peer() { Some(reason) } else { peer_went(word) };
            if let Some(why) = gone
                && told == 0
                && word & mark::OPEN != 0
            {
                handler.disconnected(&conn, why);
            }
            handler.closed(&conn, reason);
        }
        let callbacks = std::mem::take(&mut *self.on_close.lock());
        for callback in callbacks {
            run_callback(&conn, reason, callback);
        }
        self.count(-1);
    }

    /// The peer went, as `bits` say, while a request is under way: runs `on_disconnect`, if
    /// `on_connect` has run and nobody was first.
    pub(super) fn disconnect(self: &Arc<Self>, handler: &dyn Handler, bits: u32) {
        // Once it is finished the end itself sees to it.
        let too_late = mark::DISCONNECTED | mark::FINISHED;
        if self.gate.load() & mark::OPEN == 0 || !self.gate.set_unless(mark::DISCONNECTED, too_late)
        {
            return;
        }
        if let Some(why) = peer_went(bits) {
            handler.disconnected(&Connection::unowned(self.clone()), why);
        }
        if self.gate.set(mark::TOLD) & mark::FINISHED != 0 {
            // The turn that ends the connection waits for this.
            self.schedule(event::FLUSH);
        }
    }

    /// How a connect went, if the selector has told anything since the last look.
    pub(crate) fn connected(self: &Arc<Self>) -> Option<io::Result<()>> {
        if self.gate.load() & (mark::HEARD | OVER) == 0 {
            return None;
        }
        self.gate.clear(mark::HEARD);
        match self.with_socket(Socket::connect_finish) {
            None => Some(Err(io::ErrorKind::NotConnected.into())),
            Some(Ok(Connecting::InProgress)) => None,
            Some(told) => Some(told.map(drop)),
        }
    }

    /// Lets `f` use the socket while nobody can close it. `None`: it has ended, or somebody writes.
    pub(super) fn with_socket<T>(self: &Arc<Self>, f: impl FnOnce(&Socket) -> T) -> Option<T> {
        writing::borrow(self, || f(&self.socket))
    }

    /// Takes the turn's `handler` off; the connection goes on raw.
    pub(crate) fn detach(&self) {
        self.gate.set(mark::DETACHED);
    }

    /// Whether neither side has ended it, as far as is known.
    pub(crate) fn is_active(&self) -> bool {
        self.gate.load() & GONE == 0
    }

    pub(super) fn is_over(&self) -> bool {
        self.gate.load() & OVER != 0
    }

    pub(crate) fn pending(&self) -> usize {
        self.pending.load(std::sync::atomic::Ordering::Acquire)
    }

    pub(super) fn less_pending(&self, n: usize) -> usize {
        self.pending.fetch_sub(n, AcqRel) - n
    }
}

impl Source for Conn {
    fn on_event(self: Arc<Self>, event: Event, ready: &mut Ready) {
        let mut bits = event::IO | mark::HEARD;
        match event {
            Event::Ready(now) => {
                for (is, mark) in [
                    (now.is_readable(), mark::READABLE),
                    (now.is_writable(), mark::WRITABLE),
                    (now.is_read_closed(), mark::READ_CLOSED | mark::READABLE),
                    (now.is_hung_up(), mark::HUNG_UP | mark::READABLE | mark::WRITABLE),
                ] {
                    bits |= if is { mark } else { 0 };
                }
            }
            // A completion driver's: what came waits where the turn's next read finds it.
            Event::Received(bytes) => {
                bits |= mark::READABLE
                    | mark::ARRIVED
                    | if bytes.is_empty() { mark::READ_CLOSED } else { 0 };
                self.arrived.lock().push(bytes);
            }
            Event::Sent(n) => {
                bits |= mark::WRITABLE;
                self.less_pending(n);
            }
            Event::Accepted(_) => {}
        }
        let before = self.gate.notify(bits);
        self.wake_waiters(before);
        let gone = bits & (mark::READ_CLOSED | mark::HUNG_UP) != 0;
        if before & Gate::RUNNING != 0 {
            // A handler that works or waits keeps the turn; what needs no handler is done here.
            if bits & mark::WRITABLE != 0 && self.pending() > 0 {
                self.flush();
            }
            if gone && let Some(handler) = self.handler() {
                self.disconnect(&**handler, bits);
            }
        }
        if Gate::must_queue(before) {
            ready.push(self);
        }
    }

    fn on_timer(self: Arc<Self>, now: u64, ready: &mut Ready) {
        if !self.deadlines.fired(now) {
            return;
        }
        if !self.deadlines.any_passed(now) {
            return self.arm();
        }
        let before = self.gate.notify(event::TIMER);
        self.wake_waiters(before);
        if Gate::must_queue(before) {
            ready.push(self);
        }
    }

    fn on_shutdown(self: Arc<Self>) {
        self.end(mark::ABORTING, CloseReason::Shutdown);
    }
}

/// How the peer went, if `word` says that it did.
fn peer_went(word: u32) -> Option<CloseReason> {
    if word & mark::HUNG_UP != 0 {
        return Some(CloseReason::Reset);
    }
    (word & mark::READ_CLOSED != 0).then_some(CloseReason::Eof)
}

/// Runs a callback of the user's, whose panic ends with it.
fn run_callback(conn: &Connection, reason: CloseReason, callback: OnClose) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback(conn, reason))) {
        let error = panic_error(&*payload);
        tracing::warn!(%error, %reason, "a callback for a connection's end");
    }
}

/// A future of the handler's was woken: the turn polls it.
impl Wake for Conn {
    fn wake(self: Arc<Self>) {
        self.schedule(event::WAKE);
    }
}

impl fmt::Display for Conn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {} with {}", self.id, self.peer)
    }
}

#[cfg(test)]
mod tests {
    use std::{os::fd::OwnedFd, os::unix::net::UnixStream, time::Duration};

    use super::*;
    use crate::sched::Runtime;

    /// A connection whose peer never sends: what it reads comes with events.
    fn quiet(runtime: &Runtime) -> (Arc<Conn>, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let socket = Socket::from(OwnedFd::from(ours));
        let conn =
            Conn::open(runtime.shared(), socket, PeerAddress::Unnamed, Arc::default(), |_| None);
        (conn.unwrap(), theirs)
    }

    /// What the poller's driver does with an event.
    fn tell_of(conn: &Arc<Conn>, event: Event) {
        let mut ready = Ready::new();
        conn.clone().on_event(event, &mut ready);
        for turn in ready {
            conn.home.push(turn);
        }
    }

    #[test]
    fn what_a_completion_driver_received_is_read() {
        let runtime = Runtime::builder().pollers(1).build().unwrap();
        let (conn, _peer) = quiet(&runtime);
        let mut reader = Connection::unowned(conn.clone()).reader().unwrap();
        let tell = conn.clone();
        let driver = std::thread::spawn(move || {
            for text in [&b"hel"[..], b"lo", b""] {
                let bytes = Slice::from_bytes(bytes::Bytes::from_static(text)).unwrap();
                tell_of(&tell, Event::Received(bytes));
            }
        });
        assert_eq!(reader.next(5).unwrap(), b"hello");
        assert_eq!(reader.next(1).unwrap_err().kind(), ErrorKind::Eof);
        driver.join().unwrap();
    }

    #[test]
    fn what_a_completion_driver_sent_is_no_longer_pending() {
        let runtime = Runtime::builder().pollers(1).build().unwrap();
        let (conn, _peer) = quiet(&runtime);
        conn.pending.fetch_add(100, AcqRel);
        tell_of(&conn, Event::Sent(60));
        assert_eq!(conn.pending(), 40);
        conn.less_pending(40);
        Connection::unowned(conn.clone()).close();
        let closed = crate::sched::park::wait_for(
            Connection::unowned(conn.clone()).closed(),
            Some(std::time::Instant::now() + Duration::from_secs(10)),
        );
        assert_eq!(closed, Some(CloseReason::Local));
    }
}
