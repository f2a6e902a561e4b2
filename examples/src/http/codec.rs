//! The codec: finds requests in what a connection receives, and writes the answers.

use std::borrow::Cow;

use httparse::EMPTY_HEADER;
use netpoll::frame::{
    Codec, Cursor, DecodeError, Decoder, EncodeError, Encoder, Find, FrameErrorKind, Progress,
    Resume, ScanError, Stop, Window,
};

use super::{Body, Head, Refusal, Request, Response, chunks::SizeLine, head::MAX_FIELDS};

/// The longest head, and the longest trailer section, in bytes.
const MAX_HEAD: usize = 64 << 10;

const LINE_END: &[u8; 2] = b"\r\n";

/// The server's side of HTTP/1.1 on one connection.
///
/// What is no request comes as a message too, [`Message::Refused`], so that it is answered in its turn,
/// after the requests before it.
///
/// ```
/// use netpoll::frame::{Arena, Codec, Progress, Decoder, Window};
/// use netpoll_examples::http::{Http1, Message};
///
/// let (mut http, arena) = (Http1::default(), Arena::new());
/// let wire = &b"PUT /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"[..];
/// let found = http.scan(&mut Default::default(), &Window::new(wire), 1 << 20)?;
/// assert_eq!(found, Progress::Ready(wire.len()));
/// let message = http.decode(&mut Decoder::new(wire, wire.len(), &arena))?;
/// let Message::Request(request) = message else { panic!("{message:?}") };
/// assert_eq!((request.method(), request.path(), &*request.body), ("PUT", "/x", &b"hi"[..]));
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Http1 {
    /// What the last scan found, for decoding.
    found: Option<Found>,
    /// The request whose body is still to come: the client waits for `100 Continue`.
    awaited: Option<(Vec<u8>, Head)>,
    /// The last message was an empty line.
    blank: bool,
    /// What the last request says of its answer.
    pub(super) answer: Answer,
    /// Where an answer's head is put together.
    pub(super) scratch: String,
}

/// What a request says of the form of its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// It was `HEAD`: the body is left out.
    pub(super) head_only: bool,
    /// It was of HTTP/1.1: the answer may be sent in chunks.
    pub(super) chunks: bool,
    /// The client asked to keep a connection of HTTP/1.0.
    pub(super) say_keep_alive: bool,
}

impl Default for Answer {
    fn default() -> Self {
        Self { head_only: false, chunks: true, say_keep_alive: false }
    }
}

#[derive(Debug)]
enum Found {
    Request(Head),
    Expects(Head),
    /// The body of the request that is awaited.
    Awaited,
    Blank,
    Refused(Refusal),
}

