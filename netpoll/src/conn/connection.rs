//! The handle of a connection, as its users hold it.

use std::{
    fmt,
    future::Future,
    hash::{Hash, Hasher},
    sync::Arc,
    thread,
};

use super::{
    core::Conn,
    handle::Handle,
    options::ConnectionOptions,
    reason::CloseReason,
    send::Sent,
    state::{event, mark},
    wait::News,
};
use crate::{
    addr::PeerAddress,
    buf::LinkBuffer,
    error::{Error, ErrorKind, Result},
    facts::ConnectionId,
    sched::timeout_on,
    sys::{Credentials, Endpoint},
    transport::TransportFacts,
};

/// A connection. Clones are handles to the same one, and all methods may be called from any thread.
///
/// An accepted connection lives until either side ends it, whatever handles there are. A dialled one
/// is closed when its last handle is dropped. After its end every method still works and says
/// [`Closed`](ErrorKind::Closed): a late write never reaches another connection.
pub struct Connection {
    pub(crate) conn: Arc<Conn>,
    hold: Hold,
}

/// The way in which a handle holds its connection.
enum Hold {
    /// Not at all: a handle of the library's own, for the time of a call.
    Not,
    /// An accepted connection, which counts its handles: once it is detached and its peer has gone, it ends
    /// with the last.
    Counted(#[expect(dead_code, reason = "held for its drop")] Handle),
    /// A dialled connection, which the last handle closes.
    Owned(Arc<Owner>),
}

struct Owner(Arc<Conn>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.end(mark::CLOSING, CloseReason::Local);
    }
}

impl Clone for Connection {
    fn clone(&self) -> Self {
        let hold = match &self.hold {
            Hold::Owned(owner) => Hold::Owned(owner.clone()),
            Hold::Not | Hold::Counted(_) => Hold::Counted(Handle::new(&self.conn)),
        };
        Self { conn: self.conn.clone(), hold }
    }
}

impl Connection {
    /// A handle that does not keep the connection open.
    pub(crate) fn unowned(conn: Arc<Conn>) -> Self {
        Self { conn, hold: Hold::Not }
    }

    /// The first handle of a dialled connection.
    pub(crate) fn owned(conn: Arc<Conn>) -> Self {
        Self { hold: Hold::Owned(Arc::new(Owner(conn.clone()))), conn }
    }

    /// Returns the bytes that came over the wire so far.
    pub fn received(&self) -> u64 {
        self.conn.came()
    }

    /// Returns the bytes that the system has taken for the peer so far.
    pub fn sent(&self) -> u64 {
        self.conn.written()
    }

    /// Returns the number of requests that were begun and are not answered yet.
    pub fn in_flight(&self) -> usize {
        self.conn.handler().map_or(0, |handler| handler.in_flight())
    }

    /// Its number.
    pub fn id(&self) -> ConnectionId {
        ConnectionId::new(self.conn.id)
    }

    /// The other end's address.
    pub fn peer(&self) -> &PeerAddress {
        &self.conn.peer
    }

    /// This end's address.
    ///
    /// # Errors
    /// `Closed` if the connection ended before anybody asked.
    pub fn local(&self) -> Result<&PeerAddress> {
        if let Some(local) = self.conn.local.get() {
            return Ok(local);
        }
        let local = self.ask(Endpoint::local_address)??;
        Ok(self.conn.local.get_or_init(|| local))
    }

    /// The process at the other end of a Unix socket.
    ///
    /// # Errors
    /// `Closed` if the connection has ended, `Io` if it is no Unix socket.
    pub fn peer_credentials(&self) -> Result<Credentials> {
        self.ask(Endpoint::credentials)?
            .map_err(|e| Error::io(format!("asking who is at {}", self.conn), e))
    }

    /// Asks the system something of the socket, after whoever writes to it.
    fn ask<T>(&self, f: impl Fn(&Endpoint) -> T) -> Result<T> {
        loop {
            if let Some(told) = self.conn.with_endpoint(&f) {
                return Ok(told);
            }
            if self.conn.state_word.load() & mark::FINISHED != 0 {
                return Err(self.conn.closed_error());
            }
            // Another thread is in a system call that writes.
            thread::yield_now();
        }
    }

    /// The results of its transport's handshake: the protocol agreed on, the server's name, the peer's
    /// certificates. `None` for plain connections, and before the handshake is complete.
    pub fn transport_facts(&self) -> Option<&TransportFacts> {
        self.conn.transport_facts()
    }

    /// Its options.
    pub fn options(&self) -> &ConnectionOptions {
        &self.conn.options.public
    }

    /// Returns true if neither side has ended the connection, as far as the poller has seen. This is a hint,
    /// since news may be on its way; [`probe`](Self::probe) asks the system. Costs a load.
    pub fn is_active(&self) -> bool {
        self.conn.is_active()
    }

    /// Returns true if the socket has bytes that were not read. One system call.
    pub(crate) fn has_unread_input(&self) -> bool {
        self.conn.with_endpoint(Endpoint::peek).is_some_and(|peeked| matches!(peeked, Ok(1..)))
    }

