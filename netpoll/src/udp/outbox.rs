//! Datagrams that are to be sent: gathered, bounded, and sent many at once.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    net::{IpAddr, SocketAddr},
    ops::Range,
};

use super::{datagram::Origin, endpoint::Endpoint, tally::Tally};
use crate::{
    buf::LinkBuffer,
    error::{Error, ErrorKind, Result},
    frame::{self, Encode},
    sys::udp::{BATCH, LONGEST, Outgoing, SEGMENTS, TRAIN},
};

/// Bytes that each datagram counts beside its own.
const OVERHEAD: usize = 64;

/// Bytes of replies that are sent before their turn has gathered more.
pub(super) const GATHER: usize = 256 * 1024;

/// Heads that are kept room for while there are none.
const KEPT: usize = 64;

/// Datagrams that are to be sent, in their order.
///
/// ```text
///   heads   | to A, 3 bytes | to B, 5 bytes | ..      bytes   | aaabbbbb.. |
/// ```
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    heads: VecDeque<Head>,
    bytes: LinkBuffer,
    /// Datagrams that were dropped since too many waited.
    dropped: u64,
}

/// A datagram without its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    to: Option<SocketAddr>,
    from: Option<IpAddr>,
    ecn: u8,
    len: u32,
}

/// How a send ended.
#[derive(Debug)]
pub(crate) enum Sent {
    /// Nothing is left.
    All,
    /// The system has no room for the next one.
    Blocked,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// What it takes of its bound.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len() + self.heads.len() * OVERHEAD
    }

    /// Gives back the buffer of an empty outbox, and what is more room than it needs.
    pub(crate) fn take_bytes(&mut self) -> LinkBuffer {
        debug_assert!(self.is_empty());
        self.heads.shrink_to(KEPT);
        std::mem::take(&mut self.bytes)
    }

    /// Lends `bytes` to an empty outbox to write to.
    pub(crate) fn lend_bytes(&mut self, bytes: LinkBuffer) {
        debug_assert!(self.is_empty() && bytes.is_empty());
        self.bytes = bytes;
    }

    /// Adds `frame` as a datagram to `to`.
    ///
    /// # Errors
    /// It cannot be encoded, there is no memory, or it is longer than a datagram can be; nothing was
    /// added then.
    pub(crate) fn put(&mut self, to: Destination, frame: &(impl Encode + ?Sized)) -> Result<()> {
        let len = frame::write(&mut self.bytes, |w| frame.encode(w))?;
        self.finish(to, len)
    }

    /// Adds `bytes` as a datagram to `to`.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub(crate) fn put_bytes(&mut self, to: Destination, bytes: &[u8]) -> Result<()> {
        self.bytes.write(bytes)?;
        self.finish(to, bytes.len())
    }

    fn finish(&mut self, to: Destination, len: usize) -> Result<()> {
        if len > LONGEST {
            self.bytes.malloc_ack(0);
            let why = format!("a datagram of {len} bytes is longer than {LONGEST}");
            return Err(Error::new(ErrorKind::Limit, why));
        }
        self.bytes.flush();
        let Destination { to, from, ecn } = to;
        self.heads.push_back(Head { to, from, ecn, len: len as u32 });
        Ok(())
    }

    /// Adds `frame` as a datagram to the peer of a connected socket.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub(crate) fn put_connected(&mut self, frame: &impl Encode) -> Result<()> {
        self.put(Destination::CONNECTED, frame)
    }

    /// Takes the datagrams of `other`, which come after those that are here.
    pub(crate) fn append(&mut self, other: Outbox) {
        self.dropped += other.dropped;
        self.bytes.append(other.bytes);
        self.bytes.flush();
        self.heads.extend(other.heads);
    }

    /// Drops the oldest until it takes no more than `max` bytes.
    pub(crate) fn bound(&mut self, max: usize) {
        while self.size() > max && self.drop_first().is_some() {
            self.dropped += 1;
        }
    }

    /// Datagrams that were dropped since this was last asked.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Drops the first datagram; gives where it was to go.
    fn drop_first(&mut self) -> Option<Option<SocketAddr>> {
        let head = self.heads.pop_front()?;
        self.skip(head.len as usize);
        Some(head.to)
    }

    fn skip(&mut self, n: usize) {
        self.bytes.skip(n).expect("the bytes of a datagram are there");
    }

    /// Sends what is here by `endpoint`, until the system has no room. A datagram that it refuses is
    /// dropped, counted, and told to `refused`.
    pub(crate) fn send(
        &mut self,
        endpoint: &dyn Endpoint,
        tally: &Tally,
        mut refused: impl FnMut(Option<SocketAddr>, io::Error),
    ) -> Sent {
        while !self.heads.is_empty() {
            match self.send_some(endpoint) {
                Ok(datagrams) => {
                    tally.sent(datagrams as u64);
                    let n = self.heads.drain(..datagrams).map(|head| head.len as usize).sum();
                    self.skip(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Blocked,
                Err(error) => {
                    tally.unsent(1);
                    let to = self.drop_first().flatten();
                    refused(to, error);
                }
            }
        }
        Sent::All
    }

    /// Sends the first messages by one call; gives how many datagrams were taken.
    fn send_some(&self, endpoint: &dyn Endpoint) -> io::Result<usize> {
        let mut trains = [const { (0, 0..0) }; BATCH];
        let mut parts = Vec::with_capacity(BATCH);
        let mut chunks = self.bytes.chunks();
        let mut chunk: &[u8] = &[];
        let (mut made, mut at) = (0, 0);
        let segment = endpoint.segment();
        while made < BATCH && at < self.heads.len() {
            let n = self.train(at, segment);
            let range = at..at + n;
            let mut left: usize = self.heads.range(range).map(|head| head.len as usize).sum();
            let first = parts.len();
            while left > 0 {
                if chunk.is_empty() {
                    chunk = chunks.next().expect("the bytes of a datagram are there");
                }
                let (part, rest) = chunk.split_at(left.min(chunk.len()));
                parts.push(IoSlice::new(part));
                left -= part.len();
                chunk = rest;
            }
            trains[made] = (n, first..parts.len());
            made += 1;
            at += n;
        }
        let mut next = 0;
        let messages: [Outgoing<'_>; BATCH] = std::array::from_fn(|i| {
            let (n, range): &(usize, Range<usize>) = &trains[i];
            let Some(head) = self.heads.get(next) else { return Outgoing::default() };
            next += n;
            Outgoing {
                peer: head.to,
                from: head.from,
                ecn: head.ecn,
                segment: (*n > 1).then_some(head.len as u16),
                parts: &parts[range.clone()],
            }
        });
        let sent = endpoint.send(&messages[..made])?;
        Ok(trains[..sent].iter().map(|(n, _)| n).sum())
    }

    /// How many datagrams from `at` on leave as one message: of equal size, the last perhaps shorter,
    /// by one way to one peer. None is longer than `segment`.
    fn train(&self, at: usize, segment: usize) -> usize {
        let first = self.heads[at];
        let size = first.len as usize;
        if size == 0 || size > segment {
            return 1;
        }
        let most = (TRAIN / size).clamp(1, SEGMENTS).min(self.heads.len() - at);
        let mut n = 1;
        while n < most {
            let next = self.heads[at + n];
            let same = Head { len: first.len, ..next } == first;
            if !same || next.len > first.len || next.len == 0 {
                break;
            }
            n += 1;
            if next.len < first.len {
                break;
            }
        }
        n
    }
}

