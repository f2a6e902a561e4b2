//! Requests: a head, then a body by its length or in chunks.

use std::borrow::Cow;

use netpoll::frame::{
    Cursor, Decode, DecodeError, Decoder, Find, Frame, FrameErrorKind, Progress, Resume, ScanError,
    Scanner, Stop, Window,
};

const HEAD_END: &[u8] = b"\r\n\r\n";
const LINE_END: &[u8] = b"\r\n";
/// The longest head, in bytes.
const MAX_HEAD: usize = 64 << 10;
/// The most header fields.
const MAX_FIELDS: usize = 100;
/// The longest line before a chunk, and the longest one after the last.
const MAX_LINE: usize = 4096;

/// A request. What it borrows lies where it was received; a body in chunks is put together.
///
/// ```
/// use netpoll::frame::{Arena, decode};
/// use netpoll_examples::http::Request;
///
/// let (wire, arena) = (b"PUT /x HTTP/1.1\r\ncontent-length: 2\r\n\r\nhi", Arena::new());
/// let request = decode::<Request<'_>>(&wire[..], wire.len(), &arena)?;
/// assert_eq!((request.method, request.path, &*request.body), ("PUT", "/x", &b"hi"[..]));
/// assert!(request.keep_alive);
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Debug)]
pub struct Request<'a> {
    /// `GET`, `POST` and so on.
    pub method: &'a str,
    /// The target, as it was written.
    pub path: &'a str,
    /// Whether the connection goes on after the answer.
    pub keep_alive: bool,
    /// The body; empty if there is none.
    pub body: Cow<'a, [u8]>,
}

/// How the body's end is found.
#[derive(Clone, Copy, Debug)]
enum Body {
    Length(usize),
    Chunks,
}

/// What the head says.
struct Head<'a> {
    method: &'a str,
    path: &'a str,
    keep_alive: bool,
    body: Body,
}

fn parse(bytes: &[u8]) -> Result<Head<'_>, FrameErrorKind> {
    let wrong = |why: &str| FrameErrorKind::Other(why.to_owned());
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(bytes).map_err(|e| FrameErrorKind::Other(e.to_string()))?;
    if parsed.is_partial() {
        return Err(wrong("a head of empty lines"));
    }
    let mut keep_alive = request.version == Some(1);
    let (mut length, mut chunks) = (None, false);
    for field in request.headers.iter() {
        let value = field.value.trim_ascii();
        if field.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(value).unwrap_or_default();
            let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
            let n = text.parse::<usize>().ok().filter(|_| digits);
            let n = n.ok_or_else(|| wrong("a content-length that is no number"))?;
            if length.replace(n).is_some_and(|before| before != n) {
                return Err(wrong("two lengths"));
            }
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            if !value.eq_ignore_ascii_case(b"chunked") {
                return Err(wrong("a transfer-encoding that is not `chunked`"));
            }
            chunks = true;
        } else if field.name.eq_ignore_ascii_case("connection") {
            for option in value.split(|c| *c == b',').map(<[u8]>::trim_ascii) {
                if option.eq_ignore_ascii_case(b"close") {
                    keep_alive = false;
                } else if option.eq_ignore_ascii_case(b"keep-alive") {
                    keep_alive = true;
                }
            }
        }
    }
    // Whoever says both may mean to hide a request in the body.
    let body = match (length, chunks) {
        (Some(_), true) => return Err(wrong("a length, and chunks")),
        (length, false) => Body::Length(length.unwrap_or(0)),
        (None, true) => Body::Chunks,
    };
    let (method, path) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    Ok(Head { method, path, keep_alive, body })
}

impl Frame for Request<'_> {
    type Scan = RequestScan;
    type At<'a> = Request<'a>;
    const MIN: usize = 16;
}

