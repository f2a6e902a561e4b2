//! The reader of a connection: LinkBuffer's reading vocabulary, waiting for bytes.

use std::{fmt, io, sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    connection::Connection,
    core::Conn,
    handle::Handle,
    receive_slot::{self, Taken},
    recv::{Filled, Recv},
    state::{OVER, event, mark},
    wait::News,
};
use crate::{
    buf::{LinkBuffer, LinkSlice},
    error::{Error, ErrorKind, Result},
    frame::Arena,
    sched,
    sys::Endpoint,
    timer::Moment,
};

/// Reads a connection's bytes, waiting for those that have not come.
///
/// Whoever has it is the only one who reads; dropped, it gives back what was not consumed. `next` and
/// its like block this thread (a worker gives its poller away first); [`fill_async`](Self::fill_async)
/// is their counterpart for `async` code: after it, `next` of as many bytes does not wait.
///
/// The longest wait is the connection's `read_timeout`. A handler that blocks also waits no longer than
/// `frame_timeout` for the bytes that follow those consumed: it occupies a worker, which no peer can hold
/// for longer. One that waits by `fill_async` or `until_async` occupies none.
///
/// ```
/// use std::io::Write;
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let conn = netpoll::Dialer::new().dial(listener.local_addr()?.to_string())?;
/// listener.accept()?.0.write_all(b"\x00\x03abc")?;
///
/// let mut reader = conn.reader()?;
/// let n = u16::from_be_bytes(reader.next(2)?.try_into().unwrap());
/// assert_eq!(reader.next(n.into())?, b"abc");
/// assert_eq!(reader.next(1).unwrap_err().kind(), netpoll::ErrorKind::Eof);
/// # Ok::<(), netpoll::Error>(())
/// ```
pub struct Reader {
    conn: Arc<Conn>,
    /// There until the drop.
    recv: Option<Box<Recv>>,
    /// A turn's, which goes on with what is given back.
    lent: bool,
    /// One of a user's own keeps a detached connection.
    _handle: Option<Handle>,
    /// The position in the stream at which a handler waits for bytes, and the time at which that wait
    /// has lasted for `frame_timeout`.
    frame: Option<(u64, Moment)>,
    held: Held,
}

impl Reader {
    /// Takes the receive state out of its slot.
    ///
    /// # Errors
    /// `Limit` if somebody else has it, `Closed` if the connection has ended.
    pub(super) fn take(conn: &Arc<Conn>) -> Result<Self> {
        match receive_slot::borrow(&conn.recv, &conn.state_word) {
            Ok(recv) => Ok(Self {
                conn: conn.clone(),
                recv: Some(recv),
                lent: false,
                frame: None,
                _handle: Some(Handle::new(conn)),
                held: Held::default(),
            }),
            Err(Taken::ByReader) => {
                let why = format!("another reader reads from {conn}");
                Err(Error::new(ErrorKind::Limit, why))
            }
            Err(Taken::ByTurn(word)) if word & (OVER | mark::CLOSING) != 0 => {
                Err(conn.closed_error())
            }
            Err(Taken::ByTurn(_)) => {
                Err(Error::new(ErrorKind::Limit, format!("its handler reads from {conn}")))
            }
        }
    }

    /// A reader of what the turn has; the turn finds it in the slot again.
    pub(crate) fn lend(conn: &Arc<Conn>, recv: Box<Recv>) -> Self {
        conn.state_word.set(mark::READING);
        Self {
            conn: conn.clone(),
            recv: Some(recv),
            lent: true,
            frame: None,
            _handle: None,
            held: Held::default(),
        }
    }

    fn recv(&mut self) -> &mut Recv {
        self.recv.as_mut().expect("it is there until the drop")
    }

    /// Returns what was received, with its state.
    pub(crate) fn received(&mut self) -> &Recv {
        self.recv()
    }

    /// Returns the place for the frame that is lent, and the connection.
    pub(super) fn held(&mut self) -> (&mut Held, &Conn) {
        (&mut self.held, &self.conn)
    }

    pub(super) fn connection(&self) -> &Arc<Conn> {
        &self.conn
    }

    pub(crate) fn max_frame(&self) -> usize {
        self.conn.options.max_frame
    }

    /// The bytes that have come and were not consumed.
    pub fn buffer(&mut self) -> &mut LinkBuffer {
        &mut self.recv().input
    }

    /// The number of bytes that can be had without waiting.
    pub fn len(&self) -> usize {
        self.recv.as_ref().map_or(0, |recv| recv.input.len())
    }

