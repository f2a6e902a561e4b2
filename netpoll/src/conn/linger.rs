//! The last of a connection that this side closes: what the peer still sends must not cost it what it
//! has not read yet.
//!
//! A socket that is closed while bytes wait in it, or that gets some after, answers with a reset, and
//! the system then throws away what it was still sending. So a connection that is closed looks whether
//! bytes wait. There are none as a rule, and it ends at once. Otherwise it tells the peer its end,
//! and throws away what comes until the peer ends too, for [`LINGER`] at most.

use std::{sync::Arc, time::Duration};

use super::{
    core::Conn,
    deadlines::Kind,
    recv::{Filled, Recv},
    state::{OVER, mark},
};

/// How long a closed connection waits for the end of a peer that sends on.
const LINGER: Duration = Duration::from_secs(2);

/// Reads that one turn throws away.
const READS: usize = 16;

/// Whether a closed connection has to wait.
pub(super) enum Linger {
    /// It ends now.
    No,
    /// More waits to be thrown away.
    Again,
    /// The peer may send more.
    Wait,
}

impl Conn {
    /// Throws away what the peer sends; only by the turn, once all output is sent.
    pub(super) fn linger(self: &Arc<Self>, recv: &mut Recv) -> Linger {
        let word = self.gate.load();
        if word & (OVER | mark::HUNG_UP) != 0 || word & mark::CLOSING == 0 || recv.eof {
            return Linger::No;
        }
        if self.deadlines.passed(Kind::Linger, self.home.clock.now_ms()) {
            return Linger::No;
        }
        // What came lately may be in an event that nobody has seen yet.
        recv.readable = true;
        let mut reads = 0;
        while reads < READS {
            match recv.read(self, None, usize::MAX) {
                Ok(Filled::Some) => recv.input.clear(),
                Ok(Filled::Nothing) => break,
                Ok(Filled::Eof) | Err(_) => return Linger::No,
            }
            reads += 1;
        }
        // The reads may have set it.
        self.deadlines.clear(Kind::Idle);
        let begun = self.deadlines.get(Kind::Linger).is_some();
        if reads == 0 && !begun {
            return Linger::No;
        }
        if !begun {
            self.set_deadline(Kind::Linger, Some(LINGER));
            self.deadlines.clear(Kind::Frame);
            self.deadlines.clear(Kind::Request);
            // Fails if the peer is gone, which the next read tells.
            let _ = self.socket.shutdown_write();
        }
        if reads == READS { Linger::Again } else { Linger::Wait }
    }
}
