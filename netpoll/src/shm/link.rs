//! The part of a session that its streams share: slices, the sending queue, the socket.
//!
//! | field | who touches it |
//! | --- | --- |
//! | `slices` | every thread; its lists are lock-free |
//! | `sending` | whoever sends, under its lock: the queue has one producer, and control bytes keep their order |
//! | `streams` | the session's turn, and connections that begin or end |
//! | `waiting` | writers that found no room, until something is given back or the socket takes bytes |
//!
//! No stream's notifier is called under a lock.

use std::{
    collections::{HashMap, HashSet},
    io::{self, IoSlice},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{
    breach::Breach,
    control::{Header, Kind},
    queue::{Consumer, Element, Producer},
    quota::Quota,
    slices::{Held, Received, Slices},
    stream::{Shared, ShmStream},
};
use crate::{
    addr::PeerAddress,
    sys::{Credentials, Endpoint, Readiness},
};

/// A stream's state in an element, as shmipc numbers them.
const OPENED: u32 = 0;
const CLOSED: u32 = 1;

/// Control bytes that wait for the socket, past which fallback's writers wait.
const UNSENT_MOST: usize = 256 << 10;

/// Bytes over the socket that no stream has read, past which the socket is not read.
const COPIED_MOST: usize = 16 << 20;

/// Numbers of streams that may be left out for a while.
const SKIPPED_MOST: u32 = 4096;

/// Elements that a turn takes off the queue.
pub(super) const BUDGET: usize = 256;

/// A session, as its streams see it.
pub(crate) struct Link {
    slices: Slices,
    sending: Mutex<Sending>,
    streams: Mutex<Streams>,
    /// Streams whose writers found no room.
    waiting: Mutex<Vec<Arc<Shared>>>,
    any_waiting: AtomicBool,
    /// Bytes over the socket that no stream has read.
    copied: AtomicUsize,
    socket: Arc<Endpoint>,
    address: PeerAddress,
    version: u8,
    /// Queues a turn of the session.
    poke: Box<dyn Fn() + Send + Sync>,
}

struct Sending {
    producer: Producer,
    /// Control bytes that the socket did not take.
    unsent: Vec<u8>,
}

#[derive(Default)]
struct Streams {
    open: HashMap<u32, Arc<Shared>>,
    /// The highest number that was used.
    highest: u32,
    /// Numbers below it that were not used yet: streams begin out of order, as their threads come. What
    /// comes for a number that is neither open nor here is for a stream that has ended.
    skipped: HashSet<u32>,
    broken: bool,
}

impl Streams {
    /// Notes that the peer uses the number `id`; false if it has done so before.
    fn is_new(&mut self, id: u32) -> bool {
        if id <= self.highest {
            return self.skipped.remove(&id);
        }
        // A peer that leaves more out than this does not come back to them.
        let least = id.saturating_sub(SKIPPED_MOST).max(self.highest + 1);
        self.skipped.extend(least..id);
        self.skipped.retain(|&skipped| skipped >= id.saturating_sub(SKIPPED_MOST));
        self.highest = id;
        true
    }
}

/// The result of a drain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Drained {
    /// The queue is empty.
    Empty,
    /// Elements came; there may be more.
    Some,
}

impl Link {
    pub(super) fn new(
        slices: Slices,
        producer: Producer,
        socket: Arc<Endpoint>,
        version: u8,
        poke: Box<dyn Fn() + Send + Sync>,
    ) -> Arc<Self> {
        let address = socket.local_address().unwrap_or(PeerAddress::Unnamed);
        Arc::new(Self {
            slices,
            sending: Mutex::new(Sending { producer, unsent: Vec::new() }),
            // The first number of shmipc's clients is 2.
            streams: Mutex::new(Streams { highest: 1, ..Streams::default() }),
            waiting: Mutex::default(),
            any_waiting: AtomicBool::new(false),
            copied: AtomicUsize::new(0),
            socket,
            address,
            version,
            poke,
        })
    }