/// Where a datagram goes, and from where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Destination {
    /// `None` on a connected socket.
    pub(crate) to: Option<SocketAddr>,
    pub(crate) from: Option<IpAddr>,
    pub(crate) ecn: u8,
}

impl Destination {
    /// The peer that a datagram came from, by the address that it came to.
    pub(crate) fn back(origin: &Origin) -> Self {
        let from = origin.answerable.then(|| origin.local.ip());
        Self { to: Some(origin.peer), from, ecn: 0 }
    }

    /// `to`, by a way of the system's choice.
    pub(crate) fn to(to: SocketAddr) -> Self {
        Self { to: Some(to), from: None, ecn: 0 }
    }

    /// The peer of a connected socket.
    const CONNECTED: Self = Self { to: None, from: None, ecn: 0 };
}

/// What a handler puts its replies into: those of a turn are sent when there are many, others wait
/// within a bound.
#[derive(Debug)]
pub(crate) struct Outlet<'a> {
    outbox: &'a mut Outbox,
    turn: Option<Relief<'a>>,
    max: usize,
}

/// The socket of the turn that a handler runs in.
#[derive(Clone, Copy)]
pub(crate) struct Relief<'a> {
    pub(crate) endpoint: &'a dyn Endpoint,
    pub(crate) tally: &'a Tally,
    pub(crate) blocked: bool,
}

