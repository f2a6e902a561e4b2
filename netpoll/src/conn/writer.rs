//! Writing to a connection from anywhere: a LinkBuffer of one's own, sent as a whole.

use std::{
    fmt, mem,
    ops::{Deref, DerefMut},
};

use super::connection::Connection;
use crate::{buf::LinkBuffer, error::Result};

/// Gathers output for a connection, with LinkBuffer's writing vocabulary, and sends it with
/// [`flush`](Self::flush).
///
/// Each thread may have its own. What one flush sends stays together; what many threads flush at once
/// leaves in few writes. Dropped without a flush, it sends nothing.
///
/// ```
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let conn = netpoll::Dialer::new().dial(listener.local_addr()?.to_string())?;
/// let mut writer = conn.writer();
/// writer.malloc(4)?.copy_from_slice(&5u32.to_be_bytes());
/// writer.write_str("hello")?;
/// writer.flush()?;
/// # Ok::<(), netpoll::Error>(())
/// ```
pub struct Writer {
    conn: Connection,
    buf: LinkBuffer,
}

impl Writer {
    pub(super) fn new(conn: Connection) -> Self {
        Self { conn, buf: LinkBuffer::new() }
    }

    /// Sends what was written; waits while the connection's pending output is past its mark.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub fn flush(&mut self) -> Result<()> {
        self.buf.flush();
        self.conn.send(mem::take(&mut self.buf))
    }

    /// Flushes without blocking the thread; otherwise like [`flush`](Self::flush).
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub async fn flush_async(&mut self) -> Result<()> {
        self.buf.flush();
        self.conn.send_async(mem::take(&mut self.buf)).await
    }
}

impl Connection {
    /// A buffer to gather output in.
    pub fn writer(&self) -> Writer {
        Writer::new(self.clone())
    }
}

impl Deref for Writer {
    type Target = LinkBuffer;
    fn deref(&self) -> &LinkBuffer {
        &self.buf
    }
}

impl DerefMut for Writer {
    fn deref_mut(&mut self) -> &mut LinkBuffer {
        &mut self.buf
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("conn", &self.conn).finish_non_exhaustive()
    }
}
