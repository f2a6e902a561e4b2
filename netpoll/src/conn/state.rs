//! The bits of a connection's state word: one [`StateWord`] says who has the connection and what happened
//! to it.
//!
//! The word is in one of five phases, which follow from its marks and only go forward:
//!
//! ```text
//!   Handshaking ──▶ Opening ──▶ Open ──▶ Closing ──▶ Finished
//!        │             │                    ▲
//!        └─────────────┴────────────────────┘
//! ```
//!
//! | phase | says so | marks that are legal in it alone, or not in it |
//! | --- | --- | --- |
//! | [`Handshaking`](Phase::Handshaking) | `HANDSHAKING` | needs `TRANSPORT`; no `OPEN`, no `LAST_WORD` |
//! | [`Opening`](Phase::Opening) | none of the others | a dialled connection without a handler stays here |
//! | [`Open`](Phase::Open) | `OPEN` | a claim of `DISCONNECTED` begins here at the earliest |
//! | [`Closing`](Phase::Closing) | `CLOSING` or `ABORTING` | |
//! | [`Finished`](Phase::Finished) | `FINISHED` | needs `CLOSING` or `ABORTING` |
//!
//! In every phase `TOLD` needs `DISCONNECTED`, `SHUT_DONE` needs `SHUT`, and `LAST_WORD` needs `TRANSPORT`.
//! [`check`] asserts this at the beginning and the end of each turn.

use crate::{sched::state_word::StateWord, transport::Role};

/// Events: taken by the turn that begins.
pub(super) mod event {
    /// The selector told something.
    pub(crate) const IO: u32 = 1 << 2;
    /// A deadline passed.
    pub(crate) const TIMER: u32 = 1 << 3;
    /// A future of the handler's was woken, or a handler was set.
    pub(crate) const WAKE: u32 = 1 << 4;
    /// Output waits, or somebody asks for the connection's end.
    pub(crate) const FLUSH: u32 = 1 << 5;
}

/// Marks: they stay until they are cleared by name.
pub(super) mod mark {
    /// The handler is pure computation: its turns never lose their poller.
    pub(crate) const INLINE: u32 = 1 << 11;
    /// The transport's handshake is not complete: only the transport reads and writes.
    pub(crate) const HANDSHAKING: u32 = 1 << 8;
    /// The transport has said its last word: nothing is sealed any more.
    pub(crate) const LAST_WORD: u32 = 1 << 9;
    /// A read that gives less than was asked for says nothing about what is left.
    pub(crate) const CUT_READS: u32 = 1 << 10;
    /// A transport stands between the wire and the handler.
    pub(crate) const TRANSPORT: u32 = 1 << 12;
    /// `SHUT` was carried out.
    pub(crate) const SHUT_DONE: u32 = 1 << 13;
    /// The turn stopped at the high mark of pending output: who sends the rest schedules it.
    pub(crate) const FULL: u32 = 1 << 14;
    /// `on_disconnect` has returned.
    pub(crate) const TOLD: u32 = 1 << 15;
    /// The socket may have bytes, or its end. Cleared before a read, set by the selector.
    pub(crate) const READABLE: u32 = 1 << 16;
    /// The socket may take bytes. Cleared when it did not, set by the selector.
    pub(crate) const WRITABLE: u32 = 1 << 17;
    /// The peer sends no more; what it sent may still be unread.
    pub(crate) const READ_CLOSED: u32 = 1 << 18;
    /// The connection is dead in both directions.
    pub(crate) const HUNG_UP: u32 = 1 << 19;
    /// A reader has the receive state.
    pub(crate) const READING: u32 = 1 << 20;
    /// A thread writes to the socket.
    pub(crate) const WRITING: u32 = 1 << 21;
    /// While a thread writes: there is more to write.
    pub(crate) const MORE: u32 = 1 << 22;
    /// `on_connect` has run: from now on a hang-up runs `on_disconnect`.
    pub(crate) const OPEN: u32 = 1 << 23;
    /// `on_disconnect` was called.
    pub(crate) const DISCONNECTED: u32 = 1 << 24;
    /// This side asked for the end; what was written before still goes out.
    pub(crate) const CLOSING: u32 = 1 << 25;
    /// This side asked for the end at once.
    pub(crate) const ABORTING: u32 = 1 << 26;
    /// The end has come: the socket is closed.
    pub(crate) const FINISHED: u32 = 1 << 27;
    /// Somebody is in the list of waiters.
    pub(crate) const WAITING: u32 = 1 << 28;
    /// The handler is gone from the connection, which goes on raw.
    pub(crate) const DETACHED: u32 = 1 << 29;
    /// This side sends no more, once what was written is out.
    pub(crate) const SHUT: u32 = 1 << 30;
    /// The selector has told something, since a dialler last looked.
    pub(crate) const HEARD: u32 = 1 << 31;
}

