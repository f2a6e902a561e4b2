//! Requests as they come from the wire: an array of strings, or an inline line of words.
//!
//! What is no request is told apart as Redis does it, byte for byte: clients and tests compare.

use std::mem;

use bytes::Bytes;
use netpoll::{
    Result,
    frame::{
        Cursor, Decode, DecodeError, Decoder, Find, Frame, FrameError, FrameErrorKind, Progress,
        Resume, ScanError, Scanner, Stop, Window,
    },
};

use super::{
    Flow, ReplySink, Session, Store,
    call::execute_joined,
    execute,
    inline::{self, UnbalancedQuotes},
    number,
    reply::{Reply, Version},
};

/// A request: it borrows its arguments from where they were received.
///
/// ```
/// use netpoll::frame::{Arena, decode};
/// use netpoll_examples::resp::{Request, Session, Store};
///
/// let (store, arena) = (Store::new(), Arena::new());
/// let (mut session, mut out) = (Session::new(&store), Vec::new());
/// for wire in [&b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n"[..], b"echo 'hi there'\r\n"] {
///     let request = decode::<Request<'_>>(wire, wire.len(), &arena)?;
///     let _ = request.run(&store, &mut session, &mut out)?;
/// }
/// assert_eq!(out, b"$2\r\nhi\r\n$8\r\nhi there\r\n");
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Debug)]
pub struct Request<'a>(Form<'a>);

#[derive(Debug)]
enum Form<'a> {
    /// The arguments; those that lie in several blocks are put together, by their positions.
    Array(Args<'a>, Vec<(usize, Bytes)>),
    /// A line without its end.
    Inline(&'a [u8]),
}

impl Request<'_> {
    /// Runs the command that this is, and writes its reply to `out`.
    ///
    /// # Errors
    /// If `out` takes no more.
    pub fn run(
        &self,
        store: &Store,
        session: &mut Session,
        out: &mut dyn ReplySink,
    ) -> Result<Flow> {
        match &self.0 {
            Form::Array(args, joined) if joined.is_empty() => {
                execute(store, session, args.as_slice(), out)
            }
            Form::Array(args, joined) => {
                let mut args = args.as_slice().to_vec();
                for (at, bytes) in joined {
                    args[*at] = bytes;
                }
                execute_joined(store, session, &args, joined, out)
            }
            Form::Inline(line) => match inline::split(line) {
                Ok(words) => {
                    let args: Vec<_> = words.iter().map(|word| &**word).collect();
                    execute(store, session, &args, out)
                }
                Err(UnbalancedQuotes) => {
                    protocol_error("unbalanced quotes in request", out)?;
                    Ok(Flow::Close)
                }
            },
        }
    }
}

/// Answers what is no request, where `error` says so; the connection then closes.
///
/// # Errors
/// If `out` takes no more.
pub fn refuse(error: &FrameError, out: &mut dyn ReplySink) -> Result<()> {
    let why = match error.kind() {
        FrameErrorKind::Other(why) => why,
        FrameErrorKind::TooLarge { .. } if error.field() == COUNT => BAD_COUNT,
        FrameErrorKind::TooLarge { .. } => BAD_LENGTH,
        _ => return Ok(()),
    };
    protocol_error(why, out)
}

fn protocol_error(why: &str, out: &mut dyn ReplySink) -> Result<()> {
    let mut line = b"ERR Protocol error: ".to_vec();
    // Each is a byte that came.
    line.extend(why.chars().map(|c| u8::try_from(c).unwrap_or(b'?')));
    Reply::new(out, Version::Two).error(&line)
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
            return Ok(Self(Form::Inline(trim(r.join(r.since(0))))));
        }
        let (mut args, mut joined) = (Args::default(), Vec::new());
        for at in 0..read_number(r)?.max(0) as usize {
            r.skip(KIND)?;
            let n = read_number(r)? as usize;
            // A copy that is made here is the one that a command keeps.
            let long = (n >= JOINED).then(|| r.chunks(n)).transpose()?;
            match long.map(|chunks| (chunks.as_contiguous(), chunks)) {
                None => args.push(r.bytes(n)?),
                Some((Some(bytes), _)) => args.push(bytes),
                Some((None, chunks)) => {
                    args.push(&[]);
                    joined.push((at, chunks.to_vec().into()));
                }
            }
            r.skip(END)?;
        }
        Ok(Self(Form::Array(args, joined)))
    }
}

