//! A connection's transport: when it is called, and under which lock.
//!
//! ```text
//!   reader of the wire          any sender                turn
//!   lock: open, queue replies   lock: seal, queue         lock: start, close, has_output
//!   unlock                      unlock                    unlock
//!   flush                       flush                     flush
//! ```
//! - The lock orders the calls of the transport, and what they give: output is queued under it and written
//!   after it. Nothing else of users' runs under it: wakers and handlers are called after it.
//! - The facts are set once, under the lock, when the handshake is complete. Plain output that is given before
//!   waits in `early`. [`mark::HANDSHAKING`] is set before the first turn and cleared by the one that found the facts,
//!   after it has put the receive state back: then the connection is open for its users.
//! - [`mark::LAST_WORD`] is set once, by the turn, when all output has been written: nothing is sealed after it.
//! - At the connection's end the turn drops the transport, so that it holds nothing longer than its
//!   connection does.

use std::{
    sync::{Arc, OnceLock, Weak},
    task::{Wake, Waker},
};

use parking_lot::Mutex;

use super::{
    core::Conn,
    deadlines::Kind,
    handshake_slots::Place as Slot,
    reason::CloseReason,
    state::{OVER, event, mark},
    wait::News,
};
use crate::{
    buf::LinkBuffer,
    error::{Error, ErrorKind, Result},
    guard::{self, Place},
    transport::{MakeTransport, Role, Transport, TransportContext, TransportFacts, TransportState},
};

/// Bytes of the wire that may wait to be opened, where `max_frame` is less: a record of a transport may hold
/// many frames.
const LEAST_RECORD: usize = 64 * 1024;

/// Plain bytes that one look at the wire gives at most, about: the rest is opened later.
const OPENED: usize = 256 * 1024;

/// See the module's documentation.
pub(super) struct Layer {
    role: Role,
    inner: Mutex<Inner>,
    /// Among the handshakes of its server; only for the turn.
    pub(super) slot: Mutex<Slot>,
    facts: OnceLock<TransportFacts>,
    server_name: OnceLock<String>,
}

struct Inner {
    stage: Stage,
    /// Plain output that was given before the handshake was complete.
    early: LinkBuffer,
    /// The reason why the handshake failed or nothing can be sealed, until somebody is told.
    failure: Option<Error>,
}

enum Stage {
    New(MakeTransport),
    Live(Box<dyn Transport>),
    /// It failed, or the connection has ended.
    Gone,
}

/// What became of bytes of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// All that can be opened was.
    All,
    /// There may be more to open, without new bytes.
    More,
    /// The peer has said its last word.
    PeerClosed,
}

impl Layer {
    /// The layer of a new connection.
    pub(super) fn new(make: &MakeTransport, role: Role) -> Self {
        let (stage, early) = (Stage::New(make.clone()), LinkBuffer::new());
        let inner = Mutex::new(Inner { stage, early, failure: None });
        let slot = Mutex::default();
        Self { role, inner, slot, facts: OnceLock::new(), server_name: OnceLock::new() }
    }

    /// Whether the handshake is complete.
    fn is_open(&self) -> bool {
        self.facts.get().is_some()
    }
}

impl Inner {
    /// Calls the transport, whose panic is an error.
    fn call<T>(&mut self, f: impl FnOnce(&mut dyn Transport) -> Result<T>) -> Result<T> {
        let Stage::Live(transport) = &mut self.stage else {
            return Err(Error::new(ErrorKind::Closed, "the transport has failed"));
        };
        guard::run(Place::Transport, || f(&mut **transport)).unwrap_or_else(|panicked| {
            self.give_up();
            Err(panicked.into())
        })
    }

    fn state(&mut self) -> Result<TransportState> {
        self.call(|transport| Ok(transport.state()))
    }

    /// Drops the transport.
    fn give_up(&mut self) {
        guard::discard(Place::TransportDrop, std::mem::replace(&mut self.stage, Stage::Gone));
        guard::discard(Place::BytesDrop, std::mem::take(&mut self.early));
    }

