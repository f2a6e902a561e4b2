//! The part of HTTP/1.1 that the endpoint speaks: a request's head, and an answer that ends with its
//! connection.

/// The head of a request, up to its empty line.
#[derive(Debug, netpoll_macros::Frame)]
#[frame(crate = crate)]
pub(super) struct Head<'a> {
    #[frame(until = b"\r\n\r\n")]
    text: &'a [u8],
}

impl Head<'_> {
    /// Returns the method, or an empty text for a line that is not a request's.
    pub(super) fn method(&self) -> &str {
        self.words().next().unwrap_or_default()
    }

    /// Returns the path without its query.
    pub(super) fn path(&self) -> &str {
        let target = self.words().nth(1).unwrap_or_default();
        target.split_once('?').map_or(target, |(path, _)| path)
    }

    fn words(&self) -> impl Iterator<Item = &str> {
        let line = self.text.split(|byte| *byte == b'\r').next().unwrap_or_default();
        std::str::from_utf8(line).unwrap_or_default().split(' ')
    }
}

/// An answer.
pub(super) struct Answer {
    status: &'static str,
    kind: &'static str,
    body: String,
}

impl Answer {
    /// A text, with a status that says whether all is well.
    pub(super) fn text(is_well: bool, body: String) -> Self {
        let status = if is_well { "200 OK" } else { "503 Service Unavailable" };
        Self { status, kind: "text/plain; charset=utf-8", body }
    }

    pub(super) fn html(body: &str) -> Self {
        Self { status: "200 OK", kind: "text/html; charset=utf-8", body: body.into() }
    }

    pub(super) fn json(body: String) -> Self {
        Self { status: "200 OK", kind: "application/json", body }
    }

    pub(super) fn metrics(body: String) -> Self {
        Self { status: "200 OK", kind: "text/plain; version=0.0.4; charset=utf-8", body }
    }

    pub(super) fn not_found() -> Self {
        let body = "not found: see / for what is here\n".into();
        Self { status: "404 Not Found", kind: "text/plain; charset=utf-8", body }
    }

    pub(super) fn not_allowed() -> Self {
        let body = "only GET and HEAD are answered\n".into();
        Self {
            status: "405 Method Not Allowed\r\nAllow: GET, HEAD",
            kind: "text/plain; charset=utf-8",
            body,
        }
    }

    /// Returns the answer's bytes; a HEAD request gets no body.
    pub(super) fn into_bytes(self, with_body: bool) -> Vec<u8> {
        let Self { status, kind, body } = self;
        let length = body.len();
        let mut bytes = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        )
        .into_bytes();
        if with_body {
            bytes.extend(body.into_bytes());
        }
        bytes
    }
}