/// Reads a number that a scan has passed, and its line's end.
#[inline]
fn read_number(r: &mut Decoder<'_>) -> Result<i64, DecodeError> {
    let (mut n, mut sign) = (0i64, 1);
    loop {
        match r.take()? {
            [b'\r'] => {
                r.skip(1)?;
                return Ok(n.wrapping_mul(sign));
            }
            [b'-'] => sign = -1,
            [digit] => n = n.wrapping_mul(10).wrapping_add((digit & 0x0f).into()),
        }
    }
}

/// Finds where a request ends.
///
/// As Redis does, it takes what follows a CR, and what follows a string, for the end of the line
/// without a look.
#[derive(Default)]
pub struct RequestScan {
    state: State,
    resume: Resume,
    /// The line is to be looked at again, in its new state.
    again: bool,
}

#[derive(Default)]
enum State {
    #[default]
    Start,
    /// The search for an inline request's end.
    Inline(Find),
    /// The line that says how many strings follow.
    Count,
    /// The line that says how long the next string is; this many more follow it.
    Length(usize),
    /// A string of this many bytes; this many more follow it.
    Text(usize, usize),
    /// The search for the end of a line that is none of the usual ones: of a count, or of a length
    /// before this many more.
    Odd(Find, Option<usize>),
    /// A line with a NUL: its end is never found, as by the functions of C.
    Hidden(&'static str),
}

impl Scanner for RequestScan {
    fn scan(&mut self, w: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        loop {
            let found =
                self.resume.scan(w, max, |cursor| self.state.skip(cursor, &mut self.again))?;
            if !mem::take(&mut self.again) {
                return Ok(found);
            }
        }
    }
}

impl State {
    /// Passes the request, from the position that was committed last.
    fn skip(&mut self, c: &mut Cursor<'_>, again: &mut bool) -> Result<(), Stop> {
        loop {
            let next = match self {
                Self::Start => match c.take()? {
                    [b'*'] => Self::Count,
                    [b'\n'] => return Ok(()),
                    [_] => Self::Inline(Find::default()),
                },
                Self::Inline(find) => {
                    match c.until(find, b"\n", LONGEST_LINE - 1) {
                        Ok(_) => {}
                        Err(Stop::Error(_)) => return Err(refusal(c, LONG_INLINE)),
                        Err(need) => return Err(need),
                    }
                    if !c.since(0).contains(&0) {
                        return Ok(());
                    }
                    return Err(self.look_again(Self::Hidden(LONG_INLINE), c, again));
                }
                Self::Count => match usual_number(c)? {
                    Some(count) => match counted(c, count)? {
                        Some(next) => next,
                        None => return Ok(()),
                    },
                    None => {
                        return Err(self.look_again(Self::Odd(Find::default(), None), c, again));
                    }
                },
                Self::Length(more) => {
                    let more = *more;
                    if c.left() == 0 {
                        return Err(c.need(LEAST_LINE + more * SHORTEST));
                    }
                    let usual = match c.take()? {
                        [b'$'] => usual_number(c)?.filter(|n| *n <= LONGEST as i64),
                        _ => None,
                    };
                    match usual {
                        Some(n) => Self::Text(n as usize, more),
                        None => {
                            let odd = Self::Odd(Find::default(), Some(more));
                            return Err(self.look_again(odd, c, again));
                        }
                    }
                }
                Self::Text(n, more) => {
                    let size = *n + END;
                    if c.left() < size {
                        return Err(c.need(size + *more * SHORTEST));
                    }
                    c.skip(size)?;
                    match *more {
                        0 => return Ok(()),
                        more => Self::Length(more - 1),
                    }
                }
                Self::Odd(find, more) => {
                    let more = *more;
                    match odd_line(c, find, more)? {
                        None => {
                            let why = if more.is_some() { LONG_LENGTH } else { LONG_COUNT };
                            return Err(self.look_again(Self::Hidden(why), c, again));
                        }
                        Some(n) => match more {
                            Some(more) => Self::Text(n as usize, more),
                            None => match counted(c, n)? {
                                Some(next) => next,
                                None => return Ok(()),
                            },
                        },
                    }
                }
                Self::Hidden(why) if c.left() > LONGEST_LINE => return Err(refusal(c, why)),
                Self::Hidden(_) => return Err(c.need(c.left() + 1)),
            };
            *self = next;
            c.commit();
        }
    }

