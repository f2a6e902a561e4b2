//! Responses: a head, then a body by its length or in chunks.

use std::borrow::Cow;

use netpoll::frame::{Encode, EncodeError, Encoder};

/// Bytes of a chunk.
const CHUNK: usize = 8 << 10;

/// A response.
#[derive(Debug)]
pub struct Response<'a> {
    /// 200 and so on.
    pub status: u16,
    /// The body's media type.
    pub content_type: &'static str,
    /// The body.
    pub body: Cow<'a, [u8]>,
    /// The body is sent in chunks, its length unsaid.
    pub chunked: bool,
    /// The body is left out: the request was `HEAD`.
    pub head_only: bool,
    /// Nothing follows on this connection.
    pub close: bool,
}

impl<'a> Response<'a> {
    /// A response of text.
    pub fn text(status: u16, body: impl Into<Cow<'a, [u8]>>) -> Self {
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body: body.into(),
            chunked: false,
            head_only: false,
            close: false,
        }
    }

    fn head(&self) -> String {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            _ => "",
        };
        let how = match self.chunked {
            true => "transfer-encoding: chunked".to_owned(),
            false => format!("content-length: {}", self.body.len()),
        };
        let close = if self.close { "connection: close\r\n" } else { "" };
        let (status, kind) = (self.status, self.content_type);
        format!("HTTP/1.1 {status} {reason}\r\ncontent-type: {kind}\r\n{how}\r\n{close}\r\n")
    }
}

impl Encode for Response<'_> {
    fn encoded_len(&self) -> usize {
        let body = match (self.head_only, self.chunked) {
            (true, _) => 0,
            (false, false) => self.body.len(),
            (false, true) => {
                let chunks = self.body.chunks(CHUNK);
                chunks
                    .map(|chunk| format!("{:x}", chunk.len()).len() + chunk.len() + 4)
                    .sum::<usize>()
                    + LAST.len()
            }
        };
        self.head().len() + body
    }

    fn encode(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        w.write(self.head().as_bytes())?;
        if self.head_only {
            return Ok(());
        }
        if !self.chunked {
            return w.write(&self.body);
        }
        for chunk in self.body.chunks(CHUNK) {
            w.write(format!("{:x}\r\n", chunk.len()).as_bytes())?;
            w.write(chunk)?;
            w.write(b"\r\n")?;
        }
        w.write(LAST)
    }
}

/// What ends a body in chunks.
const LAST: &[u8] = b"0\r\n\r\n";
