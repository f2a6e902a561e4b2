//! The handshaking phase: a connection's turns until its transport is open.

use std::sync::Arc;

use super::{
    connection::Connection,
    core::Conn,
    deadlines::Kind,
    handler::After,
    recv::{Filled, Recv},
    state::{event, mark},
};
use crate::error::{Error, ErrorKind, Result};

/// Reads of one turn.
const READS: usize = 16;

/// Bytes of one read.
const READ: usize = 16 * 1024;

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
    /// A turn in the handshaking phase. True: there is more to do at once.
    pub(super) fn handshake(&self, word: u32) -> bool {
        let conn = &self.conn;
        let Some(mut recv) = conn.recv.take() else { return false };
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
        let shaken = conn.go_on_shaking(&mut recv);
        let late = conn.deadlines.passed(Kind::Handshake, conn.shard.clock.now_ms());
        let again = match shaken {
            Ok(Shaken::Complete) => {
                conn.put_back(Some(recv));
                conn.shake();
                return true;
            }
            Ok(Shaken::Again) => true,
            Ok(Shaken::Waits) if late => {
                conn.deadlines.clear(Kind::Handshake);
                let limit = conn.options.handshake_timeout;
                conn.fail_transport(conn.timeout_error("the handshake", limit));
                conn.state_word.set(mark::ABORTING);
                return conn.end_turn(Some(recv));
            }
            Ok(Shaken::Waits) => {
                recv.compact();
                false
            }
            Err(error) => {
                conn.fail_transport(error);
                false
            }
        };
        conn.put_back(Some(recv));
        again
    }
}

impl Conn {
    /// Starts the transport, and opens what has come.
    fn go_on_shaking(self: &Arc<Self>, recv: &mut Recv) -> Result<Shaken> {
        self.start_transport()?;
        self.send_own_output();
        for _ in 0..READS {
            if self.is_shaken() {
                return Ok(Shaken::Complete);
            }
            match recv.read(self, None, READ)? {
                Filled::Some => {}
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
}