    pub(super) fn slices(&self) -> &Slices {
        &self.slices
    }

    pub(super) fn address(&self) -> &PeerAddress {
        &self.address
    }

    pub(super) fn credentials(&self) -> io::Result<Credentials> {
        self.socket.credentials()
    }

    /// Makes a stream of this side's.
    ///
    /// # Errors
    /// `ConnectionReset`: the session has ended.
    pub(super) fn open_stream(self: &Arc<Self>) -> io::Result<ShmStream> {
        let mut streams = self.streams.lock();
        if streams.broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        streams.highest = streams.highest.checked_add(1).ok_or(io::ErrorKind::QuotaExceeded)?;
        let shared = Shared::new(self.clone(), streams.highest);
        streams.open.insert(shared.id, shared.clone());
        Ok(ShmStream(shared))
    }

    /// Ends a session that has no stream, so that none can be opened; false if it has one.
    pub(super) fn end_if_unused(&self) -> bool {
        let mut streams = self.streams.lock();
        streams.broken |= streams.open.is_empty();
        streams.broken
    }

    /// Returns whether no stream is open.
    pub(super) fn is_unused(&self) -> bool {
        self.streams.lock().open.is_empty()
    }

    /// Returns whether writers wait for room.
    pub(super) fn is_waiting(&self) -> bool {
        self.any_waiting.load(Acquire)
    }

    pub(super) fn forget(&self, id: u32) {
        let (stream, last) = {
            let mut streams = self.streams.lock();
            (streams.open.remove(&id), streams.open.is_empty())
        };
        drop(stream);
        if last {
            (self.poke)();
        }
    }

    /// Gives a slice back, and lets those write on that waited for one.
    pub(super) fn give_back(&self, slice: Held) {
        if let Err(breach) = self.slices.give_back(slice) {
            return self.break_off(&breach);
        }
        self.there_is_room();
    }

    /// Notifies the streams that waited for room.
    pub(super) fn there_is_room(&self) {
        if self.any_waiting.load(Acquire) && self.any_waiting.swap(false, AcqRel) {
            let waiting = std::mem::take(&mut *self.waiting.lock());
            waiting.iter().for_each(|stream| stream.end_wait());
        }
    }

    /// Lets a stream's writer wait for room.
    fn wait(&self, id: u32) -> io::Error {
        let stream = {
            let streams = self.streams.lock();
            if streams.broken {
                return io::ErrorKind::ConnectionReset.into();
            }
            streams.open.get(&id).cloned()
        };
        if let Some(stream) = stream.filter(|stream| stream.begin_wait()) {
            self.waiting.lock().push(stream);
            self.any_waiting.store(true, Release);
            (self.poke)();
        }
        io::ErrorKind::WouldBlock.into()
    }

