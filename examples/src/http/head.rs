//! A request's head: the request line and the fields that say how the request is framed.

use std::ops::Range;

use httparse::{EMPTY_HEADER, Error};

use super::Refusal;

/// The most header fields, and the most trailer fields.
pub(super) const MAX_FIELDS: usize = 100;

/// The length of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Known, in bytes; 0 where there is no body.
    Length(usize),
    /// Told chunk by chunk.
    Chunks,
}

/// The parts of a head, as ranges of its bytes, and what its fields say of the connection.
#[derive(Clone, Debug)]
pub struct Head {
    pub(super) method: Range<usize>,
    /// The path and the query, without the scheme and the authority that a proxy is sent.
    pub(super) path: Range<usize>,
    /// The first byte of the fields' lines.
    pub(super) fields: usize,
    /// The version is HTTP/1.1, else HTTP/1.0.
    pub(super) is_1_1: bool,
    /// The client goes on with the connection after the answer.
    pub(super) keep_alive: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub(super) expects: bool,
    pub(super) body: Body,
}

impl Head {
    /// Parses `bytes`, a head with its empty line; each line is known to end by CR LF.
    ///
    /// # Errors
    /// The head is malformed, or its framing is not one that every reader understands the same way.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut room = [EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut room);
        let status = request.parse(bytes).map_err(|error| refusal(error, bytes))?;
        let (Some(method), Some(target), Some(minor)) =
            (request.method, request.path, request.version)
        else {
            return Err(Refusal::bad("the head is not complete"));
        };
        if status.is_partial() {
            return Err(Refusal::bad("the head is not complete"));
        }
        let is_1_1 = minor == 1;
        let mut said = Fields::default();
        for field in request.headers.iter() {
            said.note(field.name, trim(field.value))?;
        }
        if said.hosts == 0 && is_1_1 {
            return Err(Refusal::bad("there is no Host field"));
        }
        let (length, chunked) = (said.length, said.chunked);
        let body = match length {
            // Whoever says both may mean to hide a request in the body.
            Some(_) if chunked => return Err(Refusal::bad("both a length and a transfer coding")),
            None if chunked && !is_1_1 => {
                return Err(Refusal::bad("a transfer coding in HTTP/1.0"));
            }
            None if chunked => Body::Chunks,
            length => Body::Length(length.unwrap_or(0)),
        };
        let start = offset(bytes, target.as_bytes());
        let path = path_of(method, target)?;
        let line = bytes.iter().position(|c| *c == b'\n').map_or(bytes.len(), |at| at + 1);
        Ok(Self {
            method: 0..method.len(),
            path: start + path.start..start + path.end,
            fields: line,
            is_1_1,
            keep_alive: !said.close && (is_1_1 || said.keep_alive),
            expects: said.expects && is_1_1 && body != Body::Length(0),
            body,
        })
    }
}

/// What the fields that matter here say.
#[derive(Default)]
struct Fields {
    hosts: usize,
    length: Option<usize>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    expects: bool,
}

impl Fields {
    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), Refusal> {
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        // Most fields are none of these: their length tells.
        match name.len() {
            4 if is("host") => {
                self.hosts += 1;
                if self.hosts > 1 {
                    return Err(Refusal::bad("two Host fields"));
                }
                if !value.iter().all(|c| is_host(*c)) {
                    return Err(Refusal::bad("the Host field is no host"));
                }
            }
            6 if is("expect") => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal { status: 417, why: "an unknown expectation" });
                }
                self.expects = true;
            }
            10 if is("connection") => {
                for option in value.split(|c| *c == b',').map(trim) {
                    self.close |= option.eq_ignore_ascii_case(b"close");
                    self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            }
            14 if is("content-length") => {
                let length = length(value)?;
                if self.length.is_some() {
                    return Err(Refusal::bad("two Content-Length fields"));
                }
                self.length = Some(length);
            }
            17 if is("transfer-encoding") => {
                if self.chunked {
                    return Err(Refusal::bad("two Transfer-Encoding fields"));
                }
                if !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::unknown("a transfer coding that is not `chunked` alone"));
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The number that a Content-Length field says.
fn length(value: &[u8]) -> Result<usize, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::bad("the Content-Length field is no number"));
    }
    // Digits alone fail to be a number only by being too many.
    let digits = str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
    digits.ok_or(Refusal::TOO_LARGE)
}

