//! The codec: what a message means depends on the phase that the connection is in.
//!
//! ```text
//!   Start ──start-up, no password wanted──────────────▶ Ready ◀──────────┐
//!    │  ▲                                                │               │ Sync
//!    │  └ encryption asked for: `N`                      └─an extended───▶ Skipping
//!    └──start-up──▶ Password ──right──▶ Ready              query begins
//! ```

use netpoll::frame::{
    Codec, DecodeError, Decoder, EncodeError, Encoder, Progress, ScanError, Window,
};

use super::message::{Failure, Message, Output};

/// The version that is spoken: 3.0.
const VERSION: u32 = 3 << 16;
/// Codes in the place of a version.
const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// The longest start-up message and the longest password, in bytes.
const LONGEST_START: usize = 10_000;

/// The server's side of one connection.
#[derive(Debug, Default)]
pub struct Postgres {
    phase: Phase,
    /// The last scan found a message that cannot be: the connection ends with it.
    refused: Option<Failure>,
}

/// See the module's documentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Start,
    Password,
    Ready,
    Skipping,
}

/// What comes from a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// It asks for encryption, before its start-up message.
    Encryption,
    /// It starts, with names and values.
    Start(Vec<(&'a str, &'a str)>),
    /// Its password.
    Password(&'a str),
    /// One or several statements.
    Query(&'a str),
    /// The extended query protocol, which is refused once for each time up to a `Sync`.
    Extended,
    /// There is nothing to do.
    Nothing,
    /// An answer to `Sync`.
    Sync,
    /// It leaves, or asks to cancel a query of another connection: none runs for long enough.
    Leave,
    /// What breaks the protocol. The connection ends after the answer.
    Refused(Failure),
}

/// The scan of a message: its head says all.
#[derive(Debug, Default)]
pub struct Scan;

impl Codec for Postgres {
    type Scan = Scan;
    type In<'a> = Event<'a>;
    type Out<'a> = Output;

    fn scan(&mut self, _: &mut Scan, w: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        // A type, but for the first message; then a length that counts itself.
        let at = usize::from(self.phase != Phase::Start);
        let Some(length) = w.array::<4>(at) else { return Ok(Progress::Need(at + 4)) };
        let length = u32::from_be_bytes(length) as usize;
        let most = match self.phase {
            Phase::Start | Phase::Password => LONGEST_START.min(max),
            _ => max,
        };
        if length < 4 || length > most - at {
            let why = format!("a message of {length} bytes, at most {most} are accepted");
            self.refused = Some(Failure::protocol(why));
            return Ok(Progress::Ready(w.len()));
        }
        let total = at + length;
        Ok(if w.len() < total { Progress::Need(total) } else { Progress::Ready(total) })
    }

    fn decode<'a>(&mut self, r: &mut Decoder<'a>) -> Result<Event<'a>, DecodeError> {
        if let Some(failure) = self.refused.take() {
            return Ok(Event::Refused(failure));
        }
        let kind = match self.phase {
            Phase::Start => None,
            _ => Some(r.take::<1>()?[0]),
        };
        r.skip(4)?;
        let body = r.bytes(r.left())?;
        let event = match kind {
            None => start(body),
            Some(kind) => self.typed(kind, body),
        };
        Ok(event.unwrap_or_else(Event::Refused))
    }

    fn encode(&mut self, output: &Output, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        for message in &output.0 {
            match message {
                Message::AskPassword => self.phase = Phase::Password,
                Message::Ready => self.phase = Phase::Ready,
                _ => {}
            }
            message.write(w)?;
        }
        if self.phase == Phase::Ready && output.skips() {
            self.phase = Phase::Skipping;
        }
        Ok(())
    }
}

impl Postgres {
    /// A message with a type.
    fn typed<'a>(&mut self, kind: u8, body: &'a [u8]) -> Result<Event<'a>, Failure> {
        match (self.phase, kind) {
            (_, b'X') => Ok(Event::Leave),
            (Phase::Password, b'p') => text(body).map(Event::Password),
            (Phase::Password, _) => Err(Failure::protocol("a password is expected".to_owned())),
            (Phase::Ready, b'Q') => text(body).map(Event::Query),
            // Parse, Bind, Describe, Execute, Close, a function's call.
            (Phase::Ready, b'P' | b'B' | b'D' | b'E' | b'C' | b'F') => Ok(Event::Extended),
            (_, b'S') => Ok(Event::Sync),
            // Flush; the end of a copy that never began.
            (_, b'H' | b'd' | b'c' | b'f') => Ok(Event::Nothing),
            (Phase::Skipping, _) => Ok(Event::Nothing),
            (_, kind) => Err(Failure::protocol(format!("a message of unknown type {kind:#04x}"))),
        }
    }
}

