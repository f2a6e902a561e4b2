//! The receive state of a connection: what has come and was not consumed.

use super::state::mark;
use crate::buf::LinkBuffer;

/// What was received and not consumed, with what is known of the socket's side.
// What every turn touches comes first, as in `Conn`.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Recv {
    pub(crate) input: LinkBuffer,
    /// Bytes that came into `input` in all.
    pub(crate) received: u64,
    /// Bytes that came over the wire in all.
    pub(super) came: u64,
    /// What came and is still to pass the connection's transport, if it has one and anything came.
    pub(super) wire: Option<Box<LinkBuffer>>,
    /// Where in the stream the partial frame begins that has to be whole by its deadline.
    pub(super) frame_at: Option<u64>,
    /// A read may give something.
    pub(super) readable: bool,
    /// The peer sent its last, and it is in `input`.
    pub(crate) eof: bool,
    /// A read failed. The system tells that once, and of a clean end from then on.
    pub(super) broken: bool,
    /// A future of the handler's is under way.
    pub(super) busy: bool,
    /// Pending output is past the mark: nothing is handled until it is below the low one.
    pub(super) full: bool,
    /// The handler was told of the peer's end.
    pub(super) half_closed: bool,
    /// The transport has more to open, without new bytes.
    pub(super) unopened: bool,
    /// This side has sent its end: what the peer still sends is thrown away, so many bytes at most.
    pub(super) linger: Option<usize>,
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// Bytes came: so many over the wire, or out of the transport if those are more.
    Some(usize),
    /// None are there now.
    Nothing,
    /// The stream has ended.
    Eof,
}

impl Recv {
    /// Returns the position in the stream up to which bytes were consumed. It wraps below zero where a
    /// handler has put more into the input than ever came.
    pub(crate) fn consumed(&self) -> u64 {
        self.received.wrapping_sub(self.input.len() as u64)
    }

    /// Returns whether a read would give nothing, as far as `word` and the reads before it tell.
    #[inline]
    pub(super) fn is_drained(&self, word: u32) -> bool {
        word & mark::READABLE == 0 && !(self.readable || self.unopened || self.eof)
    }

    /// Whether a part of a frame is there, or bytes of the wire that may become one.
    pub(super) fn has_partial(&self) -> bool {
        !self.input.is_empty() || self.wire.as_ref().is_some_and(|wire| !wire.is_empty())
    }

    /// Keeps what is left in little memory.
    pub(super) fn compact(&mut self) {
        self.input.compact_small();
        if let Some(wire) = self.wire.as_mut().filter(|wire| !wire.is_empty()) {
            wire.compact_small();
        }
    }
}
