//! A session: the Unix socket of two processes that share memory, as a source of a poller.
//!
//! ```text
//!   server   Hello ──version──▶ Memory ──paths──────────────────────────▶ Up ──▶ Over
//!              │                   └──descriptors──▶ Descriptors ─────────▲
//!              └──paths (version 2)───────────────────────────────────────┘
//!   client   Hello ──version──▶ Offered ──ready──▶ Sent ──mapped──▶ Up ──▶ Over
//! ```
//! A session has turns, as a connection has: one thread at a time reads its socket, takes elements off the
//! receiving queue and gives them to their streams. While elements come it goes on without telling the peer
//! to wake it, so that two busy sides make no system calls; only a queue that was found empty twice is left
//! to be woken for.

use std::{
    collections::HashMap,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, Weak},
    task::{Poll, Waker},
    time::Duration,
};

use parking_lot::Mutex;

use super::{
    breach::Breach,
    control::{self, Header, Kind, VERSION},
    link::{BUDGET, Drained, Link},
    made::{Files, Made, broken},
    queue::{self, Consumer},
    slices::Slices,
    stream::ShmStream,
};
use crate::{
    addr::PeerAddress,
    error::{Error, Result},
    poller::{Event, Interest, Readiness, Token},
    sched::{
        shard::Shard,
        shared::Shared,
        state_word::StateWord,
        turn::{Ready, Scratch, Source, Turn},
    },
    sys::{Endpoint, Region, receive_descriptors},
};

/// The longest files of a peer's that are mapped.
const BUFFER_MOST: usize = 1 << 30;
const QUEUE_MOST: usize = 64 << 20;

/// Bytes of one read of the socket: of one that brings a wake-up, as a rule, and of one where more waits.
const READ_SMALL: usize = 256;
const READ: usize = 64 << 10;

/// Time after which writers that found no room try again, and a client's session without streams ends.
const RETRY: Duration = Duration::from_millis(5);
const IDLE: Duration = Duration::from_secs(5);

/// Time for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The kind of a handshake's error where the server closed the socket at once.
const REFUSED: io::ErrorKind = io::ErrorKind::ConnectionRefused;

/// Events of a session's state word.
const IO: u32 = 1 << 2;
const TIMER: u32 = 1 << 3;
const POKE: u32 = 1 << 4;
const SHUTDOWN: u32 = 1 << 5;
/// The server accepts no more: the session ends with its last stream.
const RETIRE: u32 = 1 << 6;
/// The peer's end was announced, which no later event tells.
const GONE: u32 = 1 << 7;

/// Takes the streams that a peer begins.
pub(crate) type Accept = Arc<dyn Fn(Endpoint, PeerAddress) + Send + Sync>;

/// See the module's documentation.
struct Session {
    word: StateWord,
    socket: Arc<Endpoint>,
    runtime: Arc<Shared>,
    shard: Arc<Shard>,
    token: OnceLock<Token>,
    peer: PeerAddress,
    /// Set at a server's side.
    accept: Option<Accept>,
    state: Mutex<State>,
    up: Mutex<Up>,
}

/// The part that the turn alone uses.
struct State {
    stage: Stage,
    /// Bytes of the socket that are no whole frame yet.
    bytes: Vec<u8>,
    /// A read of the socket may give something: an event came since one gave less than was asked for.
    readable: bool,
    /// The last read gave all that was asked for.
    full: bool,
    gone: bool,
    retired: bool,
    /// A client's by version 2.
    files: Option<Files>,
    /// Turns since the queue had something.
    quiet: u8,
    deadline: u64,
}

enum Stage {
    Hello,
    /// A server's: versions are exchanged, at this one.
    Memory(u8),
    /// A server's: descriptors may come.
    Descriptors(u8),
    /// A client's: it has offered its memory.
    Offered(Made),
    /// A client's: its descriptors are sent.
    Sent(Made),
    Up(Arc<Link>, Consumer),
    Over,
}

