//! One connection of the load generator: its requests in flight, and the check of its replies.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use crate::secure::Stream;
use crate::wire::{HEAD_BYTES, LENGTH_BYTES, Request, SEQUENCES, Tag};

/// A place for one request in flight. A request's sequence number modulo the number of slots is
/// its slot.
#[derive(Debug)]
struct Slot {
    tag: Tag,
    started: Instant,
    waiting: bool,
}

#[derive(Debug)]
pub(super) struct Conn {
    stream: Option<Stream>,
    slots: Box<[Slot]>,
    /// The slot that must be answered next, where replies come in order.
    next_reply: Option<usize>,
    /// The tags of frames not yet wholly sent, and how much of the first is.
    unsent: VecDeque<Tag>,
    offset: usize,
    /// The head of the reply that is coming in, and how many of its bytes have been checked.
    head: [u8; HEAD_BYTES],
    checked: usize,
    /// The selector reports when the socket takes bytes.
    pub(super) wants_write: bool,
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Conn {
    pub(super) fn new(stream: Stream, depth: usize, in_order: bool) -> Self {
        let started = Instant::now();
        let slot = |index| Slot {
            tag: Tag { slow: false, sequence: index as u32 },
            started,
            waiting: false,
        };
        Self {
            stream: Some(stream),
            slots: (0..depth).map(slot).collect(),
            next_reply: in_order.then_some(0),
            unsent: VecDeque::with_capacity(depth),
            offset: 0,
            head: [0; HEAD_BYTES],
            checked: 0,
            wants_write: false,
        }
    }

    pub(super) fn depth(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.stream.is_none()
    }

    /// The socket of a connection that is not closed.
    pub(super) fn stream(&mut self) -> &mut Stream {
        self.stream.as_mut().expect("a closed connection has no events")
    }

    pub(super) fn close(&mut self) {
        self.stream = None;
    }

    /// Requests without a reply.
    pub(super) fn waiting(&self) -> usize {
        self.slots.iter().filter(|slot| slot.waiting).count()
    }

    /// Queues the slot's next request.
    pub(super) fn begin(&mut self, slot: usize, slow: bool, now: Instant) {
        let depth = self.slots.len() as u32;
        let slot = &mut self.slots[slot];
        let next = slot.tag.sequence + depth;
        // The last sequence numbers are left out, so that a slot keeps its remainder.
        let sequence = if next >= SEQUENCES - SEQUENCES % depth { next % depth } else { next };
        *slot = Slot { tag: Tag { slow, sequence }, started: now, waiting: true };
        self.unsent.push_back(slot.tag);
    }

    pub(super) fn unsent(&self) -> &VecDeque<Tag> {
        &self.unsent
    }

    pub(super) fn first_unsent(&self) -> Option<Tag> {
        self.unsent.front().copied()
    }

    /// How many bytes of the first unsent frame are sent.
    pub(super) fn unsent_offset(&self) -> usize {
        self.offset
    }

    /// Notes that the socket took `bytes`.
    pub(super) fn sent(&mut self, bytes: usize, frame_len: usize) {
        let total = self.offset + bytes;
        self.unsent.drain(..total / frame_len);
        self.offset = total % frame_len;
    }

    /// Checks bytes of replies. The slots whose reply is complete are added to `finished`.
    ///
    /// # Errors
    /// A byte that is not what was asked for.
    pub(super) fn check(
        &mut self,
        mut bytes: &[u8],
        request: &Request,
        finished: &mut Vec<usize>,
    ) -> io::Result<()> {
        let frame_len = request.frame_len();
        while !bytes.is_empty() {
            if self.checked < HEAD_BYTES {
                let (now, rest) = bytes.split_at(bytes.len().min(HEAD_BYTES - self.checked));
                self.head[self.checked..self.checked + now.len()].copy_from_slice(now);
                self.checked += now.len();
                bytes = rest;
                if self.checked < HEAD_BYTES {
                    break;
                }
                self.check_head(frame_len)?;
            }
            let pattern = request.pattern(self.checked);
            let (now, rest) = bytes.split_at(bytes.len().min(pattern.len()));
            if now != &pattern[..now.len()] {
                return Err(invalid("the reply's payload differs from the request's".into()));
            }
            self.checked += now.len();
            bytes = rest;
            if self.checked == frame_len {
                self.checked = 0;
                let slot = self.reply_slot();
                self.slots[slot].waiting = false;
                self.next_reply = self.next_reply.map(|_| (slot + 1) % self.slots.len());
                finished.push(slot);
            }
        }
        Ok(())
    }

    fn reply_tag(&self) -> Tag {
        let [.., a, b, c, d] = self.head;
        Tag::from_bytes([a, b, c, d])
    }

    fn reply_slot(&self) -> usize {
        self.reply_tag().sequence as usize % self.slots.len()
    }

    fn check_head(&self, frame_len: usize) -> io::Result<()> {
        let [a, b, c, d, ..] = self.head;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if length + LENGTH_BYTES != frame_len {
            return Err(invalid(format!(
                "a reply of {length} bytes to a request of another length"
            )));
        }
        let slot = self.reply_slot();
        let expected = &self.slots[slot];
        if !expected.waiting || expected.tag.to_bytes() != self.head[LENGTH_BYTES..] {
            return Err(invalid(format!("a reply {:?} that nothing asked for", self.reply_tag())));
        }
        if self.next_reply.is_some_and(|next| next != slot) {
            return Err(invalid(format!("reply {:?} out of order", self.reply_tag())));
        }
        Ok(())
    }

    /// When the slot's request began, and its tag.
    pub(super) fn finished(&self, slot: usize) -> (Instant, Tag) {
        (self.slots[slot].started, self.slots[slot].tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn conn(depth: usize, in_order: bool) -> Conn {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut conn = Conn::new(Stream::new(stream, false).unwrap(), depth, in_order);
        for slot in 0..depth {
            conn.begin(slot, false, Instant::now());
        }
        conn
    }

    fn replies(conn: &Conn, request: &mut Request, order: &[usize]) -> Vec<u8> {
        order.iter().flat_map(|&slot| request.with_tag(conn.slots[slot].tag).to_vec()).collect()
    }

    #[test]
    fn replies_are_matched_at_every_split() {
        let mut request = Request::new(16).unwrap();
        let all = replies(&conn(3, false), &mut request, &[2, 0, 1]);
        for split in 0..=all.len() {
            let mut conn = conn(3, false);
            let mut finished = Vec::new();
            conn.check(&all[..split], &request, &mut finished).unwrap();
            conn.check(&all[split..], &request, &mut finished).unwrap();
            assert_eq!(finished, [2, 0, 1]);
            assert_eq!(conn.waiting(), 0);
        }
    }

    #[test]
    fn every_wrong_byte_is_seen() {
        let mut request = Request::new(16).unwrap();
        let right = replies(&conn(2, true), &mut request, &[0, 1]);
        for at in 0..right.len() {
            let mut wrong = right.clone();
            wrong[at] ^= 2;
            let checked = conn(2, true).check(&wrong, &request, &mut Vec::new());
            assert!(checked.is_err(), "byte {at}");
        }
    }

    #[test]
    fn disorder_and_repetition_are_seen() {
        let mut request = Request::new(16).unwrap();
        for order in [&[1][..], &[0, 0][..]] {
            let mut conn = conn(2, true);
            let bytes = replies(&conn, &mut request, order);
            assert!(conn.check(&bytes, &request, &mut Vec::new()).is_err(), "{order:?}");
        }
    }

    #[test]
    fn sequences_wrap_within_their_slot() {
        let mut conn = conn(3, true);
        conn.slots[2].tag.sequence = SEQUENCES - SEQUENCES % 3 - 1;
        conn.begin(2, false, Instant::now());
        assert_eq!(conn.slots[2].tag.sequence, 2);
    }

    #[test]
    fn partial_writes_advance_across_frames() {
        let mut conn = conn(3, true);
        conn.sent(25, 20);
        assert_eq!((conn.unsent().len(), conn.unsent_offset()), (2, 5));
        conn.sent(35, 20);
        assert_eq!((conn.unsent().len(), conn.unsent_offset()), (0, 0));
    }
}
