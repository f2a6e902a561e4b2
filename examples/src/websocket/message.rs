//! What is said over a WebSocket.

use std::borrow::Cow;

use netpoll::Reply;

use crate::http::Response;

/// The longest reason, in bytes: a control frame has 125, of which the code takes two.
const LONGEST_REASON: usize = 123;

/// Why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The code, from RFC 6455, section 7.4.1; 1005 if the peer gave none.
    pub code: u16,
    /// The reason, for a person.
    pub why: Cow<'static, str>,
}

impl Close {
    /// No code was given. It never stands on the wire.
    pub(super) const NONE: Self = Self { code: 1005, why: Cow::Borrowed("") };
    pub(super) const TOO_LONG: Self =
        Self { code: 1009, why: Cow::Borrowed("a message is too long") };
    pub(super) const NOT_TEXT: Self =
        Self { code: 1007, why: Cow::Borrowed("a text is not UTF-8") };

    /// The peer breaks the protocol.
    pub(super) const fn protocol(why: &'static str) -> Self {
        Self { code: 1002, why: Cow::Borrowed(why) }
    }

    /// Reads the payload of a close frame.
    ///
    /// # Errors
    /// The payload is malformed.
    pub(super) fn parse(payload: &[u8]) -> Result<Self, Self> {
        let Some((code, why)) = payload.split_first_chunk() else {
            return match payload {
                [] => Ok(Self::NONE),
                _ => Err(Self::protocol("half a close code")),
            };
        };
        let code = u16::from_be_bytes(*code);
        let why = str::from_utf8(why).map_err(|_| Self::NOT_TEXT)?;
        if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
            return Err(Self::protocol("a close code that nobody may send"));
        }
        Ok(Self { code, why: why.to_owned().into() })
    }

    /// The payload of a close frame, of 125 bytes at most.
    pub(super) fn payload(&self) -> Vec<u8> {
        if *self == Self::NONE {
            return Vec::new();
        }
        let mut payload = self.code.to_be_bytes().to_vec();
        let ends = (0..=self.why.len().min(LONGEST_REASON)).rev();
        let end = ends.into_iter().find(|at| self.why.is_char_boundary(*at)).unwrap_or(0);
        payload.extend_from_slice(&self.why.as_bytes()[..end]);
        payload
    }
}

/// What a server says.
#[derive(Debug)]
pub enum Output<'a> {
    /// The answer to a request that is no upgrade.
    Http(Response<'a>),
    /// The answer to an upgrade, with the value that shows it was understood.
    Accept(String),
    /// A text.
    Text(Cow<'a, str>),
    /// Bytes.
    Binary(Cow<'a, [u8]>),
    /// A sign of life.
    Ping(Cow<'a, [u8]>),
    /// The answer to a sign of life, with its payload.
    Pong(Cow<'a, [u8]>),
    /// The last frame. The connection is to be closed after it.
    Close(Close),
}

impl Reply for Output<'_> {}