/// The link, for those that wait for the handshake's end.
#[derive(Default)]
enum Up {
    #[default]
    Waiting,
    Asked(Vec<Waker>),
    Link(Arc<Link>),
    /// The peer went before it said anything, or the reason.
    Failed(io::ErrorKind, String),
}

impl Session {
    fn start(
        runtime: &Arc<Shared>,
        socket: Endpoint,
        peer: PeerAddress,
        accept: Option<Accept>,
    ) -> Result<Arc<Self>> {
        runtime.check_open()?;
        let shard = runtime.place().clone();
        let deadline = shard.clock.tick_after(HANDSHAKE);
        let state = State {
            stage: Stage::Hello,
            bytes: Vec::new(),
            readable: true,
            full: false,
            gone: false,
            retired: false,
            files: None,
            quiet: 0,
            deadline,
        };
        let session = Arc::new(Self {
            word: StateWord::new(0),
            socket: Arc::new(socket),
            runtime: runtime.clone(),
            shard,
            token: OnceLock::new(),
            peer,
            accept,
            state: Mutex::new(state),
            up: Mutex::default(),
        });
        let fd = session.socket.descriptor().ok_or_else(|| {
            let kind = io::ErrorKind::Unsupported;
            Error::io("a session in shared memory without a socket", kind.into())
        })?;
        let registered = session.shard.poller.register_with(fd, Interest::Stream, |token| {
            session.token.set(token).expect("a session starts once");
            session.clone()
        });
        registered.map_err(|e| Error::io("registering a session in shared memory", e))?;
        session.arm(HANDSHAKE);
        session.schedule(IO);
        Ok(session)
    }

    fn schedule(self: &Arc<Self>, events: u32) {
        if StateWord::must_queue(self.word.notify(events)) {
            self.shard.push(self.clone());
        }
    }

    fn arm(&self, after: Duration) {
        if let Some(&token) = self.token.get() {
            self.shard.arm(self.shard.clock.tick_after(after), token);
        }
    }