impl<'a> Decode<'a> for Request<'a> {
    fn decode(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let n = r.before(HEAD_END)? + HEAD_END.len();
        let bytes = r.bytes(n)?;
        let Head { method, path, keep_alive, body } = parse(bytes).map_err(|why| r.fail(why))?;
        let body = match body {
            Body::Length(n) => Cow::Borrowed(r.bytes(n)?),
            Body::Chunks => Cow::Owned(chunks(r)?),
        };
        Ok(Self { method, path, keep_alive, body })
    }
}

fn chunks(r: &mut Decoder<'_>) -> Result<Vec<u8>, DecodeError> {
    let mut body = Vec::new();
    loop {
        let line = r.until(LINE_END, MAX_LINE)?;
        let n = chunk_size(line).ok_or_else(|| r.fail(FrameErrorKind::Digits))?;
        if n == 0 {
            r.skip(r.left())?;
            return Ok(body);
        }
        body.extend_from_slice(r.bytes(n)?);
        r.skip(LINE_END.len())?;
    }
}

/// The size that the line before a chunk says, whatever extensions follow.
fn chunk_size(line: &[u8]) -> Option<usize> {
    let digits = line.split(|c| *c == b';').next()?.trim_ascii();
    let fine = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok().filter(|_| fine)
}

/// Finds where a request ends.
#[derive(Debug, Default)]
pub struct RequestScan {
    state: State,
    resume: Resume,
}

#[derive(Debug)]
enum State {
    Head(Find),
    /// So many bytes follow.
    Length(usize),
    /// A line before a chunk begins.
    Size(Find),
    /// A chunk of so many bytes, and its line's end.
    Chunk(usize),
    /// Lines after the last chunk, to an empty one.
    Trailer(Find),
}

impl Default for State {
    fn default() -> Self {
        Self::Head(Find::default())
    }
}

impl Scanner for RequestScan {
    fn scan(&mut self, w: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        self.resume.scan(w, max, |cursor| self.state.skip(cursor))
    }
}

impl State {
    /// Passes the request, from the position that was committed last.
    fn skip(&mut self, c: &mut Cursor<'_>) -> Result<(), Stop> {
        loop {
            *self = match self {
                Self::Head(find) => {
                    c.until(find, HEAD_END, MAX_HEAD)?;
                    match parse(&c.since(0)).map_err(|why| c.fail(why))?.body {
                        Body::Length(n) => Self::Length(n),
                        Body::Chunks => Self::Size(Find::default()),
                    }
                }
                Self::Length(n) => return c.skip(*n),
                Self::Size(find) => {
                    let from = c.pos();
                    let n = c.until(find, LINE_END, MAX_LINE)?;
                    let line = c.since(from);
                    match chunk_size(&line[..n]).ok_or_else(|| c.fail(FrameErrorKind::Digits))? {
                        0 => Self::Trailer(Find::default()),
                        n => Self::Chunk(n),
                    }
                }
                Self::Chunk(n) => {
                    let size = n
                        .checked_add(LINE_END.len())
                        .ok_or_else(|| c.fail(FrameErrorKind::Digits))?;
                    c.skip(size)?;
                    Self::Size(Find::default())
                }
                Self::Trailer(find) => match c.until(find, LINE_END, MAX_LINE)? {
                    0 => return Ok(()),
                    _ => Self::Trailer(Find::default()),
                },
            };
            c.commit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpoll::buf::LinkBuffer;

    /// The parser passes over empty lines, and was asked no more whether a request came after them: one
    /// without a method was served.
    #[test]
    fn a_head_of_empty_lines_is_no_request() {
        for (wire, stands) in [("\r\n\r\n", false), ("\r\nGET / HTTP/1.1\r\n\r\n", true)] {
            let input = LinkBuffer::try_from(wire.as_bytes()).unwrap();
            let found = RequestScan::default().scan(&Window::new(&input), MAX_HEAD);
            assert_eq!(found.is_ok(), stands, "{wire:?}: {found:?}");
        }
    }
}
