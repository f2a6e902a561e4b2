//! A connection as a stream of bytes, for code that knows `std::io`, tokio's or futures' I/O traits.
//!
//! ```text
//!   std::io        tokio           futures-io
//!   blocking.rs    tokio.rs        futures.rs      the traits' names; what the last two share: common.rs
//!        └─────────────┼───────────────┘
//!   ReadHalf: poll_fill, consume        WriteHalf: poll_write, poll_flush, poll_shutdown
//!        │ Reader                             │ Conn::send
//! ```
//! The two halves hold what they need by themselves, and share what closes the connection after both. All
//! traits are thin over the polls of the halves; what blocks, blocks on a poll.

mod blocking;
#[cfg(any(feature = "futures-io", feature = "tokio"))]
mod common;
#[cfg(feature = "futures-io")]
mod futures;
mod read;
#[cfg(feature = "tokio")]
mod tokio;
mod write;

use std::{fmt, io, sync::Arc, time::Duration};

pub use read::ReadHalf;
pub use write::WriteHalf;

use super::connection::Connection;
use crate::error::{Error, ErrorKind, Result};

/// A connection that no handler serves, as a stream of bytes.
///
/// It implements `std::io::{Read, BufRead, Write}`; tokio's `AsyncRead`, `AsyncBufRead` and `AsyncWrite` with
/// the feature `tokio`; the traits of those names of the crate `futures-io` with the feature `futures-io`. The
/// asynchronous ones work under any executor, the blocking ones on any thread: a worker gives its poller away
/// before it waits. It is the same over sockets, TLS and shared memory.
///
/// - **Reading** gives 0 bytes once the peer has sent its end and all before it was read. `AsyncBufRead` and
///   `BufRead` lend received bytes without a copy.
/// - **Writing** copies the bytes and returns; the poller sends what the socket does not take at once. While
///   `write_high` bytes are pending it waits until `write_low` are left. Vectored writes leave as one piece.
/// - **Flushing** waits until the system has taken all bytes that were written.
/// - **Shutting down** (tokio's `poll_shutdown`, futures' `poll_close`) flushes, then half-closes: the peer
///   reads the end, and this side can read on.
/// - **Dropping** it closes the connection, whatever other handles there are: what was written is still sent
///   within `write_timeout`.
///
/// The connection's `write_timeout` and `idle_timeout` hold. Its `read_timeout` does not, since protocols
/// above bring their own times: see [`set_read_timeout`](Self::set_read_timeout).
///
/// # Cancel safety
/// A read or write that is not ready has consumed or accepted nothing: it may be given up at any time and made
/// again with other arguments. A flush or shutdown that is given up goes on when it is made again.
///
/// ```
/// use std::io::{BufRead, BufReader, Read, Write};
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let mut stream = netpoll::Dialer::new().dial(listener.local_addr()?)?.into_stream()?;
/// let mut peer = listener.accept()?.0;
///
/// stream.write_all(b"how are you?\n")?;
/// let mut asked = String::new();
/// BufReader::new(&peer).read_line(&mut asked)?;
/// assert_eq!(asked, "how are you?\n");
///
/// peer.write_all(b"well\n")?;
/// drop(peer);
/// let mut answer = String::new();
/// stream.read_to_string(&mut answer)?;
/// assert_eq!(answer, "well\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ByteStream {
    // In this order: what was received goes back before the connection is closed.
    read: ReadHalf,
    write: WriteHalf,
}

/// A handle that closes its connection when the last of its holders goes.
struct Closes(Connection);

impl Drop for Closes {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Connection {
    /// Turns a connection that no handler serves, a dialled or detached one, into a stream of bytes, for code
    /// that knows `std::io`, tokio's or futures' I/O traits.
    ///
    /// Bytes that have come and were not consumed are the stream's first.
    ///
    /// # Errors
    /// Those of [`reader`](Self::reader): `Limit` if a reader or a handler reads from it, `Closed` if it has
    /// ended. The connection is dropped then; a clone keeps it.
    pub fn into_stream(self) -> Result<ByteStream> {
        let reader = self.reader()?;
        let closes = Arc::new(Closes(self));
        Ok(ByteStream {
            read: ReadHalf::new(reader, closes.clone()),
            write: WriteHalf::new(closes),
        })
    }
}

impl ByteStream {
    /// The connection.
    pub fn connection(&self) -> &Connection {
        self.read.connection()
    }

    /// Sets the longest time that a read waits: then it fails with [`TimedOut`](io::ErrorKind::TimedOut), and
    /// may be made again. `None`: no limit, the default.
    pub fn set_read_timeout(&mut self, limit: impl Into<Option<Duration>>) {
        self.read.set_read_timeout(limit);
    }

    /// Splits it into the half that reads and the half that writes, for two threads or tasks.
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        (self.read, self.write)
    }

    /// Puts the halves of a stream together again.
    ///
    /// # Errors
    /// The halves, if they are not of one stream.
    pub fn reunite(read: ReadHalf, write: WriteHalf) -> Result<Self, Box<(ReadHalf, WriteHalf)>> {
        if read.is_of(&write) { Ok(Self { read, write }) } else { Err(Box::new((read, write))) }
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ByteStream").field(self.connection()).finish()
    }
}

/// `error` as callers of I/O traits expect it: what has ended is told apart by who ended it.
fn io_error(error: Error, closed: io::ErrorKind) -> io::Error {
    match error.kind() {
        ErrorKind::Closed => io::Error::new(closed, error),
        _ => error.into(),
    }
}