/// Where the path and the query stand in `target`.
fn path_of(method: &str, target: &str) -> Result<Range<usize>, Refusal> {
    if target.contains('#') || !target.is_ascii() {
        return Err(Refusal::bad("the request target is no URI"));
    }
    if method == "CONNECT" {
        return Err(Refusal::unknown("tunnels are not served"));
    }
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        return Ok(0..target.len());
    }
    let scheme = ["http://", "https://"].into_iter().find(|scheme| {
        target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    });
    let start = scheme.ok_or(Refusal::bad("the request target has no form that is known"))?.len();
    let rest = &target[start..];
    let authority = rest.find(['/', '?']).unwrap_or(rest.len());
    if authority == 0 || !rest[..authority].bytes().all(is_host) {
        return Err(Refusal::bad("the request target's authority is no host"));
    }
    Ok(start + authority..target.len())
}

/// Whether `c` can stand in a host and its port.
fn is_host(c: u8) -> bool {
    c.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(&c)
}

/// The start of `part` within `whole`, of which it is a part.
fn offset(whole: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr() - whole.as_ptr().addr()
}

/// `value` without the blanks around it, of which HTTP knows two.
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let is_blank = |c: &u8| matches!(c, b' ' | b'\t');
    let start = value.iter().position(|c| !is_blank(c)).unwrap_or(value.len());
    let end = value.iter().rposition(|c| !is_blank(c)).map_or(start, |at| at + 1);
    &value[start..end]
}

/// `error` as an answer.
#[cold]
fn refusal(error: Error, bytes: &[u8]) -> Refusal {
    Refusal::bad(match error {
        Error::TooManyHeaders => return Refusal::MANY_FIELDS,
        Error::Version if has_other_version(bytes) => {
            return Refusal { status: 505, why: "the version is not served" };
        }
        Error::HeaderName => "a header field has no proper name",
        Error::HeaderValue => "a header field has no proper value",
        Error::NewLine => "a line does not end by CR LF",
        Error::Token => "the method is no token",
        _ => "the request line is malformed",
    })
}

/// Whether the request line is right but for its version.
fn has_other_version(bytes: &[u8]) -> bool {
    let line = bytes.split(|c| *c == b'\r').next().unwrap_or_default();
    let mut words = line.split(|c| *c == b' ').skip(2);
    let (version, after) = (words.next().unwrap_or_default(), words.next());
    after.is_none()
        && matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> u16 {
        Head::parse(head.as_bytes()).map_or_else(|refusal| refusal.status, |_| 200)
    }

    #[test]
    fn targets_of_each_form_lead_to_their_path() {
        for (target, path) in [
            ("/a?b", "/a?b"),
            ("http://host/a?b", "/a?b"),
            ("HTTP://host:80/", "/"),
            ("https://[::1]:80", ""),
            ("http://host?q", "?q"),
        ] {
            let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
            let parsed = Head::parse(head.as_bytes()).unwrap();
            assert_eq!(&head[parsed.path], path, "{target}");
        }
        for target in ["a", "*", "ftp://host/", "http:///a", "http://me@host/", "/a#b", "http://"] {
            assert_eq!(
                status(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")),
                400,
                "{target}"
            );
        }
        assert_eq!(status("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
        assert_eq!(status("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
    }

    #[test]
    fn a_connection_is_kept_by_its_version_and_options() {
        for (version, options, kept) in [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: keep-alive\r\nConnection: x, CLOSE\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive, close\r\n", false),
        ] {
            let head = format!("GET / HTTP/{version}\r\nHost: a\r\n{options}\r\n");
            let parsed = Head::parse(head.as_bytes()).unwrap();
            assert_eq!(parsed.keep_alive, kept, "{head}");
        }
    }

    #[test]
    fn blanks_are_spaces_and_tabs() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b"\x0ca"), b"\x0ca");
        assert_eq!(trim(b"  "), b"");
    }
}
