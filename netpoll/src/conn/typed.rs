//! Typed frames of a connection that no handler reads: dialled, detached or accepted by hand.

use std::fmt;

use super::{
    frames::{Found, find},
    reader::Reader,
    writer::Writer,
};
use crate::{
    error::{Error, ErrorKind, Result},
    frame::{self, Encode, Frame},
};

impl Reader {
    /// Waits for the next frame and consumes it, without blocking the thread. The frame borrows from
    /// this reader until the next call.
    ///
    /// ```
    /// use netpoll::{Dialer, Frame, block_on, frame::Auto};
    /// use std::io::Write;
    ///
    /// #[derive(Frame)]
    /// struct Line<'a>(#[frame(until = b"\n", max = 80)] &'a str);
    ///
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let conn = Dialer::new().dial(&listener.local_addr()?.to_string())?;
    /// listener.accept()?.0.write_all(b"hello\nworld\n")?;
    /// let mut reader = conn.reader()?;
    /// block_on(async {
    ///     assert_eq!(reader.frame::<Line<'_>>().await?.0, "hello");
    ///     assert_eq!(reader.frame::<Line<'_>>().await?.0, "world");
    ///     assert!(reader.frame::<Line<'_>>().await.is_err());
    ///     Ok::<(), netpoll::Error>(())
    /// })?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Eof` if the stream ends before the frame does, or before it begins; `FrameTooLarge` if it is
    /// longer than `max_frame`; `Malformed` if it breaks its format: where its end is known, it is
    /// consumed, and the next frame can be read. Else those of [`fill`](Self::fill).
    ///
    /// # Cancel safety
    /// A future that is dropped before its end has consumed nothing.
    pub async fn frame<F: Frame>(&mut self) -> Result<F::At<'_>> {
        let mut scan = F::Scan::default();
        loop {
            match self.find::<F>(&mut scan)? {
                Found::Frame(n) => return self.lend_frame::<F>(n),
                Found::Need(n) => self.more_async(n).await?,
            }
        }
    }

    /// Waits for the next frame and consumes it: [`frame`](Self::frame) for threads.
    ///
    /// # Errors
    /// Those of [`frame`](Self::frame).
    pub fn frame_blocking<F: Frame>(&mut self) -> Result<F::At<'_>> {
        let mut scan = F::Scan::default();
        loop {
            match self.find::<F>(&mut scan)? {
                Found::Frame(n) => return self.lend_frame::<F>(n),
                Found::Need(n) => self.more(n)?,
            }
        }
    }

    /// Returns the frames that follow, one after the other, up to the end of the stream.
    pub fn frames<F: Frame>(&mut self) -> Frames<'_, F> {
        Frames { reader: self, scan: F::Scan::default() }
    }

    fn find<F: Frame>(&mut self, scan: &mut F::Scan) -> Result<Found> {
        let max = self.max_frame();
        find::<F>(scan, self.received(), max).map_err(|e| e.context(self.connection()))
    }

    /// Waits for `n` bytes, or for the end of the stream behind those that a frame may end at.
    fn more(&mut self, n: usize) -> Result<()> {
        let ended = self.fill(n);
        self.unless_at_end(ended)
    }

    async fn more_async(&mut self, n: usize) -> Result<()> {
        let ended = self.fill_async(n).await;
        self.unless_at_end(ended)
    }

    /// Takes the end of the stream for no error yet, if there are bytes: a format may end with it.
    fn unless_at_end(&mut self, filled: Result<()>) -> Result<()> {
        match filled {
            Err(e) if e.kind() == ErrorKind::Eof && !self.is_empty() => Ok(()),
            filled => filled,
        }
    }

    fn lend_frame<F: Frame>(&mut self, n: usize) -> Result<F::At<'_>> {
        let bytes = self.buffer().slice(n)?;
        let (held, conn) = self.held();
        held.bytes = bytes;
        held.arena.clear();
        frame::decode::<F>(&held.bytes, n, &held.arena).map_err(|e| Error::from(e).context(conn))
    }
}

/// The frames of a connection: [`Reader::frames`].
///
/// Each borrows from it until the next is asked for. What it found out about a partial frame stays when a
/// future of [`next`](Self::next) is dropped.
///
/// ```
/// use netpoll::{Dialer, Frame};
/// use std::io::Write;
///
/// #[derive(Frame)]
/// struct Line<'a>(#[frame(until = b"\n", max = 80)] &'a str);
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let conn = Dialer::new().dial(&listener.local_addr()?.to_string())?;
/// listener.accept()?.0.write_all(b"one\ntwo\n")?;
/// let mut reader = conn.reader()?;
/// let mut lines = reader.frames::<Line<'_>>();
/// let mut length = 0;
/// while let Some(line) = lines.next_blocking()? {
///     length += line.0.len();
/// }
/// assert_eq!(length, 6);
/// # Ok::<(), netpoll::Error>(())
/// ```
pub struct Frames<'r, F: Frame> {
    reader: &'r mut Reader,
    scan: F::Scan,
}

impl<F: Frame> Frames<'_, F> {
    /// Waits for the next frame and consumes it, without blocking the thread; `None` is the end of the
    /// stream behind the last one.
    ///
    /// # Errors
    /// Those of [`Reader::frame`]; `Eof` only within a frame.
    ///
    /// # Cancel safety
    /// A future that is dropped before its end has consumed nothing.
    pub async fn next(&mut self) -> Result<Option<F::At<'_>>> {
        loop {
            match self.reader.find::<F>(&mut self.scan)? {
                Found::Frame(n) => return self.reader.lend_frame::<F>(n).map(Some),
                Found::Need(n) => {
                    let filled = self.reader.more_async(n).await;
                    if self.is_over(filled)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Waits for the next frame and consumes it: [`next`](Self::next) for threads.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    pub fn next_blocking(&mut self) -> Result<Option<F::At<'_>>> {
        loop {
            match self.reader.find::<F>(&mut self.scan)? {
                Found::Frame(n) => return self.reader.lend_frame::<F>(n).map(Some),
                Found::Need(n) => {
                    let filled = self.reader.more(n);
                    if self.is_over(filled)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Returns whether the stream ended, and not within a frame.
    fn is_over(&mut self, filled: Result<()>) -> Result<bool> {
        match filled {
            Err(e) if e.kind() == ErrorKind::Eof && self.reader.is_empty() => Ok(true),
            filled => filled.map(|()| false),
        }
    }
}

impl<F: Frame> fmt::Debug for Frames<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames").field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl Writer {
    /// Encodes `frame` behind what was written; [`flush`](Self::flush) sends it.
    ///
    /// ```
    /// use netpoll::{Dialer, Frame};
    /// use std::io::Read;
    ///
    /// #[derive(Frame)]
    /// struct Line<'a>(#[frame(until = b"\n", max = 80)] &'a str);
    ///
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let conn = Dialer::new().dial(&listener.local_addr()?.to_string())?;
    /// let mut writer = conn.writer();
    /// writer.put(&Line("hello"))?;
    /// writer.put(&Line("world"))?;
    /// writer.flush()?;
    /// let mut sent = [0; 12];
    /// listener.accept()?.0.read_exact(&mut sent)?;
    /// assert_eq!(&sent, b"hello\nworld\n");
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Malformed` if its value cannot be expressed in its format, `Limit` if there is no memory; what was
    /// written before stays as it is.
    pub fn put(&mut self, frame: &(impl Encode + ?Sized)) -> Result<()> {
        frame::write(self, |w| frame.encode(w))?;
        Ok(())
    }
}
