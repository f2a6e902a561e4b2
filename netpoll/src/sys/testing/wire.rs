//! What is known of a connection in memory: what the system would say of a TCP connection in the same state.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
};

use crate::sys::interest::Readiness;

/// Both directions of a connection, and what became of its ends.
pub(super) struct State {
    pub(super) ends: [Known; 2],
    /// The connection was reset.
    pub(super) reset: bool,
}

/// What is known of an end.
pub(super) struct Known {
    /// What came and was not read. To a socket a piece for each write, of which a read gives one at most.
    pub(super) inbox: VecDeque<VecDeque<u8>>,
    room: usize,
    is_test: bool,
    /// It sends no more.
    pub(super) shut: bool,
    pub(super) closed: bool,
    /// Its close is a reset.
    pub(super) abort: bool,
    /// It was told of the reset.
    told: bool,
}

impl Known {
    pub(super) fn bytes(&self) -> usize {
        self.inbox.iter().map(VecDeque::len).sum()
    }

    /// How many bytes more there is room for.
    pub(super) fn left(&self) -> usize {
        self.room.saturating_sub(self.bytes())
    }
}

impl State {
    /// With so many bytes of room on the way to each end, which may be a test's.
    pub(super) fn new(ends: [(usize, bool); 2]) -> Self {
        let ends = ends.map(|(room, is_test)| Known {
            inbox: VecDeque::new(),
            room,
            is_test,
            shut: false,
            closed: false,
            abort: false,
            told: false,
        });
        Self { ends, reset: false }
    }

    /// Whether nothing more comes to the end `side`.
    pub(super) fn has_ended(&self, side: usize) -> bool {
        self.reset || self.ends[1 - side].shut
    }

    pub(super) fn readiness(&self, side: usize) -> Readiness {
        let (end, other) = (&self.ends[side], &self.ends[1 - side]);
        let ended = self.has_ended(side);
        Readiness::READABLE.when(!end.inbox.is_empty() || ended)
            | Readiness::WRITABLE.when(other.left() > 0 || self.reset)
            | Readiness::READ_CLOSED.when(ended)
            | Readiness::HUNG_UP.when(self.reset || end.shut && other.shut)
    }

    /// What a read gives where there are no bytes.
    pub(super) fn at_end(&mut self, side: usize) -> io::Result<usize> {
        let end = &mut self.ends[side];
        if self.reset && (end.is_test || !std::mem::replace(&mut end.told, true)) {
            return Err(io::Error::from_raw_os_error(libc::ECONNRESET));
        }
        if self.has_ended(side) { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    /// Reads at the end `side`, of one piece.
    pub(super) fn take(&mut self, side: usize, into: &mut [u8]) -> io::Result<usize> {
        let inbox = &mut self.ends[side].inbox;
        let Some(piece) = inbox.front_mut() else { return self.at_end(side) };
        let n = piece.len().min(into.len());
        for (to, from) in into.iter_mut().zip(piece.drain(..n)) {
            *to = from;
        }
        if piece.is_empty() {
            inbox.pop_front();
        }
        Ok(n)
    }

    /// Writes at the end `side`, what there is room for.
    pub(super) fn put(&mut self, side: usize, bytes: &[u8]) -> io::Result<usize> {
        if self.reset || self.ends[side].shut {
            return Err(io::Error::from_raw_os_error(libc::EPIPE));
        }
        let other = &mut self.ends[1 - side];
        if other.closed {
            // One that is closed answers with a reset.
            self.break_off();
            return Ok(bytes.len());
        }
        let n = bytes.len().min(other.left());
        if n == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        match other.inbox.back_mut().filter(|_| other.is_test) {
            Some(piece) => piece.extend(&bytes[..n]),
            None if n > 0 => other.inbox.push_back(bytes[..n].iter().copied().collect()),
            None => {}
        }
        Ok(n)
    }

    /// What is on its way to a socket is read before the reset, what is on its way to a test is lost.
    pub(super) fn break_off(&mut self) {
        self.reset = true;
        self.ends.iter_mut().filter(|end| end.is_test).for_each(|end| end.inbox.clear());
    }
}
