//! Receiving: from the socket into the input LinkBuffer.

use std::{io, sync::Arc};

use super::{core::Conn, deadlines::Kind, layer::Opened, send::Sent, state::mark, wait::News};
use crate::{
    buf::LinkBuffer,
    conn::Connection,
    error::{Error, Result},
    mem::{BlockMut, alloc},
    timer::tick_after,
};

/// What a worker's scratch lends to the reads of a turn.
pub(crate) struct Intake<'d> {
    /// What the worker's turns read into, one after the other.
    pub(super) block: &'d mut Option<BlockMut>,
    /// The tick in which the worker looked at its poller last, where it knows.
    pub(super) looked: Option<u64>,
}

/// What grows by what has come, not by what a header declares: bytes that one reservation for a
/// large frame takes at least.
const GROWTH: usize = 64 * 1024;

/// A block is replaced when less than this part of it is left to read into.
const SPARE_PART: usize = 4;

/// What was received and not consumed, with what is known of the socket's side.
// What every turn touches comes first, as in `Conn`.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Recv {
    pub(crate) input: LinkBuffer,
    /// Bytes that came into `input` in all.
    pub(crate) received: u64,
    /// Where in the stream the partial frame begins that has to be whole by its deadline.
    pub(super) frame_at: Option<u64>,
    /// A read may give something.
    pub(super) readable: bool,
    /// The peer sent its last, and it is in `input`.
    pub(crate) eof: bool,
    /// A read failed. The system tells that once, and of a clean end from then on.
    broken: bool,
    /// A future of the handler's is under way.
    pub(super) busy: bool,
    /// Pending output is past the mark: nothing is handled until it is below the low one.
    pub(super) full: bool,
    /// This side has sent its end: what the peer still sends is thrown away, so many bytes at most.
    pub(super) linger: Option<usize>,
    /// Bytes that came over the wire in all.
    pub(super) came: u64,
    /// The transport has more to open, without new bytes.
    unopened: bool,
    /// What came and is still to pass the connection's transport, if it has one.
    wire: LinkBuffer,
}

/// What a read gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// Bytes came.
    Some,
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
            self.open(conn, self.input.len())?;
            return Ok(Filled::Some);
        }
        if !self.readable || self.broken || conn.is_over() {
            return Ok(Filled::Nothing);
        }
        let had = self.input.len();
        let room = conn.runtime.settings.buffer_size;
        let looked = intake.as_ref().and_then(|intake| intake.looked);
        let read = match intake {
            Some(intake) if want <= room => self.read_into_block(conn, intake.block, room)?,
            _ => self.read_into_input(conn, want.max(4096))?,
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
                // A short read emptied the socket, as a rule; an end that was announced is still to come.
                let doubt = mark::READ_CLOSED | mark::HUNG_UP | mark::CUT_READS;
                self.readable = n == asked || word & doubt != 0;
                if let Some(timeout) = conn.options.idle_timeout {
                    // What is read here came before, or not long after, the worker looked.
                    let now = looked.unwrap_or_else(|| conn.shard.clock.now_ms());
                    conn.deadlines.postpone(Kind::Idle, tick_after(now, timeout));
                }
                self.open(conn, had)?;
                Ok(Filled::Some)
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
    #[inline]
    fn open(&mut self, conn: &Arc<Conn>, had: usize) -> Result<()> {
        let opened = match conn.layer() {
            None => Ok(Opened::All),
            // After this side's last word nothing has a meaning.
            Some(_) if self.linger.is_some() => {
                self.wire.clear();
                Ok(Opened::All)
            }
            Some(_) => conn.open_wire(&mut self.wire, &mut self.input),
        };
        self.received += (self.input.len() - had) as u64;
        self.unopened = matches!(opened, Ok(Opened::More));
        if opened? == Opened::PeerClosed {
            self.eof = true;
            conn.wake_waiters(conn.state_word.set(mark::READ_CLOSED), News::End.bit());
        }
        Ok(())
    }

    /// Whether a part of a frame is there, or bytes of the wire that may become one.
    pub(super) fn has_partial(&self) -> bool {
        !self.input.is_empty() || !self.wire.is_empty()
    }

    /// Keeps what is left in little memory.
    pub(super) fn compact(&mut self) {
        self.input.compact_small();
        if !self.wire.is_empty() {
            self.wire.compact_small();
        }
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
    fn read_into_input(&mut self, conn: &Conn, want: usize) -> Result<io::Result<(usize, usize)>> {
        let asked = want.min(GROWTH.max(2 * self.input.len()));
        let arriving = self.arriving(conn);
        let read = conn.endpoint.read(arriving.malloc_uncleared(asked)?);
        arriving.malloc_ack(*read.as_ref().unwrap_or(&0));
        arriving.flush();
        Ok(read.map(|n| (n, asked)))
    }

    /// Where the bytes of the wire go.
    fn arriving(&mut self, conn: &Conn) -> &mut LinkBuffer {
        if conn.layer().is_some() { &mut self.wire } else { &mut self.input }
    }
}

/// What a handler's step works with.
pub(crate) struct Step<'a, 'd> {
    pub(crate) conn: &'a Connection,
    /// Gone while a reader has it.
    pub(crate) recv: Option<Box<Recv>>,
    /// Answers, which leave together at the turn's end: what is unflushed too.
    pub(crate) out: &'d mut LinkBuffer,
    pub(super) intake: Intake<'d>,
}

impl Step<'_, '_> {
    /// Reads once; `want` bytes are known to be missing.
    ///
    /// # Errors
    /// As [`Recv::read`].
    pub(crate) fn read(&mut self, want: usize) -> Result<Filled> {
        match &mut self.recv {
            Some(recv) => recv.read(&self.conn.conn, Some(&mut self.intake), want),
            None => Ok(Filled::Nothing),
        }
    }

    /// Takes back what a reader had, which was dropped.
    pub(crate) fn take_back(&mut self) {
        if self.recv.is_none() {
            self.recv = self.conn.conn.recv.take();
        }
    }

    /// Whether more may be answered: pending output is below the high mark.
    pub(crate) fn has_room(&self) -> bool {
        let conn = &self.conn.conn;
        conn.sent() == Sent::Room || conn.pending() <= conn.options.write_low
    }

    /// Bytes of the answers so far.
    pub(crate) fn answered(&self) -> usize {
        self.out.len() + self.out.malloc_len()
    }

    /// Sends the answers so far. False: pending output is past the mark, and the step should end.
    pub(crate) fn send(&mut self) -> bool {
        self.out.flush();
        if !self.out.is_empty() {
            self.conn.conn.send(self.out);
        }
        self.conn.conn.sent() != Sent::Full
    }
}
