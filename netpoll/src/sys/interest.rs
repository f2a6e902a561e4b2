//! What a selector is asked for and what it answers, in no system's own terms.

use std::{fmt, ops::BitOr};

/// The events for which a source is registered. It never changes: a source that wants something else is
/// deregistered and registered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// A connected or connecting socket: readable, writable, read side closed, each reported once
    /// when it begins (edge-triggered). Register a connecting socket only after `connect` was
    /// called: before, it counts as hung up.
    Stream,
    /// A datagram socket, or a listener from which threads accept themselves: readable, reported when
    /// something comes (edge-triggered). A datagram socket whose replies
    /// wait for room is registered as a [`Stream`](Self::Stream).
    Datagrams,
    /// A listening socket: readable, reported as long as connections wait (level-triggered), so
    /// that an accept loop may stop at its budget. It pauses by deregistering.
    Listener,
}

/// A set of events of a source.
///
/// ```
/// use netpoll::poller::Readiness;
/// let r = Readiness::READABLE | Readiness::READ_CLOSED;
/// assert!(r.is_readable() && r.is_read_closed() && !r.is_writable());
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Readiness(u8);

impl Readiness {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// A read would give bytes, the end, or an error.
    pub const READABLE: Self = Self(1);
    /// A write would be taken, or fail for another reason than lack of room.
    pub const WRITABLE: Self = Self(2);
    /// The peer will send no more; what it sent before may still wait to be read.
    pub const READ_CLOSED: Self = Self(4);
    /// The connection is gone both ways, by an error or by the peer's close.
    pub const HUNG_UP: Self = Self(8);

    /// Urgent data (TCP's out-of-band byte) is among what waits: reads end before it and after it.
    pub const URGENT: Self = Self(16);

    const NAMES: [(Self, &str); 5] = [
        (Self::READABLE, "readable"),
        (Self::WRITABLE, "writable"),
        (Self::READ_CLOSED, "read_closed"),
        (Self::HUNG_UP, "hung_up"),
        (Self::URGENT, "urgent"),
    ];

    /// Returns true if all of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns true if [`READABLE`](Self::READABLE) is in this set.
    pub const fn is_readable(self) -> bool {
        self.contains(Self::READABLE)
    }

    /// Returns true if [`WRITABLE`](Self::WRITABLE) is in this set.
    pub const fn is_writable(self) -> bool {
        self.contains(Self::WRITABLE)
    }

    /// Returns true if [`READ_CLOSED`](Self::READ_CLOSED) is in this set.
    pub const fn is_read_closed(self) -> bool {
        self.contains(Self::READ_CLOSED)
    }

    /// Returns true if [`HUNG_UP`](Self::HUNG_UP) is in this set.
    pub const fn is_hung_up(self) -> bool {
        self.contains(Self::HUNG_UP)
    }

    /// This set if `condition` holds, else nothing.
    pub(crate) const fn when(self, condition: bool) -> Self {
        if condition { self } else { Self::NONE }
    }
}

impl BitOr for Readiness {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The names of what is in the set, joined with `|`.
impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES.into_iter().filter(|&(r, _)| self.contains(r));
        let mut separator = "";
        for (_, name) in names {
            write!(f, "{separator}{name}")?;
            separator = "|";
        }
        Ok(())
    }
}

/// One event as the selector gives it: the token that was registered, and what became true.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawEvent {
    pub(crate) token: u64,
    pub(crate) readiness: Readiness,
}
