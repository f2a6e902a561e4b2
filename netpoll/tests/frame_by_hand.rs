//! Frames written by hand, as users may write them: a length-prefixed echo, and Redis requests
//! with their inline form, which no declaration expresses.

mod frame_support;

use frame_support::{add, check, check_decode, check_scan, encodes_to, nodes};
use netpoll::{
    ErrorKind,
    buf::LinkBuffer,
    frame::{
        self, Arena, Checkpoint, Cursor, Decode, DecodeError, Decoder, Encode, EncodeError,
        Encoder, Find, Frame, FrameErrorKind, Progress, Scan, ScanError, Scanner, Stop, Window,
        Wire,
    },
};

#[derive(Debug)]
struct Echo<'a>(&'a [u8]);

impl<'a> Wire<'a> for Echo<'a> {
    const MIN: usize = 4;
    type Skip = ();

    fn skip((): &mut (), c: &mut Cursor<'_>) -> Result<(), Stop> {
        let n = u32::from_be_bytes(c.take()?) as usize;
        c.finish(c.pos() + n, 0)
    }
    fn get(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let n = u32::from_be_bytes(r.take().map_err(|e| e.in_field("length"))?) as usize;
        r.bytes(n).map(Echo).map_err(|e| e.in_field("body"))
    }
    fn size(&self) -> usize {
        4 + self.0.len()
    }
    fn put(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        let n = u32::try_from(self.0.len())
            .map_err(|_| w.fail(FrameErrorKind::Range(self.0.len() as i128)))?;
        w.write(&n.to_be_bytes())?;
        w.write(self.0)
    }
}

impl Frame for Echo<'_> {
    type Scan = Scan<Echo<'static>>;
    type At<'a> = Echo<'a>;
    const MIN: usize = 4;
}

impl<'a> Decode<'a> for Echo<'a> {
    fn decode(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let echo = Self::get(r)?;
        r.finish()?;
        Ok(echo)
    }
}

impl Encode for Echo<'_> {
    fn encoded_len(&self) -> usize {
        self.size()
    }
    fn encode(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        self.put(w)
    }
}

#[test]
fn echo_stands_every_cut() {
    check::<Echo<'_>>(b"\0\0\0\x05hello", Echo(b"hello"));
    check::<Echo<'_>>(b"\0\0\0\0", Echo(b""));
}

#[test]
fn echo_borrows_from_the_buffer() {
    let input = nodes([&b"\0\0\0\x05hello"[..]]);
    let arena = Arena::new();
    let echo = frame::decode::<Echo<'_>>(&input, 9, &arena).unwrap();
    assert_eq!(echo.0.as_ptr(), input.node(0)[4..].as_ptr());
    // Where the length is in one node and the body in another, too.
    let input = nodes([&b"\0\0\0\x05"[..], &b"hello"[..]]);
    let echo = frame::decode::<Echo<'_>>(&input, 9, &arena).unwrap();
    assert_eq!(echo.0.as_ptr(), input.node(1).as_ptr());
    assert!(arena.is_empty());
    let slice = input.peek_slice(9).unwrap();
    let owned = frame::decode::<Echo<'_>>(&slice, 9, &arena).unwrap();
    assert_eq!(owned.0.as_ptr(), echo.0.as_ptr());
}

#[test]
fn echo_says_where_it_is_wrong() {
    let arena = Arena::new();
    let e = frame::decode::<Echo<'_>>(&b"\0\0\0\x05hell"[..], 8, &arena).unwrap_err();
    assert_eq!(e.to_string(), "field `body`, byte 8: ends 1 bytes too early");
    let e = frame::decode::<Echo<'_>>(&b"\0\0\0\x05hello!"[..], 10, &arena).unwrap_err();
    assert_eq!((e.at(), e.kind()), (9, &FrameErrorKind::Trailing(1)));
    assert_eq!(netpoll::Error::from(e).kind(), ErrorKind::Malformed);
    let e = Scan::<Echo<'_>>::default().scan(&Window::new(&b"\xff\0\0\0"[..]), 100).unwrap_err();
    assert_eq!(netpoll::Error::from(e).kind(), ErrorKind::FrameTooLarge);
}

#[test]
fn a_failed_encoding_leaves_no_byte() {
    struct Broken;
    impl Encode for Broken {
        fn encoded_len(&self) -> usize {
            8
        }
        fn encode(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
            w.zeros(4)?;
            Err(w.fail(FrameErrorKind::Range(-1)))
        }
    }
    let mut out = LinkBuffer::new();
    frame::encode(&Echo(b"before"), &mut out).unwrap();
    let e = frame::encode(&Broken, &mut out).unwrap_err();
    assert_eq!(e.to_string(), "byte 4: -1 does not fit");
    frame::encode(&Echo(b"after"), &mut out).unwrap();
    assert_eq!(out.to_vec(), b"\0\0\0\x06before\0\0\0\x05after");
}

/// A Redis request: an array of bulk strings, or a line of words.
#[derive(Debug, PartialEq)]
struct Request<'a>(Vec<&'a [u8]>);

#[derive(Default)]
struct RequestScan {
    mark: Checkpoint,
    line: Find,
    /// Strings that are missing, once the header was read.
    owed: Option<usize>,
}

