//! Reading: from the endpoint, through the transport where there is one, into the input.

use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::{
    core::Conn,
    deadlines::Kind,
    layer::Opened,
    recv::{Filled, Recv},
    state::mark,
    wait::News,
};
use crate::{
    buf::LinkBuffer,
    error::{Error, Result},
    mem::{BlockMut, alloc},
    timer::tick_after,
};

/// What grows by what has come, not by what a header declares: bytes that one reservation for a
/// large frame takes at least.
const GROWTH: usize = 64 * 1024;

/// A block is replaced when less than this part of it is left to read into.
const SPARE_PART: usize = 4;

/// What a worker's scratch lends to the reads of a turn.
pub(crate) struct Intake<'d> {
    /// What the worker's turns read into, one after the other.
    pub(super) block: &'d mut Option<BlockMut>,
    /// The tick in which the worker looked at its poller last, where it knows.
    pub(super) looked: Option<u64>,
    /// The runtime's `buffer_size`.
    pub(super) room: usize,
}

impl Recv {
    /// Reads once, if the socket may have something: into the worker's block, where one is lent. `want`:
    /// how many bytes are known to be missing.
    ///
    /// # Errors
    /// `Io` if the connection broke, `Limit` if there is no memory.
    pub(crate) fn read(
        &mut self,
        conn: &Arc<Conn>,
        intake: Option<&mut Intake<'_>>,
        want: usize,
    ) -> Result<Filled> {
        // Cleared before the read: what comes after it sets the mark again.
        let word = conn.state_word.load();
        if word & mark::READABLE != 0 {
            conn.state_word.clear(mark::READABLE);
            self.readable = true;
        }
        if self.eof {
            return Ok(Filled::Eof);
        }
        if self.unopened {
            let had = self.input.len();
            self.open(conn, had)?;
            return Ok(Filled::Some(self.input.len() - had));
        }
        if !self.readable || self.broken || conn.is_over() {
            return Ok(Filled::Nothing);
        }
        let had = self.input.len();
        let looked = intake.as_ref().and_then(|intake| intake.looked);
        // What is more than any block is sure to have room for, and is there already, comes as one piece, so that
        // a frame need not be joined.
        let there = conn.endpoint.available();
        let read = match intake {
            Some(intake) if want <= intake.room && there <= intake.room / SPARE_PART => {
                self.read_into_block(conn, intake.block, intake.room)?
            }
            _ => {
                let most = GROWTH.max(2 * self.input.len()).max(there);
                self.read_into_input(conn, want.max(there).clamp(4096, most))?
            }
        };
        match read {
            Ok((0, _)) => {
                self.eof = true;
                if self.linger.is_none() {
                    conn.wire_ended()?;
                }
                Ok(Filled::Eof)
            }
            Ok((n, asked)) => {
                self.came += n as u64;
                conn.came.store(self.came, Relaxed);
                // A short read emptied the socket, as a rule; an end that was announced is still to come.
                let doubt = mark::READ_CLOSED | mark::HUNG_UP | mark::CUT_READS;
                self.readable = n == asked || word & doubt != 0;
                if let Some(timeout) = conn.options.idle_timeout {
                    // What is read here came before, or not long after, the worker looked.
                    let now = looked.unwrap_or_else(|| conn.shard.clock.now_ms());
                    conn.deadlines.postpone(Kind::Idle, tick_after(now, timeout));
                }
                if word & mark::TRANSPORT == 0 {
                    self.received += n as u64;
                    return Ok(Filled::Some(n));
                }
                self.open(conn, had)?;
                Ok(Filled::Some(n.max(self.input.len() - had)))
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                Ok(Filled::Nothing)
            }
            Err(e) => {
                self.broken = true;
                conn.state_word.set(mark::HUNG_UP);
                Err(Error::io(format!("reading from {conn}"), e))
            }
        }
    }

    /// Passes what came through the transport, if there is one; `had` bytes of the input were there before.
    #[cold]
    fn open(&mut self, conn: &Arc<Conn>, had: usize) -> Result<()> {
        let opened = match conn.layer() {
            None => Ok(Opened::All),
            // After this side's last word nothing has a meaning.
            Some(_) if self.linger.is_some() => {
                self.wire = None;
                Ok(Opened::All)
            }
            Some(_) => conn.open_wire(self.wire.get_or_insert_default(), &mut self.input),
        };
        self.received += (self.input.len() - had) as u64;
        self.unopened = matches!(opened, Ok(Opened::More));
        if opened? == Opened::PeerClosed {
            self.eof = true;
            conn.wake_waiters(conn.state_word.set(mark::READ_CLOSED), News::End.bit());
        }
        Ok(())
    }

    /// Reads into the worker's block: what a turn consumes at once takes no memory of its own.
    fn read_into_block(
        &mut self,
        conn: &Conn,
        block: &mut Option<BlockMut>,
        room: usize,
    ) -> Result<io::Result<(usize, usize)>> {
        let usable = block
            .as_mut()
            .is_some_and(|block| block.try_reset() || block.spare_len() >= room / SPARE_PART);
        if !usable {
            *block = Some(alloc(room)?);
        }
        let block = block.as_mut().expect("it was just made");
        let asked = block.spare_len();
        let read = conn.endpoint.read(block.spare_uncleared());
        if let Ok(n) = read
            && n > 0
        {
            block.commit_uncleared(n);
            self.arriving(conn).push(block.take_filled());
        }
        Ok(read.map(|n| (n, asked)))
    }

    /// Reads into the input's own tail: for a large frame, and without a worker's scratch.
    fn read_into_input(&mut self, conn: &Conn, asked: usize) -> Result<io::Result<(usize, usize)>> {
        let arriving = self.arriving(conn);
        let read = conn.endpoint.read(arriving.malloc_uncleared(asked)?);
        arriving.malloc_ack(*read.as_ref().unwrap_or(&0));
        arriving.flush();
        Ok(read.map(|n| (n, asked)))
    }

    /// Where the bytes of the wire go.
    fn arriving(&mut self, conn: &Conn) -> &mut LinkBuffer {
        match conn.layer() {
            None => &mut self.input,
            Some(_) => self.wire.get_or_insert_default(),
        }
    }
}
