//! What a handler's step works with.

use super::{
    connection::Connection,
    read::Intake,
    recv::{Filled, Recv},
    send::Sent,
};
use crate::{buf::LinkBuffer, error::Result};

/// The parts of a connection that one step of its handler works with, and the place for its answers.
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
    #[inline]
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

    /// Sends the answers so far. With `Full`, the step should end.
    pub(crate) fn send(&mut self) -> Sent {
        self.out.flush();
        if !self.out.is_empty() {
            self.conn.conn.send(self.out);
        }
        self.conn.conn.sent()
    }
}