/// What comes from a client.
#[derive(Debug)]
pub enum Message<'a> {
    /// A request.
    Request(Request<'a>),
    /// A request without its body, which the client sends after `100 Continue`
    /// ([`Response::CONTINUE`]), or not at all after a final answer.
    Expects(Request<'a>),
    /// An empty line before a request, which old clients send; there is no answer.
    Blank,
    /// Something that is no request, or none that is served. The connection is to be closed after
    /// the answer.
    Refused(Refusal),
}

/// The scan of one message.
#[derive(Debug, Default)]
pub struct Scan {
    resume: Resume,
    step: Step,
    head: Option<Head>,
    refusal: Option<Refusal>,
}

#[derive(Debug, Default)]
enum Step {
    #[default]
    Start,
    /// A line of the head.
    Line(Find),
    /// This many bytes follow.
    Length(usize),
    /// A line before a chunk.
    Size(SizeLine),
    /// A chunk of this many bytes and its CR LF; then the next line.
    Chunk(usize, SizeLine),
    /// A line after the last chunk; the first of them stands at this offset.
    Trailer(Find, usize),
}

impl Codec for Http1 {
    type Scan = Scan;
    type In<'a> = Message<'a>;
    type Out<'a> = Response<'a>;

    fn scan(&mut self, scan: &mut Scan, w: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        let Scan { resume, step, head, refusal } = scan;
        let mut steps = Steps { w, step, head, refusal, http: self };
        match resume.scan(w, max, |cursor| steps.run(cursor)) {
            Ok(Progress::Ready(n)) => {
                if self.found.is_none() {
                    self.found = Some(head.take().map_or(Found::Awaited, Found::Request));
                }
                Ok(Progress::Ready(n))
            }
            Ok(need) => Ok(need),
            // What is not explained otherwise is longer than `max`. All that came belongs to it, and nothing is
            // read behind the refusal: the connection ends.
            Err(_) => {
                self.found = Some(Found::Refused(refusal.take().unwrap_or(Refusal::TOO_LARGE)));
                Ok(Progress::Ready(w.len().min(max)))
            }
        }
    }

    fn decode<'a>(&mut self, r: &mut Decoder<'a>) -> Result<Message<'a>, DecodeError> {
        let found = self.found.take();
        let Some(found) = found else {
            return Err(r.fail(FrameErrorKind::Other("no scan has found a message".to_owned())));
        };
        self.blank = matches!(found, Found::Blank);
        let (bytes, head) = match found {
            Found::Blank => return Ok(Message::Blank),
            Found::Refused(refusal) => {
                self.answer = Answer::default();
                return Ok(Message::Refused(refusal));
            }
            Found::Awaited => {
                let awaited = self.awaited.take();
                let (bytes, head) = awaited.ok_or_else(|| {
                    r.fail(FrameErrorKind::Other("no body is awaited".to_owned()))
                })?;
                (Cow::Owned(bytes), head)
            }
            Found::Request(head) => (Cow::Borrowed(r.bytes(head_len(r)?)?), head),
            Found::Expects(head) => {
                let bytes = r.bytes(r.left())?;
                self.awaited = Some((bytes.to_vec(), head.clone()));
                let request = Request { bytes: bytes.into(), head, body: Cow::Borrowed(&[]) };
                self.answer = Answer::of(&request);
                return Ok(Message::Expects(request));
            }
        };
        let body = match head.body {
            Body::Length(n) => Cow::Borrowed(r.bytes(n)?),
            Body::Chunks => chunks(r)?,
        };
        let request = Request { bytes, head, body };
        self.answer = Answer::of(&request);
        Ok(Message::Request(request))
    }

    fn encode(&mut self, response: &Response<'_>, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        response.write(self.answer, &mut self.scratch, w)
    }
}

impl Answer {
    fn of(request: &Request<'_>) -> Self {
        let Head { is_1_1, keep_alive, .. } = request.head;
        Self {
            head_only: request.method() == "HEAD",
            chunks: is_1_1,
            say_keep_alive: keep_alive && !is_1_1,
        }
    }
}

/// Bytes of the head that `r` stands at.
fn head_len(r: &Decoder<'_>) -> Result<usize, DecodeError> {
    const HEAD_END: &[u8] = b"\r\n\r\n";
    Ok(r.before(HEAD_END)? + HEAD_END.len())
}

/// The body in chunks that `r` stands at: borrowed if it is one chunk.
fn chunks<'a>(r: &mut Decoder<'a>) -> Result<Cow<'a, [u8]>, DecodeError> {
    let (mut body, mut line) = (Cow::Borrowed(&[][..]), SizeLine::default());
    loop {
        let [byte] = r.take()?;
        let size =
            line.push(byte).map_err(|why| r.fail(FrameErrorKind::Other(why.why.to_owned())))?;
        let Some(size) = size else { continue };
        if size == 0 {
            r.skip(r.left())?;
            return Ok(body);
        }
        let chunk = r.bytes(usize::try_from(size).unwrap_or(usize::MAX))?;
        r.skip(LINE_END.len())?;
        if body.is_empty() {
            body = Cow::Borrowed(chunk);
        } else {
            body.to_mut().extend_from_slice(chunk);
        }
    }
}

/// A scan under way.
struct Steps<'s, 'w> {
    w: &'s Window<'w>,
    step: &'s mut Step,
    head: &'s mut Option<Head>,
    refusal: &'s mut Option<Refusal>,
    http: &'s mut Http1,
}

