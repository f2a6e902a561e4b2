//! The half of a stream that writes.

use std::{
    fmt,
    io::{self, IoSlice},
    sync::Arc,
    task::{Context, Poll, ready},
};

use super::{Closes, io_error};
use crate::{
    buf::LinkBuffer,
    conn::{
        connection::Connection,
        core::Conn,
        send::Sent,
        state::{OVER, mark},
        wait::{News, Waiting},
    },
    error::{Error, Result},
};

/// Bytes that one write takes at most.
const MOST: usize = 256 << 10;

/// The half of a [`ByteStream`](super::ByteStream) that writes.
///
/// Dropped before the half that reads, it half-closes the connection: the peer reads the end after what was
/// written. The connection closes after both.
pub struct WriteHalf {
    waiting: Waiting,
    progress: Progress,
    closes: Arc<Closes>,
}

/// What was not waited for yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// All that was written has gone to the system.
    Flushed,
    /// Bytes were written since.
    Written,
    /// The end was asked for.
    Shut,
}

impl WriteHalf {
    pub(super) fn new(closes: Arc<Closes>) -> Self {
        let waiting = Waiting::new(&closes.0.conn, News::Room);
        Self { waiting, progress: Progress::Flushed, closes }
    }

    /// The connection.
    pub fn connection(&self) -> &Connection {
        &self.closes.0
    }

    fn conn(&self) -> &Arc<Conn> {
        &self.closes.0.conn
    }

    /// Ready when some bytes of `parts` were taken, from the first on: so many of them.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.conn().check_sending().map_err(cannot_send)?;
        if self.conn().sent() == Sent::Full {
            ready!(self.waiting.poll(cx, |conn| conn.has_room())).map_err(cannot_send)?;
        }
        let conn = &self.closes.0.conn;
        let room = conn.options.write_high.saturating_sub(conn.pending()).clamp(1, MOST);
        let mut bytes = take(parts, room)?;
        let n = bytes.len();
        if n > 0 {
            self.progress = Progress::Written;
            conn.send(&mut bytes);
        }
        Poll::Ready(Ok(n))
    }

    /// Ready when the system has taken all that was written.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.progress == Progress::Written {
            ready!(self.waiting.poll(cx, is_flushed)).map_err(cannot_send)?;
            self.progress = Progress::Flushed;
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when all that was written, and the end behind it, has gone to the system.
    #[cfg(any(feature = "tokio", feature = "futures-io"))]
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        if self.progress != Progress::Shut {
            self.progress = Progress::Shut;
            self.closes.0.shutdown_write();
        }
        self.waiting.poll(cx, is_shut).map(Ok)
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        // Without the half that reads, the connection closes anyway.
        if self.progress != Progress::Shut && Arc::strong_count(&self.closes) > 1 {
            self.closes.0.shutdown_write();
        }
    }
}

/// Copies up to `most` bytes of `parts`.
fn take(parts: &[IoSlice<'_>], most: usize) -> Result<LinkBuffer> {
    let mut bytes = LinkBuffer::new();
    let all = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut left = all.min(most);
    if left > 0 {
        let mut to = bytes.malloc_uncleared(left)?;
        for part in parts {
            let n = part.len().min(left);
            let (here, behind) = to.split_at_mut(n);
            here.copy_from_slice(&part[..n]);
            to = behind;
            left -= n;
        }
    }
    bytes.flush();
    Ok(bytes)
}

/// Whether all that was given has gone to the system, for who waits for that.
fn is_flushed(conn: &Arc<Conn>) -> Option<Result<()>> {
    // A waiter may be in the turn that would write.
    if conn.pending() > 0 && conn.state_word.load() & mark::WRITABLE != 0 {
        conn.flush();
    }
    if conn.state_word.load() & (OVER | mark::HUNG_UP) != 0 {
        return conn.has_room().filter(Result::is_err);
    }
    conn.is_drained().then_some(Ok(()))
}

/// Whether the end has gone to the system, or nothing can any more.
#[cfg(any(feature = "tokio", feature = "futures-io"))]
fn is_shut(conn: &Arc<Conn>) -> Option<()> {
    (conn.state_word.load() & (OVER | mark::HUNG_UP | mark::SHUT_DONE) != 0).then_some(())
}

fn cannot_send(error: Error) -> io::Error {
    io_error(error, io::ErrorKind::BrokenPipe)
}

impl fmt::Debug for WriteHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteHalf").field(self.connection()).finish()
    }
}