    /// Ready when the connection has ended: with the reason. Under any executor.
    pub fn closed(&self) -> impl Future<Output = CloseReason> + Send + '_ {
        self.conn.until(News::End, |conn| {
            let finished = conn.state_word.load() & mark::FINISHED != 0;
            finished.then(|| conn.reason().unwrap_or(CloseReason::Local))
        })
    }

    /// Ends the connection: what was written before is still sent (within `write_timeout`), then both
    /// sides see the end. Waiting readers and writers fail with `Closed`.
    ///
    /// In a handler, the answer of a request that is ready when the handler returns is still sent. No
    /// request that came behind it starts, and requests that wait are dropped.
    pub fn close(&self) {
        self.conn.end(mark::CLOSING, CloseReason::Local);
    }

    /// Ends the connection at once with a reset: what is pending is thrown away, and no request starts
    /// any more.
    pub fn abort(&self) {
        self.conn.end(mark::ABORTING, CloseReason::Local);
    }

    /// Tells the peer that nothing more comes, after what was written before; reading goes on.
    pub fn shutdown_write(&self) {
        self.conn.state_word.set(mark::SHUT);
        self.conn.schedule(event::FLUSH);
    }

    /// Bytes that were given to [`send`](Self::send) and its like and not yet to the system.
    pub fn pending(&self) -> usize {
        self.conn.pending()
    }

    /// Sends `bytes`. See [`send`](Self::send).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        self.send(LinkBuffer::try_from(bytes)?)
    }

    /// Sends what is readable in `bytes`, after all that was sent before, and without a copy. What the
    /// socket does not take at once is sent by the poller. While more than `write_high` bytes are
    /// pending it waits (a worker gives its poller away) until `write_low` are left.
    ///
    /// In a handler and in a task of a worker small outputs are gathered: what one turn sends to a connection leaves
    /// by one call, with the answers of that connection's own turn. It leaves when the handler returns or the future
    /// is polled to the end or to a wait, before the thread waits in this library, and once 64 KiB or 32
    /// connections are gathered. A handler that blocks or computes otherwise holds it until the monitor gives its
    /// poller to another worker ([`handoff_after`](crate::RuntimeBuilder::handoff_after)); an `inline` one until it
    /// returns. A panic loses nothing. Gathered bytes are [`pending`](Self::pending), and keep their order with
    /// what other threads send.
    ///
    /// # Errors
    /// `Closed` if the connection has ended or cannot send; `TimedOut` if there is no room within
    /// `write_timeout`. Nothing was sent then.
    pub fn send(&self, mut bytes: LinkBuffer) -> Result<()> {
        // What is given away is flushed.
        bytes.flush();
        self.conn.check_sending()?;
        if self.conn.sent() == Sent::Full {
            let timeout = self.conn.options.write_timeout;
            self.conn.block_until(timeout, "writing", News::Room, |_| self.conn.has_room())??;
        }
        self.conn.send_soon(&mut bytes);
        Ok(())
    }

    /// Sends without blocking the thread, under any executor; otherwise like [`send`](Self::send).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_async(&self, mut bytes: LinkBuffer) -> Result<()> {
        // What is given away is flushed.
        bytes.flush();
        self.conn.check_sending()?;
        if self.conn.sent() == Sent::Full {
            let room = self.conn.until(News::Room, |_| self.conn.has_room());
            match self.conn.options.write_timeout {
                None => room.await?,
                Some(limit) => timeout_on(&self.conn.runtime, limit, room)
                    .await
                    .map_err(|e| e.context(&self.conn))
                    .and_then(|room| room)?,
            }
        }
        self.conn.send_soon(&mut bytes);
        Ok(())
    }

    /// Sends if there is room, and never waits; otherwise like [`send`](Self::send).
    ///
    /// # Errors
    /// `Limit` while more than `write_high` bytes are pending, `Closed` as [`send`](Self::send).
    pub fn try_send(&self, mut bytes: LinkBuffer) -> Result<()> {
        // What is given away is flushed.
        bytes.flush();
        self.conn.check_sending()?;
        if self.conn.sent() == Sent::Full {
            let (pending, high) = (self.pending(), self.conn.options.write_high);
            let why = format!("{pending} bytes are pending, write_high is {high} ({})", self.conn);
            return Err(Error::new(ErrorKind::Limit, why));
        }
        self.conn.send_soon(&mut bytes);
        Ok(())
    }

    /// Calls `callback` once when the connection has ended, on the worker that ended it; at once if it
    /// has.
    pub fn on_closed(&self, callback: impl FnOnce(&Connection, CloseReason) + Send + 'static) {
        self.conn.add_close_callback(Box::new(callback));
    }
}

impl PartialEq for Connection {
    fn eq(&self, other: &Self) -> bool {
        self.conn.id == other.conn.id
    }
}

impl Eq for Connection {}

impl Hash for Connection {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.conn.id.hash(state);
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("id", &self.conn.id)
            .field("peer", &self.conn.peer)
            .field("active", &self.is_active())
            .finish_non_exhaustive()
    }
}
