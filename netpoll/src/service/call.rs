//! The call of a handler: a request's surroundings, its output, and the flow after it.

use std::{convert::Infallible, mem};

use super::notes::Notes;
use crate::{
    buf::LinkBuffer,
    conn::{Cancel, Connection, Deadline},
    error::{Error, ErrorKind, Result},
    frame::{self, Codec, Encode, Status},
};

/// The surroundings of a request.
#[derive(Debug)]
pub struct Call<'a, S> {
    /// The connection that the request came on.
    pub conn: &'a Connection,
    /// The connection's session.
    pub session: &'a mut S,
    /// The output for the answer.
    pub out: Out<'a>,
    /// The time until which the request is to be answered.
    pub deadline: Deadline,
}

impl<S> Call<'_, S> {
    /// Returns a token that fires when nobody waits for the answer any more: at the deadline, or when the
    /// peer disconnects.
    pub fn cancel(&self) -> Cancel {
        self.conn.cancel().or_at(self.deadline)
    }
}

/// The output of a handler: a LinkBuffer that is sent at the end of the turn.
#[derive(Debug)]
pub struct Out<'a> {
    conn: &'a Connection,
    /// The bytes written so far; they need not be flushed.
    pub buf: &'a mut LinkBuffer,
    /// True if answers before this one are still pending, so that nothing may leave yet.
    held: bool,
    /// The notes of the request, if layers look at it.
    notes: Option<&'a Notes>,
}

impl<'a> Out<'a> {
    pub(super) fn new(conn: &'a Connection, buf: &'a mut LinkBuffer) -> Self {
        Self { conn, buf, held: false, notes: None }
    }

    /// Creates an output whose bytes leave after the answers before it.
    pub(super) fn held(conn: &'a Connection, buf: &'a mut LinkBuffer) -> Self {
        Self { conn, buf, held: true, notes: None }
    }

    /// Sets the notes of the request that is answered.
    #[inline]
    pub(super) fn with_notes(self, notes: Option<&'a Notes>) -> Self {
        Self { notes, ..self }
    }

    /// Returns the notes of the request, if layers look at it.
    #[inline]
    pub(super) fn notes(&self) -> Option<&'a Notes> {
        self.notes
    }

    /// Notes the outcome that the answer reports.
    #[inline]
    pub(super) fn judge(&self, status: Status) {
        if let Some(notes) = self.notes {
            notes.judge(status);
        }
    }

    /// Reborrows the output for a shorter time, to pass it on.
    #[inline]
    pub fn reborrow(&mut self) -> Out<'_> {
        Out { conn: self.conn, buf: self.buf, held: self.held, notes: self.notes }
    }

    /// Returns the number of bytes written and not sent yet.
    pub(super) fn len(&self) -> usize {
        self.buf.len() + self.buf.malloc_len()
    }

    /// Encodes `frame` into the output.
    ///
    /// # Errors
    /// The frame cannot be expressed, or there is no memory; nothing was written then.
    pub fn put(&mut self, frame: &impl Encode) -> Result<()> {
        let bytes = frame::write(self.buf, |w| frame.encode(w))?;
        self.note(bytes);
        Ok(())
    }

    /// Encodes `frame` into the output with `codec`.
    ///
    /// # Errors
    /// The frame cannot be expressed, or there is no memory; nothing was written then.
    pub fn put_with<C: Codec>(&mut self, codec: &mut C, frame: &C::Out<'_>) -> Result<()> {
        let bytes = frame::write(self.buf, |w| codec.encode(frame, w))?;
        self.note(bytes);
        Ok(())
    }

    /// Sends the output now, before the turn ends. Waits while more than `write_high` bytes are pending.
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

    /// Sends the output now, as [`flush`](Self::flush) does, without blocking the thread.
    ///
    /// # Errors
    /// Those of [`flush`](Self::flush).
    pub async fn flush_async(&mut self) -> Result<()> {
        self.buf.flush();
        if self.held {
            return self.check_held();
        }
        self.conn.send_async(mem::take(self.buf)).await
    }

    /// Notes that a frame of `bytes` bytes was written.
    #[inline]
    fn note(&self, bytes: usize) {
        if let Some(notes) = self.notes {
            notes.answered(bytes);
        }
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

/// The future of the connection after a request.
///
/// A handler of the macros may return it, with or without a frame `F` to answer; [`Service`]'s own
/// `on_request` has written its answer, so that nothing is left to send.
///
/// [`Service`]: super::Service
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flow<F = Infallible> {
    /// Goes on with the next request.
    #[default]
    Continue,
    /// Answers with the frame, and goes on with the next request.
    Reply(F),
    /// Sends the answers, then closes the connection.
    Close,
    /// Answers with the frame, then closes the connection.
    CloseAfter(F),
    /// Detaches the connection from the service: `on_close` runs, and holders of a clone of the
    /// [`Connection`] read and write it from now on.
    Detach,
}