    /// Waits until the handshake is over.
    async fn link(&self) -> io::Result<Arc<Link>> {
        std::future::poll_fn(|cx| {
            let mut up = self.up.lock();
            match &mut *up {
                Up::Link(link) => return Poll::Ready(Ok(link.clone())),
                Up::Failed(kind, why) => {
                    return Poll::Ready(Err(io::Error::new(*kind, why.clone())));
                }
                Up::Waiting => *up = Up::Asked(vec![cx.waker().clone()]),
                Up::Asked(wakers) => {
                    if !wakers.iter().any(|known| known.will_wake(cx.waker())) {
                        wakers.push(cx.waker().clone());
                    }
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Tells those that wait how the handshake went.
    fn tell(&self, told: Up) {
        let before = std::mem::replace(&mut *self.up.lock(), told);
        if let Up::Asked(wakers) = before {
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Runs one turn; true if there may be more to do at once.
    fn step(self: &Arc<Self>, events: u32, state: &mut State) -> io::Result<bool> {
        if events & SHUTDOWN != 0 {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the runtime shuts down"));
        }
        state.readable |= events & (IO | GONE) != 0;
        state.gone |= events & GONE != 0;
        state.retired |= events & RETIRE != 0;
        if events & TIMER != 0 {
            self.on_time(state)?;
        }
        let more = self.receive(state)?;
        let Stage::Up(link, consumer) = &mut state.stage else {
            return if state.retired { Err(retired()) } else { Ok(more) };
        };
        let link = link.clone();
        let drained = link
            .drain(consumer, BUDGET, accepts(self, &mut |s| self.accepted(s)))
            .map_err(broken)?;
        let again = match drained {
            Drained::Some => {
                state.quiet = 0;
                true
            }
            Drained::Empty if state.quiet == 0 => {
                // Another look, after the turns of the streams: the peer need not wake this side.
                state.quiet = 1;
                true
            }
            Drained::Empty if state.retired && link.is_unused() => return Err(retired()),
            Drained::Empty => !consumer.rest(),
        };
        if link.send_on()? {
            link.there_is_room();
        }
        if link.is_waiting() || link.is_full() {
            self.arm(RETRY);
        } else if self.accept.is_none() && events & POKE != 0 && link.is_unused() {
            state.deadline = self.shard.clock.tick_after(IDLE);
            self.arm(IDLE);
        }
        Ok(again || more)
    }

    fn on_time(&self, state: &mut State) -> io::Result<()> {
        let now = self.shard.clock.now_ms();
        match &state.stage {
            Stage::Up(link, _) => {
                link.there_is_room();
                if self.accept.is_none() && now >= state.deadline && link.end_if_unused() {
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "it is not used"));
                }
            }
            Stage::Over => {}
            _ if now >= state.deadline => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "its handshake did not end"));
            }
            _ => {}
        }
        Ok(())
    }

    fn accepted(&self, stream: ShmStream) {
        if let Some(accept) = &self.accept {
            accept(Endpoint::Other(Box::new(stream)), self.peer.clone());
        }
    }

    /// Reads the socket and handles the frames that are whole; true if there may be more.
    fn receive(self: &Arc<Self>, state: &mut State) -> io::Result<bool> {
        if let Stage::Up(link, _) = &state.stage
            && link.is_full()
        {
            return Ok(false);
        }
        if !state.readable {
            return Ok(false);
        }
        let (mut small, mut large) = ([0; READ_SMALL], Vec::new());
        let into = if state.full {
            large.resize(READ, 0);
            &mut large[..]
        } else {
            &mut small[..]
        };
        let fd = self.socket.descriptor().ok_or(io::ErrorKind::NotConnected)?;
        let (n, descriptors) = match receive_descriptors(fd, into) {
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                (state.readable, state.full) = (false, false);
                return Ok(false);
            }
            Err(e) => return Err(e),
        };
        state.full = n == into.len();
        // Descriptors cut a read, and a handshake's frames come one by one.
        let up = matches!(state.stage, Stage::Up(..));
        state.readable = state.full || state.gone || !up;
        if n == 0 {
            // What the queue has came before the end.
            if let Stage::Up(link, consumer) = &mut state.stage {
                let accept = &mut |stream| self.accepted(stream);
                let waiting = consumer.waiting().map_err(broken)?;
                link.drain(consumer, waiting, accepts(self, accept)).map_err(broken)?;
            }
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the peer closed its socket"));
        }
        let come = &into[..n];
        if state.bytes.is_empty() {
            let handled = self.handle(state, come, descriptors)?;
            state.bytes.extend(&come[handled..]);
        } else {
            let mut bytes = std::mem::take(&mut state.bytes);
            bytes.extend(come);
            let handled = self.handle(state, &bytes, descriptors)?;
            if handled < bytes.len() {
                bytes.drain(..handled);
                state.bytes = bytes;
            }
        }
        Ok(state.readable)
    }

    /// Handles the whole frames of `bytes`; returns how many bytes they are.
    fn handle(
        self: &Arc<Self>,
        state: &mut State,
        bytes: &[u8],
        descriptors: Vec<OwnedFd>,
    ) -> io::Result<usize> {
        let mut at = 0;
        let mut descriptors = Some(descriptors).filter(|fds| !fds.is_empty());
        loop {
            let rest = &bytes[at..];
            if let Stage::Descriptors(version) = state.stage {
                let (Some(fds), false) = (descriptors.take(), rest.is_empty()) else {
                    return Ok(at);
                };
                at += 1;
                self.map(state, version, fds)?;
                continue;
            }
            let Some(head) = rest.first_chunk::<{ control::HEADER }>() else { return Ok(at) };
            let header = Header::read(head).map_err(broken)?;
            let Some(body) = rest[control::HEADER..].get(..header.body) else { return Ok(at) };
            at += control::HEADER + header.body;
            self.on_frame(state, header, body)?;
        }
    }

    fn on_frame(
        self: &Arc<Self>,
        state: &mut State,
        header: Header,
        body: &[u8],
    ) -> io::Result<()> {
        let server = self.accept.is_some();
        match (&mut state.stage, header.kind) {
            (Stage::Hello, Kind::Version) if server => {
                let version = header.version.min(VERSION);
                self.say(&Header::write(Kind::Version, VERSION, 0))?;
                state.stage = Stage::Memory(version);
            }
            (Stage::Hello, Kind::Paths) if server => self.map_paths(state, header.version, body)?,
            (Stage::Memory(version), Kind::Paths) if server => {
                let version = *version;
                self.map_paths(state, version, body)?;
                self.say(&Header::write(Kind::Mapped, version, 0))?;
            }
            (&mut Stage::Memory(version), Kind::Descriptors) if server => {
                control::read_paths(body).map_err(broken)?;
                self.say(&Header::write(Kind::Ready, version, 0))?;
                state.stage = Stage::Descriptors(version);
            }
            (Stage::Hello, Kind::Version) if header.version < 3 => self.offer_files(state)?,
            (Stage::Hello, Kind::Version) => {
                let made = Made::new(VERSION)?;
                self.say(&made.offer())?;
                state.stage = Stage::Offered(made);
            }
            (Stage::Offered(_), Kind::Ready) => {
                let Stage::Offered(made) = std::mem::replace(&mut state.stage, Stage::Over) else {
                    return Ok(());
                };
                made.send(self.socket.descriptor().ok_or(io::ErrorKind::NotConnected)?)?;
                state.stage = Stage::Sent(made);
            }
            (Stage::Sent(_), Kind::Mapped) => {
                let Stage::Sent(made) = std::mem::replace(&mut state.stage, Stage::Over) else {
                    return Ok(());
                };
                self.take_up(state, made)?;
            }
            // The queue is looked at behind the socket, by each turn. A restart is the peer's wish for a new
            // session, which the next dial makes.
            (Stage::Up(..), Kind::Wake | Kind::Restart | Kind::Restarted) => {}
            (Stage::Up(link, consumer), kind) => {
                // Elements that the queue has came before what the socket says of their streams.
                let link = link.clone();
                let accept = &mut |stream| self.accepted(stream);
                let waiting = consumer.waiting().map_err(broken)?;
                link.drain(consumer, waiting, accepts(self, accept)).map_err(broken)?;
                match (kind, body.first_chunk::<4>()) {
                    (Kind::Fallback, _) => {
                        link.fallback(body, accepts(self, accept)).map_err(broken)?;
                    }
                    (Kind::StreamEnd, Some(id)) => link.stream_ended(u32::from_be_bytes(*id)),
                    _ => return Err(unexpected(kind)),
                }
            }
            (_, kind) => return Err(unexpected(kind)),
        }
        Ok(())
    }

    /// Offers memory in files by version 2, which has no answer.
    fn offer_files(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        let (made, files) = Made::in_files()?;
        self.say(&files.offer())?;
        state.files = Some(files);
        self.take_up(state, made)
    }

    fn take_up(self: &Arc<Self>, state: &mut State, made: Made) -> io::Result<()> {
        let version = made.version;
        let (slices, producer, consumer) = made.take_up()?;
        self.bring_up(state, slices, producer, consumer, version);
        Ok(())
    }

    /// Maps the files that a client named.
    fn map_paths(self: &Arc<Self>, state: &mut State, version: u8, body: &[u8]) -> io::Result<()> {
        let (queue, buffer) = control::read_paths(body).map_err(broken)?;
        let open = |path: &[u8]| {
            use std::os::unix::ffi::OsStrExt;
            let path = Path::new(std::ffi::OsStr::from_bytes(path));
            std::fs::File::options().read(true).write(true).open(path).map(OwnedFd::from)
        };
        let fds = vec![open(buffer)?, open(queue)?];
        self.map(state, version, fds)
    }

    /// Maps the buffer and the queue of a client.
    fn map(self: &Arc<Self>, state: &mut State, version: u8, fds: Vec<OwnedFd>) -> io::Result<()> {
        let Ok([buffer, queue]) = <[OwnedFd; 2]>::try_from(fds) else {
            return Err(broken(Breach::Layout("other than two descriptors")));
        };
        // Who runs as this user can end this process in other ways too.
        let own =
            self.socket.credentials().is_ok_and(|peer| peer.uid == crate::sys::effective_user());
        let buffer = Arc::new(Region::map(buffer, BUFFER_MOST, own)?);
        let queue = Arc::new(Region::map(queue, QUEUE_MOST, own)?);
        let slices = Slices::attach(buffer).map_err(broken)?;
        let (producer, consumer) = queue::attach(&queue).map_err(broken)?;
        if matches!(state.stage, Stage::Descriptors(_)) {
            self.say(&Header::write(Kind::Mapped, version, 0))?;
        }
        self.bring_up(state, slices, producer, consumer, version);
        Ok(())
    }

    fn bring_up(
        self: &Arc<Self>,
        state: &mut State,
        slices: Slices,
        producer: queue::Producer,
        consumer: Consumer,
        version: u8,
    ) {
        let poke = {
            let session = Arc::downgrade(self);
            move || {
                if let Some(session) = Weak::upgrade(&session) {
                    session.schedule(POKE);
                }
            }
        };
        let link = Link::new(slices, producer, self.socket.clone(), version, Box::new(poke));
        state.stage = Stage::Up(link.clone(), consumer);
        self.tell(Up::Link(link));
    }

    /// Begins a client's handshake by `version`.
    fn greet(self: &Arc<Self>, version: u8) -> io::Result<()> {
        match version {
            2 => self.offer_files(&mut self.state.lock()),
            version => self.say(&Header::write(Kind::Version, version, 0)),
        }
    }

    /// Sends a frame of the handshake, which the socket has room for.
    fn say(&self, bytes: &[u8]) -> io::Result<()> {
        match self.socket.write(bytes) {
            Ok(n) if n == bytes.len() => Ok(()),
            Ok(_) => Err(io::ErrorKind::WriteZero.into()),
            Err(e) => Err(e),
        }
    }

    /// Ends the session for `why`.
    fn end(&self, state: &mut State, why: &io::Error) {
        let stage = std::mem::replace(&mut state.stage, Stage::Over);
        if let Stage::Up(link, _) = &stage {
            link.break_off(why);
        }
        if !matches!(stage, Stage::Over) {
            tracing::debug!(%why, peer = %self.peer, "a session in shared memory ended");
            // The read may find the peer's end before the selector tells of it.
            let gone = state.gone || is_end(why.kind());
            let unsaid = matches!(stage, Stage::Hello) && gone;
            let kind = if unsaid { REFUSED } else { io::ErrorKind::ConnectionAborted };
            self.tell(Up::Failed(kind, why.to_string()));
            if let Some(&token) = self.token.get() {
                self.runtime.remove(&self.shard, token, self.socket.descriptor());
            }
            (state.bytes, state.files) = (Vec::new(), None);
            // The socket is closed with its last holder; streams that are read to their end may be.
            let _ = self.socket.shutdown_write();
        }
    }
}

/// Returns what takes a peer's streams: none at a client.
fn accepts<'a>(
    session: &Session,
    accept: &'a mut dyn FnMut(ShmStream),
) -> Option<&'a mut dyn FnMut(ShmStream)> {
    session.accept.is_some().then_some(accept)
}