impl Steps<'_, '_> {
    /// Passes one message, from the position that was committed last.
    fn run(&mut self, c: &mut Cursor<'_>) -> Result<(), Stop> {
        loop {
            let next = match self.step {
                Step::Start => match self.start(c)? {
                    Some(step) => step,
                    None => return Ok(()),
                },
                Step::Line(find) => {
                    let (from, end) = (c.pos(), c.until(find, b"\n", MAX_HEAD - c.pos()));
                    let n = match end {
                        Err(Stop::Error(_)) if from == 0 => {
                            return Err(self.refuse(c, Refusal::LONG_TARGET));
                        }
                        Err(Stop::Error(_)) => return Err(self.refuse(c, Refusal::LONG_HEAD)),
                        end => end?,
                    };
                    self.check_line_end(c)?;
                    match n {
                        1 => match self.whole_head(c)? {
                            Some(step) => step,
                            None => return Ok(()),
                        },
                        _ => Step::Line(Find::default()),
                    }
                }
                Step::Length(n) => return c.skip(*n),
                Step::Size(line) => {
                    let [byte] = c.take()?;
                    match line.push(byte) {
                        Err(why) => return Err(self.refuse(c, why)),
                        Ok(None) => Step::Size(line.clone()),
                        Ok(Some(0)) => Step::Trailer(Find::default(), c.pos()),
                        Ok(Some(size)) => match usize::try_from(size) {
                            Ok(size) if size <= c.max() => Step::Chunk(size, line.clone()),
                            _ => return Err(self.refuse(c, Refusal::TOO_LARGE)),
                        },
                    }
                }
                Step::Chunk(size, line) => {
                    if c.left() < *size + LINE_END.len() {
                        return Err(c.need(*size + LINE_END.len()));
                    }
                    c.skip(*size)?;
                    if c.take()? != *LINE_END {
                        return Err(
                            self.refuse(c, Refusal::bad("a chunk is not followed by CR LF"))
                        );
                    }
                    Step::Size(line.clone())
                }
                Step::Trailer(find, from) => {
                    let from = *from;
                    let n = match c.until(find, b"\n", MAX_HEAD - (c.pos() - from)) {
                        Err(Stop::Error(_)) => return Err(self.refuse(c, Refusal::LONG_HEAD)),
                        n => n?,
                    };
                    self.check_line_end(c)?;
                    if n == 1 {
                        let checked = check_trailers(&c.since(from));
                        return checked.map_err(|why| self.refuse(c, why));
                    }
                    Step::Trailer(Find::default(), from)
                }
            };
            *self.step = next;
            c.commit();
        }
    }

    /// Looks at the first byte: what follows, or `None` after a message that is whole.
    fn start(&mut self, c: &mut Cursor<'_>) -> Result<Option<Step>, Stop> {
        if let Some((_, head)) = &self.http.awaited {
            return Ok(Some(first_of(head.body)));
        }
        match self.w.array::<1>(0) {
            None => Err(c.need(1)),
            Some([b'\r']) => {
                if c.take()? != *LINE_END {
                    return Err(self.refuse(c, Refusal::bad("a CR stands before the request")));
                }
                if self.http.blank {
                    return Err(self.refuse(c, Refusal::bad("empty lines stand before a request")));
                }
                self.http.found = Some(Found::Blank);
                Ok(None)
            }
            Some([byte]) if byte.is_ascii_graphic() => Ok(Some(Step::Line(Find::default()))),
            Some(_) => Err(self.refuse(c, Refusal::bad("the method is no token"))),
        }
    }

    /// The head has come: what follows, or `None` if the client waits before it sends its body.
    fn whole_head(&mut self, c: &Cursor<'_>) -> Result<Option<Step>, Stop> {
        let parsed = match self.w.source().chunk(0).get(..c.pos()) {
            Some(bytes) => Head::parse(bytes),
            None => Head::parse(&c.since(0)),
        };
        let head = parsed.map_err(|why| self.refuse(c, why))?;
        if head.expects {
            let fits = |n: usize| c.pos().checked_add(n).is_some_and(|size| size <= c.max());
            if matches!(head.body, Body::Length(n) if !fits(n)) {
                return Err(self.refuse(c, Refusal::TOO_LARGE));
            }
            self.http.found = Some(Found::Expects(head));
            return Ok(None);
        }
        let next = first_of(head.body);
        *self.head = Some(head);
        Ok(Some(next))
    }

