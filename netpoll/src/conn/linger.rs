//! The lingering close: so that the last answers arrive although the peer sends on.
//!
//! Closing a socket with unread bytes makes the system send a reset, which takes what the peer has
//! not read yet with it. There are none as a rule, and the connection ends at once. If there are any,
//! only this side's end is sent, and what comes is thrown away until the peer's end, for a bounded
//! time and number of bytes.

use std::{sync::Arc, time::Duration};

use super::{
    core::Conn,
    deadlines::Kind,
    disconnect,
    recv::{Filled, Recv},
    state::mark,
};

/// How long a closing connection waits for its peer's end while the peer sends.
const TIME: Duration = Duration::from_secs(1);
/// What it throws away at most in that time.
const BYTES: usize = 16 << 20;
/// Bytes of one such read, and reads of one turn.
const READ: usize = 64 << 10;
const READS: usize = 16;

/// Whether a closing connection can be closed.
#[derive(PartialEq, Eq)]
pub(super) enum Linger {
    /// It can.
    Over,
    /// The peer may send more.
    Wait,
    /// There is more to throw away.
    Again,
}

impl Conn {
    /// Throws away what the peer sends; only by the turn, once all output is sent.
    pub(super) fn linger(self: &Arc<Self>, recv: &mut Recv) -> Linger {
        if self.is_over() || recv.eof {
            return Linger::Over;
        }
        let mut left = match recv.linger {
            Some(left) => left,
            None => {
                let unread = recv.has_partial() || matches!(self.endpoint.peek(), Ok(1..));
                if !unread || self.endpoint.shutdown_write().is_err() {
                    return Linger::Over;
                }
                // A peer that goes from now on was not the first.
                disconnect::waive(&self.state_word);
                self.set_deadline(Kind::Linger, Some(TIME));
                recv.linger = Some(BYTES);
                BYTES
            }
        };
        if self.deadlines.passed(Kind::Linger, self.shard.clock.now_ms()) {
            return Linger::Over;
        }
        for _ in 0..READS {
            recv.input.clear();
            match recv.read(self, None, READ) {
                Ok(Filled::Some(n)) => left = left.saturating_sub(n),
                // Both sides have sent their ends, or the connection broke: what came is read.
                Ok(Filled::Nothing) if self.state_word.load() & mark::HUNG_UP != 0 => {
                    return Linger::Over;
                }
                Ok(Filled::Nothing) => {
                    recv.linger = Some(left);
                    return Linger::Wait;
                }
                Ok(Filled::Eof) | Err(_) => return Linger::Over,
            }
            if left == 0 {
                return Linger::Over;
            }
        }
        recv.linger = Some(left);
        Linger::Again
    }
}
