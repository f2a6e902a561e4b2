//! A stream of a session, as the endpoint of a connection.
//!
//! ```text
//!    session's turn ──arrive()──▶ inbox ──read()──▶ connection's turn
//!    connection's writer ──write()──▶ slices, an element of the queue ──▶ peer
//! ```
//! A stream ends in each direction by itself. shmipc has one element for the end of a stream, after which
//! its implementation in Go neither sends nor receives; this one takes it as the peer's last byte.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, IoSlice},
    sync::{
        Arc, OnceLock,
        atomic::{
            AtomicBool,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;

use super::{
    link::Link,
    quota::Quota,
    slices::{Held, Received},
};
use crate::{
    addr::PeerAddress,
    counters::{self, Counter},
    sys::{
        Credentials, Readiness,
        endpoint::{Notifier, Stream},
    },
};

/// The bytes of one write: what a message of several slices has at most, and what one read is told of. A frame of
/// 1 MiB is one message.
const MESSAGE_MOST: usize = (1 << 20) + (64 << 10);

/// The part of a stream that its session knows, and the connection too.
pub(super) struct Shared {
    pub(super) id: u32,
    link: Arc<Link>,
    inbox: Mutex<Inbox>,
    notifier: OnceLock<Notifier>,
    /// This side has said that it sends no more.
    ended: AtomicBool,
    closed: AtomicBool,
    /// From now on everything goes over the socket, so that it keeps its order.
    fallen_back: AtomicBool,
    /// Held by the writer.
    quota: Mutex<Quota>,
    /// It is among those that wait for room, once.
    waits: AtomicBool,
}

/// The bytes that came and were not read.
#[derive(Default)]
struct Inbox {
    items: VecDeque<Item>,
    /// The bytes of `items`.
    bytes: usize,
    end: End,
}

/// The end of what the peer sends.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    /// The peer's last byte has come.
    Complete,
    /// The session ended before.
    Broken,
}

enum Item {
    /// A slice, whose first bytes up to its own position were read.
    Slice(Received),
    /// Bytes that came over the socket.
    Copied(Bytes),
}

impl Inbox {
    /// Copies bytes out, up to the end of a slice; returns how many, and that slice. Without one, `into` is full
    /// or nothing is left.
    fn read(&mut self, link: &Link, into: &mut [u8]) -> (usize, Option<Held>) {
        let mut n = 0;
        while n < into.len()
            && let Some(item) = self.items.front_mut()
        {
            let room = &mut into[n..];
            let (part, left) = match item {
                Item::Copied(bytes) => {
                    let part = room.len().min(bytes.len());
                    bytes.copy_to_slice(&mut room[..part]);
                    (part, bytes.len())
                }
                Item::Slice(slice) => {
                    let part = room.len().min(slice.len);
                    link.slices().read(slice, &mut room[..part]);
                    slice.at += part;
                    slice.len -= part;
                    (part, slice.len)
                }
            };
            n += part;
            self.bytes -= part;
            if left == 0
                && let Some(Item::Slice(slice)) = self.items.pop_front()
            {
                return (n, Some(slice.slice));
            }
        }
        (n, None)
    }
}

impl Shared {
    pub(super) fn new(link: Arc<Link>, id: u32) -> Arc<Self> {
        Arc::new(Self {
            id,
            link,
            inbox: Mutex::default(),
            notifier: OnceLock::new(),
            ended: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            fallen_back: AtomicBool::new(false),
            quota: Mutex::default(),
            waits: AtomicBool::new(false),
        })
    }

    /// Appends slices that were received; false if nobody reads them, and they stay the caller's.
    pub(super) fn arrive(&self, slices: &mut Vec<Received>) -> bool {
        let mut inbox = self.inbox.lock();
        if self.closed.load(Acquire) || inbox.end != End::Open {
            return false;
        }
        inbox.bytes += slices.iter().map(|slice| slice.len).sum::<usize>();
        inbox.items.extend(slices.drain(..).map(Item::Slice));
        true
    }

    /// Appends bytes that came over the socket.
    pub(super) fn arrive_copied(&self, bytes: Bytes) {
        let mut inbox = self.inbox.lock();
        if !self.closed.load(Acquire) && inbox.end == End::Open {
            // What this side sends has to go the same way, as the protocol has it.
            self.fallen_back.store(true, Release);
            inbox.bytes += bytes.len();
            inbox.items.push_back(Item::Copied(bytes));
        }
    }

    /// Notes that it waits for room; false if it did so before.
    pub(super) fn begin_wait(&self) -> bool {
        !self.waits.swap(true, AcqRel)
    }

    /// Tells the connection that there may be room.
    pub(super) fn end_wait(&self) {
        // Before the event: who finds no room after it waits anew.
        self.waits.store(false, Release);
        self.notify(Readiness::WRITABLE);
    }

    /// Returns whether the connection has not closed it.
    pub(super) fn is_open(&self) -> bool {
        !self.closed.load(Acquire)
    }

    /// The peer sends no more.
    pub(super) fn end(&self) {
        let mut inbox = self.inbox.lock();
        if inbox.end == End::Open {
            inbox.end = End::Complete;
        }
    }

    /// The session has ended.
    pub(super) fn break_off(&self) {
        let mut inbox = self.inbox.lock();
        if inbox.end == End::Open {
            inbox.end = End::Broken;
        }
    }

    /// Tells the connection of an event. No lock is held.
    pub(super) fn notify(&self, readiness: Readiness) {
        if let Some(notifier) = self.notifier.get() {
            notifier(readiness);
        }
    }

    /// Bytes that came over the socket and were not read.
    pub(super) fn copied(&self) -> usize {
        let copied = |item: &Item| if let Item::Copied(bytes) = item { bytes.len() } else { 0 };
        self.inbox.lock().items.iter().map(copied).sum()
    }

    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let mut n = 0;
        let end = loop {
            let mut inbox = self.inbox.lock();
            let (read, spent) = inbox.read(&self.link, &mut into[n..]);
            let end = inbox.end;
            drop(inbox);
            n += read;
            // Without the lock: a breach that this finds ends all streams.
            match spent {
                Some(slice) => self.link.give_back(slice),
                None => break end,
            }
        };
        match end {
            _ if n > 0 || into.is_empty() => Ok(n),
            End::Open => Err(io::ErrorKind::WouldBlock.into()),
            End::Complete => Ok(0),
            End::Broken => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    fn check_open(&self) -> io::Result<()> {
        if self.closed.load(Acquire) {
            return Err(io::ErrorKind::NotConnected.into());
        }
        if self.ended.load(Acquire) || self.inbox.lock().end == End::Broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("shm::Stream").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A stream in shared memory; dropping it closes it.
#[derive(Debug)]
pub(crate) struct ShmStream(pub(super) Arc<Shared>);

impl Stream for ShmStream {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.0.read(into)?;
        counters::add(Counter::BytesIn, n as u64);
        Ok(n)
    }

    fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let stream = &self.0;
        stream.check_open()?;
        let wanted = parts.iter().map(|part| part.len()).sum::<usize>().min(MESSAGE_MOST);
        if wanted == 0 {
            return Ok(0);
        }
        let over_socket = stream.fallen_back.load(Acquire);
        let n = match over_socket {
            false => stream.link.write(stream.id, &mut stream.quota.lock(), parts, wanted)?,
            true => None,
        };
        let n = match n {
            Some(n) => n,
            None => {
                stream.fallen_back.store(true, Release);
                stream.link.fall_back(stream.id, parts, wanted)?
            }
        };
        counters::add(Counter::BytesOut, n as u64);
        Ok(n)
    }

    fn available(&self) -> usize {
        self.0.inbox.lock().bytes.min(MESSAGE_MOST)
    }

    fn peek(&self) -> io::Result<usize> {
        let inbox = self.0.inbox.lock();
        match inbox.end {
            _ if !inbox.items.is_empty() => Ok(1),
            End::Open => Err(io::ErrorKind::WouldBlock.into()),
            End::Complete => Ok(0),
            End::Broken => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        if !self.0.ended.swap(true, AcqRel) {
            self.0.link.end_stream(self.0.id, self.0.fallen_back.load(Acquire));
        }
        Ok(())
    }

    /// The protocol has no reset: the peer sees an end.
    fn reset_on_close(&self) -> io::Result<()> {
        Ok(())
    }

    fn close(&self) -> bool {
        let stream = &self.0;
        if stream.closed.swap(true, AcqRel) {
            return false;
        }
        if !stream.ended.swap(true, AcqRel) {
            stream.link.end_stream(stream.id, stream.fallen_back.load(Acquire));
        }
        stream.link.forget(stream.id);
        let Inbox { items, .. } = std::mem::take(&mut *stream.inbox.lock());
        for item in items {
            if let Item::Slice(slice) = item {
                stream.link.give_back(slice.slice);
            }
        }
        true
    }

    fn watch(&self, notifier: Notifier) {
        let set = self.0.notifier.set(notifier).is_ok();
        debug_assert!(set, "a stream is watched once");
        // What came before is told now.
        self.0.notify(Readiness::READABLE | Readiness::WRITABLE);
    }

    fn local_address(&self) -> io::Result<PeerAddress> {
        Ok(self.0.link.address().clone())
    }

    fn credentials(&self) -> io::Result<Credentials> {
        self.0.link.credentials()
    }
}

impl Drop for ShmStream {
    fn drop(&mut self) {
        self.close();
    }
}
