//! Calls that take as long as they say, in TTHeader frames: what `mux_rpc` serves and `client` calls.

use std::time::Duration;

use netpoll::{
    Cancel, Frame, IntoErrorReply, Result, State,
    buf::LinkBuffer,
    frame::{self, Arena, Auto},
};

/// A frame of TTHeader: a number, header words of four bytes, and a payload.
#[derive(Frame)]
pub struct TtHeader<'a> {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(magic = 0x1000u16)]
    magic: (),
    flags: u16,
    #[frame(seq)]
    id: u32,
    #[frame(len(of = head, unit = 4))]
    words: Auto<u16>,
    head: &'a [u8],
    /// A call's: how many milliseconds it takes, as text. An answer's: what came of it.
    #[frame(rest)]
    pub payload: &'a [u8],
}

impl<'a> TtHeader<'a> {
    /// A call. Its number is the client's business.
    pub fn call(payload: &'a [u8]) -> Self {
        let (length, words) = (Auto::default(), Auto::default());
        Self { length, magic: (), flags: OUT_OF_ORDER, id: 0, words, head: &HEAD, payload }
    }

    /// Whether an answer is an error: its head says so as the heads of Kitex do.
    pub fn has_failed(&self) -> bool {
        let arena = Arena::new();
        let Ok(head) = frame::decode::<Head<'_>>(self.head, self.head.len(), &arena) else {
            return true;
        };
        head.infos.iter().any(|info| match info {
            Info::Strings(pairs) => {
                pairs.iter().any(|pair| pair.key == STATUS && pair.value != "0")
            }
            _ => false,
        })
    }
}

/// What the head words hold.
#[derive(Frame)]
#[frame(datagram)]
struct Head<'a> {
    protocol: u8,
    #[frame(count_prefix = u8)]
    transforms: Vec<u8>,
    #[frame(rest)]
    infos: Vec<Info<'a>>,
}

#[derive(Frame)]
#[frame(tag = u8)]
enum Info<'a> {
    #[frame(tag = 0)]
    Padding,
    #[frame(tag = 0x01)]
    Strings(#[frame(count_prefix = u16)] Vec<Pair<'a>>),
    #[frame(tag = 0x10)]
    Numbered(#[frame(count_prefix = u16)] Vec<Numbered<'a>>),
    #[frame(tag = 0x11)]
    Token(#[frame(prefix = u16)] &'a str),
}

#[derive(Frame)]
struct Pair<'a> {
    #[frame(prefix = u16)]
    key: &'a str,
    #[frame(prefix = u16)]
    value: &'a str,
}

#[derive(Frame)]
struct Numbered<'a> {
    key: u16,
    #[frame(prefix = u16)]
    value: &'a str,
}

/// An answer, which owns its payload.
#[derive(Frame)]
pub struct Answer {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(magic = 0x1000u16)]
    magic: (),
    flags: u16,
    #[frame(seq)]
    id: u32,
    #[frame(len(of = head, unit = 4))]
    words: Auto<u16>,
    head: Vec<u8>,
    #[frame(rest)]
    payload: Vec<u8>,
}

impl Answer {
    /// An answer that is no error.
    pub fn new(payload: Vec<u8>) -> Self {
        answer(HEAD.to_vec(), payload)
    }
}

/// The header: protocol 0 (Thrift's binary one), no transforms, padding.
const HEAD: [u8; 4] = [0; 4];
/// The flag of peers that match answers to calls by their numbers.
const OUT_OF_ORDER: u16 = 1;
/// The key of a head's status; 0 stands for success.
const STATUS: &str = "biz-status";
/// The key of the reason for another status.
const MESSAGE: &str = "biz-message";

fn answer(head: Vec<u8>, payload: Vec<u8>) -> Answer {
    let (length, words) = (Auto::default(), Auto::default());
    Answer { length, magic: (), flags: OUT_OF_ORDER, id: 0, words, head, payload }
}

/// The head of an answer that is an error.
fn failed(why: &str) -> Result<Vec<u8>> {
    let pairs = [(STATUS, "1"), (MESSAGE, why)].map(|(key, value)| Pair { key, value });
    let infos = vec![Info::Strings(pairs.into())];
    let mut out = LinkBuffer::new();
    frame::encode(&Head { protocol: 0, transforms: Vec::new(), infos }, &mut out)?;
    out.flush();
    let mut head = out.next(out.len())?.to_vec();
    // Padding fills the last word.
    head.resize(head.len().next_multiple_of(4), 0);
    Ok(head)
}

/// What a client may be told instead of an answer.
#[derive(Debug)]
pub enum RpcError {
    /// The call's payload.
    NotANumber,
    /// The client left.
    Cancelled,
}

impl IntoErrorReply<Answer> for RpcError {
    fn into_error_reply(self) -> Result<Answer> {
        let why = match self {
            Self::NotANumber => "a call is so many milliseconds, as text",
            Self::Cancelled => "nobody waits",
        };
        Ok(answer(failed(why)?, why.into()))
    }
}

/// The server.
#[netpoll::server(on_request = call)]
#[derive(Debug)]
pub struct Rpc {
    /// The longest time that a call may take.
    pub longest: Duration,
}

/// Answers a call after its time, beside others.
///
/// # Errors
/// Its payload is no number; or nobody waits any more.
#[netpoll::on_request(concurrent = 256, timeout = "5s")]
pub async fn call(
    rpc: State<'_, Rpc>,
    cancel: Cancel,
    request: TtHeader<'_>,
) -> Result<Answer, RpcError> {
    let text = std::str::from_utf8(request.payload).map_err(|_| RpcError::NotANumber)?;
    let millis = text.parse().map_err(|_| RpcError::NotANumber)?;
    netpoll::sleep(Duration::from_millis(millis).min(rpc.longest)).await;
    cancel.check().map_err(|_| RpcError::Cancelled)?;
    Ok(Answer::new(format!("slept {millis} ms").into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wire's bytes, as a peer that knows nothing of this program reads them.
    #[test]
    fn an_error_is_told_in_the_head_and_not_by_a_flag() {
        let mut out = LinkBuffer::new();
        let refused = RpcError::NotANumber.into_error_reply().unwrap();
        frame::encode(&refused, &mut out).unwrap();
        out.flush();
        let wire = out.next(out.len()).unwrap().to_vec();
        assert_eq!(wire[4..8], [0x10, 0, 0, 1], "magic, and the flag of answers out of order");
        let words = usize::from(u16::from_be_bytes([wire[12], wire[13]]));
        let head = &wire[14..14 + 4 * words];
        let start = b"\0\0\x01\0\x02\0\x0abiz-status\0\x011\0\x0bbiz-message\0";
        assert!(head.starts_with(start), "{}", head.escape_ascii());
        let arena = Arena::new();
        let read = |wire: &[u8]| {
            frame::decode::<TtHeader<'_>>(wire, wire.len(), &arena).unwrap().has_failed()
        };
        assert!(read(&wire));
        let mut out = LinkBuffer::new();
        frame::encode(&Answer::new(Vec::new()), &mut out).unwrap();
        out.flush();
        assert!(!read(out.next(out.len()).unwrap()));
    }
}
