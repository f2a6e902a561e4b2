//! What a request comes with, and what its handler says at the end.

use std::mem;

use crate::{
    buf::LinkBuffer,
    conn::{Cancel, Connection, Deadline},
    error::Result,
    frame::{self, Encode},
};

/// What a request comes with.
#[derive(Debug)]
pub struct Call<'a, S> {
    /// The connection that it came on.
    pub conn: &'a Connection,
    /// The connection's session.
    pub session: &'a mut S,
    /// Where the answer goes.
    pub out: Out<'a>,
    /// Until when it is to be answered.
    pub deadline: Deadline,
}

impl<S> Call<'_, S> {
    /// Tells when nobody waits for the answer any more.
    pub fn cancel(&self) -> Cancel {
        self.conn.cancel()
    }
}

/// The answer's way out: a LinkBuffer that is sent at the end of the turn.
#[derive(Debug)]
pub struct Out<'a> {
    conn: &'a Connection,
    /// What was written so far.
    pub buf: &'a mut LinkBuffer,
}

impl<'a> Out<'a> {
    pub(super) fn new(conn: &'a Connection, buf: &'a mut LinkBuffer) -> Self {
        Self { conn, buf }
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// The frame cannot be expressed, or there is no memory; nothing was written then.
    pub fn put(&mut self, frame: &impl Encode) -> Result<()> {
        frame::encode(frame, self.buf)?;
        Ok(())
    }

    /// Sends what was written now, before the turn ends; waits while too much is pending.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn flush(&mut self) -> Result<()> {
        self.buf.flush();
        self.conn.send(mem::take(self.buf))
    }

    /// As [`flush`](Self::flush), without blocking the thread.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub async fn flush_async(&mut self) -> Result<()> {
        self.buf.flush();
        self.conn.send_async(mem::take(self.buf)).await
    }
}

/// What becomes of the connection after a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flow {
    /// The next request is awaited.
    #[default]
    Continue,
    /// What was answered is sent, then the connection is closed.
    Close,
    /// The service lets the connection go: `on_close` runs, and whoever kept a clone of the
    /// [`Connection`] reads and writes it from now on.
    Detach,
}
