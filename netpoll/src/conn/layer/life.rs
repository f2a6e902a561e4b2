//! The life of a transport: made and started by the first turn, shaken hands with, dropped at the end.

use std::{
    sync::{Arc, Weak},
    task::{Wake, Waker},
};

use super::{Inner, Layer, Stage, order, seal::Locked};
use crate::{
    buf::LinkBuffer,
    conn::{
        core::Conn,
        deadlines::Kind,
        reason::CloseReason,
        recv::Recv,
        state::{OVER, event, mark},
        wait::News,
    },
    error::{Error, ErrorKind, Result},
    guard::{self, Place},
    transport::{Role, TransportContext, TransportFacts, TransportState},
};

impl Conn {
    /// The layer between the wire and `recv`, `send`; none: plain bytes.
    #[inline]
    pub(in crate::conn) fn layer(&self) -> Option<&Layer> {
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
    pub(in crate::conn) fn start_transport(self: &Arc<Self>) -> Result<()> {
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

    /// Under the lock: queues `reply` and what the transport has beside it, and notes that the handshake is
    /// complete.
    pub(super) fn after_call(
        &self,
        layer: &Layer,
        inner: &mut Inner,
        mut reply: LinkBuffer,
    ) -> Result<()> {
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
        order::open(&mut Locked { conn: self, layer, inner }, |locked| {
            let _ = locked.layer.facts.set(facts);
        })
    }

    /// Whether the transport's handshake is complete.
    pub(in crate::conn) fn is_shaken(&self) -> bool {
        self.layer().is_none_or(Layer::is_open)
    }

    /// Ends the handshaking phase; only by the turn, whose `recv` this is.
    pub(in crate::conn) fn shake(self: &Arc<Self>, recv: Box<Recv>) {
        self.leave_handshakes();
        self.deadlines.clear(Kind::Handshake);
        self.set_deadline(Kind::Idle, self.options.idle_timeout);
        let before = order::finish_handshake(&self.recv, &self.state_word, recv);
        self.wake_waiters(before, News::Setup.bit());
    }

    /// The failure of a server's transport that ended the connection, for `on_error`. A client's is its
    /// dialler's; later its calls may be tried again elsewhere.
    pub(in crate::conn) fn take_failure(&self) -> Option<Error> {
        let layer = self.layer().filter(|layer| layer.role == Role::Server)?;
        layer.inner.lock().failure.take()
    }

    /// Keeps `error` for whoever asks for it, and ends the connection after what waits.
    pub(in crate::conn) fn fail_transport(self: &Arc<Self>, error: Error) {
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

    /// Whether the transport is still to be made.
    pub(in crate::conn) fn awaits_transport(&self) -> bool {
        self.layer().is_some_and(|layer| matches!(layer.inner.lock().stage, Stage::New(_)))
    }

    /// Drops the transport: the connection has ended.
    pub(in crate::conn) fn drop_transport(self: &Arc<Self>) {
        if let Some(layer) = self.layer() {
            layer.inner.lock().give_up();
            self.leave_handshakes();
        }
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