    /// The line that ended at the position must end by CR LF: other readers take an LF alone for an
    /// end, or for a part of the line.
    fn check_line_end(&mut self, c: &Cursor<'_>) -> Result<(), Stop> {
        let end = c.pos().checked_sub(LINE_END.len()).and_then(|at| self.w.array(at));
        if end == Some(*LINE_END) {
            return Ok(());
        }
        Err(self.refuse(c, Refusal::bad("a line does not end by CR LF")))
    }

    #[cold]
    fn refuse(&mut self, c: &Cursor<'_>, refusal: Refusal) -> Stop {
        *self.refusal = Some(refusal);
        c.fail(FrameErrorKind::Other(refusal.why.to_owned()))
    }
}

/// The step that a body begins with.
fn first_of(body: Body) -> Step {
    match body {
        Body::Length(n) => Step::Length(n),
        Body::Chunks => Step::Size(SizeLine::default()),
    }
}

/// Trailer fields have the form of header fields. What they say is ignored: framing, routing and
/// authentication never come late.
fn check_trailers(lines: &[u8]) -> Result<(), Refusal> {
    let mut room = [EMPTY_HEADER; MAX_FIELDS];
    match httparse::parse_headers(lines, &mut room) {
        Ok(status) if status.is_complete() => Ok(()),
        Err(httparse::Error::TooManyHeaders) => Err(Refusal::MANY_FIELDS),
        _ => Err(Refusal::bad("a trailer is no field")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netpoll::frame::Arena;

    /// What a connection takes for messages, of bytes that come in pieces of `size`.
    fn messages(wire: &[u8], size: usize) -> Vec<String> {
        let (mut http, mut scan, mut from, mut seen) =
            (Http1::default(), Scan::default(), 0, Vec::new());
        for end in (0..wire.len()).step_by(size).map(|at| (at + size).min(wire.len())) {
            while from < end {
                let window = &wire[from..end];
                match http.scan(&mut scan, &Window::new(window), 1 << 20).unwrap() {
                    Progress::Need(_) => break,
                    Progress::Ready(n) => {
                        let (arena, whole) = (Arena::new(), &window[..n]);
                        let message = http.decode(&mut Decoder::new(whole, n, &arena)).unwrap();
                        seen.push(match message {
                            Message::Request(request) => {
                                format!(
                                    "{} {:?}",
                                    request.path(),
                                    request.body.escape_ascii().to_string()
                                )
                            }
                            Message::Expects(request) => format!("expects {}", request.path()),
                            Message::Blank => "blank".to_owned(),
                            Message::Refused(refusal) => {
                                return [seen, vec![refusal.status.to_string()]].concat();
                            }
                        });
                        (from, scan) = (from + n, Scan::default());
                    }
                }
            }
        }
        seen
    }

    #[test]
    fn messages_are_the_same_however_they_arrive() {
        let chunked = "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        for (wire, expected) in [
            ("\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), &["blank", "/a \"\""][..]),
            ("\r\n\r\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), &["blank", "400"]),
            ("\nGET /a HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), &["400"]),
            (
                format!("{chunked}3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nt: v\r\n\r\n{chunked}0\r\n\r\n"),
                &["/c \"abcd\"", "/c \"\""],
            ),
            (
                "PUT /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi\
                 GET / HTTP/1.1\r\nHost: a\r\n\r\n"
                    .to_owned(),
                &["expects /x", "/x \"hi\"", "/ \"\""],
            ),
            (format!("{chunked}3\r\nabcXX0\r\n\r\n"), &["400"]),
            (format!("{chunked}0\r\nno field\r\n\r\n"), &["400"]),
            (format!("{chunked}0\r\na: b\n\r\n"), &["400"]),
            ("GET / HTTP/1.1\r\nHost: a\n\n".to_owned(), &["400"]),
            (format!("GET /{} HTTP/1.1\r\n", "a".repeat(MAX_HEAD)), &["414"]),
            (format!("GET / HTTP/1.1\r\nx: {}\r\n", "a".repeat(MAX_HEAD)), &["431"]),
            ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n".to_owned(), &["413"]),
        ] {
            for size in [1, 2, 7, wire.len()] {
                assert_eq!(messages(wire.as_bytes(), size), expected, "{wire:?} by {size}");
            }
        }
    }
}
