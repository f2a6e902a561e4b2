//! Responses: a head, then a body by its length or in chunks.

use std::{borrow::Cow, fmt::Write as _};

use netpoll::{
    Reply,
    frame::{EncodeError, Encoder},
};

use super::{Refusal, codec::Answer, date};

/// Bytes of a chunk.
const CHUNK: usize = 8 << 10;

/// The end of a body in chunks.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A response. The codec gives it the form that its request asks for.
#[derive(Clone, Debug)]
pub struct Response<'a> {
    /// 200 and so on.
    pub status: u16,
    /// The body's media type.
    pub content_type: &'static str,
    /// Further header fields, each line with its end.
    pub fields: &'static str,
    /// The body.
    pub body: Cow<'a, [u8]>,
    /// The body is sent in chunks, its length unsaid, to clients that know chunks.
    pub chunked: bool,
    /// Nothing follows on this connection.
    pub close: bool,
}

impl<'a> Response<'a> {
    /// The interim answer to a client that waits for it before it sends a body.
    pub const CONTINUE: Self = Self {
        status: 100,
        content_type: "",
        fields: "",
        body: Cow::Borrowed(&[]),
        chunked: false,
        close: false,
    };

    /// A response of text.
    pub fn text(status: u16, body: impl Into<Cow<'a, [u8]>>) -> Self {
        let content_type = "text/plain; charset=utf-8";
        Self { status, content_type, body: body.into(), ..Self::CONTINUE }
    }

    /// Writes it in the form that `answer` says; `head` is room to work in.
    pub(super) fn write(
        &self,
        answer: Answer,
        head: &mut String,
        w: &mut Encoder<'_>,
    ) -> Result<(), EncodeError> {
        if self.status == Self::CONTINUE.status {
            return w.write(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        let chunked = self.chunked && answer.chunks;
        self.head(answer, chunked, head);
        w.write(head.as_bytes())?;
        if answer.head_only {
            return Ok(());
        }
        if !chunked {
            return w.write(&self.body);
        }
        for chunk in self.body.chunks(CHUNK) {
            w.write(format!("{:x}\r\n", chunk.len()).as_bytes())?;
            w.write(chunk)?;
            w.write(b"\r\n")?;
        }
        w.write(LAST_CHUNK)
    }

    fn head(&self, answer: Answer, chunked: bool, head: &mut String) {
        let (status, reason, kind) = (self.status, reason(self.status), self.content_type);
        head.clear();
        // Writing to a string cannot fail.
        let _ = write!(head, "HTTP/1.1 {status} {reason}\r\ndate: ");
        date::with_now(|date| head.push_str(date));
        let _ = write!(head, "\r\ncontent-type: {kind}\r\n");
        let _ = match chunked {
            true => write!(head, "transfer-encoding: chunked\r\n"),
            false => write!(head, "content-length: {}\r\n", self.body.len()),
        };
        head.push_str(self.fields);
        if self.close {
            head.push_str("connection: close\r\n");
        } else if answer.say_keep_alive {
            head.push_str("connection: keep-alive\r\n");
        }
        head.push_str("\r\n");
    }
}

impl Reply for Response<'_> {}

impl From<Refusal> for Response<'static> {
    fn from(refusal: Refusal) -> Self {
        let body = format!("{}\n", refusal.why).into_bytes();
        Self { close: true, ..Self::text(refusal.status, body) }
    }
}

/// The reason phrase of `status`.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}
