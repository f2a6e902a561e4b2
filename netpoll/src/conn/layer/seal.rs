//! Sealing: plain output becomes bytes of the wire, up to the transport's last word.

use std::{mem, sync::Arc};

use super::{
    Inner, Layer, Stage,
    order::{self, Sealing},
};
use crate::{
    buf::LinkBuffer,
    conn::{
        CloseReason,
        core::Conn,
        state::{OVER, mark},
    },
    error::Result,
};

/// The sending side of a connection's transport, under its lock.
pub(super) struct Locked<'a> {
    pub(super) conn: &'a Conn,
    pub(super) layer: &'a Layer,
    pub(super) inner: &'a mut Inner,
}

impl Sealing for Locked<'_> {
    type Bytes = LinkBuffer;

    fn is_open(&self) -> bool {
        self.layer.is_open()
    }

    fn hold(&mut self, plain: &mut LinkBuffer) {
        self.inner.early.join(plain);
    }

    fn seal_held(&mut self) -> Result<()> {
        let mut early = mem::take(&mut self.inner.early);
        if early.is_empty() { Ok(()) } else { self.seal(&mut early) }
    }

    fn seal(&mut self, plain: &mut LinkBuffer) -> Result<()> {
        let mut wire = self.inner.seal(plain)?;
        self.conn.put_in_line(&mut wire);
        Ok(())
    }
}

impl Conn {
    /// Seals `plain` and queues it, behind all that was sealed before. The caller flushes.
    pub(in crate::conn) fn seal(self: &Arc<Self>, layer: &Layer, plain: &mut LinkBuffer) {
        let mut inner = layer.inner.lock();
        let mut locked = Locked { conn: self, layer, inner: &mut inner };
        if let Err(error) = order::send(&mut locked, &self.state_word, plain) {
            tracing::debug!(%error, connection = self.id, "a transport failed to seal");
            let reason = CloseReason::of(&error);
            inner.failure.get_or_insert(error);
            drop(inner);
            self.end(mark::ABORTING, reason);
        }
    }

    /// Sends what the transport has to send although nothing came; only by a turn.
    pub(in crate::conn) fn send_own_output(self: &Arc<Self>) {
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

    /// Whether all output has been written, the transport's last word included, which is said by the first
    /// call that finds nothing else waiting; only by a turn.
    pub(in crate::conn) fn has_sent_all(self: &Arc<Self>) -> bool {
        self.is_drained() && (self.layer().is_none() || self.say_last_word() && self.is_drained())
    }

    /// True, after the last word was queued and as much of it written as the endpoint took.
    #[cold]
    fn say_last_word(self: &Arc<Self>) -> bool {
        let Some(layer) = self.layer() else { return true };
        if !order::claim_last_word(&self.state_word) {
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

    pub(super) fn flush_pending(self: &Arc<Self>) {
        if self.pending() > 0 {
            self.flush();
        }
    }
}