/// The first message.
fn start(body: &[u8]) -> Result<Event<'_>, Failure> {
    let Some((code, mut rest)) = body.split_first_chunk() else {
        return Err(Failure::protocol("a start-up message without a version".to_owned()));
    };
    match u32::from_be_bytes(*code) {
        SSL | GSS => return Ok(Event::Encryption),
        CANCEL => return Ok(Event::Leave),
        // A minor version that is newer is answered by this one.
        version if version >> 16 == VERSION >> 16 => {}
        version => {
            let (major, minor) = (version >> 16, version & 0xffff);
            let why = format!("version {major}.{minor} of the protocol is not spoken, but 3.0");
            return Err(Failure::unsupported(why));
        }
    }
    let mut parameters = Vec::new();
    loop {
        let (name, after) = string(rest)?;
        if name.is_empty() {
            return Ok(Event::Start(parameters));
        }
        let (value, after) = string(after)?;
        parameters.push((name, value));
        rest = after;
    }
}

/// A text up to its zero byte, and what follows.
fn string(bytes: &[u8]) -> Result<(&str, &[u8]), Failure> {
    let end = bytes.iter().position(|byte| *byte == 0);
    let end = end.ok_or_else(|| Failure::protocol("a text without its end".to_owned()))?;
    let text = str::from_utf8(&bytes[..end]).map_err(|_| Failure::not_utf8())?;
    Ok((text, &bytes[end + 1..]))
}

/// A message that is one text.
fn text(body: &[u8]) -> Result<&str, Failure> {
    match string(body)? {
        (text, []) => Ok(text),
        _ => Err(Failure::protocol("bytes behind the end of a text".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use netpoll::{buf::LinkBuffer, frame::Arena};

    use super::*;

    /// The events of `wire`, each shown; what is asked for is never more than a message has.
    fn events(codec: &mut Postgres, mut wire: &[u8]) -> Vec<String> {
        let mut all = Vec::new();
        while !wire.is_empty() {
            let mut there = 1;
            let n = loop {
                match codec.scan(&mut Scan, &Window::new(&wire[..there]), 1 << 20).unwrap() {
                    Progress::Ready(n) => break n,
                    Progress::Need(n) => {
                        assert!(there < n && n <= wire.len(), "{n} of {}", wire.len());
                        there += 1;
                    }
                }
            };
            let arena = Arena::new();
            let mut decoder = Decoder::new(&wire[..n], n, &arena);
            all.push(format!("{:?}", codec.decode(&mut decoder).unwrap()));
            wire = &wire[n..];
        }
        all
    }

    fn say(codec: &mut Postgres, messages: Vec<Message>) {
        let mut out = LinkBuffer::new();
        let output = Output(messages);
        netpoll::frame::write(&mut out, |w| codec.encode(&output, w)).unwrap();
    }

    fn message(kind: &[u8], body: &[u8]) -> Vec<u8> {
        [kind, &(body.len() as u32 + 4).to_be_bytes(), body].concat()
    }

    #[test]
    fn phases_follow_from_what_was_answered() {
        let mut codec = Postgres::default();
        let start = message(b"", b"\0\x03\0\0user\0me\0database\0shop\0\0");
        let wire = [message(b"", &SSL.to_be_bytes()), start].concat();
        let wanted = ["Encryption", r#"Start([("user", "me"), ("database", "shop")])"#];
        assert_eq!(events(&mut codec, &wire), wanted);
        say(&mut codec, vec![Message::AskPassword]);
        assert_eq!(events(&mut codec, &message(b"p", b"secret\0")), [r#"Password("secret")"#]);
        say(&mut codec, vec![Message::Ready]);
        assert_eq!(events(&mut codec, &message(b"Q", b"select 1\0")), [r#"Query("select 1")"#]);
        assert_eq!(events(&mut codec, &message(b"P", b"\0x\0\0\0")), ["Extended"]);
        say(&mut codec, vec![Message::Failed(Failure::unsupported(String::new()))]);
        let wire = [message(b"B", b""), message(b"E", b""), message(b"S", b"")].concat();
        assert_eq!(events(&mut codec, &wire), ["Nothing", "Nothing", "Sync"]);
    }

    #[test]
    fn what_breaks_the_protocol_is_refused() {
        for wire in [
            &b"\0\0\0\x03"[..],
            &b"\x7f\xff\xff\xff"[..],
            &b"GET / HTTP/1.1\r\n"[..],
            &message(b"", b"\0\x02\0\0"),
            &message(b"", b"\0\x03\0\0user"),
            &message(b"", b"\0\x03\0\0user\0\xff\0\0"),
            &message(b"", b""),
        ] {
            let events = events(&mut Postgres::default(), wire);
            assert!(events[0].starts_with("Refused"), "{wire:?}: {events:?}");
        }
    }
}
