//! A ready protocol for calls: [`Call`] and [`Answer`], with all [marks](crate::frame::Frame#marks).
//!
//! It is for services that have no protocol to follow. Its bytes are stable: a change that an older
//! peer could not read gets another version number. Integers have the most significant byte first.
//!
//! # Call
//!
//! | offset | bytes | |
//! | --- | --- | --- |
//! | 0 | 4 | the number of bytes that follow |
//! | 4 | 1 | version, 1 |
//! | 5 | 1 | flags: 1 is one way, which wants no answer; all others are 0 |
//! | 6 | 4 | id, by which the answer is matched to the call |
//! | 10 | 4 | the milliseconds that the caller has left; 0 is no deadline |
//! | 14 | 2, n | method: the number of bytes, then UTF-8 |
//! | 16 + n | 1 | the number of metadata entries |
//! | | 1, k, 2, v | for each: the length of its name, its name in UTF-8, the length of its value, its value |
//! | | | payload: all that is left |
//!
//! # Answer
//!
//! | offset | bytes | |
//! | --- | --- | --- |
//! | 0 | 4 | the number of bytes that follow |
//! | 4 | 1 | version, 1 |
//! | 5 | 1 | flags: 1 is the last answer to its call, 2 is goodbye; all others are 0 |
//! | 6 | 4 | id of the call; of a goodbye 0 |
//! | 10 | 1 | status: one of [`Code`] |
//! | 11 | 2, n | message of a fault: the number of bytes, then UTF-8 |
//! | 13 + n | | payload: all that is left |
//!
//! A call has one answer, or several: then each but the last holds an item of a stream, and the last one has
//! no payload; with a status other than 0 it ends the stream early.
//!
//! After a goodbye, which the server sends when it drains a connection, the client sends no new
//! calls on it; those in flight are answered.
//!
//! ```
//! use netpoll::{frame::{self, Status}, rpc::{Answer, Call, Code}};
//!
//! let call = b"\0\0\0\x15\x01\0\0\0\0\x07\0\0\x03\xe8\0\x03add\0[1,2]";
//! assert_eq!(frame::round_trip::<Call<'_>>(call)?, call);
//!
//! let answer = b"\0\0\0\x0a\x01\x01\0\0\0\x07\0\0\x003";
//! assert_eq!(frame::round_trip::<Answer<'_>>(answer)?, answer);
//!
//! use netpoll::frame::Judged;
//! let late = Answer { id: 7, ..Answer::with_status(Status::Timeout).unwrap() };
//! assert_eq!((late.code, late.last), (Code::TIMEOUT, true));
//! # Ok::<(), netpoll::Error>(())
//! ```

use crate::Frame;
use crate::frame::{self, Auto};

/// A call of a method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Frame)]
#[frame(crate = crate)]
pub struct Call<'a> {
    /// The number of bytes that follow; computed.
    #[frame(len(of = rest))]
    pub length: Auto<u32>,
    /// The version, 1.
    #[frame(magic = 1u8)]
    pub version: (),
    /// Flags of later versions: 0.
    #[frame(bits = 7)]
    pub reserved: u8,
    /// True if no answer is wanted.
    #[frame(bits = 1)]
    pub one_way: bool,
    /// The number by which the answer is matched to the call.
    #[frame(seq)]
    pub id: u32,
    /// The milliseconds that the caller has left; 0 is no deadline.
    #[frame(deadline(ms))]
    pub deadline: u32,
    /// The name of the method.
    #[frame(route, prefix = u16)]
    pub method: &'a str,
    /// Further facts of the caller's, for layers: a token, a trace.
    #[frame(metadata, count_prefix = u8)]
    pub metadata: Vec<Metadata<'a>>,
    /// The arguments, in the encoding that client and server agree on.
    #[frame(payload, rest)]
    pub payload: &'a [u8],
}

/// An entry of a call's metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Frame)]
#[frame(crate = crate)]
pub struct Metadata<'a> {
    /// The name of the entry.
    #[frame(prefix = u8)]
    pub name: &'a str,
    /// The value of the entry.
    #[frame(prefix = u16)]
    pub value: &'a [u8],
}

impl frame::MetadataEntry for Metadata<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn value(&self) -> &[u8] {
        self.value
    }
}

impl<'a> Call<'a> {
    /// Creates a call of `method` with the encoded arguments `payload`.
    pub fn new(method: &'a str, payload: &'a [u8]) -> Self {
        Self { method, payload, ..Self::default() }
    }

    /// Returns the value of the metadata entry `name`.
    pub fn metadata(&self, name: &str) -> Option<&'a [u8]> {
        self.metadata.iter().find(|entry| entry.name == name).map(|entry| entry.value)
    }
}