/// Returns true for errors by which a socket tells that its peer has closed it.
fn is_end(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(kind, UnexpectedEof | ConnectionReset | BrokenPipe)
}

fn retired() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "its server has ended")
}

fn unexpected(kind: Kind) -> io::Error {
    let why = format!("a control frame {kind:?} that does not belong there");
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl Turn for Session {
    fn run(self: Arc<Self>, scratch: &mut Scratch) {
        let events = self.word.begin();
        let (again, up) = {
            let mut state = self.state.lock();
            let again = match self.step(events, &mut state) {
                Ok(again) => again,
                Err(why) => {
                    self.end(&mut state, &why);
                    false
                }
            };
            (again, matches!(state.stage, Stage::Up(..)))
        };
        scratch.by_memory |= again && up;
        if self.word.end(again) {
            let shard = self.shard.clone();
            shard.push(self);
        }
    }

    /// It runs none: its streams' turns do.
    fn is_handler(&self) -> bool {
        false
    }
}

impl Source for Session {
    fn on_event(self: Arc<Self>, event: Event, ready: &mut Ready) {
        let Event::Ready(now) = event;
        let gone = now.is_read_closed() || now.contains(Readiness::HUNG_UP);
        if StateWord::must_queue(self.word.notify(if gone { IO | GONE } else { IO })) {
            ready.push(self);
        }
    }

    fn on_timer(self: Arc<Self>, _now: u64, ready: &mut Ready) {
        if StateWord::must_queue(self.word.notify(TIMER)) {
            ready.push(self);
        }
    }

    fn on_shutdown(self: Arc<Self>) {
        self.schedule(SHUTDOWN);
    }
}

/// Returns whether servers can listen for sessions: they can.
///
/// # Errors
/// None; on other systems there is one.
pub(crate) fn check() -> Result<()> {
    Ok(())
}

/// Serves the session of a client that connected by `socket`; streams that it begins go to `accept`.
///
/// # Errors
/// `Closed` if the runtime shuts down, `Io` if the socket cannot be registered.
pub(crate) fn serve(
    runtime: &Arc<Shared>,
    socket: Endpoint,
    peer: PeerAddress,
    accept: Accept,
) -> Result<Served> {
    Session::start(runtime, socket, peer, Some(accept))
        .map(|session| Served(Arc::downgrade(&session)))
}

/// A session that is served.
pub(crate) struct Served(Weak<Session>);

impl Served {
    pub(crate) fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// Ends the session as soon as it has no streams.
    pub(crate) fn retire(&self) {
        if let Some(session) = self.0.upgrade() {
            session.schedule(RETIRE);
        }
    }
}

/// The sessions of a runtime's clients, by the servers' paths: a dial takes part in the one that is there.
type Sessions = HashMap<(usize, PathBuf), Weak<Session>>;

static SESSIONS: Mutex<Option<Sessions>> = Mutex::new(None);

/// Opens a stream to the server that listens at `path`, in the session that is there or in a new one.
///
/// # Errors
/// The connect's; `ConnectionAborted`: the handshake failed.
pub(crate) async fn connect(
    runtime: &Arc<Shared>,
    path: &Path,
    begin: impl Fn() -> io::Result<Endpoint>,
) -> Result<Endpoint> {
    let key = (Arc::as_ptr(runtime).addr(), path.to_owned());
    let mut version = VERSION;
    loop {
        let found = {
            let mut sessions = SESSIONS.lock();
            let sessions = sessions.get_or_insert_default();
            sessions.retain(|_, session| session.strong_count() > 0);
            sessions.get(&key).and_then(Weak::upgrade)
        };
        let (session, new) = match found {
            Some(session) => (session, false),
            None => {
                let socket = begin().map_err(|e| Error::io("connecting", e))?;
                let peer = PeerAddress::Path(path.to_owned());
                let session = Session::start(runtime, socket, peer, None)?;
                session.greet(version).map_err(|e| Error::io("greeting", e))?;
                let mut sessions = SESSIONS.lock();
                sessions.get_or_insert_default().insert(key.clone(), Arc::downgrade(&session));
                (session, true)
            }
        };
        let stream = match session.link().await {
            Ok(link) => link.open_stream(),
            Err(e) => Err(e),
        };
        match stream {
            Ok(stream) => return Ok(Endpoint::Other(Box::new(stream))),
            // A server that knows version 2 alone closes on the greeting of another.
            Err(e) if new && e.kind() == REFUSED && version == VERSION => {
                version = 2;
                SESSIONS.lock().get_or_insert_default().remove(&key);
            }
            // It has ended since it was found: a new one may do.
            Err(_) if !new => {
                SESSIONS.lock().get_or_insert_default().remove(&key);
            }
            Err(e) => return Err(Error::io("the handshake of shared memory", e)),
        }
    }
}
