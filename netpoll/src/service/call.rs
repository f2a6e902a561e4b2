//! What a request comes with, and what its handler says at the end.

use std::{convert::Infallible, mem};

use crate::{
    buf::LinkBuffer,
    conn::{Cancel, Connection, Deadline},
    error::{Error, ErrorKind, Result},
    frame::{self, Codec, Encode},
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
        self.conn.cancel().or_at(self.deadline)
    }
}

/// The answer's way out: a LinkBuffer that is sent at the end of the turn.
#[derive(Debug)]
pub struct Out<'a> {
    conn: &'a Connection,
    /// What was written so far; it need not be flushed.
    pub buf: &'a mut LinkBuffer,
    /// Answers before this one are not there yet, so that nothing may leave.
    held: bool,
}

impl<'a> Out<'a> {
    pub(super) fn new(conn: &'a Connection, buf: &'a mut LinkBuffer) -> Self {
        Self { conn, buf, held: false }
    }

    /// As [`new`](Self::new); what is written leaves when its turn has come.
    pub(super) fn held(conn: &'a Connection, buf: &'a mut LinkBuffer) -> Self {
        Self { conn, buf, held: true }
    }

    /// The same way out for a shorter time, to be passed on.
    #[inline]
    pub fn reborrow(&mut self) -> Out<'_> {
        Out { conn: self.conn, buf: self.buf, held: self.held }
    }

    /// Bytes written and not sent yet.
    pub(super) fn len(&self) -> usize {
        self.buf.len() + self.buf.malloc_len()
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// The frame cannot be expressed, or there is no memory; nothing was written then.
    pub fn put(&mut self, frame: &impl Encode) -> Result<()> {
        frame::write(self.buf, |w| frame.encode(w))?;
        Ok(())
    }

    /// Writes a frame with `codec`.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_with<C: Codec>(&mut self, codec: &mut C, frame: &C::Out<'_>) -> Result<()> {
        frame::write(self.buf, |w| codec.encode(frame, w))?;
        Ok(())
    }

    /// Sends what was written now, before the turn ends; waits while too much is pending.
    ///
    /// Where requests are handled side by side and answered in order
    /// ([`Dispatch::Concurrent`](super::Dispatch::Concurrent)), what was written waits for its turn.
    ///
    /// # Errors
    /// As [`Connection::send`]. `Limit` if what waits for its turn is more than `write_high`.
    pub fn flush(&mut self) -> Result<()> {
        self.buf.flush();
        if self.held { self.check_held() } else { self.conn.send(mem::take(self.buf)) }
    }

    /// As [`flush`](Self::flush), without blocking the thread.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn flush_async(&mut self) -> Result<()> {
        self.buf.flush();
        if self.held {
            return self.check_held();
        }
        self.conn.send_async(mem::take(self.buf)).await
    }

    fn check_held(&self) -> Result<()> {
        let (waits, most) = (self.buf.len(), self.conn.options().write_high);
        if waits <= most {
            return Ok(());
        }
        let why = format!("{waits} bytes wait for the answers before them, write_high is {most}");
        Err(Error::new(ErrorKind::Limit, why))
    }
}

/// What becomes of the connection after a request.
///
/// A handler of the macros may return it, with or without a frame `F` to answer; [`Service`]'s own
/// `on_request` has written its answer, so that nothing is left to send.
///
/// [`Service`]: super::Service
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flow<F = Infallible> {
    /// The next request is awaited.
    #[default]
    Continue,
    /// The frame is the answer, and the next request is awaited.
    Reply(F),
    /// What was answered is sent, then the connection is closed.
    Close,
    /// The frame is the last answer: it is sent, then the connection is closed.
    CloseAfter(F),
    /// The service lets the connection go: `on_close` runs, and whoever kept a clone of the
    /// [`Connection`] reads and writes it from now on.
    Detach,
}