    /// Returns true if no byte can be read without waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads what has come, without waiting, until `max_frame` bytes are there: a peer that sends as fast
    /// as this reads does not hold it. True: the peer sends no more.
    ///
    /// # Errors
    /// As [`fill`](Self::fill), but never `Eof` or `TimedOut`.
    pub fn poll_socket(&mut self) -> Result<bool> {
        while self.len() < self.conn.options.max_frame {
            match self.read(1)? {
                Filled::Some(_) => {}
                Filled::Nothing => return Ok(false),
                Filled::Eof => return Ok(true),
            }
        }
        Ok(false)
    }

    /// Waits until `n` bytes can be had at once.
    ///
    /// # Errors
    /// `Eof` if the stream ends before, `TimedOut` after `read_timeout`, `Closed` if this side closes
    /// the connection, `FrameTooLarge` if `n` is more than `max_frame`, `Limit` if there is no memory,
    /// `Io` if the connection breaks.
    pub fn fill(&mut self, n: usize) -> Result<()> {
        while !self.has(n)? {
            let timeout = self.longest_wait();
            self.conn.block_until(timeout, "reading", News::Bytes, |conn| {
                wait_is_over(conn).then_some(())
            })?;
        }
        Ok(())
    }

    /// Waits for bytes without blocking the thread, under any executor; otherwise like [`fill`](Self::fill).
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub async fn fill_async(&mut self, n: usize) -> Result<()> {
        while !self.has(n)? {
            let waits = self.conn.until(News::Bytes, |conn| wait_is_over(conn).then_some(()));
            match self.conn.options.read_timeout {
                None => waits.await,
                Some(limit) => {
                    sched::timeout_on(&self.conn.runtime, limit, waits)
                        .await
                        .map_err(|e| e.context(&self.conn))?;
                }
            }
        }
        Ok(())
    }

    /// Returns the longest time to block for more bytes: `read_timeout`, or what is left of
    /// `frame_timeout` for a handler that waits at the same position.
    fn longest_wait(&mut self) -> Option<Duration> {
        let read = self.conn.options.read_timeout;
        let Some(frame) = self.conn.options.frame_timeout.filter(|_| self.lent) else {
            return read;
        };
        let at = self.recv().consumed();
        let until = match self.frame {
            Some((waits_at, until)) if waits_at == at => until,
            _ => self.frame.insert((at, self.conn.shard.clock.after(frame))).1,
        };
        Some(read.map_or(until.left(), |read| read.min(until.left())))
    }

    /// Whether `n` bytes are there, after reading what has come.
    fn has(&mut self, n: usize) -> Result<bool> {
        let max = self.conn.options.max_frame;
        if n > max {
            let why = format!("{n} bytes are asked for, max_frame is {max} ({})", self.conn);
            return Err(Error::new(ErrorKind::FrameTooLarge, why));
        }
        loop {
            let there = self.len();
            if there >= n {
                return Ok(true);
            }
            match self.read(n - there)? {
                Filled::Some(_) => {}
                Filled::Eof => {
                    let why = format!("the stream ends after {there} of {n} bytes ({})", self.conn);
                    return Err(Error::new(ErrorKind::Eof, why));
                }
                Filled::Nothing => return Ok(false),
            }
        }
    }

    /// Waits until a read may give something.
    pub(super) async fn arrived(&mut self) {
        self.conn.until(News::Bytes, |conn| wait_is_over(conn).then_some(())).await;
    }

    /// Reads once, without waiting; `want` bytes are known to be missing.
    pub(super) fn read(&mut self, want: usize) -> Result<Filled> {
        let conn = self.conn.clone();
        // Before the read: what came before a hang-up is still read.
        let word = conn.state_word.load();
        if word & (OVER | mark::CLOSING) != 0 {
            return Err(conn.closed_error());
        }
        let filled = self.recv().read(&conn, None, want)?;
        if filled == Filled::Nothing && word & mark::HUNG_UP != 0 {
            return Err(Error::new(ErrorKind::Closed, format!("the connection broke ({conn})")));
        }
        Ok(filled)
    }

