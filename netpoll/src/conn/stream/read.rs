//! The half of a stream that reads.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::{Closes, WriteHalf, io_error};
use crate::{
    conn::{
        connection::Connection,
        reader::{self, Reader},
        recv::Filled,
        wait::{News, Waiting},
    },
    error::{Error, ErrorKind},
    sched::{Sleep, sleep_on},
};

/// Bytes of the first read: what an idle stream asks for.
const LEAST: usize = 4 << 10;

/// Bytes of the largest read.
const MOST: usize = 64 << 10;

/// The half of a [`ByteStream`](super::ByteStream) that reads.
///
/// Dropped, it stops reading; the half that writes goes on. The connection closes after both.
pub struct ReadHalf {
    reader: Reader,
    waiting: Waiting,
    /// Bytes that the next read asks for: more while the peer sends as much.
    want: usize,
    limit: Option<Duration>,
    /// The end of the time that this wait may take.
    until: Option<Sleep>,
    closes: Arc<Closes>,
}

impl ReadHalf {
    pub(super) fn new(reader: Reader, closes: Arc<Closes>) -> Self {
        let waiting = Waiting::new(reader.connection(), News::Bytes);
        Self { reader, waiting, want: LEAST, limit: None, until: None, closes }
    }

    /// The connection.
    pub fn connection(&self) -> &Connection {
        &self.closes.0
    }

    /// Sets the longest time that a read waits, from the first poll that finds nothing: then it fails with
    /// [`TimedOut`](io::ErrorKind::TimedOut), and may be made again. `None`: no limit, the default.
    pub fn set_read_timeout(&mut self, limit: impl Into<Option<Duration>>) {
        self.limit = limit.into();
        self.until = None;
    }

    /// Returns true if both are halves of one stream.
    pub(super) fn is_of(&self, write: &WriteHalf) -> bool {
        self.connection() == write.connection()
    }

    /// Ready when bytes can be taken by [`chunk`](Self::chunk), or at the end of the stream, when it has none.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.reader.is_empty() {
            match self.reader.read(self.want) {
                Ok(Filled::Some(_)) => {
                    let came = self.reader.len();
                    if came >= self.want {
                        self.want = MOST.min(2 * self.want);
                    } else if came < self.want / 4 {
                        self.want = LEAST.max(self.want / 2);
                    }
                }
                Ok(Filled::Eof) => break,
                Ok(Filled::Nothing) => ready!(self.poll_news(cx))?,
                Err(error) => {
                    return Poll::Ready(Err(io_error(error, io::ErrorKind::ConnectionAborted)));
                }
            }
        }
        self.until = None;
        Poll::Ready(Ok(()))
    }

    /// Waits for something to read, for as long as it may.
    fn poll_news(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // An idle stream holds no memory.
        self.reader.buffer().tidy();
        let told = self.waiting.poll(cx, |conn| reader::wait_is_over(conn).then_some(()));
        if told.is_ready() {
            return Poll::Ready(Ok(()));
        }
        let Some(limit) = self.limit else { return Poll::Pending };
        let conn = self.reader.connection();
        let until = self.until.get_or_insert_with(|| sleep_on(conn.runtime(), limit));
        ready!(Pin::new(until).poll(cx));
        self.until = None;
        let why = format!("reading: nothing within {limit:?} ({conn})");
        Poll::Ready(Err(Error::new(ErrorKind::TimedOut, why).into()))
    }

    /// Bytes that have come and were not consumed, up to the end of a block.
    pub(super) fn chunk(&mut self) -> &[u8] {
        self.reader.buffer().node(0)
    }

    /// Consumes `n` bytes.
    ///
    /// # Panics
    /// If there are fewer.
    pub(super) fn consume(&mut self, n: usize) {
        self.reader.buffer().skip(n).unwrap_or_else(|e| panic!("consume: {e}"));
    }

    /// Ready when bytes were copied to `to`: so many of them. 0 is the end of the stream.
    pub(super) fn poll_copy(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if to.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(self.poll_fill(cx))?;
        Poll::Ready(io::Read::read(self.reader.buffer(), to))
    }
}

impl fmt::Debug for ReadHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadHalf").field(self.connection()).finish()
    }
}
