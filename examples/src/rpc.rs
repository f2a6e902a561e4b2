//! Calls that take as long as they say, in TTHeader frames: what `mux_rpc` serves and `client` calls.

use std::time::Duration;

use netpoll::{Cancel, Frame, IntoErrorReply, Result, State, frame::Auto};

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
        Self { length, magic: (), flags: 0, id: 0, words, head: &HEAD, payload }
    }

    /// Whether an answer is an error.
    pub fn has_failed(&self) -> bool {
        self.flags & FAILED != 0
    }
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
    head: [u8; 4],
    #[frame(rest)]
    payload: Vec<u8>,
}

/// The header: protocol 0 (Thrift's binary one), no transforms, padding.
const HEAD: [u8; 4] = [0; 4];
/// A flag of answers that are errors.
const FAILED: u16 = 1;

fn answer(flags: u16, payload: Vec<u8>) -> Answer {
    let (length, words) = (Auto::default(), Auto::default());
    Answer { length, magic: (), flags, id: 0, words, head: HEAD, payload }
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
        Ok(answer(FAILED, why.into()))
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
    Ok(answer(0, format!("slept {millis} ms").into()))
}