impl std::fmt::Debug for Relief<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relief").field("blocked", &self.blocked).finish_non_exhaustive()
    }
}

impl<'a> Outlet<'a> {
    pub(crate) fn new(outbox: &'a mut Outbox, max: usize, turn: Option<Relief<'a>>) -> Self {
        Self { outbox, turn, max }
    }

    /// The same outlet for a shorter time.
    pub(crate) fn reborrow(&mut self) -> Outlet<'_> {
        Outlet { outbox: self.outbox, turn: self.turn, max: self.max }
    }

    /// Adds `frame` as a datagram.
    ///
    /// # Errors
    /// As [`Outbox::put`].
    pub(crate) fn put(&mut self, to: Destination, frame: &(impl Encode + ?Sized)) -> Result<()> {
        self.outbox.put(to, frame)?;
        self.relieve();
        Ok(())
    }

    /// Adds `bytes` as a datagram.
    ///
    /// # Errors
    /// As [`Outbox::put`].
    pub(crate) fn put_bytes(&mut self, to: Destination, bytes: &[u8]) -> Result<()> {
        self.outbox.put_bytes(to, bytes)?;
        self.relieve();
        Ok(())
    }

    fn relieve(&mut self) {
        if let Some(turn) = &mut self.turn
            && !turn.blocked
        {
            if self.outbox.size() < GATHER {
                return;
            }
            let sent = self.outbox.send(turn.endpoint, turn.tally, |_, _| {});
            turn.blocked = matches!(sent, Sent::Blocked);
        }
        self.outbox.bound(self.max);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn to(port: u16) -> Destination {
        Destination::to(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    fn outbox(datagrams: &[(u16, usize)]) -> Outbox {
        let mut outbox = Outbox::default();
        for &(port, len) in datagrams {
            outbox.put_bytes(to(port), &vec![port as u8; len]).unwrap();
        }
        outbox
    }

    #[test]
    fn neighbours_of_equal_size_to_one_peer_are_one_message() {
        let outbox = outbox(&[(1, 10), (1, 10), (1, 4), (1, 4), (2, 4), (2, 6), (2, 0), (2, 0)]);
        let mut trains = Vec::new();
        let mut at = 0;
        while at < outbox.heads.len() {
            let n = outbox.train(at, LONGEST);
            trains.push(n);
            at += n;
        }
        // The shorter one ends the first; a longer one and an empty one begin anew.
        assert_eq!(trains, [3, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn a_message_has_no_more_segments_and_bytes_than_the_system_takes() {
        assert_eq!(outbox(&[(1, 1); 100]).train(0, LONGEST), SEGMENTS);
        assert_eq!(outbox(&[(1, 60_000); 2]).train(0, LONGEST), 1);
        assert_eq!(outbox(&[(1, 1_200); 60]).train(0, LONGEST), TRAIN / 1_200);
        assert_eq!(outbox(&[(1, 1_200); 60]).train(0, 1_199), 1);
    }

    #[test]
    fn past_the_bound_the_oldest_are_dropped() {
        let mut outbox = outbox(&[(1, 100), (2, 100), (3, 100)]);
        outbox.bound(2 * (100 + OVERHEAD));
        assert_eq!((outbox.take_dropped(), outbox.heads.len(), outbox.bytes.len()), (1, 2, 200));
        assert_eq!(outbox.bytes.to_vec()[0], 2);
        outbox.bound(0);
        assert_eq!((outbox.take_dropped(), outbox.size()), (2, 0));
    }

    #[test]
    fn a_datagram_that_is_too_long_is_an_error_and_not_added() {
        let mut outbox = outbox(&[(1, 3)]);
        let error = outbox.put_bytes(to(1), &vec![0; LONGEST + 1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Limit);
        assert_eq!((outbox.heads.len(), outbox.bytes.to_vec()), (1, vec![1; 3]));
    }
}
