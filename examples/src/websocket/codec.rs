//! The codec: an HTTP request first, then frames.

use std::borrow::Cow;

use netpoll::frame::{
    Codec, DecodeError, Decoder, EncodeError, Encoder, FrameErrorKind, Progress, ScanError, Window,
};

use super::{
    accept::{accept, is_key},
    frame::{self, Head, MAX_HEAD, Opcode, Parsed},
    message::{Close, Output},
};
use crate::http::{self, Http1, Message, Refusal, Request, Response};

/// The longest message, in bytes.
const MAX_MESSAGE: usize = 16 << 20;

/// The server's side of a WebSocket on one connection.
///
/// Fragments are put together: a message comes as one event. What breaks the protocol comes as an event
/// too, with the code to close with.
#[derive(Debug, Default)]
pub struct WebSocket {
    http: Http1,
    open: bool,
    /// What the last scan found, for decoding.
    found: Option<Found>,
    /// The message whose fragments are coming: its kind, and what came.
    partial: Option<(Opcode, Vec<u8>)>,
}

#[derive(Debug)]
enum Found {
    Http,
    Frame(Head),
    Violation(Close),
}

/// What comes from a client.
#[derive(Debug)]
pub enum Event<'a> {
    /// An upgrade, with the answer to it.
    Upgrade(Output<'a>),
    /// A request that is no upgrade, or no request: the answer, after which the connection is closed.
    Refused(Response<'static>),
    /// A text.
    Text(Cow<'a, str>),
    /// Bytes.
    Binary(Cow<'a, [u8]>),
    /// A sign of life: it is answered by a pong with its payload.
    Ping(Cow<'a, [u8]>),
    /// The answer to a ping; or half of a message, or an empty line. There is nothing to do.
    Nothing,
    /// The client closes: it is answered by the same, then the connection is closed.
    Close(Close),
}

/// The scan of one message of HTTP, or of one frame.
#[derive(Debug, Default)]
pub struct Scan(http::Scan);

impl Codec for WebSocket {
    type Scan = Scan;
    type In<'a> = Event<'a>;
    type Out<'a> = Output<'a>;

    fn scan(&mut self, scan: &mut Scan, w: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        if !self.open {
            self.found = Some(Found::Http);
            return self.http.scan(&mut scan.0, w, max);
        }
        let mut start = [0; MAX_HEAD];
        let there = first_bytes(w, &mut start);
        let found = match Head::parse(&start[..there]) {
            Ok(Parsed::Need(n)) => return Ok(Progress::Need(n)),
            Ok(Parsed::Head(head)) => match self.check(&head) {
                Ok(()) if w.len() < head.size + head.payload => {
                    return Ok(Progress::Need(head.size + head.payload));
                }
                Ok(()) => Found::Frame(head),
                Err(close) => Found::Violation(close),
            },
            Err(close) => Found::Violation(close),
        };
        let size = match &found {
            Found::Frame(head) => head.size + head.payload,
            // All that came belongs to it.
            _ => w.len(),
        };
        self.found = Some(found);
        Ok(Progress::Ready(size))
    }

    fn decode<'a>(&mut self, r: &mut Decoder<'a>) -> Result<Event<'a>, DecodeError> {
        match self.found.take() {
            Some(Found::Http) => {
                let message = self.http.decode(r)?;
                Ok(self.upgrade(message))
            }
            Some(Found::Frame(head)) => {
                r.skip(head.size)?;
                let mut payload = r.bytes(head.payload)?.to_vec();
                frame::mask(&mut payload, head.mask);
                Ok(self.event(&head, payload).unwrap_or_else(Event::Close))
            }
            Some(Found::Violation(close)) => Ok(Event::Close(close)),
            None => Err(r.fail(FrameErrorKind::Other("no scan has found a frame".to_owned()))),
        }
    }

    fn encode(&mut self, output: &Output<'_>, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        let mut put = |opcode, payload: &[u8]| {
            let (head, size) = frame::head(opcode, payload.len());
            w.write(&head[..size])?;
            w.write(payload)
        };
        match output {
            Output::Text(text) => put(Opcode::Text, text.as_bytes()),
            Output::Binary(bytes) => put(Opcode::Binary, bytes),
            Output::Ping(bytes) => put(Opcode::Ping, bytes),
            Output::Pong(bytes) => put(Opcode::Pong, bytes),
            Output::Close(close) => put(Opcode::Close, &close.payload()),
            Output::Http(response) => self.http.encode(response, w),
            Output::Accept(value) => {
                self.open = true;
                let head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
                            connection: Upgrade\r\nsec-websocket-accept: ";
                w.write(format!("{head}{value}\r\n\r\n").as_bytes())
            }
        }
    }
}

impl WebSocket {
    /// Whether a frame with that head may come now.
    fn check(&self, head: &Head) -> Result<(), Close> {
        let before = self.partial.as_ref().map_or(0, |(_, bytes)| bytes.len());
        match head.opcode {
            Opcode::Continuation if self.partial.is_none() => {
                Err(Close::protocol("a continuation of no message"))
            }
            Opcode::Text | Opcode::Binary if self.partial.is_some() => {
                Err(Close::protocol("a message within another"))
            }
            _ if head.payload > MAX_MESSAGE - before.min(MAX_MESSAGE) => Err(Close::TOO_LONG),
            _ => Ok(()),
        }
    }

    /// What a frame means.
    fn event(&mut self, head: &Head, payload: Vec<u8>) -> Result<Event<'static>, Close> {
        let (kind, message) = match head.opcode {
            Opcode::Ping => return Ok(Event::Ping(payload.into())),
            Opcode::Pong => return Ok(Event::Nothing),
            Opcode::Close => return Close::parse(&payload).map(Event::Close),
            Opcode::Continuation => {
                let (kind, mut message) =
                    self.partial.take().unwrap_or((Opcode::Binary, Vec::new()));
                message.extend_from_slice(&payload);
                (kind, message)
            }
            kind => (kind, payload),
        };
        if !head.last {
            // A text that can be none any more is refused before it is whole.
            if kind == Opcode::Text && is_no_text(&message) {
                return Err(Close::NOT_TEXT);
            }
            self.partial = Some((kind, message));
            return Ok(Event::Nothing);
        }
        match kind {
            Opcode::Text => {
                let text = String::from_utf8(message).map_err(|_| Close::NOT_TEXT)?;
                Ok(Event::Text(text.into()))
            }
            _ => Ok(Event::Binary(message.into())),
        }
    }

    /// What a message of HTTP means.
    fn upgrade<'a>(&mut self, message: Message<'a>) -> Event<'a> {
        let request = match message {
            Message::Request(request) => request,
            Message::Blank => return Event::Nothing,
            Message::Refused(refusal) => return Event::Refused(refusal.into()),
            Message::Expects(_) => {
                let refusal = Refusal { status: 417, why: "a WebSocket begins without a body" };
                return Event::Refused(refusal.into());
            }
        };
        match key(&request) {
            Ok(key) => Event::Upgrade(Output::Accept(accept(key))),
            Err(refusal) => {
                let fields = match refusal.status {
                    426 => "upgrade: websocket\r\nsec-websocket-version: 13\r\n",
                    _ => "",
                };
                Event::Refused(Response { fields, ..refusal.into() })
            }
        }
    }
}