    /// Writes up to `wanted` bytes of `parts` into slices and tells the peer. `None`: there is no slice, or the
    /// stream has filled its part of a memory that is scarce.
    ///
    /// # Errors
    /// `WouldBlock`: the queue is full; a notification follows. `ConnectionReset`: the peer broke the memory.
    pub(super) fn write(
        &self,
        id: u32,
        quota: &mut Quota,
        parts: &[IoSlice<'_>],
        wanted: usize,
    ) -> io::Result<Option<usize>> {
        if quota.is_full(&self.slices) {
            return Ok(None);
        }
        let Some(first) = self.take(wanted)? else { return Ok(None) };
        let mut room = self.slices.capacity(first);
        // Most messages have one slice.
        let mut more = Vec::new();
        while room < wanted {
            let Some(slice) = self.take(wanted - room)? else { break };
            room += self.slices.capacity(slice);
            more.push(slice);
        }
        let taken = || std::iter::once(first).chain(more.iter().copied());
        let n = wanted.min(room);
        self.fill(first, &more, parts, n);
        let element = Element { stream: id, offset: self.slices.offset(first), status: OPENED };
        let mut sending = self.sending.lock();
        match sending.producer.put(element) {
            Ok(true) => {
                for slice in taken() {
                    self.slices.send(slice);
                    quota.note(slice, &self.slices);
                }
                self.wake_peer(&mut sending)?;
                Ok(Some(n))
            }
            Ok(false) => {
                drop(sending);
                for slice in taken() {
                    if let Err(breach) = self.slices.give_back(slice) {
                        return Err(self.breach(&breach));
                    }
                }
                Err(self.wait(id))
            }
            Err(breach) => {
                drop(sending);
                Err(self.breach(&breach))
            }
        }
    }

    fn take(&self, n: usize) -> io::Result<Option<Held>> {
        self.slices.take(n).map_err(|breach| self.breach(&breach))
    }

    /// Copies `n` bytes of `parts` into `first` and `more`, one after the other, each linked to the next.
    fn fill(&self, first: Held, more: &[Held], parts: &[IoSlice<'_>], n: usize) {
        let mut parts = parts.iter().map(|part| &**part).filter(|part| !part.is_empty());
        let mut part: &[u8] = &[];
        let (mut slice, mut rest) = (first, more);
        let mut left = n;
        loop {
            let room = self.slices.capacity(slice).min(left);
            let mut at = 0;
            while at < room {
                if part.is_empty() {
                    part = parts.next().expect("as many bytes are there as were counted");
                }
                let (now, behind) = part.split_at(part.len().min(room - at));
                self.slices.copy_in(slice, at, now);
                at += now.len();
                part = behind;
            }
            left -= room;
            let next = rest.split_first();
            self.slices.finish(slice, room, next.map(|(&next, _)| next));
            match next {
                Some((&next, behind)) => (slice, rest) = (next, behind),
                None => return,
            }
        }
    }

    /// Sends bytes over the socket, since there is no slice; from then on the stream does nothing else.
    ///
    /// # Errors
    /// `WouldBlock`: the socket takes no more; a notification follows.
    pub(super) fn fall_back(
        &self,
        id: u32,
        parts: &[IoSlice<'_>],
        wanted: usize,
    ) -> io::Result<usize> {
        let mut sending = self.sending.lock();
        if sending.unsent.len() > UNSENT_MOST {
            drop(sending);
            return Err(self.wait(id));
        }
        let header = Header::write(Kind::Fallback, self.version, 8 + wanted);
        sending.unsent.extend(header);
        sending.unsent.extend(id.to_be_bytes());
        sending.unsent.extend(OPENED.to_be_bytes());
        let mut left = wanted;
        for part in parts {
            let now = &part[..part.len().min(left)];
            sending.unsent.extend(now);
            left -= now.len();
        }
        self.send(&mut sending)?;
        Ok(wanted)
    }

    /// Tells the peer that a stream sends no more, behind what it sent: `over_socket` if that went there.
    pub(super) fn end_stream(&self, id: u32, over_socket: bool) {
        let mut sending = self.sending.lock();
        let element = Element { stream: id, offset: 0, status: CLOSED };
        let put = if over_socket { Ok(false) } else { sending.producer.put(element) };
        let told = match put {
            Ok(true) => self.wake_peer(&mut sending),
            Ok(false) => {
                // Elements that the queue has are the peer's first: it drains the queue before it handles
                // what comes over the socket.
                let header = Header::write(Kind::StreamEnd, self.version, 4);
                sending.unsent.extend(header);
                sending.unsent.extend(id.to_be_bytes());
                self.send(&mut sending)
            }
            Err(breach) => {
                drop(sending);
                return self.break_off(&breach);
            }
        };
        drop(sending);
        if let Err(error) = told {
            tracing::debug!(%error, stream = id, "the end of a stream was not told");
        }
    }

    /// Wakes the peer's consumer, if it rests.
    fn wake_peer(&self, sending: &mut Sending) -> io::Result<()> {
        if sending.producer.must_wake() {
            let wake = Header::write(Kind::Wake, self.version, 0);
            if sending.unsent.is_empty() {
                return match self.socket.write(&wake) {
                    Ok(n) if n == wake.len() => Ok(()),
                    Ok(n) => {
                        sending.unsent.extend(&wake[n..]);
                        Ok(())
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                        sending.unsent.extend(wake);
                        Ok(())
                    }
                    Err(e) => Err(e),
                };
            }
            sending.unsent.extend(wake);
            self.send(sending)?;
        }
        Ok(())
    }

    /// Sends control bytes that wait; true if none are left.
    ///
    /// # Errors
    /// The socket's: the peer is gone.
    pub(super) fn send_on(&self) -> io::Result<bool> {
        let mut sending = self.sending.lock();
        self.send(&mut sending)?;
        Ok(sending.unsent.is_empty())
    }

    fn send(&self, sending: &mut Sending) -> io::Result<()> {
        if sending.unsent.is_empty() {
            return Ok(());
        }
        let mut sent = 0;
        let result = loop {
            if sent == sending.unsent.len() {
                break Ok(());
            }
            match self.socket.write(&sending.unsent[sent..]) {
                Ok(n) => sent += n,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(e) => break Err(e),
            }
        };
        if sent == sending.unsent.len() {
            // What one burst took is not kept for ever.
            sending.unsent = Vec::new();
        } else {
            sending.unsent.drain(..sent);
        }
        result
    }

    /// Takes `most` elements of the queue at most and gives them to their streams; streams that the peer begins
    /// are given to `begun`, if this side accepts any.
    ///
    /// # Errors
    /// [`Breach`]: the session has to end.
    pub(super) fn drain(
        self: &Arc<Self>,
        consumer: &mut Consumer,
        most: usize,
        mut begun: Option<&mut dyn FnMut(ShmStream)>,
    ) -> Result<Drained, Breach> {
        let mut told: Vec<(Arc<Shared>, Readiness)> = Vec::new();
        let mut slices = Vec::new();
        let mut drained = Drained::Empty;
        let mut result = Ok(());
        for _ in 0..most {
            let element = match consumer.take() {
                Ok(Some(element)) => element,
                Ok(None) => break,
                Err(breach) => {
                    result = Err(breach);
                    break;
                }
            };
            drained = Drained::Some;
            let ends = element.status & 0xff != OPENED;
            let stream = match told.last() {
                Some((last, _)) if last.id == element.stream && last.is_open() => {
                    Some(last.clone())
                }
                _ => self.stream(element.stream, !ends, &mut begun),
            };
            if ends {
                if let Some(stream) = stream {
                    stream.end();
                    told.push((stream, Readiness::READABLE | Readiness::READ_CLOSED));
                }
                continue;
            }
            if let Err(breach) = self.message(element.offset, &mut slices) {
                result = Err(breach);
                break;
            }
            if let Some(stream) = stream
                && stream.arrive(&mut slices)
                && !told.last().is_some_and(|(last, _)| Arc::ptr_eq(last, &stream))
            {
                told.push((stream, Readiness::READABLE));
            }
            // Slices that nobody reads.
            for slice in slices.drain(..) {
                self.give_back(slice.slice);
            }
        }
        for (stream, readiness) in told {
            stream.notify(readiness);
        }
        if drained == Drained::Some {
            // A peer that works took elements of the other queue too, or gave slices back. Else it is asked
            // after a while.
            self.there_is_room();
        }
        result.map(|()| drained)
    }

    /// Takes up the slices of a message, and puts them into `slices`, which is empty.
    fn message(&self, offset: u32, slices: &mut Vec<Received>) -> Result<(), Breach> {
        let mut next = Some(offset);
        while let Some(offset) = next {
            // A circle ends at a slice that is held already.
            match self.slices.receive(offset) {
                Ok(received) => {
                    next = received.next;
                    slices.push(received);
                }
                Err(breach) => {
                    for slice in slices.drain(..) {
                        let _ = self.slices.give_back(slice.slice);
                    }
                    return Err(breach);
                }
            }
        }
        Ok(())
    }

    /// Returns the stream of that number; one that the peer begins, where this side accepts them.
    fn stream(
        self: &Arc<Self>,
        id: u32,
        may_begin: bool,
        begun: &mut Option<&mut dyn FnMut(ShmStream)>,
    ) -> Option<Arc<Shared>> {
        let mut streams = self.streams.lock();
        if let Some(stream) = streams.open.get(&id) {
            return Some(stream.clone());
        }
        let accept = begun.as_mut().filter(|_| may_begin && !streams.broken)?;
        if !streams.is_new(id) {
            return None;
        }
        let shared = Shared::new(self.clone(), id);
        streams.open.insert(id, shared.clone());
        drop(streams);
        accept(ShmStream(shared.clone()));
        Some(shared)
    }

    /// Handles the body of a fallback: bytes of a stream that came over the socket.
    ///
    /// # Errors
    /// [`Breach`]: it is too short.
    pub(super) fn fallback(
        self: &Arc<Self>,
        body: &[u8],
        mut begun: Option<&mut dyn FnMut(ShmStream)>,
    ) -> Result<(), Breach> {
        let Some((&[i0, i1, i2, i3, _, _, _, status], bytes)) = body.split_first_chunk::<8>()
        else {
            return Err(Breach::Layout("a fallback without a stream"));
        };
        let id = u32::from_be_bytes([i0, i1, i2, i3]);
        let ends = u32::from(status) != OPENED;
        let Some(stream) = self.stream(id, !ends, &mut begun) else { return Ok(()) };
        if !bytes.is_empty() {
            self.copied.fetch_add(bytes.len(), Relaxed);
            stream.arrive_copied(Bytes::copy_from_slice(bytes));
        }
        if ends {
            stream.end();
        }
        stream.notify(Readiness::READABLE);
        Ok(())
    }

    /// Notes that the peer ended a stream, by a control frame.
    pub(super) fn stream_ended(&self, id: u32) {
        let stream = self.streams.lock().open.get(&id).cloned();
        if let Some(stream) = stream {
            stream.end();
            stream.notify(Readiness::READABLE | Readiness::READ_CLOSED);
        }
    }

    /// Returns whether the streams have left so many bytes of the socket unread that no more are to be taken.
    pub(super) fn is_full(&self) -> bool {
        if self.copied.load(Relaxed) < COPIED_MOST {
            return false;
        }
        let streams: Vec<_> = self.streams.lock().open.values().cloned().collect();
        let copied = streams.iter().map(|stream| stream.copied()).sum();
        self.copied.store(copied, Relaxed);
        copied >= COPIED_MOST
    }

    fn breach(&self, breach: &Breach) -> io::Error {
        self.break_off(breach);
        io::Error::new(io::ErrorKind::ConnectionReset, breach.to_string())
    }

    /// Ends the session for all its streams.
    pub(super) fn break_off(&self, why: &dyn std::fmt::Display) {
        let streams: Vec<_> = {
            let mut streams = self.streams.lock();
            if std::mem::replace(&mut streams.broken, true) {
                return;
            }
            streams.open.values().cloned().collect()
        };
        tracing::debug!(%why, address = %self.address, "a session in shared memory ended");
        // The session's turn hears of it by the socket's end.
        let _ = self.socket.shutdown_write();
        for stream in &streams {
            stream.break_off();
            stream.notify(Readiness::READABLE | Readiness::HUNG_UP);
        }
        self.there_is_room();
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("address", &self.address).finish_non_exhaustive()
    }
}
