//! Opening: what came over the wire becomes plain bytes.

use std::sync::Arc;

use super::Stage;
use crate::{
    buf::LinkBuffer,
    conn::core::Conn,
    error::{Error, ErrorKind, Result},
    transport::TransportState,
};

/// Bytes of the wire that may wait to be opened, where `max_frame` is less: a record of a transport may hold
/// many frames.
const LEAST_RECORD: usize = 64 * 1024;

/// Plain bytes that one look at the wire gives at most, about: the rest is opened later.
const OPENED: usize = 256 * 1024;

/// What became of bytes of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::conn) enum Opened {
    /// All that can be opened was.
    All,
    /// There may be more to open, without new bytes.
    More,
    /// The peer has said its last word.
    PeerClosed,
}

impl Conn {
    /// Turns what came over the wire into plain bytes, behind what `plain` has.
    ///
    /// # Errors
    /// The transport's; `FrameTooLarge` if more waits to be opened than a frame may have.
    pub(in crate::conn) fn open_wire(
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

    /// Judges the end of the wire.
    ///
    /// # Errors
    /// Something is missing.
    pub(in crate::conn) fn wire_ended(self: &Arc<Self>) -> Result<()> {
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
}
