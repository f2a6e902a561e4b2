//! The first exchange on a new connection.

use std::{
    fmt,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use super::received::Received;
use crate::{
    buf::LinkBuffer,
    conn::Connection,
    error::Result,
    frame::{self, Encode, Frame, Progress, Scanner, Window},
    guard::{self, Place},
    sched::BoxFuture,
};

/// The user's function for a new connection.
pub(super) type FirstExchange = Arc<dyn Fn(Connection) -> BoxFuture<Result<bool>> + Send + Sync>;

/// A new connection of a client, before it carries calls:
/// [`ClientBuilder::on_connect`](super::ClientBuilder::on_connect).
pub struct Hello<Q, R> {
    conn: Connection,
    /// A frame was received.
    received: Arc<AtomicBool>,
    frames: PhantomData<fn(Q) -> R>,
}

impl<Q, R> Hello<Q, R> {
    pub(super) fn new(conn: Connection) -> Self {
        Self { conn, received: Arc::default(), frames: PhantomData }
    }

    /// Returns a flag that is set once a frame was received.
    pub(super) fn received(&self) -> Arc<AtomicBool> {
        self.received.clone()
    }

    /// Returns the connection, for an exchange of other bytes than frames of the client's formats.
    pub fn connection(&self) -> &Connection {
        &self.conn
    }
}

impl<Q, R> Hello<Q, R>
where
    Q: Frame,
    R: Frame,
    for<'a> Q::At<'a>: Encode,
{
    /// Sends `request` and waits for the next frame, its reply.
    ///
    /// # Errors
    /// Those of [`send`](Self::send) and [`receive`](Self::receive).
    pub async fn call(&mut self, request: Q::At<'_>) -> Result<Received<R>> {
        self.send(request).await?;
        self.receive().await
    }

    /// Sends `request`.
    ///
    /// # Errors
    /// Those of the request's encoder; the connection has ended.
    pub async fn send(&mut self, request: Q::At<'_>) -> Result<()> {
        let mut out = LinkBuffer::new();
        guard::run(Place::Encode, || frame::encode(&request, &mut out))??;
        self.conn.send_async(out).await
    }

    /// Receives the next frame.
    ///
    /// # Errors
    /// `Malformed` or `FrameTooLarge` if the bytes are no frame; `Eof` or `Io` if the connection has
    /// ended; `TimedOut` after the connection's `read_timeout`.
    pub async fn receive(&mut self) -> Result<Received<R>> {
        let mut reader = self.conn.reader()?;
        let max = self.conn.options().max_frame.min(R::MAX);
        let mut scan = R::Scan::default();
        loop {
            let there = reader.len();
            let found = match there {
                0 => Progress::Need(R::MIN.max(1)),
                _ => {
                    let buffer = &*reader.buffer();
                    guard::run(Place::Scan, || scan.scan(&Window::new(buffer), max))??
                }
            };
            match found {
                Progress::Ready(n) => {
                    self.received.store(true, Relaxed);
                    return Ok(Received::new(reader.slice(n)?));
                }
                Progress::Need(n) => reader.fill_async(n.max(there + 1)).await?,
            }
        }
    }
}

impl<Q, R> fmt::Debug for Hello<Q, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hello").field(self.conn.peer()).finish()
    }
}