/// Nothing more will be read or written.
pub(super) const OVER: u32 = mark::ABORTING | mark::FINISHED;

/// A stage in the life of a connection. See the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// The transport's handshake is under way.
    Handshaking,
    /// Nothing is known of it yet; `on_connect` may be under way.
    Opening,
    /// `on_connect` has run.
    Open,
    /// This side has asked for the end.
    Closing,
    /// The endpoint is closed.
    Finished,
}

impl Phase {
    /// The phase of `word`.
    pub(super) fn of(word: u32) -> Self {
        if word & mark::FINISHED != 0 {
            Self::Finished
        } else if word & (mark::CLOSING | mark::ABORTING) != 0 {
            Self::Closing
        } else if word & mark::HANDSHAKING != 0 {
            Self::Handshaking
        } else if word & mark::OPEN != 0 {
            Self::Open
        } else {
            Self::Opening
        }
    }
}

/// Asserts that `word` is legal, in debug builds.
#[inline]
pub(super) fn check(word: u32) {
    debug_assert_eq!(fault(word), None, "state word {word:#034b}");
}

/// The rule of the table that `word` breaks, if it breaks one.
fn fault(word: u32) -> Option<&'static str> {
    let has = |marks: u32| word & marks != 0;
    let rules = [
        (has(mark::HANDSHAKING | mark::LAST_WORD) && !has(mark::TRANSPORT), "needs TRANSPORT"),
        (has(mark::HANDSHAKING) && has(mark::OPEN), "OPEN within the handshake"),
        (has(mark::HANDSHAKING) && has(mark::LAST_WORD), "a last word within the handshake"),
        (
            has(mark::FINISHED) && !has(mark::CLOSING | mark::ABORTING),
            "an end that nobody asked for",
        ),
        (has(mark::TOLD) && !has(mark::DISCONNECTED), "TOLD without DISCONNECTED"),
        (has(mark::SHUT_DONE) && !has(mark::SHUT), "SHUT_DONE without SHUT"),
    ];
    rules.into_iter().find(|(broken, _)| *broken).map(|(_, rule)| rule)
}

/// The word of a connection whose socket was just made.
///
/// `transport`: the role that its transport has, if it has one. A server's handshake begins with the first
/// turn; a client's when the connection is made.
pub(super) fn fresh(transport: Option<Role>) -> StateWord {
    StateWord::new(match transport {
        None => mark::WRITABLE,
        Some(Role::Client) => mark::WRITABLE | mark::TRANSPORT,
        Some(Role::Server) => mark::WRITABLE | mark::TRANSPORT | mark::HANDSHAKING,
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn phases_go_forward_and_illegal_words_are_found() {
        let transport = mark::TRANSPORT;
        let life = [
            (transport | mark::HANDSHAKING, Phase::Handshaking),
            (transport, Phase::Opening),
            (transport | mark::OPEN, Phase::Open),
            (transport | mark::OPEN | mark::CLOSING | mark::LAST_WORD, Phase::Closing),
            (transport | mark::OPEN | mark::CLOSING | mark::FINISHED, Phase::Finished),
        ];
        for (word, phase) in life {
            assert_eq!((Phase::of(word), fault(word)), (phase, None));
        }
        assert!(life.is_sorted_by_key(|(_, phase)| *phase));
        for word in [
            mark::HANDSHAKING,
            mark::LAST_WORD,
            transport | mark::HANDSHAKING | mark::OPEN,
            transport | mark::HANDSHAKING | mark::LAST_WORD,
            mark::FINISHED,
            mark::TOLD,
            mark::SHUT_DONE,
        ] {
            assert!(fault(word).is_some(), "{word:#034b}");
        }
    }
}