    /// The next `n` bytes, contiguous, and consumes them. Copies only what spans blocks.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn next(&mut self, n: usize) -> Result<&[u8]> {
        self.fill(n)?;
        Ok(self.recv().input.next(n)?)
    }

    /// Returns the next `n` bytes and consumes nothing; otherwise like [`next`](Self::next).
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn peek(&mut self, n: usize) -> Result<&[u8]> {
        self.fill(n)?;
        Ok(self.recv().input.peek(n)?)
    }

    /// Consumes `n` bytes.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn skip(&mut self, n: usize) -> Result<()> {
        self.fill(n)?;
        Ok(self.recv().input.skip(n)?)
    }

    /// The bytes up to and with the first `delimiter`, and consumes them.
    ///
    /// # Errors
    /// As [`fill`](Self::fill); `FrameTooLarge` if it does not come within `max_frame` bytes.
    pub fn until(&mut self, delimiter: u8) -> Result<&[u8]> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.recv().input.find(delimiter, searched) {
                return Ok(self.recv().input.next(at + 1)?);
            }
            searched = self.len();
            self.fill(searched + 1)?;
        }
    }

    /// The bytes up to and with the first `delimiter`, and consumes them, without blocking the thread.
    /// Under any executor.
    ///
    /// # Errors
    /// Those of [`until`](Self::until).
    ///
    /// # Cancel safety
    /// A future that is dropped before its end has consumed nothing.
    pub async fn until_async(&mut self, delimiter: u8) -> Result<&[u8]> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.recv().input.find(delimiter, searched) {
                return Ok(self.recv().input.next(at + 1)?);
            }
            searched = self.len();
            self.fill_async(searched + 1).await?;
        }
    }

    /// The next byte, and consumes it.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn read_byte(&mut self) -> Result<u8> {
        self.fill(1)?;
        Ok(self.recv().input.read_byte()?)
    }

    /// The next `n` bytes as text, and consumes them.
    ///
    /// # Errors
    /// As [`fill`](Self::fill); `Malformed` if they are no UTF-8.
    pub fn read_string(&mut self, n: usize) -> Result<String> {
        self.fill(n)?;
        Ok(self.recv().input.read_string(n)?)
    }

    /// The next `n` bytes, counted references to them where they lie in one block, and consumes them.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn read_bytes(&mut self, n: usize) -> Result<Bytes> {
        self.fill(n)?;
        Ok(self.recv().input.read_bytes(n)?)
    }

    /// The next `n` bytes without a copy, and consumes them; they may outlive the connection.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub fn slice(&mut self, n: usize) -> Result<LinkSlice> {
        self.fill(n)?;
        Ok(self.recv().input.slice(n)?)
    }
}

impl Connection {
    /// A reader of a connection without a handler: a dialled or detached one.
    ///
    /// # Errors
    /// `Limit` if another reader has it or a handler reads; `Closed` if the connection has ended.
    pub fn reader(&self) -> Result<Reader> {
        if self.conn.state_word.load() & (OVER | mark::CLOSING) != 0 {
            return Err(self.conn.closed_error());
        }
        if self.conn.handler().is_some() {
            let why = format!("its handler reads from {}", self.conn);
            return Err(Error::new(ErrorKind::Limit, why));
        }
        Reader::take(&self.conn)
    }

    /// Asks the system whether the connection is alive and quiet: false if it was closed or reset, and
    /// also if bytes wait that nobody asked for, so that a pool must not use it. One system call.
    pub fn probe(&self) -> bool {
        if self.conn.layer().is_some() {
            // What waits on the wire may be the transport's own.
            return self.is_active()
                && Reader::take(&self.conn).is_ok_and(|mut reader| {
                    matches!(reader.poll_socket(), Ok(false)) && reader.is_empty()
                });
        }
        self.is_active()
            && self.conn.with_endpoint(Endpoint::peek).is_none_or(
                |peeked| matches!(peeked, Err(e) if e.kind() == io::ErrorKind::WouldBlock),
            )
    }
}

/// The frame that a reader has lent last.
#[derive(Default)]
pub(super) struct Held {
    pub(super) bytes: LinkSlice,
    pub(super) arena: Arena,
}

/// Whether who waits for bytes should look again.
pub(super) fn wait_is_over(conn: &Conn) -> bool {
    conn.state_word.load() & (mark::READABLE | mark::HUNG_UP | mark::CLOSING | OVER) != 0
}

impl Drop for Reader {
    fn drop(&mut self) {
        let word =
            receive_slot::give_back(&self.conn.recv, &self.conn.state_word, self.recv.take());
        let ends = word & (OVER | mark::CLOSING) != 0;
        if ends || !self.lent && self.conn.handler().is_some() {
            // The turn that ends the connection waits for this state; or a handler was set.
            self.conn.schedule(event::WAKE);
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("connection", &self.conn.id)
            .field("len", &self.len())
            .finish()
    }
}
