//! The handshaking phase: a connection's turns until its transport is open.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::{
    connection::Connection,
    core::Conn,
    deadlines::Kind,
    handler::After,
    handshake_slots::{HandshakeSlots, Place},
    reason::CloseReason,
    recv::{Filled, Recv},
    state::{event, mark},
    turn::Turned,
};
use crate::{
    error::{Error, ErrorKind, Result},
    throttle::Throttle,
};

/// Reads of one turn.
const READS: usize = 16;

/// Bytes of one read.
const READ: usize = 16 * 1024;

/// The handshakes of a server: their bound, and what is logged of it.
pub(crate) struct Handshakes {
    slots: HandshakeSlots<Weak<Conn>>,
    log: Throttle,
}

impl Handshakes {
    /// At most `max` at the same time.
    pub(crate) fn new(max: usize) -> Self {
        let log = Throttle::every(Duration::from_secs(1));
        Self { slots: HandshakeSlots::new(max), log }
    }
}

/// How far a turn brought the handshake.
enum Shaken {
    /// It is complete.
    Complete,
    /// The peer has to say more.
    Waits,
    /// There is more to read.
    Again,
}

impl Connection {
    /// A turn in the handshaking phase.
    pub(super) fn handshake(&self, word: u32) -> Turned {
        let conn = &self.conn;
        let Some(mut recv) = conn.recv.take() else { return Turned::Idle };
        if word & event::TIMER != 0 {
            // Silence and partial frames are not judged before the connection is open.
            conn.deadlines.clear(Kind::Idle);
        }
        if conn.awaits_transport()
            && let Some(After::Abort(reason)) = conn.handler().and_then(|h| h.prepare(self))
        {
            conn.set_reason(reason);
            conn.state_word.set(mark::ABORTING);
            return conn.end_turn(Some(recv));
        }
        let awaits_peer = conn.options.peer_speaks_first && conn.awaits_transport();
        if awaits_peer
            && conn.is_unheard(&recv)
            && conn.handler().is_some_and(|handler| handler.drains())
            && !self.has_unread_input()
        {
            conn.set_reason(CloseReason::Shutdown);
            conn.state_word.set(mark::CLOSING);
            return conn.end_turn(Some(recv));
        }
        let shaken = conn.go_on_shaking(&mut recv);
        let late = conn.deadlines.passed(Kind::Handshake, conn.shard.clock.now_ms());
        let turned = match shaken {
            Ok(Shaken::Complete) => {
                conn.shake(recv);
                return Turned::Again;
            }
            Ok(Shaken::Again) => Turned::Again,
            Ok(Shaken::Waits) if late => {
                conn.deadlines.clear(Kind::Handshake);
                conn.fail_transport(conn.late_handshake());
                conn.state_word.set(mark::ABORTING);
                return conn.end_turn(Some(recv));
            }
            Ok(Shaken::Waits) => {
                recv.compact();
                Turned::Idle
            }
            Err(error) => {
                conn.fail_transport(error);
                Turned::Idle
            }
        };
        conn.put_back(Some(recv));
        turned
    }
}

impl Conn {
    /// Starts the transport, and opens what has come.
    fn go_on_shaking(self: &Arc<Self>, recv: &mut Recv) -> Result<Shaken> {
        if self.awaits_transport() && !self.may_begin(recv)? {
            return Ok(Shaken::Waits);
        }
        self.start_transport()?;
        self.send_own_output();
        for _ in 0..READS {
            if self.is_shaken() {
                return Ok(Shaken::Complete);
            }
            match recv.read(self, None, READ)? {
                Filled::Some(_) => {}
                Filled::Nothing if self.state_word.load() & mark::HUNG_UP == 0 => {
                    return Ok(Shaken::Waits);
                }
                Filled::Nothing | Filled::Eof => {
                    let why =
                        format!("the peer closed the connection during the handshake ({self})");
                    return Err(Error::new(ErrorKind::Handshake, why));
                }
            }
        }
        Ok(Shaken::Again)
    }

    /// Whether a server's transport may start: its peer has spoken, where it has to, and a slot is free. If
    /// not, the event that changes it wakes the connection.
    fn may_begin(self: &Arc<Self>, recv: &Recv) -> Result<bool> {
        let (Some(layer), Some(handshakes)) = (self.layer(), &self.options.handshakes) else {
            return Ok(true);
        };
        let word = self.state_word.load();
        let gone = word & (mark::READ_CLOSED | mark::HUNG_UP) != 0;
        if self.options.peer_speaks_first && self.is_unheard(recv) {
            return Ok(false);
        }
        let mut place = layer.slot.lock();
        let before = *place;
        let next = handshakes.slots.take(self.id, &mut place, || Arc::downgrade(self));
        let now = *place;
        drop(place);
        wake(next);
        if now == Place::Taken {
            return Ok(true);
        }
        if before != now
            && let Some(skipped) = handshakes.log.admit(self.shard.clock)
        {
            let (max_handshakes, peer) = (handshakes.slots.max(), &self.peer);
            tracing::warn!(
                max_handshakes, %peer, skipped, "a client waits: so many handshakes are under way"
            );
        }
        if word & mark::HUNG_UP != 0 || gone && self.options.peer_speaks_first {
            let why = format!("the peer left while its handshake waited for others ({self})");
            return Err(Error::new(ErrorKind::Handshake, why));
        }
        Ok(false)
    }

    /// Whether nothing came, not even the peer's end.
    fn is_unheard(&self, recv: &Recv) -> bool {
        let heard = mark::READABLE | mark::READ_CLOSED | mark::HUNG_UP;
        !recv.readable && self.state_word.load() & heard == 0
    }

    /// Gives back the slot, or the place in the queue for one; only by the turn.
    pub(super) fn leave_handshakes(&self) {
        if let (Some(layer), Some(handshakes)) = (self.layer(), &self.options.handshakes) {
            let next = handshakes.slots.leave(self.id, &mut layer.slot.lock());
            wake(next);
        }
    }

    fn late_handshake(&self) -> Error {
        let limit = self.options.handshake_timeout;
        let queued = self.layer().is_some_and(|layer| *layer.slot.lock() == Place::Queued);
        match &self.options.handshakes {
            Some(handshakes) if queued => {
                let what = format!(
                    "waiting for one of {} handshakes (max_handshakes) to end",
                    handshakes.slots.max()
                );
                self.timeout_error(&what, limit)
            }
            _ => self.timeout_error("the handshake", limit),
        }
    }
}

/// Queues a turn of the connection that may take a slot.
fn wake(next: Option<Weak<Conn>>) {
    if let Some(conn) = next.and_then(|next| next.upgrade()) {
        conn.schedule(event::WAKE);
    }
}