impl RequestScan {
    fn advance(&mut self, c: &mut Cursor<'_>) -> Result<(), Stop> {
        let mut owed = match self.owed {
            Some(owed) => owed,
            None => {
                if c.take()? != *b"*" {
                    return c.until(&mut self.line, b"\r\n", 64 << 10).map(drop);
                }
                number(c)?
            }
        };
        while owed > 0 {
            self.owed = Some(owed);
            c.commit();
            owed -= 1;
            // A string has at least five bytes: `$0 CR LF CR LF` less its mark.
            c.owe(owed.saturating_mul(6));
            if c.take()? != *b"$" {
                return Err(c.fail(FrameErrorKind::Magic));
            }
            c.owe(2);
            let n = number(c)?;
            c.settle(2);
            c.skip(n + 2)?;
            c.settle(owed.saturating_mul(6));
        }
        Ok(())
    }
}

fn number(c: &mut Cursor<'_>) -> Result<usize, Stop> {
    let (text, n) = c.text::<20>(b"\r\n")?;
    parse(&text[..n]).ok_or_else(|| c.fail(FrameErrorKind::Digits))
}

fn parse(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse::<u32>().ok().map(|n| n as usize)
}

impl Scanner for RequestScan {
    fn scan(&mut self, w: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        let mut c = Cursor::resume(w, self.mark, max);
        let size = match self.advance(&mut c) {
            Ok(()) => return Ok(Progress::Ready(c.pos())),
            Err(Stop::Error(e)) => return Err(e),
            Err(Stop::Need(size)) => size,
        };
        if size > max {
            return Err(ScanError::new(FrameErrorKind::TooLarge { size, max }, c.pos()));
        }
        self.mark = c.checkpoint();
        Ok(Progress::Need(size))
    }
}

impl Frame for Request<'_> {
    type Scan = RequestScan;
    type At<'a> = Request<'a>;
}

impl<'a> Decode<'a> for Request<'a> {
    fn decode(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let line = r.until(b"\r\n", 64 << 10)?;
        let Some(count) = line.strip_prefix(b"*") else {
            let words = line.split(|b| *b == b' ').filter(|w| !w.is_empty());
            return Ok(Self(words.collect()));
        };
        let count = parse(count).ok_or_else(|| DecodeError::new(FrameErrorKind::Digits, 1))?;
        let mut strings = Vec::with_capacity(count.min(r.left() / 6));
        for i in 0..count {
            strings.push(bulk(r).map_err(|e| e.in_element(i))?);
        }
        Ok(Self(strings))
    }
}

fn bulk<'a>(r: &mut Decoder<'a>) -> Result<&'a [u8], DecodeError> {
    if r.take()? != *b"$" {
        return Err(r.fail(FrameErrorKind::Magic));
    }
    let digits = r.until(b"\r\n", 20)?;
    let n = parse(digits).ok_or_else(|| r.fail(FrameErrorKind::Digits))?;
    let bytes = r.bytes(n)?;
    match r.take()? {
        [b'\r', b'\n'] => Ok(bytes),
        _ => Err(r.fail(FrameErrorKind::Magic)),
    }
}

impl Encode for Request<'_> {
    fn encoded_len(&self) -> usize {
        let head = |n: usize| 3 + n.checked_ilog10().unwrap_or(0) as usize + 1;
        let bulk = |b: &&[u8]| head(b.len()) + b.len() + 2;
        head(self.0.len()) + self.0.iter().map(bulk).sum::<usize>()
    }
    fn encode(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        w.write(format!("*{}\r\n", self.0.len()).as_bytes())?;
        for b in &self.0 {
            w.write(format!("${}\r\n", b.len()).as_bytes())?;
            w.write(b)?;
            w.write(b"\r\n")?;
        }
        Ok(())
    }
}

#[test]
fn requests_stand_every_cut() {
    let wire = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$12\r\nHello\r\nthere\r\n";
    check::<Request<'_>>(wire, Request(vec![b"SET", b"k", b"Hello\r\nthere"]));
    check::<Request<'_>>(b"*1\r\n$4\r\nPING\r\n", Request(vec![b"PING"]));
    check::<Request<'_>>(b"*0\r\n", Request(vec![]));
    encodes_to(&Request(vec![b""]), b"*1\r\n$0\r\n\r\n");
}

#[test]
fn inline_commands_too() {
    let line = b"SET  key value\r\n";
    check_scan::<Request<'_>>(line);
    check_decode::<Request<'_>>(line, &Request(vec![b"SET", b"key", b"value"]));
}

#[test]
fn a_count_asks_for_what_its_strings_need_at_least() {
    let mut input = nodes([&b"*1000\r\n"[..]]);
    let mut scanner = RequestScan::default();
    let found = scanner.scan(&Window::new(&input), 1 << 20).unwrap();
    assert!(matches!(found, Progress::Need(n) if n > 6000), "{found:?}");
    add(&mut input, b"$2\r\n");
    let e = RequestScan::default().scan(&Window::new(&input), 1000).unwrap_err();
    assert!(matches!(e.kind(), FrameErrorKind::TooLarge { .. }), "{e}");
}
