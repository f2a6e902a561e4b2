//! Half-open connections: whether a peer's FIN is its going, or an event after which this side still sends.

use std::{mem, sync::Arc};

use super::{
    connection::Connection,
    core::Conn,
    handler::Handler,
    reason::CloseReason,
    recv::Recv,
    state::{OVER, mark},
};

impl Conn {
    /// Returns true if, by `word`, the peer has gone: it reset the connection or sent its end. With
    /// `keep_half_open` its end counts once this side has sent its own.
    pub(super) fn has_peer_gone(&self, word: u32) -> bool {
        word & mark::HUNG_UP != 0
            || word & mark::READ_CLOSED != 0
                && (!self.options.keep_half_open || word & mark::SHUT_DONE != 0)
    }

    /// Returns true if, by `word`, the peer has gone or this side has given the connection up: the news that
    /// `Cancel` tells.
    pub(super) fn is_given_up(&self, word: u32) -> bool {
        word & (mark::CLOSING | OVER) != 0 || self.has_peer_gone(word)
    }

    /// Decides about a connection whose peer has sent its last request and its end. Returns true if it goes
    /// on half-open; the first time `handler` is told.
    pub(super) fn stays_half_open(
        self: &Arc<Self>,
        handler: &Arc<dyn Handler>,
        recv: &mut Recv,
    ) -> bool {
        if !self.options.keep_half_open {
            return false;
        }
        if !mem::replace(&mut recv.half_closed, true) {
            handler.half_closed(&Connection::unowned(self.clone()));
        }
        let word = self.state_word.load();
        if word & (mark::HUNG_UP | mark::SHUT_DONE) == mark::HUNG_UP {
            self.set_reason(CloseReason::Reset);
        }
        !self.is_given_up(word | mark::READ_CLOSED)
    }
}