    /// Seals `plain`, behind output of the transport's own.
    fn seal(&mut self, plain: &mut LinkBuffer) -> Result<LinkBuffer> {
        let mut wire = LinkBuffer::new();
        self.call(|transport| transport.seal(plain, &mut wire))?;
        wire.flush();
        Ok(wire)
    }

    /// Output that the transport has of its own.
    fn own_output(&mut self) -> Result<LinkBuffer> {
        match self.call(|transport| Ok(transport.has_output()))? {
            true => self.seal(&mut LinkBuffer::new()),
            false => Ok(LinkBuffer::new()),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Conn {
    /// The layer between the wire and `recv`, `send`; none: plain bytes.
    #[inline]
    pub(super) fn layer(&self) -> Option<&Layer> {
        // A plain connection does not touch the field, which lies behind what its turns touch.
        if self.state_word.load() & mark::TRANSPORT == 0 { None } else { self.layer.as_deref() }
    }

    /// The results of the handshake, once it is complete.
    pub(crate) fn transport_facts(&self) -> Option<&TransportFacts> {
        self.layer()?.facts.get()
    }

    /// Begins the handshake of a connection that was dialled, by the name of its server.
    pub(crate) fn begin_handshake(self: &Arc<Self>, server_name: Option<&str>) {
        let Some(layer) = self.layer() else { return };
        if let Some(name) = server_name {
            let _ = layer.server_name.set(name.to_owned());
        }
        self.set_deadline(Kind::Handshake, self.options.handshake_timeout);
        self.schedule(event::WAKE | mark::HANDSHAKING);
    }

    /// The outcome of the handshake, if there is one; a plain connection has none to wait for.
    pub(crate) fn shaken(&self) -> Option<Result<()>> {
        let word = self.state_word.load();
        if word & (OVER | mark::CLOSING) != 0 {
            let failure = self.layer().and_then(|layer| layer.inner.lock().failure.take());
            return Some(Err(failure.unwrap_or_else(|| self.closed_error())));
        }
        (word & mark::HANDSHAKING == 0).then_some(Ok(()))
    }

    /// Makes the transport and starts it; only by a turn. Does nothing if that was done.
    ///
    /// # Errors
    /// The maker's or the transport's.
    pub(super) fn start_transport(self: &Arc<Self>) -> Result<()> {
        let Some(layer) = self.layer() else { return Ok(()) };
        let mut inner = layer.inner.lock();
        let Stage::New(make) = &inner.stage else { return Ok(()) };
        let make = make.clone();
        inner.stage = Stage::Gone;
        inner.stage = Stage::Live(
            guard::run(Place::TransportMaker, || make()).unwrap_or_else(|p| Err(p.into()))?,
        );
        let waker = Waker::from(Arc::new(Weakly(Arc::downgrade(self))));
        let server_name = layer.server_name.get().map(String::as_str);
        let context = TransportContext::new(layer.role, server_name, &self.peer, &waker);
        let mut reply = LinkBuffer::new();
        inner.call(|transport| transport.start(&context, &mut reply))?;
        reply.flush();
        let after = self.after_call(layer, &mut inner, reply);
        drop(inner);
        self.flush_pending();
        after
    }

    /// Turns what came over the wire into plain bytes, behind what `plain` has.
    ///
    /// # Errors
    /// The transport's; `FrameTooLarge` if more waits to be opened than a frame may have.
    pub(super) fn open_wire(
        self: &Arc<Self>,
        wire: &mut LinkBuffer,
        plain: &mut LinkBuffer,
    ) -> Result<Opened> {
        let Some(layer) = self.layer() else { return Ok(Opened::All) };
        let (mut reply, had) = (LinkBuffer::new(), plain.len());
        let mut inner = layer.inner.lock();
        let (opened, more) = loop {
            let before = (wire.len(), plain.len(), reply.len());
            let opened = inner.call(|transport| transport.open(wire, plain, &mut reply));
            plain.flush();
            reply.flush();
            let worked = before != (wire.len(), plain.len(), reply.len());
            if opened.is_err() || wire.is_empty() || !worked {
                break (opened, false);
            }
            if plain.len() - had >= OPENED {
                break (opened, true);
            }
        };
        let after = self.after_call(layer, &mut inner, reply);
        let state = inner.state();
        drop(inner);
        self.flush_pending();
        opened?;
        after?;
        if !more && wire.len() > self.options.max_frame.max(LEAST_RECORD) {
            let (bytes, max) = (wire.len(), self.options.max_frame);
            let why =
                format!("a transport left {bytes} bytes unopened, max_frame is {max} ({self})");
            return Err(Error::new(ErrorKind::FrameTooLarge, why));
        }
        Ok(match state? {
            TransportState::PeerClosed => Opened::PeerClosed,
            _ if more => Opened::More,
            _ => Opened::All,
        })
    }

    /// Under the lock: queues `reply` and what the transport has beside it, and notes that the handshake is
    /// complete.
    fn after_call(&self, layer: &Layer, inner: &mut Inner, mut reply: LinkBuffer) -> Result<()> {
        self.put_in_line(&mut reply);
        if self.state_word.load() & mark::LAST_WORD != 0 || matches!(inner.stage, Stage::Gone) {
            return Ok(());
        }
        let mut own = inner.own_output()?;
        self.put_in_line(&mut own);
        if layer.is_open() || inner.state()? == TransportState::Handshaking {
            return Ok(());
        }
        let facts = inner.call(|transport| Ok(transport.facts()))?;
        // Under the lock: who seals after this finds nothing waiting in `early`.
        let _ = layer.facts.set(facts);
        let mut early = std::mem::take(&mut inner.early);
        if !early.is_empty() {
            let mut sealed = inner.seal(&mut early)?;
            self.put_in_line(&mut sealed);
        }
        Ok(())
    }

    /// Whether the transport's handshake is complete.
    pub(super) fn is_shaken(&self) -> bool {
        self.layer().is_none_or(Layer::is_open)
    }

    /// Ends the handshaking phase; only by the turn, which has put the receive state back.
    pub(super) fn shake(self: &Arc<Self>) {
        self.leave_handshakes();
        self.deadlines.clear(Kind::Handshake);
        self.set_deadline(Kind::Idle, self.options.idle_timeout);
        self.wake_waiters(self.state_word.clear(mark::HANDSHAKING), News::Setup.bit());
    }

    /// Judges the end of the wire.
    ///
    /// # Errors
    /// Something is missing.
    pub(super) fn wire_ended(self: &Arc<Self>) -> Result<()> {
        let Some(layer) = self.layer() else { return Ok(()) };
        let mut inner = layer.inner.lock();
        if matches!(inner.stage, Stage::Gone) || inner.state()? == TransportState::PeerClosed {
            return Ok(());
        }
        if !layer.is_open() {
            let why = format!("the peer closed the connection during the handshake ({self})");
            return Err(Error::new(ErrorKind::Handshake, why));
        }
        inner.call(|transport| transport.eof())
    }

    /// Seals `plain` and queues it, behind all that was sealed before. The caller flushes.
    pub(super) fn seal(self: &Arc<Self>, layer: &Layer, plain: &mut LinkBuffer) {
        let mut inner = layer.inner.lock();
        let word = self.state_word.load();
        if !layer.is_open() {
            return inner.early.join(plain);
        }
        if word & mark::LAST_WORD != 0 {
            return;
        }
        let sealed = inner.seal(plain).map(|mut wire| self.put_in_line(&mut wire));
        if let Err(error) = sealed {
            tracing::debug!(%error, connection = self.id, "a transport failed to seal");
            let reason = reason_of(&error);
            inner.failure.get_or_insert(error);
            drop(inner);
            self.end(mark::ABORTING, reason);
        }
    }

    /// Sends what the transport has to send although nothing came; only by a turn.
    pub(super) fn send_own_output(self: &Arc<Self>) {
        let Some(layer) = self.layer() else { return };
        if self.state_word.load() & (mark::LAST_WORD | OVER) != 0 {
            return;
        }
        let mut inner = layer.inner.lock();
        if !matches!(inner.stage, Stage::Live(_)) {
            return;
        }
        let after = self.after_call(layer, &mut inner, LinkBuffer::new());
        drop(inner);
        self.flush_pending();
        if let Err(error) = after {
            self.fail_transport(error);
        }
    }

    /// The failure of a server's transport that ended the connection, for `on_error`. A client's is its
    /// dialler's; later its calls may be tried again elsewhere.
    pub(super) fn take_failure(&self) -> Option<Error> {
        let layer = self.layer().filter(|layer| layer.role == Role::Server)?;
        layer.inner.lock().failure.take()
    }

    /// Keeps `error` for whoever asks for it, and ends the connection after what waits.
    pub(super) fn fail_transport(self: &Arc<Self>, error: Error) {
        let Some(layer) = self.layer() else { return };
        let reason = match error.kind() {
            ErrorKind::TimedOut => CloseReason::HandshakeTimeout,
            ErrorKind::Panic => CloseReason::Panic,
            ErrorKind::Limit => CloseReason::MemoryLimit,
            _ => CloseReason::HandshakeFailed,
        };
        layer.inner.lock().failure.get_or_insert(error);
        self.leave_handshakes();
        self.end(mark::CLOSING, reason);
    }

    /// Whether all output has been written, the transport's last word included, which is said by the first
    /// call that finds nothing else waiting; only by a turn.
    pub(super) fn has_sent_all(self: &Arc<Self>) -> bool {
        self.is_drained() && (self.layer().is_none() || self.say_last_word() && self.is_drained())
    }

    /// True, after the last word was queued and as much of it written as the endpoint took.
    #[cold]
    fn say_last_word(self: &Arc<Self>) -> bool {
        let Some(layer) = self.layer() else { return true };
        let said = mark::LAST_WORD | mark::HANDSHAKING | mark::HUNG_UP;
        if !self.state_word.set_unless(mark::LAST_WORD, said) {
            return true;
        }
        let mut inner = layer.inner.lock();
        let mut word = LinkBuffer::new();
        if inner.call(|transport| transport.close(&mut word)).is_ok() {
            word.flush();
            self.put_in_line(&mut word);
        }
        drop(inner);
        self.flush_pending();
        true
    }

    fn flush_pending(self: &Arc<Self>) {
        if self.pending() > 0 {
            self.flush();
        }
    }

    /// Whether the transport is still to be made.
    pub(super) fn awaits_transport(&self) -> bool {
        self.layer().is_some_and(|layer| matches!(layer.inner.lock().stage, Stage::New(_)))
    }

    /// Drops the transport: the connection has ended.
    pub(super) fn drop_transport(self: &Arc<Self>) {
        if let Some(layer) = self.layer() {
            layer.inner.lock().give_up();
            self.leave_handshakes();
        }
    }
}

/// The reason of a connection's end because of `error`.
pub(super) fn reason_of(error: &Error) -> CloseReason {
    match error.kind() {
        ErrorKind::FrameTooLarge => CloseReason::FrameTooLarge,
        ErrorKind::Limit => CloseReason::MemoryLimit,
        ErrorKind::Panic => CloseReason::Panic,
        ErrorKind::Eof => CloseReason::Eof,
        ErrorKind::Truncated => CloseReason::Truncated,
        ErrorKind::Handshake => CloseReason::HandshakeFailed,
        _ => CloseReason::Malformed,
    }
}

/// The waker of a transport, which does not keep its connection.
struct Weakly(Weak<Conn>);

impl Wake for Weakly {
    fn wake(self: Arc<Self>) {
        if let Some(conn) = self.0.upgrade() {
            conn.schedule(event::WAKE);
        }
    }
}