/// An answer to a call, or a goodbye.
#[derive(Clone, Debug, PartialEq, Eq, Frame)]
#[frame(crate = crate)]
pub struct Answer<'a> {
    /// The number of bytes that follow; computed.
    #[frame(len(of = rest))]
    pub length: Auto<u32>,
    /// The version, 1.
    #[frame(magic = 1u8)]
    pub version: (),
    /// Flags of later versions: 0.
    #[frame(bits = 6)]
    pub reserved: u8,
    /// True if the server drains the connection; the answer is to no call.
    #[frame(goodbye, bits = 1)]
    pub goodbye: bool,
    /// True if no other answer to the same call follows.
    #[frame(last, bits = 1)]
    pub last: bool,
    /// The number of the call.
    #[frame(seq)]
    pub id: u32,
    /// The outcome: one of [`Code`].
    #[frame(status(
        ok = Code::OK,
        cancelled = Code::CANCELLED,
        failed = Code::FAILED,
        malformed = Code::MALFORMED,
        timeout = Code::TIMEOUT,
        denied = Code::DENIED,
        limit = Code::LIMIT,
        unknown = Code::UNKNOWN,
        panic = Code::PANIC,
        unavailable = Code::UNAVAILABLE,
    ))]
    pub code: u8,
    /// The text of a fault, for people.
    #[frame(prefix = u16)]
    pub message: &'a str,
    /// The result, or the handler's own error, in the encoding that client and server agree on.
    #[frame(payload, rest)]
    pub payload: &'a [u8],
}

/// A successful answer with an empty payload, the last one to its call.
impl Default for Answer<'_> {
    fn default() -> Self {
        Self {
            length: Auto::default(),
            version: (),
            reserved: 0,
            goodbye: false,
            last: true,
            id: 0,
            code: Code::OK,
            message: "",
            payload: &[],
        }
    }
}

impl<'a> Answer<'a> {
    /// Creates the only answer to the call `id`, a success with the encoded result `payload`.
    pub fn new(id: u32, payload: &'a [u8]) -> Self {
        Self { id, payload, ..Self::default() }
    }
}

/// The codes of [`Answer::code`]: gRPC's numbers.
#[derive(Debug)]
pub struct Code(());

impl Code {
    /// The call succeeded.
    pub const OK: u8 = 0;
    /// The caller gave up.
    pub const CANCELLED: u8 = 1;
    /// The handler returned an error of its own, which is the payload.
    pub const FAILED: u8 = 2;
    /// The arguments could not be decoded.
    pub const MALFORMED: u8 = 3;
    /// The time ran out.
    pub const TIMEOUT: u8 = 4;
    /// The caller may not call this method.
    pub const DENIED: u8 = 7;
    /// A limit refused the call.
    pub const LIMIT: u8 = 8;
    /// There is no such method.
    pub const UNKNOWN: u8 = 12;
    /// The handler panicked.
    pub const PANIC: u8 = 13;
    /// The server does not take calls at the moment.
    pub const UNAVAILABLE: u8 = 14;
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::frame::{
        self, Arena, Carries, Goodbye, Judged, Routed, Sequenced, Status, Streamed, Timed,
    };

    #[test]
    fn the_bytes_of_a_call_are_stable() {
        let wire = b"\0\0\0\x1f\x01\x01\0\0\0\x07\0\0\x03\xe8\0\x03add\x01\x05token\0\x02ok[1,2]";
        let arena = Arena::new();
        let call = frame::decode::<Call<'_>>(&wire[..], wire.len(), &arena).unwrap();
        assert_eq!((call.seq(), call.route(), call.one_way), (7, "add", true));
        assert_eq!(call.remaining(), Some(Duration::from_secs(1)));
        assert_eq!(call.payload().to_vec(), b"[1,2]");
        assert_eq!((call.metadata("token"), call.metadata("none")), (Some(&b"ok"[..]), None));
        assert_eq!(frame::round_trip::<Call<'_>>(wire).unwrap(), wire);

        let mut made = Call::new("add", b"[1,2]");
        made.set_seq(7);
        made.set_remaining(Some(Duration::from_secs(1)));
        (made.one_way, made.metadata) = (true, vec![Metadata { name: "token", value: b"ok" }]);
        assert_eq!(made, call);
    }

    #[test]
    fn the_bytes_of_an_answer_are_stable() {
        let wire = b"\0\0\0\x0f\x01\x01\0\0\0\x07\x04\0\x04lateno";
        let arena = Arena::new();
        let answer = frame::decode::<Answer<'_>>(&wire[..], wire.len(), &arena).unwrap();
        assert_eq!((answer.seq(), answer.status(), answer.is_last()), (7, Status::Timeout, true));
        assert_eq!((answer.message, answer.is_goodbye()), ("late", false));
        assert_eq!(answer.payload().to_vec(), b"no");
        assert_eq!(frame::round_trip::<Answer<'_>>(wire).unwrap(), wire);
        assert_eq!(Answer { code: 99, ..answer }.status(), Status::Other);
    }

    #[test]
    fn generic_code_asks_frames_for_their_marks() {
        let arena = Arena::new();
        let mut out = crate::buf::LinkBuffer::new();
        let goodbye = <Answer<'_> as Frame>::new_goodbye().unwrap();
        let n = frame::encode(&goodbye, &mut out).unwrap();
        let read = frame::decode::<Answer<'_>>(&out, n, &arena).unwrap();
        assert!(<Answer<'_> as Frame>::says_goodbye(&read));
        let late = <Answer<'_> as Frame>::new_fault(Status::Timeout).unwrap();
        assert_eq!(late.status(), Status::Timeout);
        assert!(<Call<'_> as Frame>::new_goodbye().is_none());
        let mut call = Call::new("a", b"");
        <Call<'_> as Frame>::set_deadline_of(&mut call, Some(Duration::from_millis(5)));
        assert_eq!(<Call<'_> as Frame>::deadline_of(&call), Some(Duration::from_millis(5)));
    }
}
