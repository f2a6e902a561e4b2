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
//!   waits in `early`. What passes before that and after the last word says [`order`], where the models are.
//! - At the connection's end the turn drops the transport, so that it holds nothing longer than its
//!   connection does.

mod life;
mod open;
mod order;
mod seal;

use std::sync::OnceLock;

use parking_lot::Mutex;

pub(super) use open::Opened;

use super::handshake_slots::Place as Slot;
use crate::{
    buf::LinkBuffer,
    error::{Error, ErrorKind, Result},
    guard::{self, Place},
    transport::{MakeTransport, Role, Transport, TransportFacts, TransportState},
};

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
