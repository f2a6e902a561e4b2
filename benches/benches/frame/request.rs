//! A Redis request by hand, as `netpoll_examples::resp::Request` declares it: an array of strings, or a
//! line in its place.

use netpoll::frame::{
    AsciiCrlf, Cursor, Decode, DecodeError, Decoder, Find, Frame, FrameErrorKind, Prefix, Progress,
    Resume, ScanError, Scanner, Stop, Window,
};

/// The shortest string: `$0`, and two line ends.
const SHORTEST: usize = 6;
const MOST: i64 = 1 << 20;
const LONGEST: i64 = 512 << 20;
const LONGEST_LINE: usize = 64 << 10;

/// Arguments that are kept on the stack.
const FEW: usize = 8;

#[allow(dead_code, reason = "nobody runs these requests")]
pub(crate) enum Request<'a> {
    Array { few: [&'a [u8]; FEW], count: usize, many: Vec<&'a [u8]> },
    Inline(&'a [u8]),
}

impl Frame for Request<'_> {
    type Scan = RequestScan;
    type At<'a> = Request<'a>;
    const MIN: usize = 1;
}

impl<'a> Decode<'a> for Request<'a> {
    fn decode(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        if r.take()? != *b"*" {
            r.skip(r.left())?;
            return Ok(Self::Inline(r.join(r.since(0)).trim_ascii_end()));
        }
        let wanted = <AsciiCrlf as Prefix<()>>::get(r)?.clamp(0, MOST);
        let (mut few, mut count, mut many) = ([&[][..]; FEW], 0, Vec::new());
        for _ in 0..wanted {
            if r.take()? != *b"$" {
                return Err(r.fail(FrameErrorKind::Magic));
            }
            let n = <AsciiCrlf as Prefix<()>>::get(r)?;
            if !(0..=LONGEST).contains(&n) {
                return Err(r.fail(FrameErrorKind::Length(n.into())));
            }
            let string = r.bytes(n as usize)?;
            if r.take()? != *b"\r\n" {
                return Err(r.fail(FrameErrorKind::Magic));
            }
            if count < FEW {
                few[count] = string;
            } else {
                if many.is_empty() {
                    many.extend_from_slice(&few);
                }
                many.push(string);
            }
            count += 1;
        }
        Ok(Self::Array { few, count, many })
    }
}

#[derive(Default)]
pub(crate) struct RequestScan {
    state: State,
    resume: Resume,
}

#[derive(Default)]
enum State {
    #[default]
    Start,
    Inline(Find),
    /// So many strings are still to come.
    Array(usize),
}

impl Scanner for RequestScan {
    fn scan(&mut self, w: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        self.resume.scan(w, max, |cursor| self.state.skip(cursor))
    }
}

impl State {
    fn skip(&mut self, c: &mut Cursor<'_>) -> Result<(), Stop> {
        loop {
            match self {
                Self::Start => {
                    *self = match c.take()? {
                        [b'*'] => Self::Array(count(c)?),
                        [b'\n'] => return Ok(()),
                        [_] => Self::Inline(Find::default()),
                    };
                    c.commit();
                }
                Self::Inline(find) => return c.until(find, b"\n", LONGEST_LINE).map(drop),
                Self::Array(left) => {
                    c.owe(*left * SHORTEST);
                    while *left > 0 {
                        c.settle(SHORTEST);
                        string(c)?;
                        *left -= 1;
                        c.commit();
                    }
                    return Ok(());
                }
            }
        }
    }
}

fn count(c: &mut Cursor<'_>) -> Result<usize, Stop> {
    match <AsciiCrlf as Prefix<()>>::scan(c)? {
        n @ ..=MOST => Ok(n.max(0) as usize),
        n => Err(c.fail(FrameErrorKind::Length(n.into()))),
    }
}

fn string(c: &mut Cursor<'_>) -> Result<(), Stop> {
    if c.take()? != *b"$" {
        return Err(c.fail(FrameErrorKind::Magic));
    }
    match <AsciiCrlf as Prefix<()>>::scan(c)? {
        n @ 0..=LONGEST => {
            // The next string begins only where this one's end stands.
            let n = n as usize;
            if n + b"\r\n".len() > c.left() {
                return Err(c.need(n + b"\r\n".len()));
            }
            c.skip(n)?;
            if c.take()? == *b"\r\n" { Ok(()) } else { Err(c.fail(FrameErrorKind::Magic)) }
        }
        n => Err(c.fail(FrameErrorKind::Length(n.into()))),
    }
}