/// The key of an upgrade.
fn key<'r>(request: &'r Request<'_>) -> Result<&'r [u8], Refusal> {
    let bad = |why| Refusal { status: 400, why };
    let has = |name: &str, wanted: &[u8]| {
        let mut words = request.field(name).flat_map(|value| value.split(|c| *c == b','));
        words.any(|word| word.trim_ascii().eq_ignore_ascii_case(wanted))
    };
    if request.method() != "GET" || !request.is_1_1() {
        return Err(bad("a WebSocket begins by a GET of HTTP/1.1"));
    }
    if !has("upgrade", b"websocket") || !has("connection", b"upgrade") {
        return Err(Refusal { status: 426, why: "this is a WebSocket's address" });
    }
    if !has("sec-websocket-version", b"13") {
        return Err(Refusal { status: 426, why: "version 13 is spoken" });
    }
    let mut keys = request.field("sec-websocket-key");
    match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key) => Ok(key),
        _ => Err(bad("there is no key of 16 bytes")),
    }
}

/// Whether `bytes` are not the beginning of a text either.
fn is_no_text(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some())
}

/// Copies the first bytes that have come; gives how many.
fn first_bytes(w: &Window<'_>, to: &mut [u8; MAX_HEAD]) -> usize {
    let there = w.len().min(MAX_HEAD);
    let first = w.source().chunk(0);
    if first.len() >= there {
        to[..there].copy_from_slice(&first[..there]);
    } else {
        for (at, byte) in to[..there].iter_mut().enumerate() {
            [*byte] = w.array(at).unwrap_or_default();
        }
    }
    there
}