    /// Has the line, whose start was committed last, looked at again.
    #[cold]
    fn look_again(&mut self, next: Self, c: &Cursor<'_>, again: &mut bool) -> Stop {
        *self = next;
        *again = true;
        c.need(0)
    }
}

/// Passes a number as nearly all clients write it, the CR behind it and one byte more; `None` if a
/// closer look is needed.
#[inline]
fn usual_number(c: &mut Cursor<'_>) -> Result<Option<i64>, Stop> {
    const DIGITS: usize = 10;
    let mut n = 0;
    for at in 0..=DIGITS {
        match c.take()? {
            [digit @ b'0'..=b'9'] if at == 0 || n > 0 => n = n * 10 + i64::from(digit - b'0'),
            [b'\r'] if at > 0 => {
                c.skip(1)?;
                return Ok(Some(n));
            }
            _ => break,
        }
    }
    Ok(None)
}

/// What follows a line that says that `count` strings follow; `None` if the request is whole.
fn counted(c: &Cursor<'_>, count: i64) -> Result<Option<State>, Stop> {
    let Ok(count @ 1..) = usize::try_from(count) else { return Ok(None) };
    if count > MOST {
        return Err(refusal(c, BAD_COUNT));
    }
    let size = c.pos() + count * SHORTEST;
    if size > c.max() {
        let kind = FrameErrorKind::TooLarge { size, max: c.max() };
        return Err(ScanError::new(kind, c.pos()).in_field(COUNT).into());
    }
    Ok(Some(State::Length(count - 1)))
}

/// Passes a line of any form; gives its number, or `None` if it has a NUL.
#[cold]
fn odd_line(c: &mut Cursor<'_>, find: &mut Find, more: Option<usize>) -> Result<Option<i64>, Stop> {
    let from = c.pos();
    let n = match c.until(find, b"\r", LONGEST_LINE - usize::from(more.is_none())) {
        Err(Stop::Error(_)) => {
            return Err(refusal(c, if more.is_some() { LONG_LENGTH } else { LONG_COUNT }));
        }
        n => n?,
    };
    let line = c.since(from);
    if line.contains(&0) {
        return Ok(None);
    }
    c.skip(1)?;
    if more.is_none() {
        let count = number::parse(&line[..n]);
        return count.map(Some).ok_or_else(|| refusal(c, BAD_COUNT));
    }
    if line[0] != b'$' {
        let kind = char::from(line[0]);
        return Err(refusal(c, &format!("expected '$', got '{kind}'")));
    }
    let length = number::parse(&line[1..n]).filter(|n| (0..=LONGEST as i64).contains(n));
    length.map(Some).ok_or_else(|| refusal(c, BAD_LENGTH))
}

/// Why the bytes at the position are no request, in the words of Redis.
#[cold]
fn refusal(c: &Cursor<'_>, why: &str) -> Stop {
    c.fail(FrameErrorKind::Other(why.to_owned()))
}

/// A line without its end.
fn trim(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Arguments, on the stack while they are few.
#[derive(Debug, Default)]
struct Args<'a> {
    few: [&'a [u8]; FEW],
    count: usize,
    /// All of them, once they are more than a few.
    many: Vec<&'a [u8]>,
}

impl<'a> Args<'a> {
    fn push(&mut self, arg: &'a [u8]) {
        if self.count < FEW {
            self.few[self.count] = arg;
        } else {
            if self.many.is_empty() {
                self.many.extend_from_slice(&self.few);
            }
            self.many.push(arg);
        }
        self.count += 1;
    }

    fn as_slice(&self) -> &[&'a [u8]] {
        if self.many.is_empty() { &self.few[..self.count] } else { &self.many }
    }
}

/// The most strings in a request, as in Redis.
const MOST: usize = i32::MAX as usize;

/// The longest string: 512 MiB, as in Redis.
const LONGEST: usize = 512 << 20;

/// The longest inline request, and the longest line with a number: 64 KiB, as in Redis.
const LONGEST_LINE: usize = 64 << 10;

/// The shortest string with its length before it: `$0\r\n\r\n`.
const SHORTEST: usize = 6;

/// The shortest line, which is no number: `$\r\n`.
const LEAST_LINE: usize = 3;

/// The byte before a string's length.
const KIND: usize = 1;

/// Bytes behind a string.
const END: usize = 2;

/// From this length on, a string that lies in several blocks is put together in memory that can be kept.
const JOINED: usize = 16 << 10;

/// The field that a request with more strings than can come is too large for.
const COUNT: &str = "count";

const BAD_COUNT: &str = "invalid multibulk length";
const BAD_LENGTH: &str = "invalid bulk length";
const LONG_COUNT: &str = "too big mbulk count string";
const LONG_LENGTH: &str = "too big bulk count string";
const LONG_INLINE: &str = "too big inline request";

/// Nearly all commands have fewer arguments.
const FEW: usize = 8;
